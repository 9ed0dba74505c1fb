//! A concatenation that only another one reads is part of it: some exporters flatten them.

use crate::graph::{Key, Operator, Shape};
use crate::import::canonical::work::Work;

pub(super) fn flatten(work: &mut Work) {
    let readers = work.readers();
    for node in 0..work.nodes.len() {
        if !work.is(node, &Operator::Concat) {
            continue;
        }
        let mut operands = Vec::with_capacity(work.nodes[node].operands.len());
        for place in 0..work.nodes[node].operands.len() {
            match work.producer(node, place) {
                Some(inner)
                    if work.is(inner, &Operator::Concat)
                        && readers[inner].len() == 1
                        && along_one_axis(work, node, place) =>
                {
                    if let Some(word) = work.nodes[inner].attributes.get(Key::Operand).cloned() {
                        work.nodes[node].attributes.set(Key::Operand, word);
                    }
                    operands.extend(
                        (0..work.nodes[inner].operands.len()).map(|at| work.operand(inner, at)),
                    );
                }
                _ => operands.push(work.operand(node, place)),
            }
        }
        work.nodes[node].operands = operands;
    }
}

/// False only when shapes tell that the inner concatenation joins along another axis.
fn along_one_axis(work: &Work, node: usize, place: usize) -> bool {
    let Some(inner) = work.producer(node, place) else {
        return false;
    };
    let arriving = work.operand(node, place);
    let is_reshaped = arriving.shape() != work.nodes[inner].shape.as_ref();
    match (axis(work, node), axis(work, inner)) {
        (Some(outer), Some(inner)) => is_reshaped || outer == inner,
        _ => true,
    }
}

/// The axis along which the first operand is shorter than the result.
fn axis(work: &Work, node: usize) -> Option<usize> {
    let operand = work.operand(node, 0);
    let (Shape(read), Shape(written)) = (operand.shape()?, work.nodes[node].shape.as_ref()?);
    let differ = |place: &usize| read[*place] != written[*place];
    (read.len() == written.len())
        .then(|| (0..read.len()).find(differ))
        .flatten()
}

#[cfg(test)]
mod tests {
    use crate::graph::Architecture;
    use crate::import::canonical::testing::{only, onnx, operators, shown};

    fn of_inputs(lines: &str) -> Architecture {
        onnx(&format!(
            "a = input -> 1x4x6x6\nb = input -> 1x4x6x6\nc = input -> 1x8x6x6\n{lines}"
        ))
    }

    #[test]
    fn a_nested_concatenation_is_flat() {
        let nested = of_inputs("i = Concat(a, b) axis=1\ny = Concat(i, c) axis=1");
        let flat = of_inputs("y = Concat(a, b, c) axis=1");
        assert_eq!(operators(&nested), "concat");
        assert_eq!(nested.digests(), flat.digests());
    }

    #[test]
    fn the_order_of_the_parts_is_kept() {
        let before = of_inputs("i = Concat(a, b) axis=1\ny = Concat(c, i) axis=1");
        let inputs: Vec<_> = only(&before, "concat")
            .inputs
            .iter()
            .map(|edge| edge.node)
            .collect();
        assert_eq!(inputs, [2, 0, 1]);
    }

    #[test]
    fn a_concatenation_that_others_read_stays() {
        let shared = of_inputs("i = Concat(a, b) axis=1\nr = Relu(i)\ny = Concat(i, r) axis=1");
        assert_eq!(operators(&shared), "concat relu concat");
    }

    #[test]
    fn along_two_axes_they_are_two() {
        let corner = of_inputs("i = Concat(a, b) axis=1\ny = Concat(i, c) axis=2");
        assert_eq!(operators(&corner), "concat concat");
    }

    #[test]
    fn a_parameter_among_the_parts_is_remembered() {
        let nested = of_inputs("i = Concat(a, w:1x1x6x6) axis=1\ny = Concat(i, c) axis=1");
        assert_eq!(shown(&nested, "concat"), "concat operand=parameter");
    }
}
