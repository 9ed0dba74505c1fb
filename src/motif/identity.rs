//! What makes two motifs the same: a hash of operators and dataflow inside, and of what comes in.
//!
//! A value from outside is a node without a past; that two operators read the same one (a shortcut)
//! is seen, what it is and where results go is not. Widths, names and numbering play no part. Values
//! from outside that are read alike count as one, so a layer that concatenates three earlier ones is
//! the layer that concatenates nine.

use crate::graph::{Architecture, Edge, Node, NodeIndex, Operator};
use crate::random;

/// Stands for a value from outside.
const OUTSIDE: u64 = 0x6f75_7473_6964_6521;
/// A node that is in no motif at the moment.
const NOWHERE: u32 = u32::MAX;

/// Hashes motifs of one architecture.
pub(super) struct Identity<'a> {
    architecture: &'a Architecture,
    labels: &'a [u64],
    /// Where each node stands in the motif at hand; `NOWHERE` between two calls.
    place: Vec<u32>,
}

impl<'a> Identity<'a> {
    pub(super) fn new(architecture: &'a Architecture, labels: &'a [u64]) -> Self {
        Self {
            architecture,
            labels,
            place: vec![NOWHERE; labels.len()],
        }
    }

    /// The hash of the motif with these nodes, which are in ascending order.
    pub(super) fn of(&mut self, nodes: &[NodeIndex]) -> u64 {
        for (place, node) in (0..).zip(nodes) {
            self.place[*node as usize] = place;
        }
        let outside = self.outside(nodes);
        let past = self.past(nodes);
        let (future, outside) = self.future(nodes, &outside);
        let inside = past.into_iter().zip(future);
        let mut colours: Vec<u64> = inside
            .map(|(past, future)| random::sequence(past, [future]))
            .collect();
        colours.extend(outside);
        colours.sort_unstable();
        for node in nodes {
            self.place[*node as usize] = NOWHERE;
        }
        random::sequence(nodes.len() as u64, colours)
    }

    /// The values that come in, sorted and distinct.
    fn outside(&self, nodes: &[NodeIndex]) -> Vec<Edge> {
        let mut outside: Vec<Edge> = nodes
            .iter()
            .flat_map(|node| &self.architecture.nodes()[*node as usize].inputs)
            .filter(|edge| self.place[edge.node as usize] == NOWHERE)
            .copied()
            .collect();
        outside.sort_unstable();
        outside.dedup();
        outside
    }

    fn past(&self, nodes: &[NodeIndex]) -> Vec<u64> {
        let mut past = Vec::with_capacity(nodes.len());
        for index in nodes {
            let node = &self.architecture.nodes()[*index as usize];
            let mut operands: Vec<u64> = node
                .inputs
                .iter()
                .map(|edge| match self.place[edge.node as usize] {
                    NOWHERE => OUTSIDE,
                    place => random::sequence(past[place as usize], [u64::from(edge.port)]),
                })
                .collect();
            match node.operator {
                Operator::Concat => operands.dedup(),
                _ if node.operator.is_commutative() => operands.sort_unstable(),
                _ => {}
            }
            past.push(random::sequence(self.labels[*index as usize], operands));
        }
        past
    }

    /// What nodes, and values from outside, flow into.
    fn future(&self, nodes: &[NodeIndex], outside: &[Edge]) -> (Vec<u64>, Vec<u64>) {
        let mut readers = vec![Vec::new(); nodes.len()];
        let mut outside_readers = vec![Vec::new(); outside.len()];
        let mut future = vec![0; nodes.len()];
        for (place, index) in nodes.iter().enumerate().rev() {
            let node = &self.architecture.nodes()[*index as usize];
            future[place] = combined(self.labels[*index as usize], &mut readers[place]);
            for (operand, edge) in (0u64..).zip(&node.inputs) {
                let operand = if has_places(node) { operand } else { 0 };
                let reader = random::sequence(future[place], [operand]);
                match self.place[edge.node as usize] {
                    NOWHERE => outside_readers[position(outside, *edge)].push(reader),
                    place => readers[place as usize].push(reader),
                }
            }
        }
        let outside_readers = outside_readers.iter_mut();
        let outside = outside_readers.map(|readers| combined(OUTSIDE, readers));
        let mut outside: Vec<u64> = outside.collect();
        outside.sort_unstable();
        outside.dedup();
        (future, outside)
    }
}

/// Whether it matters at which operand a value is read. For a concatenation the order of what lies
/// inside is part of its past, and how much comes from outside is not to matter.
fn has_places(node: &Node) -> bool {
    !node.operator.is_commutative() && node.operator != Operator::Concat
}

fn combined(label: u64, readers: &mut [u64]) -> u64 {
    readers.sort_unstable();
    random::sequence(label, readers.iter().copied())
}

fn position(outside: &[Edge], edge: Edge) -> usize {
    outside
        .binary_search(&edge)
        .expect("every value from outside was listed")
}
