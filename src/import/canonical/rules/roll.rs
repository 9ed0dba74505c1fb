//! A cyclic shift written as two slices and a concatenation; shifts along several axes are one.

use crate::graph::{Attributes, Key, Operator, Shape};
use crate::import::canonical::work::Work;

pub(super) fn fuse(work: &mut Work) {
    for node in 0..work.nodes.len() {
        if work.is(node, &Operator::Concat) {
            fuse_concat(work, node);
        }
    }
}

/// Shifts along several axes are one.
pub(super) fn merge(work: &mut Work) {
    let readers = work.readers();
    for node in 0..work.nodes.len() {
        if !work.is(node, &Operator::Roll) {
            continue;
        }
        let Some(before) = work.producer(node, 0) else {
            continue;
        };
        if work.is(before, &Operator::Roll) && readers[before].len() == 1 {
            work.bypass(before, 0);
        }
    }
}

/// concat(x[k..], x[..k]): the second part comes first.
fn fuse_concat(work: &mut Work, node: usize) {
    if work.nodes[node].operands.len() != 2 || work.data_positions(node).len() != 2 {
        return;
    }
    let (Some(first), Some(second)) = (work.producer(node, 0), work.producer(node, 1)) else {
        return;
    };
    if !work.is(first, &Operator::Slice) || !work.is(second, &Operator::Slice) {
        return;
    }
    let whole = work.edge(first, 0).is_some() && work.edge(first, 0) == work.edge(second, 0);
    let word = |node: usize| {
        work.nodes[node]
            .attributes
            .word(Key::Part)
            .unwrap_or("")
            .to_string()
    };
    let swapped = ends(&word(first)) && starts(&word(second));
    if whole && swapped && keeps_size(work, node, first) {
        let operand = work.operand(first, 0);
        let node = &mut work.nodes[node];
        node.operator = Operator::Roll;
        node.attributes = Attributes::default();
        node.operands = vec![operand];
    }
}

/// Parts that overlap or leave a gap do not add up to the whole.
fn keeps_size(work: &Work, node: usize, part: usize) -> bool {
    let whole = work.operand(part, 0);
    let elements = |shape: Option<&Shape>| shape.and_then(Shape::elements);
    match (
        elements(whole.shape()),
        elements(work.nodes[node].shape.as_ref()),
    ) {
        (Some(read), Some(written)) => read == written,
        _ => true,
    }
}

/// A part that reaches the end of its axis: `tail`, `one`, or the last share such as `4/4`.
fn ends(part: &str) -> bool {
    matches!(part, "tail" | "one") || part.split_once('/').is_some_and(|(share, of)| share == of)
}

/// A part that begins an axis.
fn starts(part: &str) -> bool {
    matches!(part, "head" | "one") || part.starts_with("1/")
}

#[cfg(test)]
mod tests {
    use crate::import::canonical::testing::{onnx, operators, torch};

    fn joined(first: &str, second: &str) -> String {
        let slices = format!("a = Slice(x, {first}, [1])\nb = Slice(x, {second}, [1])");
        let text = format!("x = input -> 1x14x14x8\n{slices}\ny = Concat(a, b) axis=1");
        operators(&onnx(&text))
    }

    #[test]
    fn the_tail_before_the_head_is_a_roll() {
        assert_eq!(joined("[3], [99]", "[0], [3]"), "roll");
        assert_eq!(joined("[7], [99]", "[0], [7]"), "roll");
        assert_eq!(joined("[-3], [99]", "[0], [-3]"), "roll");
        assert_eq!(joined("[13], [99]", "[0], [13]"), "roll");
    }

    #[test]
    fn the_head_before_the_tail_is_no_roll() {
        assert_eq!(joined("[0], [3]", "[3], [99]"), "slice slice concat");
    }

    #[test]
    fn parts_that_leave_a_gap_are_no_roll() {
        assert_eq!(joined("[5], [99]", "[0], [3]"), "slice slice concat");
        assert!(!joined("[9], [10]", "[4], [5]").contains("roll"));
    }

    #[test]
    fn parts_of_two_values_are_no_roll() {
        let text = "x = input -> 1x14x8
            z = input -> 1x14x8
            a = Slice(x, [3], [99], [1])
            b = Slice(z, [0], [3], [1])
            y = Concat(a, b) axis=1";
        assert_eq!(operators(&onnx(text)), "slice slice concat");
    }

    #[test]
    fn shifts_along_two_axes_are_one() {
        let twice = "x = input -> 1x14x14x8
            a = Slice(x, [3], [99], [1])
            b = Slice(x, [0], [3], [1])
            c = Concat(a, b) axis=1
            d = Slice(c, [3], [99], [2])
            e = Slice(c, [0], [3], [2])
            y = Concat(d, e) axis=2";
        let once = "x = input -> 1x14x14x8\ny = roll(x, [-3, -3], [1, 2]) -> 1x14x14x8";
        assert_eq!(operators(&onnx(twice)), "roll");
        assert_eq!(onnx(twice).digests(), torch(once).digests());
    }

    #[test]
    fn a_roll_that_others_read_stays() {
        let shared = "x = input -> 1x14x8
            a = roll(x, 3, 1) -> 1x14x8
            b = roll(a, 3, 1) -> 1x14x8
            y = add(a, b) -> 1x14x8";
        assert_eq!(operators(&torch(shared)), "roll roll add");
    }
}
