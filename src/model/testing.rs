//! Random graphs for the laws of encoders.

use crate::graph::testing::renumbered;
use crate::graph::{Architecture, Attributes, Edge, Key, Node, NodeIndex, Operator};
use crate::random::Random;

pub(super) fn random_nodes(seed: u64, count: usize) -> Vec<Node> {
    const OPERATORS: [Operator; 8] = [
        Operator::Conv,
        Operator::Add,
        Operator::Mul,
        Operator::Sigmoid,
        Operator::GlobalAvgPool,
        Operator::Concat,
        Operator::Attention,
        Operator::Relu,
    ];
    let mut random = Random::new(seed);
    (0..count)
        .map(|index| {
            let operator = OPERATORS[random.below(OPERATORS.len())].clone();
            let fan_in = (1 + random.below(3)).min(index);
            let inputs = (0..fan_in)
                .map(|_| Edge::first(random.below(index) as NodeIndex))
                .collect();
            Node {
                operator,
                attributes: Attributes::default()
                    .with(Key::Stride, vec![1 + random.below(2) as i64])
                    .with(Key::InChannels, 8 + random.below(3) as i64)
                    .with(Key::OutChannels, 8 + random.below(60) as i64),
                inputs,
                shape: None,
                flops: 0,
            }
        })
        .collect()
}

/// A random graph, and the same with its nodes in another order.
pub(super) fn in_two_orders(graph: u64, order: u64, count: usize) -> [Architecture; 2] {
    let nodes = random_nodes(graph, count);
    let mut random = Random::new(order);
    let (other, _) = renumbered(&nodes, |ready| random.below(ready));
    [nodes, other].map(|nodes| Architecture::new(None, 0, nodes, vec![]).unwrap())
}
