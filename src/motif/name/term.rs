//! One operator in a few letters: what it is, which part or bias it has, its kernel, and a stride that
//! is not 1.

use crate::graph::{Key, Node, Operator, Value};

pub(super) fn term(node: &Node) -> String {
    let kernel = node.attributes.get(Key::Kernel).map(ToString::to_string);
    let mut term = prefix(node).to_owned();
    term.push_str(&node.operator.to_string());
    if let Some(part) = node.attributes.get(Key::Part) {
        term.push_str(&format!("[{part}]"));
    }
    if let Some(bias) = node.attributes.get(Key::Bias) {
        term.push_str(&format!("[{bias} bias]"));
    }
    term.push_str(&kernel.unwrap_or_default());
    if let Some(stride) = stride(node) {
        term.push_str(&format!("/{stride}"));
    }
    term
}

fn prefix(node: &Node) -> &'static str {
    if !matches!(
        node.operator,
        Operator::Conv | Operator::ConvTranspose | Operator::DeformConv
    ) {
        return "";
    }
    match node.attributes.word(Key::Grouping) {
        Some("depthwise") => "dw",
        Some(_) => "grouped_",
        None => "",
    }
}

/// The stride when it is not 1: one number when it is the same in every dimension.
fn stride(node: &Node) -> Option<String> {
    let Some(Value::Ints(strides)) = node.attributes.get(Key::Stride) else {
        return None;
    };
    let first = strides.first()?;
    if strides.iter().any(|stride| stride != first) {
        return node.attributes.get(Key::Stride).map(ToString::to_string);
    }
    (*first != 1).then(|| first.to_string())
}
