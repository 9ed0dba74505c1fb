//! Chains of random edits of real graphs: the more edits, the less similar.

use super::Labelled;
use super::protocol::{Outcome, QueryResult, Ranker, collected, spearman};
use crate::graph::{
    Architecture, Digest, Edge, Key, Node, NodeIndex, Operator, OperatorGroup, Value,
};
use crate::random::{self, Random};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Edits after which a chain is looked at.
pub const LINKS: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// The graphs of one chain, the edits of each among those of the next; shorter than [`LINKS`] when
/// a graph has nothing left to edit.
pub fn chain(entry: &Labelled, seed: u64) -> Vec<Labelled> {
    let mut random = Random::new(random::sequence(seed, [random::text(&entry.id)]));
    let mut links = Vec::new();
    let mut edited = entry.architecture.clone();
    let mut seen = BTreeSet::from([entry.digest]);
    let mut edits = 0;
    for link in LINKS {
        while edits < link {
            let Some(next) = edit(&edited, &seen, &mut random) else {
                return links;
            };
            edited = next;
            seen.insert(edited.digests().exact);
            edits += 1;
        }
        let digests = edited.digests();
        links.push(Labelled {
            id: format!("{}+{link}", entry.id),
            digest: digests.exact,
            coarse_digest: digests.coarse,
            architecture: edited.clone(),
            ..entry.clone()
        });
    }
    links
}

/// One random edit that leads to a graph the chain has not `seen`: another activation or window, an
/// operator less or once more. None when many tries find nothing to change.
fn edit(
    architecture: &Architecture,
    seen: &BTreeSet<Digest>,
    random: &mut Random,
) -> Option<Architecture> {
    const TRIES: usize = 200;
    (0..TRIES).find_map(|_| {
        let place = random.below(architecture.nodes().len());
        let edited = match random.below(4) {
            0 => with_other_activation(architecture, place, random),
            1 => with_other_window(architecture, place),
            2 => without(architecture, place),
            _ => with_twice(architecture, place),
        }?;
        (!seen.contains(&edited.digests().exact)).then_some(edited)
    })
}

fn with_other_activation(
    architecture: &Architecture,
    place: usize,
    random: &mut Random,
) -> Option<Architecture> {
    const CHOICE: [Operator; 6] = [
        Operator::Relu,
        Operator::Gelu,
        Operator::Silu,
        Operator::Tanh,
        Operator::Sigmoid,
        Operator::LeakyRelu,
    ];
    let mut nodes = architecture.nodes().to_vec();
    let node = nodes.get_mut(place)?;
    if !CHOICE.contains(&node.operator) {
        return None;
    }
    node.operator = CHOICE[random.below(CHOICE.len())].clone();
    rebuilt(architecture, nodes, |edge| edge)
}

/// Two more in each direction, or two less where it is five or more.
fn with_other_window(architecture: &Architecture, place: usize) -> Option<Architecture> {
    let mut nodes = architecture.nodes().to_vec();
    let node = nodes.get_mut(place)?;
    let Some(Value::Ints(window)) = node.attributes.get(Key::Kernel) else {
        return None;
    };
    let other: Vec<i64> = window
        .iter()
        .map(|side| if *side >= 5 { side - 2 } else { side + 2 })
        .collect();
    node.attributes.set(Key::Kernel, other);
    rebuilt(architecture, nodes, |edge| edge)
}

/// The readers of an operator read its first operand in its place.
fn without(architecture: &Architecture, place: usize) -> Option<Architecture> {
    let mut nodes = architecture.nodes().to_vec();
    let source = nodes.remove(place).inputs.first().copied()?;
    let gone = place as NodeIndex;
    let moved = |edge: Edge| {
        let edge = if edge.node == gone { source } else { edge };
        let node = edge.node - NodeIndex::from(edge.node > gone);
        Edge { node, ..edge }
    };
    redirect(&mut nodes, moved);
    rebuilt(architecture, nodes, moved)
}

/// A second operator of the same kind behind the first, for all of its readers.
fn with_twice(architecture: &Architecture, place: usize) -> Option<Architecture> {
    let mut nodes = architecture.nodes().to_vec();
    let mut again = nodes.get(place)?.clone();
    if again.inputs.len() != 1 || again.operator.group() == OperatorGroup::Movement {
        return None;
    }
    let first = place as NodeIndex;
    // Readers of the first, and all that lies behind it, move by one.
    let moved = |edge: Edge| Edge {
        node: edge.node + NodeIndex::from(edge.node >= first),
        ..edge
    };
    redirect(&mut nodes, moved);
    again.inputs = vec![Edge::first(first)];
    nodes.insert(place + 1, again);
    rebuilt(architecture, nodes, moved)
}

fn redirect(nodes: &mut [Node], moved: impl Fn(Edge) -> Edge) {
    for edge in nodes.iter_mut().flat_map(|node| &mut node.inputs) {
        *edge = moved(*edge);
    }
}

fn rebuilt(
    architecture: &Architecture,
    nodes: Vec<Node>,
    moved: impl Fn(Edge) -> Edge,
) -> Option<Architecture> {
    let outputs = architecture.outputs().iter().map(|edge| moved(*edge));
    Architecture::new(None, architecture.parameters, nodes, outputs.collect()).ok()
}

/// Name of the metric that holds the similarity after so many edits.
pub fn similarity_after(edits: usize) -> String {
    format!("similarity after {edits}")
}

/// Asks each graph for its own chain: `chains` holds the place of a graph in the ranker's entries
/// and the places of its links, in their order. Metrics are the rank correlation of similarity
/// with the number of edits, turned so that 1 is best, the share of links less similar than the
/// link before, and the similarities themselves.
pub fn evaluate(
    entries: &[Labelled],
    chains: &[(usize, Vec<usize>)],
    ranker: &dyn Ranker,
) -> Outcome {
    let results = chains.par_iter().map(|(base, links)| {
        let own = ranker.scores(*base, &[*base]);
        let start = own.first().copied().map_or(0.0, f64::from);
        let similarities = ranker.scores(*base, links);
        let similarities: Vec<f64> = similarities.into_iter().map(f64::from).collect();
        let pairs: Vec<(f64, f64)> = similarities
            .iter()
            .zip(LINKS)
            .map(|(similarity, edits)| (*similarity, -(edits as f64)))
            .collect();
        let steps = std::iter::once(&start)
            .chain(&similarities)
            .zip(&similarities);
        let falling = steps.filter(|(before, after)| after < before).count();
        let mut metrics = BTreeMap::from([
            ("spearman".to_owned(), spearman(&pairs)?),
            (
                "falling".to_owned(),
                falling as f64 / links.len().max(1) as f64,
            ),
        ]);
        let after = LINKS.into_iter().map(similarity_after);
        metrics.extend(after.zip(similarities));
        Some(QueryResult {
            id: entries[*base].id.clone(),
            family: entries[*base].family.clone(),
            kind: entries[*base].kind,
            metrics,
        })
    });
    collected(results.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::{Fixed, zoo};

    #[test]
    fn a_chain_is_the_same_each_time_and_every_link_is_another_graph() {
        for entry in zoo(12, 3) {
            let links = chain(&entry, 3);
            assert_eq!(links, chain(&entry, 3));
            let digests: BTreeSet<_> = links.iter().map(|link| link.digest).collect();
            assert_eq!(digests.len(), links.len());
            assert!(!digests.contains(&entry.digest));
        }
    }

    #[test]
    fn an_operator_less_joins_what_was_around_it() {
        let entry = &zoo(1, 1)[0];
        let shorter = without(&entry.architecture, 2).unwrap();
        assert_eq!(shorter.nodes().len() + 1, entry.architecture.nodes().len());
        assert_eq!(shorter.nodes()[2].inputs[0].node, 1);
        let longer = with_twice(&entry.architecture, 2).unwrap();
        assert_eq!(longer.nodes()[2].operator, longer.nodes()[3].operator);
        assert_eq!(longer.nodes()[3].inputs, [Edge::first(2)]);
        assert_eq!(longer.nodes()[4].inputs[0].node, 3);
    }

    #[test]
    fn falling_similarity_earns_one_and_a_rise_costs() {
        let entries = zoo(1, 5);
        let chains = [(0, vec![1, 2, 3, 4])];
        let metrics = |scores: [f32; 5]| {
            let outcome = evaluate(&entries, &chains, &Fixed(scores.to_vec()));
            let metrics = &outcome.queries[0].metrics;
            (metrics["spearman"], metrics["falling"])
        };
        let (spearman, falling) = metrics([1.0, 0.9, 0.8, 0.7, 0.6]);
        assert!((spearman - 1.0).abs() < 1e-9);
        assert!((falling - 1.0).abs() < 1e-9);
        let (spearman, falling) = metrics([1.0, 0.9, 0.8, 0.85, 0.6]);
        assert!(spearman < 1.0);
        assert!((falling - 0.75).abs() < 1e-9);
    }
}
