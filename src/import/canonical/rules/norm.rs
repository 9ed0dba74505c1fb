//! Norms written out: layer norm, RMS norm and Lp normalisation from means, powers and roots;
//! group norm as instance norm over a reshaped value.

use crate::graph::{Attributes, Key, Operator, Value};
use crate::import::canonical::work::{Operand, Work};

pub(super) fn fuse(work: &mut Work) {
    for node in 0..work.nodes.len() {
        match work.nodes[node].operator {
            Operator::Div | Operator::Mul => fuse_quotient(work, node),
            Operator::InstanceNorm => regroup(work, node),
            _ => {}
        }
    }
}

/// x / sqrt(mean(x²) + ε): RMS norm, or layer norm when x is already centred.
fn fuse_quotient(work: &mut Work, node: usize) {
    if work.data_positions(node).len() != 2 {
        return;
    }
    let places: &[(usize, usize)] = if work.is(node, &Operator::Div) {
        &[(0, 1)]
    } else {
        &[(0, 1), (1, 0)]
    };
    for (value, divisor) in places {
        let Some(root) = root(work, node, *divisor) else {
            continue;
        };
        let Some(mean) = skip(work, work.producer(root, 0), &[Operator::Scale]) else {
            continue;
        };
        let Some(x) = work.edge(node, *value) else {
            continue;
        };
        if work.is(mean, &Operator::ReduceNorm) || !is_mean(work, mean) {
            continue;
        }
        let Some(square) = work.producer(mean, 0) else {
            continue;
        };
        let variance = work.is(mean, &Operator::ReduceVariance);
        if !variance && (!is_square(work, square) || unshared(work, square) != Some(x)) {
            continue;
        }
        let (operator, operand) = match centred(work, x.node as usize) {
            Some(operand) => (Operator::LayerNorm, operand),
            None if variance => continue,
            None => (Operator::RmsNorm, work.operand(node, *value)),
        };
        become_norm(work, node, operator, operand);
        return;
    }
    fuse_lp(work, node);
}

/// The square root below `position`, directly or inverted.
fn root(work: &Work, node: usize, position: usize) -> Option<usize> {
    let below = skip(work, work.producer(node, position), &[Operator::Scale])?;
    match (&work.nodes[node].operator, &work.nodes[below].operator) {
        (Operator::Div, Operator::Sqrt) | (Operator::Mul, Operator::ReciprocalSqrt) => Some(below),
        (Operator::Mul, Operator::Reciprocal) => work
            .producer(below, 0)
            .filter(|root| work.is(*root, &Operator::Sqrt)),
        _ => None,
    }
}

fn skip(work: &Work, mut node: Option<usize>, operators: &[Operator]) -> Option<usize> {
    while let Some(below) = node.filter(|node| operators.contains(&work.nodes[*node].operator)) {
        node = work.producer(below, 0);
    }
    node
}

fn is_mean(work: &Work, node: usize) -> bool {
    matches!(
        work.nodes[node].operator,
        Operator::ReduceMean | Operator::GlobalAvgPool | Operator::ReduceVariance
    )
}

fn is_square(work: &Work, node: usize) -> bool {
    work.is(node, &Operator::Pow) && work.nodes[node].attributes.int(Key::Exponent) == Some(2)
}

fn unshared(work: &Work, node: usize) -> Option<crate::graph::Edge> {
    work.edge(node, 0)
}

/// When `node` is x - mean(x), that x.
fn centred(work: &Work, node: usize) -> Option<Operand> {
    if !work.is(node, &Operator::Sub) {
        return None;
    }
    let mean = work.producer(node, 1)?;
    (is_mean(work, mean) && work.edge(mean, 0) == work.edge(node, 0)).then(|| work.operand(node, 0))
}

/// x / max(‖x‖, ε).
fn fuse_lp(work: &mut Work, node: usize) {
    if !work.is(node, &Operator::Div) {
        return;
    }
    let Some(norm) = skip(
        work,
        work.producer(node, 1),
        &[
            Operator::Clip,
            Operator::Relu,
            Operator::Scale,
            Operator::Max,
        ],
    ) else {
        return;
    };
    if work.is(norm, &Operator::ReduceNorm) && work.edge(norm, 0) == work.edge(node, 0) {
        let operand = work.operand(node, 0);
        become_norm(work, node, Operator::LpNormalize, operand);
    }
}

fn become_norm(work: &mut Work, node: usize, operator: Operator, operand: Operand) {
    let node = &mut work.nodes[node];
    node.operator = operator;
    node.operands = vec![operand];
    node.attributes = Attributes::default();
}

/// Instance norm over [batch, groups, rest] is group norm of the value before the reshape.
fn regroup(work: &mut Work, node: usize) {
    let operand = work.operand(node, 0);
    let Operand::Data(edge, Some(arriving)) = &operand else {
        return;
    };
    let produced = work.nodes[edge.node as usize].shape.clone();
    let Some(groups) = arriving.dim(1) else {
        return;
    };
    let natural = produced.as_ref().and_then(|shape| shape.dim(1));
    if arriving.rank() == 3
        && produced
            .as_ref()
            .is_some_and(|shape| shape.rank() != 3 || natural != Some(groups))
    {
        let node = &mut work.nodes[node];
        node.operator = Operator::GroupNorm;
        node.attributes.set(Key::Groups, Value::from(groups));
    }
}
