//! A topological order that follows from the structure alone.
//!
//! Nodes are coloured by what they are and by what surrounds them, and a depth-first topological
//! order takes the smallest colour first. Near surroundings count before far ones, so that equal
//! blocks are ordered alike wherever they stand. Ties are left only between nodes that look the
//! same from everywhere and read the same values.

use super::label::labels;
use crate::graph::{Architecture, NodeIndex};
use crate::random;
use std::cmp::Ordering;

/// Hops of the near colour.
const NEAR_ROUNDS: usize = 3;
/// Rounds that mix past and future, so that a node also knows its siblings' surroundings.
const FAR_ROUNDS: usize = 2;

/// An architecture's nodes, coloured and in order.
pub(super) struct Ordered {
    /// What each node is, by index.
    pub(super) labels: Vec<u64>,
    /// Readers of each node, once per edge.
    pub(super) consumers: Vec<Vec<NodeIndex>>,
    /// The nodes, first to last.
    pub(super) order: Vec<NodeIndex>,
    /// The place of each node in `order`.
    pub(super) position: Vec<u32>,
}

impl Ordered {
    pub(super) fn new(architecture: &Architecture) -> Self {
        let labels = labels(architecture);
        let consumers = architecture.consumers();
        let readers = readers(architecture);
        let near = refined(architecture, &readers, labels.clone(), NEAR_ROUNDS);
        let whole = past_and_future(architecture, &readers, &labels);
        let far = refined(architecture, &readers, whole, FAR_ROUNDS);
        let colours: Vec<[u64; 3]> = (0..labels.len())
            .map(|node| [labels[node], near[node], far[node]])
            .collect();
        let (order, position) = depth_first(architecture, &consumers, &colours);
        Self {
            labels,
            consumers,
            order,
            position,
        }
    }
}

/// A node that reads another, and at which operand; 0 where the order of operands does not matter.
type Reader = (NodeIndex, u64);

/// For each node who reads it, once per edge.
fn readers(architecture: &Architecture) -> Vec<Vec<Reader>> {
    let mut readers = vec![Vec::new(); architecture.nodes().len()];
    for (index, node) in (0..).zip(architecture.nodes()) {
        for (place, edge) in (0..).zip(&node.inputs) {
            let place = if node.operator.is_commutative() {
                0
            } else {
                place
            };
            readers[edge.node as usize].push((index, place));
        }
    }
    readers
}

/// Weisfeiler-Lehman over operands and readers.
fn refined(
    architecture: &Architecture,
    readers: &[Vec<Reader>],
    mut colours: Vec<u64>,
    rounds: usize,
) -> Vec<u64> {
    for _ in 0..rounds {
        colours = (0..colours.len())
            .map(|node| {
                let before = operands(architecture, node, &colours);
                let after = results(&readers[node], &colours);
                random::sequence(random::sequence(colours[node], before), after)
            })
            .collect();
    }
    colours
}

/// A colour that covers everything that flows into a node and everything it flows into.
fn past_and_future(
    architecture: &Architecture,
    readers: &[Vec<Reader>],
    labels: &[u64],
) -> Vec<u64> {
    let mut past = vec![0; labels.len()];
    for node in 0..labels.len() {
        past[node] = random::sequence(labels[node], operands(architecture, node, &past));
    }
    let mut future = vec![0; labels.len()];
    for node in (0..labels.len()).rev() {
        future[node] = random::sequence(labels[node], results(&readers[node], &future));
    }
    let both = past.into_iter().zip(future);
    both.map(|(past, future)| random::sequence(past, [future]))
        .collect()
}

/// Colours of a node's operands with their ports; sorted where their order does not matter.
fn operands(architecture: &Architecture, node: usize, colours: &[u64]) -> Vec<u64> {
    let node = &architecture.nodes()[node];
    let mut operands: Vec<u64> = node
        .inputs
        .iter()
        .map(|edge| colours[edge.node as usize].wrapping_add(u64::from(edge.port)))
        .collect();
    if node.operator.is_commutative() {
        operands.sort_unstable();
    }
    operands
}

/// Colours of a node's readers with the operand at which they read it, sorted.
fn results(readers: &[Reader], colours: &[u64]) -> Vec<u64> {
    let mut results: Vec<u64> = readers
        .iter()
        .map(|(reader, place)| colours[*reader as usize].wrapping_add(*place))
        .collect();
    results.sort_unstable();
    results
}

fn depth_first(
    architecture: &Architecture,
    consumers: &[Vec<NodeIndex>],
    colours: &[[u64; 3]],
) -> (Vec<NodeIndex>, Vec<u32>) {
    let nodes = architecture.nodes();
    let mut missing: Vec<usize> = nodes.iter().map(|node| node.inputs.len()).collect();
    let mut position = vec![0u32; nodes.len()];
    let mut order = Vec::with_capacity(nodes.len());
    let mut ready: Vec<NodeIndex> = (0..nodes.len() as NodeIndex)
        .filter(|node| missing[*node as usize] == 0)
        .collect();
    ready.sort_by_key(|node| std::cmp::Reverse(colours[*node as usize]));
    while let Some(node) = ready.pop() {
        position[node as usize] = order.len() as u32;
        order.push(node);
        let mut next = Vec::new();
        for reader in &consumers[node as usize] {
            missing[*reader as usize] -= 1;
            if missing[*reader as usize] == 0 {
                next.push(*reader);
            }
        }
        // The stack is popped from its end, hence the reversed comparison.
        next.sort_by(|one, other| {
            let colour = |node: &NodeIndex| colours[*node as usize];
            colour(other)
                .cmp(&colour(one))
                .then_with(|| by_operands(architecture, &position, *other, *one))
        });
        ready.extend(next);
    }
    (order, position)
}

/// Compares two nodes by where their operands stand.
fn by_operands(
    architecture: &Architecture,
    position: &[u32],
    one: NodeIndex,
    other: NodeIndex,
) -> Ordering {
    let places = |node: NodeIndex| {
        let node = &architecture.nodes()[node as usize];
        let mut places: Vec<(u32, u16)> = node
            .inputs
            .iter()
            .map(|edge| (position[edge.node as usize], edge.port))
            .collect();
        if node.operator.is_commutative() {
            places.sort_unstable();
        }
        places
    };
    places(one).cmp(&places(other))
}
