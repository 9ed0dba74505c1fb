//! What one operator is, as a number: its kind and its attributes, widths left out.

use crate::graph::{Architecture, Node, Operator, Value};
use crate::random;

/// The label of every node, by index.
pub(super) fn labels(architecture: &Architecture) -> Vec<u64> {
    architecture.nodes().iter().map(label).collect()
}

fn label(node: &Node) -> u64 {
    let operator = match &node.operator {
        Operator::Unknown { domain, name } => {
            random::sequence(1, [random::text(domain), random::text(name)])
        }
        known => random::text(known.name()),
    };
    node.attributes
        .iter()
        .filter(|(key, _)| !key.is_width())
        .fold(operator, |label, (key, value)| {
            random::sequence(label, [random::text(key.name()), value_hash(value)])
        })
}

fn value_hash(value: &Value) -> u64 {
    match value {
        Value::Int(value) => random::mix(*value as u64),
        Value::Ints(values) => random::sequence(1, values.iter().map(|value| *value as u64)),
        Value::Word(word) => random::text(word),
    }
}
