//! How many parts a growing set of nodes has, where no edge joins two parts (union-find).

use crate::graph::{Architecture, NodeIndex};

/// A set of nodes of one architecture that only grows, until it is begun anew.
pub(super) struct Parts<'a> {
    architecture: &'a Architecture,
    /// Another node of the same part; the node itself where it stands for its part.
    parent: Vec<NodeIndex>,
    /// The set that each node was last added to.
    set: Vec<u32>,
    sets: u32,
    count: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn new(architecture: &'a Architecture) -> Self {
        let nodes = architecture.nodes().len();
        Self {
            architecture,
            parent: (0..nodes as NodeIndex).collect(),
            set: vec![0; nodes],
            sets: 0,
            count: 0,
        }
    }

    /// Number of parts.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Begins an empty set.
    pub(super) fn clear(&mut self) {
        self.sets += 1;
        self.count = 0;
    }

    /// Adds nodes, operands before their readers.
    pub(super) fn add(&mut self, nodes: &[NodeIndex]) {
        for node in nodes {
            self.set[*node as usize] = self.sets;
            self.parent[*node as usize] = *node;
            self.count += 1;
            for edge in &self.architecture.nodes()[*node as usize].inputs {
                if self.set[edge.node as usize] == self.sets {
                    self.join(edge.node, *node);
                }
            }
        }
    }

    fn join(&mut self, one: NodeIndex, other: NodeIndex) {
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.parent[other as usize] = one;
            self.count -= 1;
        }
    }

    /// The node that stands for the part of `node`; the way there is halved for the next time.
    fn root(&mut self, mut node: NodeIndex) -> NodeIndex {
        while self.parent[node as usize] != node {
            let above = self.parent[node as usize];
            self.parent[node as usize] = self.parent[above as usize];
            node = above;
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attributes, Edge, Node, Operator};

    #[test]
    fn parts_are_joined_by_the_first_node_that_reads_both() {
        let node = |inputs: &[NodeIndex]| Node {
            operator: Operator::Add,
            attributes: Attributes::default(),
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        };
        let nodes = vec![node(&[]), node(&[]), node(&[0]), node(&[2, 1])];
        let architecture = Architecture::new(None, 0, nodes, vec![]).unwrap();
        let mut parts = Parts::new(&architecture);
        parts.clear();
        parts.add(&[0, 1, 2]);
        assert_eq!(parts.count(), 2);
        parts.add(&[3]);
        assert_eq!(parts.count(), 1);
        parts.clear();
        parts.add(&[2, 1]);
        assert_eq!(parts.count(), 2);
    }
}
