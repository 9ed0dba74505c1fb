//! GELU written out: x * (1 + erf(x / sqrt 2)) / 2, its tanh approximation, x * sigmoid(1.702 x).

use crate::graph::Operator;
use crate::import::canonical::work::{Operand, Work};

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
        let squashed = matches!(work.nodes[top].operator, Operator::Erf | Operator::Tanh)
            && is_shifted(work, node, gate);
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

/// Without the 1 that is added it is another function, such as x tanh(x).
fn is_shifted(work: &Work, node: usize, position: usize) -> bool {
    let mut below = work.producer(node, position);
    while let Some(scale) = below.filter(|below| work.is(*below, &Operator::Scale)) {
        if work.nodes[scale].scale.1 != 0.0 {
            return true;
        }
        below = work.producer(scale, 0);
    }
    false
}

fn source(work: &Work, node: usize, position: usize) -> Operand {
    let mut operand = work.operand(node, position);
    while let Operand::Data(edge, _) = &operand {
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

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 1x16x8\n{lines}")))
    }

    #[test]
    fn the_error_function_form_is_gelu_wherever_the_half_stands() {
        let half_first =
            "d = Div(x, 1.4142135)\ne = Erf(d)\na = Add(e, 1)\nh = Mul(x, 0.5)\ny = Mul(h, a)";
        assert_eq!(of_x(half_first), "gelu");
        let half_last =
            "d = Div(x, 1.4142135)\ne = Erf(d)\na = Add(e, 1)\nm = Mul(x, a)\ny = Mul(m, 0.5)";
        assert_eq!(of_x(half_last), "gelu");
        let half_within =
            "d = Mul(x, 0.70710677)\ne = Erf(d)\na = Add(1, e)\nh = Mul(a, 0.5)\ny = Mul(h, x)";
        assert_eq!(of_x(half_within), "gelu");
    }

    #[test]
    fn the_tanh_approximation_is_gelu() {
        let cubed = "p = Pow(x, 3)\nk = Mul(p, 0.044715)\ns = Add(x, k)\nm = Mul(s, 0.7978845)";
        let rest = "t = Tanh(m)\na = Add(t, 1)\nh = Mul(x, 0.5)\ny = Mul(h, a)";
        assert_eq!(of_x(&format!("{cubed}\n{rest}")), "gelu");
    }

    #[test]
    fn the_gate_of_another_value_is_no_gelu() {
        let other =
            "z = input -> 1x16x8\nd = Div(z, 1.4142135)\ne = Erf(d)\na = Add(e, 1)\ny = Mul(x, a)";
        assert_eq!(of_x(other), "erf mul");
    }

    #[test]
    fn x_times_its_tanh_or_error_function_is_no_gelu() {
        assert_eq!(of_x("t = Tanh(x)\ny = Mul(x, t)"), "tanh mul");
        assert_eq!(of_x("e = Erf(x)\ny = Mul(x, e)"), "erf mul");
    }

    #[test]
    fn a_gate_that_is_no_polynomial_of_x_is_no_gelu() {
        let exponential = "e = Exp(x)\nt = Tanh(e)\na = Add(t, 1)\ny = Mul(x, a)";
        assert_eq!(of_x(exponential), "exp tanh mul");
    }
}
