//! Multiplication by and addition of scalar constants.
//!
//! Runs of them merge into one. At the end, what neither flips a sign nor complements is dropped:
//! a constant gain is absorbed by the weights next to it and exporters move it at will.

use crate::graph::Operator;
use crate::import::canonical::work::Work;

/// Merges a scale into the scale that reads it, when nobody else does.
pub(super) fn merge(work: &mut Work) {
    let readers = work.readers();
    for node in 0..work.nodes.len() {
        if !work.is(node, &Operator::Scale) {
            continue;
        }
        let Some(before) = work.producer(node, 0) else {
            continue;
        };
        if work.is(before, &Operator::Scale) && readers[before].len() == 1 {
            let ((a, b), (c, d)) = (work.nodes[before].scale, work.nodes[node].scale);
            work.nodes[node].scale = (a * c, b * c + d);
            work.bypass(before, 0);
        }
        if work.nodes[node].scale == (1.0, 0.0) {
            work.bypass(node, 0);
        }
    }
}

/// Drops scales that do not change sign.
pub(super) fn drop_neutral(work: &mut Work) {
    merge(work);
    for node in 0..work.nodes.len() {
        let negative = work.nodes[node].scale.0 < 0.0;
        if work.is(node, &Operator::Scale) && !negative {
            work.bypass(node, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, torch};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 1x8\n{lines}")))
    }

    #[test]
    fn gains_and_shifts_vanish() {
        assert_eq!(of_x("a = Mul(x, 0.5)\nb = Add(a, 3)\ny = Relu(b)"), "relu");
        assert_eq!(of_x("a = Div(x, 8)\ny = Relu(a)"), "relu");
    }

    #[test]
    fn a_negation_stays() {
        assert_eq!(of_x("a = Neg(x)\ny = Relu(a)"), "scale relu");
        assert_eq!(of_x("a = Sub(1, x)\ny = Relu(a)"), "scale relu");
    }

    #[test]
    fn two_negations_are_none() {
        assert_eq!(of_x("a = Neg(x)\nb = Mul(a, -2)\ny = Relu(b)"), "relu");
    }

    #[test]
    fn a_scale_with_two_readers_is_not_merged_into_one_of_them() {
        let shared = of_x("a = Neg(x)\nb = Neg(a)\nr = Relu(a)\ny = Add(b, r)");
        assert_eq!(shared, "scale scale relu add");
    }

    #[test]
    fn a_computed_factor_is_no_scale() {
        let torch = torch("x = input -> 1x8\nz = input -> 1x1\ny = mul(x, z) -> 1x8");
        assert_eq!(operators(&torch), "mul");
    }
}
