//! A partition of an architecture's nodes whose parts can be put in topological order.

use super::order::Ordered;
use crate::graph::{Architecture, NodeIndex};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// For each node the motif occurrence it belongs to.
///
/// Every node belongs to exactly one; occurrences are numbered from 0 in topological order of the
/// macro graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    motif_of: Vec<u32>,
    count: usize,
}

impl Cut {
    /// The occurrence of each node, by node index.
    pub fn motif_of(&self) -> &[u32] {
        &self.motif_of
    }

    /// Number of occurrences.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The nodes of each occurrence, ascending.
    pub fn occurrences(&self) -> Vec<Vec<NodeIndex>> {
        let mut occurrences = vec![Vec::new(); self.count];
        for (node, occurrence) in (0..).zip(&self.motif_of) {
            occurrences[*occurrence as usize].push(node);
        }
        occurrences
    }

    /// The cut with these parts, which must cover every node once and be acyclic.
    pub(super) fn of_parts(
        architecture: &Architecture,
        ordered: &Ordered,
        parts: &[Vec<NodeIndex>],
    ) -> Self {
        let mut part_of = vec![0; ordered.order.len()];
        for (part, nodes) in (0u32..).zip(parts) {
            for node in nodes {
                part_of[*node as usize] = part;
            }
        }
        let number = numbering(&successors(architecture, &part_of, parts), ordered, parts);
        let motif_of = part_of.iter().map(|part| number[*part as usize]);
        Self {
            motif_of: motif_of.collect(),
            count: parts.len(),
        }
    }

    /// The cut of the canonical order into stretches that begin at these places; 0 always begins one.
    pub(super) fn of_stretches(ordered: &Ordered, begins: impl Fn(usize) -> bool) -> Self {
        let mut motif_of = vec![0; ordered.order.len()];
        let mut count = 0;
        for (place, node) in ordered.order.iter().enumerate() {
            if place == 0 || begins(place) {
                count += 1;
            }
            motif_of[*node as usize] = count - 1;
        }
        Self {
            motif_of,
            count: count as usize,
        }
    }
}

/// For each part the distinct parts that read it.
fn successors(
    architecture: &Architecture,
    part_of: &[u32],
    parts: &[Vec<NodeIndex>],
) -> Vec<Vec<u32>> {
    let mut successors = vec![Vec::new(); parts.len()];
    for (node, reader) in architecture.nodes().iter().zip(part_of) {
        for edge in &node.inputs {
            let part = part_of[edge.node as usize];
            if part != *reader {
                successors[part as usize].push(*reader);
            }
        }
    }
    for readers in &mut successors {
        readers.sort_unstable();
        readers.dedup();
    }
    successors
}

/// The number of each part in topological order; of several that may come next, the one whose
/// first node comes first.
fn numbering(successors: &[Vec<u32>], ordered: &Ordered, parts: &[Vec<NodeIndex>]) -> Vec<u32> {
    let first = |part: u32| {
        let nodes = parts[part as usize].iter();
        nodes.map(|node| ordered.position[*node as usize]).min()
    };
    let mut missing = vec![0usize; parts.len()];
    for reader in successors.iter().flatten() {
        missing[*reader as usize] += 1;
    }
    let mut ready: BinaryHeap<_> = (0..parts.len() as u32)
        .filter(|part| missing[*part as usize] == 0)
        .map(|part| Reverse((first(part), part)))
        .collect();
    let mut number = vec![0; parts.len()];
    let mut next = 0;
    while let Some(Reverse((_, part))) = ready.pop() {
        number[part as usize] = next;
        next += 1;
        for reader in &successors[part as usize] {
            missing[*reader as usize] -= 1;
            if missing[*reader as usize] == 0 {
                ready.push(Reverse((first(*reader), *reader)));
            }
        }
    }
    assert_eq!(next as usize, parts.len(), "the parts of a cut are acyclic");
    number
}
