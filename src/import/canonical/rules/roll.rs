//! A cyclic shift written as two slices and a concatenation; shifts along several axes are one.

use crate::graph::{Attributes, Operator};
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
            .word(crate::graph::Key::Part)
            .unwrap_or("")
            .to_string()
    };
    let swapped = ends(&word(first)) && starts(&word(second));
    if whole && swapped {
        let operand = work.operand(first, 0);
        let node = &mut work.nodes[node];
        node.operator = Operator::Roll;
        node.attributes = Attributes::default();
        node.operands = vec![operand];
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
