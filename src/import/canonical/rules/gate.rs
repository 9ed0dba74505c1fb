//! Gated activations written out: hard sigmoid, SiLU, hard swish, mish, quick GELU.

use crate::graph::{Attributes, Operator};
use crate::import::canonical::work::Work;

/// relu6(x + 3) / 6 is the hard sigmoid, and so is x / 6 + 1/2, or any other slope, between 0 and 1.
pub(super) fn fuse_hard_sigmoid(work: &mut Work) {
    for node in 0..work.nodes.len() {
        let Some(line) = work.producer(node, 0) else {
            continue;
        };
        if work.is(line, &Operator::Scale) && is_hard_sigmoid(work, node, line) {
            work.nodes[node].operator = Operator::HardSigmoid;
            work.bypass(line, 0);
        }
    }
}

fn is_hard_sigmoid(work: &Work, node: usize, line: usize) -> bool {
    let (slope, shift) = work.nodes[line].scale;
    match work.nodes[node].operator {
        Operator::Relu6 => (slope, shift) == (1.0, 3.0),
        Operator::Clip => work.nodes[node].scale == (0.0, 1.0) && slope > 0.0 && shift == 0.5,
        _ => false,
    }
}

/// x * gate(x), positive factors between them ignored.
pub(super) fn fuse_gates(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if work.is(node, &Operator::Mul) && work.data_positions(node).len() == 2 {
            fuse_product(work, node);
        }
    }
}

fn fuse_product(work: &mut Work, node: usize) {
    for (gate, other) in [(0, 1), (1, 0)] {
        let Some(top) = skip_gains(work, work.producer(node, gate)) else {
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
        if swish == Operator::Silu && is_gain(work, below) && work.edge(below, 0) == x {
            become_unary(work, node, other, Operator::Gelu);
            return;
        }
    }
}

/// A complement (1 - gate) or a negation is another function, not a gain.
fn is_gain(work: &Work, node: usize) -> bool {
    let (factor, shift) = work.nodes[node].scale;
    work.is(node, &Operator::Scale) && factor > 0.0 && shift == 0.0
}

fn skip_gains(work: &Work, mut node: Option<usize>) -> Option<usize> {
    while let Some(below) = node.filter(|node| is_gain(work, *node)) {
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

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, torch};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 1x8x4x4\n{lines}")))
    }

    #[test]
    fn x_times_its_sigmoid_is_silu() {
        assert_eq!(of_x("s = Sigmoid(x)\ny = Mul(x, s)"), "silu");
        assert_eq!(of_x("s = Sigmoid(x)\ny = Mul(s, x)"), "silu");
    }

    #[test]
    fn x_times_the_sigmoid_of_another_value_is_no_silu() {
        let gated = of_x("z = input -> 1x8x4x4\ns = Sigmoid(z)\ny = Mul(x, s)");
        assert_eq!(gated, "sigmoid mul");
    }

    #[test]
    fn complements_and_negations_are_no_silu() {
        let complement = of_x("s = Sigmoid(x)\nc = Sub(1, s)\ny = Mul(x, c)");
        assert_eq!(complement, "sigmoid scale mul");
        let negated = of_x("n = Neg(x)\ns = Sigmoid(n)\ny = Mul(x, s)");
        assert_eq!(negated, "scale sigmoid mul");
    }

    #[test]
    fn a_sigmoid_that_others_read_stays_for_them() {
        let both = of_x("s = Sigmoid(x)\ny = Mul(x, s)\nr = Relu(s)\nreturn y, r");
        assert_eq!(both, "sigmoid silu relu");
    }

    #[test]
    fn quick_gelu_scales_its_gate() {
        assert_eq!(
            of_x("k = Mul(x, 1.702)\ns = Sigmoid(k)\ny = Mul(x, s)"),
            "gelu"
        );
    }

    #[test]
    fn hard_sigmoid_and_hard_swish_are_shifted_clips() {
        let gate = "a = Add(x, 3)\nc = Clip(a, 0, 6)\nd = Div(c, 6)";
        assert_eq!(of_x(gate), "hard_sigmoid");
        assert_eq!(of_x(&format!("{gate}\ny = Mul(x, d)")), "hard_swish");
        let late = "a = Add(x, 3)\nc = Clip(a, 0, 6)\nm = Mul(x, c)\ny = Div(m, 6)";
        assert_eq!(of_x(late), "hard_swish");
        assert_eq!(of_x("h = HardSigmoid(x)\ny = Mul(x, h)"), "hard_swish");
    }

    #[test]
    fn a_line_through_a_half_between_0_and_1_is_a_hard_sigmoid() {
        let line = "m = Mul(x, 0.2)\na = Add(m, 0.5)";
        let gate = format!("{line}\nc = Clip(a, 0, 1)");
        assert_eq!(of_x(&gate), "hard_sigmoid");
        assert_eq!(of_x(&format!("{line}\nc = Clip(a, 0, 2)")), "clip");
        assert_eq!(of_x(&format!("{line}\nc = Clip(a, 0)")), "relu");
        let lower = "m = Mul(x, 0.2)\na = Add(m, 0.4)\nc = Clip(a, 0, 1)";
        assert_eq!(of_x(lower), "clip");
    }

    #[test]
    fn a_clip_shifted_otherwise_is_no_hard_sigmoid() {
        assert_eq!(of_x("a = Add(x, 2)\nc = Clip(a, 0, 6)"), "relu6");
        assert_eq!(of_x("a = Add(x, 3)\nc = Clip(a, 0, 5)"), "clip");
    }

    #[test]
    fn mish_is_x_times_tanh_of_its_softplus() {
        let mish = "s = Softplus(x)\nt = Tanh(s)\ny = Mul(x, t)";
        assert_eq!(of_x(mish), "mish");
        let other = "z = input -> 1x8x4x4\ns = Softplus(z)\nt = Tanh(s)\ny = Mul(x, t)";
        assert_eq!(of_x(other), "softplus tanh mul");
    }

    #[test]
    fn torch_writes_the_same_gates() {
        let silu = torch("x = input -> 1x8\ns = sigmoid(x) -> 1x8\ny = mul(x, s) -> 1x8");
        assert_eq!(operators(&silu), "silu");
    }
}
