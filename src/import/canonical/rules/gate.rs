//! Gated activations written out: hard sigmoid, SiLU, hard swish, mish, quick GELU.

use crate::graph::{Attributes, Operator};
use crate::import::canonical::work::Work;

/// relu6(x + 3) / 6 is the hard sigmoid. The shift and the division are scales around it.
pub(super) fn fuse_hard_sigmoid(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if !matches!(work.nodes[node].operator, Operator::Relu6) {
            continue;
        }
        let Some(shift) = work.producer(node, 0) else {
            continue;
        };
        if work.is(shift, &Operator::Scale) && work.nodes[shift].scale == (1.0, 3.0) {
            work.nodes[node].operator = Operator::HardSigmoid;
            work.bypass(shift, 0);
        }
    }
}

/// x * gate(x), scales between them ignored.
pub(super) fn fuse_gates(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if work.is(node, &Operator::Mul) && work.data_positions(node).len() == 2 {
            fuse_product(work, node);
        }
    }
}

fn fuse_product(work: &mut Work, node: usize) {
    for (gate, other) in [(0, 1), (1, 0)] {
        let Some(top) = skip_scales(work, work.producer(node, gate)) else {
            continue;
        };
        let x = work.edge(node, other);
        let swish = match work.nodes[top].operator {
            Operator::Sigmoid => Operator::Silu,
            Operator::HardSigmoid => Operator::HardSwish,
            Operator::Tanh => match work.producer(top, 0) {
                Some(below) if work.is(below, &Operator::Softplus) && work.edge(below, 0) == x => {
                    become_unary(work, node, other, Operator::Mish);
                    return;
                }
                _ => continue,
            },
            _ => continue,
        };
        let Some(below) = work.producer(top, 0) else {
            continue;
        };
        if work.edge(top, 0) == x {
            become_unary(work, node, other, swish);
            return;
        }
        if swish == Operator::Silu && work.is(below, &Operator::Scale) && work.edge(below, 0) == x {
            become_unary(work, node, other, Operator::Gelu);
            return;
        }
    }
}

fn skip_scales(work: &Work, mut node: Option<usize>) -> Option<usize> {
    while let Some(below) = node.filter(|node| work.is(*node, &Operator::Scale)) {
        node = work.producer(below, 0);
    }
    node
}

fn become_unary(work: &mut Work, node: usize, position: usize, operator: Operator) {
    let operand = work.operand(node, position);
    let node = &mut work.nodes[node];
    node.operator = operator;
    node.operands = vec![operand];
    node.attributes = Attributes::default();
}
