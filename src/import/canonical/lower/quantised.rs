//! Quantised operators are their float twins: scales and zero points vanish, an attribute stays.
//!
//! An operator computes on quantised values when its name says so, or when it stands between
//! `DequantizeLinear` nodes, which is how it is written when runtimes are to fuse them. A ReLU that
//! a zero point makes superfluous was dropped by the quantiser and comes back.

use super::build::Builder;
use crate::graph::{Edge, Operator};
use crate::import::canonical::work::Operand;
use crate::import::{RawGraph, RawNode, RawValue};

/// Layout that may stand between a `DequantizeLinear` and its reader.
const REACH: usize = 4;

/// The float twin of a quantised operator and where its operands are among the quantised ones.
const TWINS: &[(&str, &str, &[usize])] = &[
    ("QLinearConv", "Conv", &[0, 3, 8]),
    ("ConvInteger", "Conv", &[0, 1]),
    ("QLinearMatMul", "MatMul", &[0, 3]),
    ("MatMulInteger", "MatMul", &[0, 1]),
    ("MatMulIntegerToFloat", "MatMul", &[0, 1]),
    ("DynamicQuantizeMatMul", "MatMul", &[0, 1]),
    ("QGemm", "Gemm", &[0, 3, 6]),
    ("QLinearAdd", "Add", &[0, 3]),
    ("QLinearMul", "Mul", &[0, 3]),
    ("QLinearSigmoid", "Sigmoid", &[0]),
    ("QLinearLeakyRelu", "LeakyRelu", &[0]),
    ("QLinearSoftmax", "Softmax", &[0]),
    ("QLinearAveragePool", "AveragePool", &[0]),
    ("QLinearGlobalAveragePool", "GlobalAveragePool", &[0]),
    ("DynamicQuantizeLSTM", "LSTM", &[0, 1, 2, 3, 4, 5, 6, 7]),
];

/// Operators that write quantised values, and where the zero point of the result is among their
/// operands; its scale comes before it.
const ZERO_POINTS: &[(&str, usize)] = &[
    ("QuantizeLinear", 2),
    ("QLinearConv", 7),
    ("QLinearMatMul", 7),
    ("QLinearAdd", 7),
    ("QGemm", 8),
];

/// Steps between the least and the greatest value of eight bits.
const STEPS: f64 = 255.0;

/// The float operator with the operands that it would have.
pub(super) fn float_twin(op: &str, operands: Vec<Operand>) -> (&str, Vec<Operand>) {
    if op == "QLinearConcat" {
        // A scale and a zero point of the result, then a triple for each part.
        return ("Concat", operands.into_iter().skip(2).step_by(3).collect());
    }
    let Some((_, twin, places)) = TWINS.iter().find(|(name, ..)| *name == op) else {
        return (op, operands);
    };
    let at = |place: &usize| operands.get(*place).cloned().unwrap_or(Operand::Absent);
    (*twin, places.iter().map(at).collect())
}

/// What lowering made of `node` (the nodes from `before` on), settled as its quantisation asks.
pub(super) fn settle(
    builder: &mut Builder,
    raw: &RawGraph,
    node: &RawNode,
    before: usize,
    lowered: Vec<Operand>,
) -> Vec<Operand> {
    if is_quantised(raw, node) {
        builder.mark_quantised(before);
    }
    let Some(by) = clipping(raw, node) else {
        return lowered;
    };
    let clip = |value| builder.clipped(value, by.clone());
    lowered.into_iter().map(clip).collect()
}

/// True when `node` computes on quantised values.
fn is_quantised(raw: &RawGraph, node: &RawNode) -> bool {
    let op = &*node.op;
    if op == "QLinearConcat" || TWINS.iter().any(|(name, ..)| *name == op) {
        return true;
    }
    let between = matches!(
        op,
        "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Add" | "Mul"
    );
    between
        && (0..2).all(|place| {
            let edge = node.inputs.get(place).copied().flatten();
            edge.is_some_and(|edge| is_dequantised(raw, edge))
        })
}

/// The ReLU that the result of `node` passes, because zero is the least value that it can take.
///
/// A ceiling of 6 shows only where the range was measured up to it.
fn clipping(raw: &RawGraph, node: &RawNode) -> Option<Operator> {
    let (_, place) = ZERO_POINTS.iter().find(|(name, _)| *name == &*node.op)?;
    let at = |place: usize| {
        let edge = node.inputs.get(place).copied().flatten()?;
        raw.nodes.get(edge.node as usize)
    };
    if !is_least(at(*place)?) {
        return None;
    }
    let scale = at(place - 1).and_then(scalar).unwrap_or(0.0);
    let six = (STEPS * scale - 6.0).abs() < 0.01;
    Some(if six { Operator::Relu6 } else { Operator::Relu })
}

/// -128, or 0 where negative values cannot be.
fn is_least(constant: &RawNode) -> bool {
    let unsigned = constant.attribute("type").and_then(RawValue::as_text) == Some("uint8");
    scalar(constant) == Some(if unsigned { 0.0 } else { -128.0 })
}

/// The value of a constant of one element.
fn scalar(constant: &RawNode) -> Option<f64> {
    match constant.attribute("value")? {
        RawValue::Constant {
            values: Some(values),
            ..
        } => match values.as_slice() {
            [only] => Some(*only),
            _ => None,
        },
        _ => None,
    }
}

fn is_dequantised(raw: &RawGraph, edge: Edge) -> bool {
    let mut edge = Some(edge);
    for _ in 0..REACH {
        let Some(node) = edge.and_then(|edge| raw.nodes.get(edge.node as usize)) else {
            return false;
        };
        match &*node.op {
            "DequantizeLinear" => return true,
            "Transpose" | "Reshape" | "Squeeze" | "Unsqueeze" | "Identity" => {
                edge = node.inputs.first().copied().flatten();
            }
            _ => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, shown};

    #[test]
    fn an_integer_convolution_is_a_convolution() {
        let text = "x = input -> 1x8x6x6
            q, s, z = DynamicQuantizeLinear(x)
            c = ConvInteger(q, w:4x8x3x3, z, 0)
            f = Cast(c) to=1
            m = Mul(s, w:4x1x1)
            r = Mul(f, m)
            y = Add(r, w:1x4x1x1)";
        assert_eq!(operators(&onnx(text)), "conv");
        let expected = "conv kernel=3x3 stride=1x1 in_channels=8 out_channels=4 quantised=int8";
        assert_eq!(shown(&onnx(text), "conv"), expected);
    }

    #[test]
    fn an_integer_product_with_one_scale_is_a_linear_layer() {
        let text = "x = input -> 1x16x8
            q, s, z = DynamicQuantizeLinear(x)
            c = MatMulInteger(q, w:8x4, z, 0)
            f = Cast(c) to=1
            m = Mul(s, 0.02)
            r = Mul(f, m)
            y = Add(r, w:4)";
        assert_eq!(operators(&onnx(text)), "linear");
        let expected = "linear in_channels=8 out_channels=4 quantised=int8";
        assert_eq!(shown(&onnx(text), "linear"), expected);
    }

    #[test]
    fn operands_of_quantised_operators_stand_between_scales() {
        let conv = "x = input -> 1x8x6x6
            q = QuantizeLinear(x, 0.1, 0)
            c = QLinearConv(q, 0.1, 0, w:4x8x3x3, 0.2, 0, 0.3, 0, w:4) strides=[2,2]
            y = DequantizeLinear(c, 0.3, 0)";
        let expected = "conv kernel=3x3 stride=2x2 in_channels=8 out_channels=4 quantised=int8";
        assert_eq!(shown(&onnx(conv), "conv"), expected);
        let product = "x = input -> 1x16x8\ny = QLinearMatMul(x, 0.1, 0, w:8x4, 0.2, 0, 0.3, 0)";
        let expected = "linear in_channels=8 out_channels=4 quantised=int8";
        assert_eq!(shown(&onnx(product), "linear"), expected);
    }

    #[test]
    fn a_quantised_sum_reads_both_of_its_values() {
        let sum = "x = input -> 1x8
            r = Relu(x)
            y = com.microsoft::QLinearAdd(x, 0.1, 0, r, 0.2, 0, 0.3, 0)";
        assert_eq!(operators(&onnx(sum)), "relu add");
        let parts = "x = input -> 1x8
            r = Relu(x)
            y = com.microsoft::QLinearConcat(0.1, 0, x, 0.1, 0, r, 0.2, 0) axis=1";
        assert_eq!(operators(&onnx(parts)), "relu concat");
    }

    #[test]
    fn operators_between_dequantised_values_are_quantised() {
        let text = "x = input -> 1x16x8
            q = QuantizeLinear(x, 0.1, 0)
            d = DequantizeLinear(q, 0.1, 0)
            w = DequantizeLinear(w:4x8, 0.2, 0)
            t = Transpose(w) perm=[1,0]
            m = MatMul(d, t)
            y = Add(m, w:4)";
        assert_eq!(operators(&onnx(text)), "linear");
        let expected = "linear in_channels=8 out_channels=4 quantised=int8";
        assert_eq!(shown(&onnx(text), "linear"), expected);
    }

    #[test]
    fn a_quantised_weight_alone_is_storage() {
        let text = "x = input -> 1x16x8\nw = DequantizeLinear(w:8x4, 0.2, 0)\ny = MatMul(x, w)";
        assert_eq!(
            shown(&onnx(text), "linear"),
            "linear in_channels=8 out_channels=4"
        );
    }

    #[test]
    fn dequantised_constants_keep_their_values() {
        let text = "x = input -> 1x16x8
            h = DequantizeLinear(127, 0.01114, 0)
            d = Div(x, h)
            e = Erf(d)
            o = DequantizeLinear(100, 0.02, 50)
            a = Add(e, o)
            y = Mul(x, a)";
        assert_eq!(operators(&onnx(text)), "gelu");
        let power = "x = input -> 1x8\nh = DequantizeLinear(100, 0.02, 0)\ny = Pow(x, h)";
        assert_eq!(shown(&onnx(power), "pow"), "pow exponent=2");
    }

    #[test]
    fn a_quantised_recurrent_layer_holds_its_weight_transposed() {
        let text = "x = input -> 5x1x8
            y, h, c = com.microsoft::DynamicQuantizeLSTM(x, w:2x8x64, w:2x16x64, w:2x128) hidden_size=16 direction=bidirectional";
        let expected = "lstm in_channels=8 hidden=16 direction=both quantised=int8";
        assert_eq!(shown(&onnx(text), "lstm"), expected);
    }

    #[test]
    fn only_products_say_that_they_are_quantised() {
        // Every way of quantising agrees on them and on nothing else.
        let sum =
            "x = input -> 1x8\nz = input -> 1x8\ny = QLinearAdd(x, 0.1, 0, z, 0.2, 0, 0.3, 0)";
        assert_eq!(shown(&onnx(sum), "add"), "add");
        let pool = "x = input -> 1x8x6x6\ny = QLinearGlobalAveragePool(x, 0.1, 0, 0.2, 0)";
        assert_eq!(shown(&onnx(pool), "global_avg_pool"), "global_avg_pool");
    }

    #[test]
    fn a_relu_that_the_zero_point_replaces_comes_back() {
        let quantised = |point: &str, scale: &str| {
            let text = format!(
                "x = input -> 1x8x6x6
                c = Conv(x, w:4x8x3x3)
                q = QuantizeLinear(c, {scale}, {point})
                y = DequantizeLinear(q, {scale}, {point})"
            );
            operators(&onnx(&text))
        };
        assert_eq!(quantised("-128", "0.1"), "conv relu");
        assert_eq!(quantised("-128", "0.0235294"), "conv relu6");
        assert_eq!(quantised("-20", "0.1"), "conv");
        // Of an unknown type, zero may be in the middle.
        assert_eq!(quantised("0", "0.1"), "conv");
        let whole = "x = input -> 1x8x6x6
            c = QLinearConv(x, 0.1, 0, w:4x8x3x3, 0.2, 0, 0.3, -128, w:4)
            d = QLinearConv(x, 0.1, 0, w:4x8x3x3, 0.2, 0, 0.3, 5, w:4)
            y = QLinearAdd(c, 0.1, 0, d, 0.2, 0, 0.3, -128)";
        assert_eq!(operators(&onnx(whole)), "conv relu conv add relu");
    }

    #[test]
    fn values_that_are_not_negative_anyway_get_no_relu() {
        let text = |op: &str| {
            format!(
                "x = input -> 1x8x6x6
                c = {op}(x)
                q = QuantizeLinear(c, 0.1, -128)
                y = DequantizeLinear(q, 0.1, -128)"
            )
        };
        assert_eq!(operators(&onnx(&text("Relu"))), "relu");
        assert_eq!(operators(&onnx(&text("Sigmoid"))), "sigmoid");
    }

    #[test]
    fn float_operators_have_no_such_attribute() {
        let text = "x = input -> 1x8\nz = input -> 1x8\ny = Add(x, z)";
        assert_eq!(shown(&onnx(text), "add"), "add");
    }
}
