//! Graphs for tests: nodes without attributes, and the same graph under another numbering.

use super::{Attributes, Edge, Node, NodeIndex, Operator};

pub(crate) fn node(operator: Operator, inputs: &[NodeIndex]) -> Node {
    Node {
        operator,
        attributes: Attributes::default(),
        inputs: inputs.iter().copied().map(Edge::first).collect(),
        shape: None,
        flops: 0,
    }
}

/// The same graph with its nodes in another topological order, and each node's new index.
/// `choose` picks one of so many nodes whose inputs have their places.
pub(crate) fn renumbered(
    nodes: &[Node],
    mut choose: impl FnMut(usize) -> usize,
) -> (Vec<Node>, Vec<NodeIndex>) {
    let mut place: Vec<Option<NodeIndex>> = vec![None; nodes.len()];
    let mut order = Vec::new();
    while order.len() < nodes.len() {
        let ready: Vec<usize> = (0..nodes.len())
            .filter(|index| place[*index].is_none())
            .filter(|index| {
                let mut inputs = nodes[*index].inputs.iter();
                inputs.all(|edge| place[edge.node as usize].is_some())
            })
            .collect();
        let next = ready[choose(ready.len())];
        place[next] = Some(order.len() as NodeIndex);
        let mut node = nodes[next].clone();
        for edge in &mut node.inputs {
            edge.node = place[edge.node as usize].unwrap();
        }
        order.push(node);
    }
    (order, place.into_iter().flatten().collect())
}
