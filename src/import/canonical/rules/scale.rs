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
