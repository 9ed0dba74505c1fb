//! GELU written out: x * (1 + erf(x / sqrt 2)) / 2, its tanh approximation, x * sigmoid(1.702 x).

use crate::graph::Operator;
use crate::import::canonical::work::Work;

/// How far from the product the error function or tanh may stand.
const REACH: usize = 12;

pub(super) fn fuse(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if work.is(node, &Operator::Mul) && work.data_positions(node).len() == 2 {
            fuse_product(work, node);
        }
    }
}

fn fuse_product(work: &mut Work, node: usize) {
    for (gate, other) in [(0, 1), (1, 0)] {
        let (Some(top), Some(x)) = (unscaled(work, node, gate), unscaled(work, node, other)) else {
            continue;
        };
        let squashed = matches!(work.nodes[top].operator, Operator::Erf | Operator::Tanh);
        if squashed && depends_only_on(work, top, x) {
            let operand = source(work, node, other);
            work.nodes[node].operator = Operator::Gelu;
            work.nodes[node].operands = vec![operand];
            return;
        }
    }
}

/// The node below operand `position`, scales skipped.
fn unscaled(work: &Work, node: usize, position: usize) -> Option<usize> {
    let mut below = work.producer(node, position)?;
    while work.is(below, &Operator::Scale) {
        below = work.producer(below, 0)?;
    }
    Some(below)
}

fn source(work: &Work, node: usize, position: usize) -> crate::import::canonical::work::Operand {
    let mut operand = work.operand(node, position);
    while let crate::import::canonical::work::Operand::Data(edge, _) = &operand {
        let below = edge.node as usize;
        if !work.is(below, &Operator::Scale) {
            break;
        }
        operand = work.operand(below, 0);
    }
    operand
}

/// True when everything between `top` and `x` is polynomial.
fn depends_only_on(work: &Work, top: usize, x: usize) -> bool {
    let mut open = vec![top];
    let mut seen = 0;
    while let Some(node) = open.pop() {
        seen += 1;
        if seen > REACH {
            return false;
        }
        for position in work.data_positions(node) {
            let Some(below) = work.producer(node, position) else {
                return false;
            };
            if below == x {
                continue;
            }
            let polynomial = matches!(
                work.nodes[below].operator,
                Operator::Scale | Operator::Add | Operator::Mul | Operator::Pow
            );
            if !polynomial || below < x {
                return false;
            }
            open.push(below);
        }
    }
    true
}
