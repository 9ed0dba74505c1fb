//! A concatenation that only another one reads is part of it: some exporters flatten them.

use crate::graph::{Key, Operator};
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
                Some(inner) if work.is(inner, &Operator::Concat) && readers[inner].len() == 1 => {
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
