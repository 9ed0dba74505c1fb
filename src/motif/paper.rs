//! The splitter of Neural Architecture Retrieval (Pei et al., ICLR 2024), section 3.2.
//!
//! Each node gets a code from the relative positions of its operands, refined so that its receptive
//! field grows; operator types play no part. The frequency of each pair of successive codes is
//! taken along the topological order, and the order is cut where that frequency changes by more
//! than its most common change. The paper leaves the order open; here it is the canonical one.

use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::{Architecture, NodeIndex};
use crate::random;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Hops that a code sees beyond a node's own operands.
const ROUNDS: usize = 1;

/// Cuts where the frequency of pairs of neighbourhood codes changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paper;

impl Splitter for Paper {
    fn name(&self) -> &'static str {
        "paper"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let ordered = Ordered::new(architecture);
        let changes = changes(&pair_frequencies(&codes(architecture, &ordered)));
        let threshold = most_common(&changes);
        // Pair i joins places i and i + 1, so the change from pair i - 1 to pair i is at place i.
        Cut::of_stretches(&ordered, |place| {
            changes
                .get(place - 1)
                .is_some_and(|change| *change > threshold)
        })
    }
}

/// The code of each place of the order.
fn codes(architecture: &Architecture, ordered: &Ordered) -> Vec<u64> {
    let mut codes = vec![0; ordered.order.len()];
    for _ in 0..=ROUNDS {
        codes = (0..codes.len())
            .map(|place| code(architecture, ordered, &codes, place))
            .collect();
    }
    codes
}

fn code(architecture: &Architecture, ordered: &Ordered, codes: &[u64], place: usize) -> u64 {
    let position = |node: NodeIndex| ordered.position[node as usize] as usize;
    let node = &architecture.nodes()[ordered.order[place] as usize];
    let mut operands: Vec<(usize, u64)> = node
        .inputs
        .iter()
        .map(|edge| (place - position(edge.node), codes[position(edge.node)]))
        .collect();
    operands.sort_unstable();
    operands.dedup();
    let parts = operands
        .into_iter()
        .flat_map(|(distance, code)| [distance as u64, code]);
    random::sequence(0, parts)
}

/// How often the pair of codes at each place occurs.
fn pair_frequencies(codes: &[u64]) -> Vec<usize> {
    let mut counts = BTreeMap::<(u64, u64), usize>::new();
    for pair in codes.windows(2) {
        *counts.entry((pair[0], pair[1])).or_default() += 1;
    }
    let pairs = codes.windows(2);
    pairs.map(|pair| counts[&(pair[0], pair[1])]).collect()
}

fn changes(frequencies: &[usize]) -> Vec<usize> {
    let pairs = frequencies.windows(2);
    pairs.map(|pair| pair[0].abs_diff(pair[1])).collect()
}

/// The most common change that is one; the smallest of several, 0 when nothing changes.
fn most_common(changes: &[usize]) -> usize {
    let mut counts = BTreeMap::<usize, usize>::new();
    for change in changes.iter().filter(|change| **change > 0) {
        *counts.entry(*change).or_default() += 1;
    }
    let most = counts
        .into_iter()
        .max_by_key(|(change, count)| (*count, Reverse(*change)));
    most.map_or(0, |(change, _)| change)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_is_the_most_common_change_that_is_one() {
        assert_eq!(most_common(&[0, 0, 0, 5, 2, 2]), 2);
        assert_eq!(most_common(&[3, 1]), 1);
        assert_eq!(most_common(&[0]), 0);
    }

    #[test]
    fn pairs_are_counted_along_the_whole_order() {
        assert_eq!(pair_frequencies(&[1, 2, 1, 2, 3]), [2, 1, 2, 1]);
    }
}
