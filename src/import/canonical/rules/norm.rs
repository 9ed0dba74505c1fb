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
        let spatial = is_spatial(work, mean);
        let (operator, operand) = match centred(work, x.node as usize, mean) {
            Some(operand) if spatial => (Operator::InstanceNorm, operand),
            Some(operand) => (Operator::LayerNorm, operand),
            None if variance || spatial => continue,
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

/// Axes over positions alone; a mean over them is global pooling.
fn is_spatial(work: &Work, mean: usize) -> bool {
    work.is(mean, &Operator::GlobalAvgPool)
        || work.nodes[mean].attributes.word(Key::Axes) == Some("spatial")
}

/// When `node` is x - mean(x) over the axes of `spread`, that x.
fn centred(work: &Work, node: usize, spread: usize) -> Option<Operand> {
    if !work.is(node, &Operator::Sub) {
        return None;
    }
    let mean = work.producer(node, 1)?;
    let centre = is_mean(work, mean) && is_spatial(work, mean) == is_spatial(work, spread);
    let axes = |mean: usize| work.nodes[mean].attributes.get(Key::Axes);
    (centre && axes(mean) == axes(spread) && work.edge(mean, 0) == work.edge(node, 0))
        .then(|| work.operand(node, 0))
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

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, shown, torch};

    fn of_x(lines: &str) -> String {
        operators(&onnx(&format!("x = input -> 2x16x8x8\n{lines}")))
    }

    /// Mean, difference, squares, mean, root, quotient over the given axes.
    fn written_out(first: &str, second: &str) -> String {
        of_x(&format!(
            "m = ReduceMean(x) axes={first}
            d = Sub(x, m)
            p = Pow(d, 2)
            v = ReduceMean(p) axes={second}
            e = Add(v, 0.00001)
            s = Sqrt(e)
            y = Div(d, s)"
        ))
    }

    #[test]
    fn layer_norm_written_out_is_one_operator() {
        assert_eq!(written_out("[-1]", "[-1]"), "layer_norm");
    }

    #[test]
    fn its_factor_and_shift_are_part_of_it() {
        let text = "x = input -> 2x16x8
            m = ReduceMean(x) axes=[-1]
            d = Sub(x, m)
            p = Mul(d, d)
            v = ReduceMean(p) axes=[-1]
            e = Add(v, 0.00001)
            s = Sqrt(e)
            r = Reciprocal(s)
            n = Mul(d, r)
            f = Mul(n, w:8)
            y = Add(f, w:8)";
        let whole = torch("x = input -> 2x16x8\ny = layer_norm(x, [8], w:8, w:8) -> 2x16x8");
        assert_eq!(onnx(text).digests(), whole.digests());
    }

    #[test]
    fn over_the_channels_of_an_image_it_is_layer_norm_too() {
        assert_eq!(written_out("[1]", "[1]"), "layer_norm");
    }

    #[test]
    fn over_positions_it_is_instance_norm() {
        assert_eq!(written_out("[2,3]", "[2,3]"), "instance_norm");
    }

    #[test]
    fn a_mean_over_other_axes_than_the_variance_is_no_norm() {
        let other = written_out("[2,3]", "[1]");
        assert!(
            !other.contains("layer_norm") && !other.contains("instance_norm"),
            "{other}"
        );
        let other = written_out("[1]", "[2,3]");
        assert!(
            !other.contains("layer_norm") && !other.contains("instance_norm"),
            "{other}"
        );
    }

    #[test]
    fn centred_by_the_mean_of_another_value_it_is_no_layer_norm() {
        let other = of_x(
            "z = input -> 2x16x8x8
            m = ReduceMean(z) axes=[-1]
            d = Sub(x, m)
            p = Pow(d, 2)
            v = ReduceMean(p) axes=[-1]
            s = Sqrt(v)
            y = Div(d, s)",
        );
        assert_eq!(other, "reduce_mean sub rms_norm");
    }

    #[test]
    fn without_a_centre_it_is_rms_norm() {
        let rms = "p = Pow(x, 2)\nv = ReduceMean(p) axes=[-1]\ne = Add(v, 0.000001)";
        assert_eq!(
            of_x(&format!("{rms}\ns = Sqrt(e)\ny = Div(x, s)")),
            "rms_norm"
        );
        let inverse = format!("{rms}\ns = Sqrt(e)\nr = Reciprocal(s)\ny = Mul(x, r)");
        assert_eq!(of_x(&inverse), "rms_norm");
        let traced = "x = input -> 2x16x8
            p = pow(x, 2) -> 2x16x8
            v = mean(p, [-1], true) -> 2x16x1
            e = add(v, 0.000001) -> 2x16x1
            r = rsqrt(e) -> 2x16x1
            n = mul(x, r) -> 2x16x8
            y = mul(w:8, n) -> 2x16x8";
        assert_eq!(operators(&torch(traced)), "rms_norm");
    }

    #[test]
    fn divided_by_the_root_mean_square_of_another_value_it_is_no_rms_norm() {
        let other = "z = input -> 2x16x8x8\np = Pow(z, 2)\nv = ReduceMean(p) axes=[-1]";
        assert_eq!(
            of_x(&format!("{other}\ns = Sqrt(v)\ny = Div(x, s)")),
            "pow reduce_mean sqrt div"
        );
    }

    #[test]
    fn another_power_is_no_rms_norm() {
        let cubes = "p = Pow(x, 3)\nv = ReduceMean(p) axes=[-1]\ns = Sqrt(v)\ny = Div(x, s)";
        assert_eq!(of_x(cubes), "pow reduce_mean sqrt div");
    }

    #[test]
    fn division_by_a_norm_is_lp_normalisation() {
        let unit = "n = ReduceL2(x) axes=[1]\nc = Clip(n, 0.000001)\ny = Div(x, c)";
        assert_eq!(of_x(unit), "lp_normalize");
        let other = "z = input -> 2x16x8x8\nn = ReduceL2(z) axes=[1]\ny = Div(x, n)";
        assert_eq!(of_x(other), "reduce_norm div");
    }

    #[test]
    fn instance_norm_of_groups_is_group_norm() {
        let text = "x = input -> 2x16x8x8
            g = Reshape(x, [0, 4, -1])
            n = InstanceNormalization(g, w:4, w:4)
            b = Reshape(n, [2, 16, 8, 8])
            m = Mul(b, w:16x1x1)
            y = Add(m, w:16x1x1)";
        let whole = torch("x = input -> 2x16x8x8\ny = group_norm(x, 4, w:16, w:16) -> 2x16x8x8");
        assert_eq!(shown(&onnx(text), "group_norm"), "group_norm groups=4");
        assert_eq!(onnx(text).digests(), whole.digests());
    }

    #[test]
    fn instance_norm_of_channels_stays() {
        assert_eq!(
            of_x("y = InstanceNormalization(x, w:16, w:16)"),
            "instance_norm"
        );
    }
}
