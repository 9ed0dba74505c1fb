//! Baseline: equally many motifs for every architecture, cut from the canonical order.

use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::Architecture;

/// Cuts the canonical order into a given number of stretches, as equal as can be.
#[derive(Clone, Copy, Debug)]
pub struct ByCount {
    /// Motifs of an architecture; one that has fewer nodes has one a node.
    pub motifs: usize,
}

impl Default for ByCount {
    fn default() -> Self {
        Self { motifs: 16 }
    }
}

impl Splitter for ByCount {
    fn name(&self) -> &'static str {
        "by count"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let nodes = architecture.nodes().len();
        let motifs = self.motifs.clamp(1, nodes);
        let stretch = |place: usize| place * motifs / nodes;
        Cut::of_stretches(&Ordered::new(architecture), |place| {
            stretch(place) != stretch(place - 1)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attributes, Edge, Node, NodeIndex, Operator};

    fn chain(nodes: NodeIndex) -> Architecture {
        let node = |index: NodeIndex| Node {
            operator: Operator::Relu,
            attributes: Attributes::default(),
            inputs: index.checked_sub(1).map(Edge::first).into_iter().collect(),
            shape: None,
            flops: 0,
        };
        Architecture::new(None, 0, (0..nodes).map(node).collect(), vec![]).unwrap()
    }

    #[test]
    fn every_architecture_has_the_same_number_of_motifs_unless_it_is_too_small() {
        let count = |nodes| ByCount { motifs: 16 }.split(&chain(nodes)).count();
        assert_eq!(
            [count(3), count(16), count(17), count(1_000)],
            [3, 16, 16, 16]
        );
    }
}
