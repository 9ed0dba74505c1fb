//! Biases, batch norms and affine parts disappear into the layer they follow.
//!
//! Most exporters fold a batch norm into the convolution before it and nothing can recover it;
//! a bias is folded the same way, so neither is part of the canonical form. A per-channel factor
//! and shift that follow nothing they could be folded into are a batch norm of their own.

use crate::graph::{Attributes, Key, Operator};
use crate::import::canonical::work::{Operand, Readers, Static, Work};

pub(super) fn absorb(work: &mut Work) {
    let readers = work.readers();
    for node in 0..work.nodes.len() {
        if absorbs(work, &readers, node) {
            work.bypass(node, 0);
            if !work.operand(node, 0).is_data() {
                work.bypass(node, 1);
            }
        } else if is_affine(work, &readers, node) {
            become_batch_norm(work, node);
        }
    }
}

/// True when the layer that `node` reads swallows it.
fn absorbs(work: &Work, readers: &Readers, node: usize) -> bool {
    let Some(before) = data_producer(work, node) else {
        return false;
    };
    let alone = readers[before].len() <= 1 || work.is_bypassed(before);
    let folds = matches!(
        work.nodes[before].operator,
        Operator::Conv | Operator::ConvTranspose | Operator::Linear
    );
    let norm = matches!(
        work.nodes[before].operator,
        Operator::LayerNorm
            | Operator::RmsNorm
            | Operator::GroupNorm
            | Operator::InstanceNorm
            | Operator::BatchNorm
            | Operator::LpNormalize
    );
    match work.nodes[node].operator {
        Operator::BatchNorm => folds && alone,
        Operator::Add => (folds || norm) && is_per_channel(work, node),
        Operator::Mul => {
            let norm = norm && is_per_channel(work, node);
            norm || (folds && alone && is_per_channel(work, node) && added_to(work, readers, node))
        }
        _ => false,
    }
}

fn data_producer(work: &Work, node: usize) -> Option<usize> {
    match work.data_positions(node).as_slice() {
        [only] => work.producer(node, *only),
        _ => None,
    }
}

fn parameter(work: &Work, node: usize) -> Option<Static> {
    work.nodes[node]
        .operands
        .iter()
        .find_map(Operand::as_static)
        .cloned()
}

fn is_per_channel(work: &Work, node: usize) -> bool {
    parameter(work, node).is_some_and(|value| value.is_vector())
}

/// The only reader adds another per-channel parameter: a batch norm written as two operators.
fn added_to(work: &Work, readers: &Readers, node: usize) -> bool {
    match readers[node].as_slice() {
        [next] if *next != usize::MAX => {
            work.is(*next, &Operator::Add) && is_per_channel(work, *next)
        }
        _ => false,
    }
}

/// A per-channel factor followed by a per-channel shift.
fn is_affine(work: &Work, readers: &Readers, node: usize) -> bool {
    work.is(node, &Operator::Mul) && is_per_channel(work, node) && added_to(work, readers, node)
}

/// The shift behind it is then absorbed like that of any norm.
fn become_batch_norm(work: &mut Work, node: usize) {
    let operand = work
        .data_positions(node)
        .first()
        .map(|place| work.operand(node, *place));
    let node = &mut work.nodes[node];
    node.operator = Operator::BatchNorm;
    node.attributes = Attributes::default();
    node.attributes.remove(Key::Operand);
    node.operands = operand.into_iter().collect();
}
