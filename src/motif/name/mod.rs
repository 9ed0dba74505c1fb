//! Names for people: the operators of a motif in topological order and, where rules of `block`
//! recognise it, the name that the literature has for it.
//!
//! A name only describes; whether two motifs are the same is for their hashes to say.

mod block;
mod term;

use super::order::Ordered;
use crate::graph::{Architecture, Edge, Node, NodeIndex, Operator};
use std::collections::BTreeMap;

/// Terms of the longest operator string; what is left is counted.
const TERMS: usize = 14;

/// The name of the motif with these nodes, ascending.
pub(super) fn name(architecture: &Architecture, nodes: &[NodeIndex]) -> String {
    let inside = Inside::new(architecture, nodes);
    let operators = operators(&inside);
    match block::block(&inside) {
        Some(block) => format!("{block}: {operators}"),
        None => operators,
    }
}

/// A motif as an architecture of its own, in canonical order; values from outside come first.
struct Inside {
    graph: Architecture,
    ordered: Ordered,
    outside: usize,
}

impl Inside {
    fn new(architecture: &Architecture, nodes: &[NodeIndex]) -> Self {
        let mut place = BTreeMap::new();
        let mut inside = Vec::new();
        for edge in nodes.iter().flat_map(|node| inputs(architecture, *node)) {
            if nodes.binary_search(&edge.node).is_err() && !place.contains_key(edge) {
                place.insert(*edge, inside.len() as NodeIndex);
                inside.push(outside_value());
            }
        }
        let outside = inside.len();
        let inner = |node: &NodeIndex| nodes.binary_search(node).map(|at| (outside + at) as u32);
        for index in nodes {
            let mut node = architecture.nodes()[*index as usize].clone();
            for edge in &mut node.inputs {
                *edge = match inner(&edge.node) {
                    Ok(node) => Edge { node, ..*edge },
                    Err(_) => Edge::first(place[edge]),
                };
            }
            inside.push(node);
        }
        let graph = Architecture::new(None, 0, inside, Vec::new())
            .expect("part of an architecture is one, its operands from outside put first");
        Self {
            ordered: Ordered::new(&graph),
            graph,
            outside,
        }
    }

    fn node(&self, index: NodeIndex) -> &Node {
        &self.graph.nodes()[index as usize]
    }

    /// The motif's own nodes, in canonical order.
    fn own(&self) -> impl Iterator<Item = (NodeIndex, &Node)> {
        let order = self.ordered.order.iter().copied();
        order
            .filter(|index| !self.is_outside(*index))
            .map(|index| (index, self.node(index)))
    }

    fn is_outside(&self, index: NodeIndex) -> bool {
        (index as usize) < self.outside
    }

    fn readers(&self, index: NodeIndex) -> &[NodeIndex] {
        &self.ordered.consumers[index as usize]
    }

    /// Whether `node` adds a value from outside that something else here reads too.
    fn is_shortcut(&self, node: &Node) -> bool {
        node.operator == Operator::Add
            && node
                .inputs
                .iter()
                .any(|edge| self.is_outside(edge.node) && self.readers(edge.node).len() > 1)
    }
}

fn inputs(architecture: &Architecture, node: NodeIndex) -> &[Edge] {
    &architecture.nodes()[node as usize].inputs
}

fn outside_value() -> Node {
    Node {
        operator: Operator::Input,
        attributes: Default::default(),
        inputs: Vec::new(),
        shape: None,
        flops: 0,
    }
}

/// The operators in order, such as `conv1x1·relu·conv3x3·relu·conv1x1·+skip`.
fn operators(inside: &Inside) -> String {
    let mut terms: Vec<(String, usize)> = Vec::new();
    for (_, node) in inside.own() {
        let term = match inside.is_shortcut(node) {
            true => "+skip".to_owned(),
            false => term::term(node),
        };
        match terms.last_mut() {
            Some((last, times)) if *last == term => *times += 1,
            _ => terms.push((term, 1)),
        }
    }
    let shown = terms.iter().take(TERMS);
    let shown = shown.map(|(term, times)| match times {
        1 => term.clone(),
        _ => format!("{term}×{times}"),
    });
    let text = shown.collect::<Vec<_>>().join("·");
    let left: usize = terms.iter().skip(TERMS).map(|(_, times)| times).sum();
    match left {
        0 => text,
        _ => format!("{text}·… {left} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Key;
    use crate::graph::testing::node;

    fn conv(side: i64, inputs: &[NodeIndex]) -> Node {
        let mut node = node(Operator::Conv, inputs);
        node.attributes.set(Key::Kernel, vec![side, side]);
        node
    }

    /// The name of everything after the first `outside` nodes.
    fn named(outside: NodeIndex, nodes: Vec<Node>) -> String {
        let inside: Vec<NodeIndex> = (outside..nodes.len() as NodeIndex).collect();
        name(&Architecture::new(None, 0, nodes, vec![]).unwrap(), &inside)
    }

    #[test]
    fn a_bottleneck_is_called_one_with_its_operators_beside_it() {
        use Operator::{Add, Input, Relu};
        let name = named(
            1,
            vec![
                node(Input, &[]),
                conv(1, &[0]),
                node(Relu, &[1]),
                conv(3, &[2]),
                node(Relu, &[3]),
                conv(1, &[4]),
                node(Add, &[5, 0]),
            ],
        );
        assert_eq!(
            name,
            "bottleneck residual block: conv1x1·relu·conv3x3·relu·conv1x1·+skip"
        );
    }

    #[test]
    fn attention_to_another_value_is_cross_attention() {
        use Operator::{Attention, Input, Linear};
        let attention = |memory: NodeIndex| {
            named(
                2,
                vec![
                    node(Input, &[]),
                    node(Input, &[]),
                    node(Linear, &[0]),
                    node(Linear, &[memory]),
                    node(Linear, &[memory]),
                    node(Attention, &[2, 3, 4]),
                ],
            )
        };
        assert_eq!(attention(0), "self-attention block: linear×3·attention");
        assert_eq!(attention(1), "cross-attention block: linear×3·attention");
    }

    #[test]
    fn what_no_rule_recognises_is_its_operators_and_long_ones_are_cut_short() {
        let mut nodes = vec![node(Operator::Input, &[])];
        for index in 0..40 {
            let operator = [Operator::Exp, Operator::Abs][index % 2].clone();
            nodes.push(node(operator, &[index as NodeIndex]));
        }
        let name = named(1, nodes);
        assert!(name.starts_with("exp·abs·exp"), "{name}");
        assert!(name.ends_with("·… 26 more"), "{name}");
    }

    #[test]
    fn kernel_stride_and_grouping_are_shown() {
        let mut conv = conv(3, &[0]);
        conv.attributes.set(Key::Stride, vec![2, 2]);
        conv.attributes.set(Key::Grouping, "depthwise");
        let name = named(1, vec![node(Operator::Input, &[]), conv]);
        assert_eq!(name, "dwconv3x3/2");
    }
}
