//! What a value that is added to the scores of attention says of a design.
//!
//! Which tokens are padding is told by an input, and exporters ask for that input or leave it out:
//! a mask made of inputs alone is no part of the design. One that compares positions, or holds a
//! table of them, is: it makes attention causal or local. Whatever is learned is a bias.

use crate::graph::{Operator, OperatorGroup};
use crate::import::canonical::work::{Static, Work};
use std::collections::BTreeSet;

/// What is added to the scores, from the least to the most telling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bias {
    Nothing,
    Static,
    Data,
}

impl Bias {
    pub(super) fn word(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Static => Some("static"),
            Self::Data => Some("data"),
        }
    }
}

/// Nodes that a mask is made of at most; a larger computation counts as learned.
const CONE: usize = 256;

/// What the value of node `from` is as a bias.
pub(super) fn bias(work: &Work, from: usize) -> Bias {
    let mut bias = Bias::Nothing;
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if !is_plain(&work.nodes[node].operator) || seen.len() > CONE {
            return Bias::Data;
        }
        if speaks_of_positions(work, node) {
            bias = Bias::Static;
        }
        let places = work.data_positions(node).into_iter();
        let producers = places.filter_map(|place| work.producer(node, place));
        open.extend(producers.filter(|producer| seen.insert(*producer)));
    }
    bias
}

/// Whether the operator computes a mask; nothing that learns or mixes does.
fn is_plain(operator: &Operator) -> bool {
    use OperatorGroup::{Arithmetic, Input, Movement, Selection};
    matches!(operator.group(), Input | Arithmetic | Selection | Movement)
}

fn speaks_of_positions(work: &Work, node: usize) -> bool {
    match work.nodes[node].operator {
        Operator::Triangle => true,
        Operator::Compare => work.data_positions(node).len() > 1,
        // No other operator of a mask keeps its constants: in a boolean mask a table goes unseen.
        _ if work.nodes[node].operator.group() == OperatorGroup::Arithmetic => {
            has_table(work, node)
        }
        _ => false,
    }
}

/// A constant of two dimensions or more, such as a triangle of ones; one that is the same throughout
/// tells no position from another.
fn has_table(work: &Work, node: usize) -> bool {
    let operands = work.nodes[node].operands.iter();
    let mut constants = operands.filter_map(|operand| operand.as_static());
    constants.any(|constant| !constant.is_vector() && !is_even(constant))
}

fn is_even(constant: &Static) -> bool {
    let values = constant.values.as_deref();
    values.is_some_and(|values| values.windows(2).all(|pair| pair[0] == pair[1]))
}

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, shown, torch};

    /// Attention of an encoder whose scores pass through `lines` from `s` to `a`; `m` is an input
    /// with a number for each token.
    fn masked(lines: &str) -> String {
        let graph = onnx(&format!(
            "q = input -> 1x4x16x8
            k = input -> 1x4x8x16
            v = input -> 1x4x16x8
            m = input -> 1x1x1x16
            s = MatMul(q, k)
            {lines}
            p = Softmax(a)
            y = MatMul(p, v)"
        ));
        assert_eq!(operators(&graph), "attention");
        shown(&graph, "attention")
    }

    #[test]
    fn a_mask_of_padding_is_no_part_of_the_design() {
        assert_eq!(masked("a = Add(s, m)"), "attention heads=4");
        let large = "n = Sub(1.0, m)\nl = Mul(n, -10000.0)\na = Add(s, l)";
        assert_eq!(masked(large), "attention heads=4");
        let chosen = "c = Equal(m, 0.0)\na = Where(c, -10000.0, s)";
        assert_eq!(masked(chosen), "attention heads=4");
    }

    #[test]
    fn a_table_of_positions_makes_the_bias_static() {
        let joined = "j = Add(m, w:16x16)\na = Add(s, j)";
        assert_eq!(masked(joined), "attention heads=4 bias=static");
        let one_by_one = "c = Add(s, w:16x16)\na = Add(c, m)";
        assert_eq!(masked(one_by_one), "attention heads=4 bias=static");
        let triangle = "t = Trilu(m)\na = Add(s, t)";
        assert_eq!(masked(triangle), "attention heads=4 bias=static");
    }

    #[test]
    fn what_is_learned_is_a_bias() {
        let learned = "l = MatMul(m, w:16x16)\na = Add(s, l)";
        assert_eq!(masked(learned), "attention heads=4 bias=data");
    }

    #[test]
    fn masks_of_the_whole_operator_are_read_likewise() {
        let with = |mask: &str| {
            let lines = format!(
                "q = input -> 1x4x16x8
                k = input -> 1x4x16x8
                v = input -> 1x4x16x8
                m = input -> 1x1x1x16
                {mask}
                y = scaled_dot_product_attention(q, k, v, a) -> 1x4x16x8"
            );
            shown(&torch(&lines), "attention")
        };
        assert_eq!(with("a = mul(m, 2.0) -> 1x1x1x16"), "attention heads=4");
        assert_eq!(
            with("a = tril(m) -> 1x1x1x16"),
            "attention heads=4 bias=static"
        );
    }
}
