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
        // What turns integers back into numbers.
        Operator::Scale => folds && alone && is_quantised(work, before),
        Operator::Add => (folds || norm) && is_per_channel(work, node),
        Operator::Mul => {
            let norm = norm && is_per_channel(work, node);
            let dequantises = is_quantised(work, before) || added_to(work, readers, node);
            norm || (folds && alone && is_per_channel(work, node) && dequantises)
        }
        _ => false,
    }
}

fn is_quantised(work: &Work, node: usize) -> bool {
    work.nodes[node].attributes.get(Key::Quantised).is_some()
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

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, torch};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 1x8x6x6\n{lines}")))
    }

    const CONV: &str = "c = Conv(x, w:4x8x3x3, w:4)";

    #[test]
    fn a_batch_norm_after_a_convolution_vanishes() {
        let norm = "y = BatchNormalization(c, w:4, w:4, w:4, w:4)";
        assert_eq!(of_x(&format!("{CONV}\n{norm}")), "conv");
        assert_eq!(
            of_x(&format!("c = ConvTranspose(x, w:8x4x2x2)\n{norm}")),
            "conv_transpose"
        );
        let traced = "x = input -> 1x8x6x6
            c = conv2d(x, w:4x8x3x3, none, [1, 1], [0, 0], [1, 1], 1) -> 1x4x4x4
            y = batch_norm(c, w:4, w:4, w:4, w:4) -> 1x4x4x4";
        assert_eq!(operators(&torch(traced)), "conv");
    }

    #[test]
    fn written_as_factor_and_shift_it_vanishes_too() {
        let opened = format!("{CONV}\nm = Mul(c, w:1x4x1x1)\ny = Add(m, w:1x4x1x1)");
        assert_eq!(of_x(&opened), "conv");
    }

    #[test]
    fn after_a_convolution_with_two_readers_it_stays() {
        let norm = "n = BatchNormalization(c, w:4, w:4, w:4, w:4)\nr = Relu(c)\ny = Add(n, r)";
        assert_eq!(of_x(&format!("{CONV}\n{norm}")), "conv batch_norm relu add");
    }

    #[test]
    fn elsewhere_it_stays() {
        assert_eq!(
            of_x("y = BatchNormalization(x, w:8, w:8, w:8, w:8)"),
            "batch_norm"
        );
        let after = format!("{CONV}\nr = Relu(c)\ny = BatchNormalization(r, w:4, w:4, w:4, w:4)");
        assert_eq!(of_x(&after), "conv relu batch_norm");
    }

    #[test]
    fn a_factor_and_a_shift_that_follow_nothing_are_a_batch_norm() {
        let opened = "r = Relu(x)\nm = Mul(r, w:1x8x1x1)\ny = Add(m, w:1x8x1x1)";
        assert_eq!(of_x(opened), "relu batch_norm");
        let kept = "r = Relu(x)\ny = BatchNormalization(r, w:8, w:8, w:8, w:8)";
        let digests = |lines| onnx(&format!("x = input -> 1x8x6x6\n{lines}")).digests();
        assert_eq!(digests(opened), digests(kept));
    }

    #[test]
    fn a_factor_without_a_shift_is_a_learned_gain() {
        assert_eq!(of_x(&format!("{CONV}\ny = Mul(c, w:1x4x1x1)")), "conv mul");
    }

    #[test]
    fn a_shift_by_another_layer_is_a_sum() {
        let gain = format!("{CONV}\nm = Mul(c, w:1x4x1x1)\nd = Conv(x, w:4x8x3x3)\ny = Add(m, d)");
        assert_eq!(of_x(&gain), "conv mul conv add");
    }

    #[test]
    fn a_bias_vanishes() {
        let text = "x = input -> 1x16x8\nm = MatMul(x, w:8x4)\ny = Add(w:4, m)";
        let whole = "x = input -> 1x16x8\ny = linear(x, w:4x8, w:4) -> 1x16x4";
        assert_eq!(operators(&onnx(text)), "linear");
        assert_eq!(onnx(text).digests(), torch(whole).digests());
        let reversed = "x = input -> 1x8\ny = Gemm(x, w:4x8, w:4) transB=1";
        assert_eq!(operators(&onnx(reversed)), "linear");
    }

    #[test]
    fn a_table_of_positions_is_no_bias() {
        let table = "x = input -> 1x16x8\nm = MatMul(x, w:8x4)\ny = Add(m, w:16x4)";
        assert_eq!(operators(&onnx(table)), "linear add");
    }

    #[test]
    fn a_shift_of_a_computed_value_is_no_bias() {
        assert_eq!(of_x("r = Relu(x)\ny = Add(r, w:8x1x1)"), "relu add");
    }

    #[test]
    fn factor_and_shift_of_a_layer_norm_are_part_of_it() {
        let text =
            "x = input -> 1x16x8\nn = LayerNormalization(x, w:8)\nm = Mul(n, w:8)\ny = Add(m, w:8)";
        assert_eq!(operators(&onnx(text)), "layer_norm");
        let modulated = "x = input -> 1x16x8\nz = input -> 1x1x8\nn = LayerNormalization(x, w:8)\ny = Mul(n, z)";
        assert_eq!(operators(&onnx(modulated)), "layer_norm mul");
    }
}
