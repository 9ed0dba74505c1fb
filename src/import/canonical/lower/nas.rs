//! The `nas` dialect: operators and attributes already carry canonical names.

use super::build::Builder;
use crate::graph::{Attributes, Key, Operator, Value};
use crate::import::canonical::work::Operand;
use crate::import::{RawNode, RawValue};

pub(super) fn lower(
    builder: &mut Builder,
    node: &RawNode,
    operands: Vec<Operand>,
) -> Result<Vec<Operand>, String> {
    let operator = Operator::ALL
        .iter()
        .find(|operator| operator.name() == &*node.op)
        .ok_or("is no operator of the vocabulary; see src/graph/operator.rs")?;
    let shape = node.shapes.first().cloned().flatten();
    Ok(vec![builder.node(
        operator.clone(),
        attributes(node)?,
        operands,
        shape,
    )])
}

fn attributes(node: &RawNode) -> Result<Attributes, String> {
    let mut attributes = Attributes::default();
    for (name, value) in &node.attributes.0 {
        let key = Key::ALL
            .iter()
            .find(|key| key.name() == &**name)
            .ok_or_else(|| format!("has the unknown attribute `{name}`"))?;
        attributes.set(
            *key,
            attribute(value).ok_or_else(|| format!("has a bad `{name}`"))?,
        );
    }
    Ok(attributes)
}

fn attribute(value: &RawValue) -> Option<Value> {
    match value {
        RawValue::Text(text) => Some(Value::from(text.to_string())),
        RawValue::List(_) => value.as_ints().map(Value::from),
        other => other.as_int().map(Value::from),
    }
}
