//! A raw graph as JSON. Reading the text back gives the same graph, save that floats which JSON
//! lacks come back as texts.

use super::VERSION;
use crate::graph::{Edge, Shape};
use crate::import::{Dialect, Map, RawGraph, RawNode, RawValue};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Writes one raw graph as a line of JSON.
pub fn write(graph: &RawGraph) -> String {
    // Writing to memory cannot fail, and every key is a text.
    serde_json::to_string(&Graph(graph)).expect("a raw graph is always JSON")
}

/// One raw graph as a part of a larger document.
pub fn part(graph: &RawGraph) -> impl Serialize {
    Graph(graph)
}

struct Graph<'a>(&'a RawGraph);

impl Serialize for Graph<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let graph = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", "netkin-graph")?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry("dialect", dialect_name(graph.dialect))?;
        if let Some(producer) = &graph.producer {
            map.serialize_entry("producer", producer)?;
        }
        if let Some(name) = &graph.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(parameters) = graph.parameters {
            map.serialize_entry("parameters", &parameters)?;
        }
        map.serialize_entry("nodes", &Nodes(graph))?;
        let outputs: Vec<_> = graph.outputs.iter().copied().map(Some).collect();
        map.serialize_entry("outputs", &Edges(&outputs))?;
        map.end()
    }
}

fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Torch => "torch",
        Dialect::Onnx => "onnx",
        Dialect::Keras => "keras",
        Dialect::Nas => "nas",
    }
}

struct Nodes<'a>(&'a RawGraph);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.nodes.iter().map(Node))
    }
}

struct Node<'a>(&'a RawNode);

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = self.0;
        let mut map = serializer.serialize_map(None)?;
        if node.domain.is_empty() {
            map.serialize_entry("op", &node.op)?;
        } else {
            map.serialize_entry("op", &format_args!("{}::{}", node.domain, node.op))?;
        }
        if !node.inputs.is_empty() {
            map.serialize_entry("inputs", &Edges(&node.inputs))?;
        }
        if !node.attributes.0.is_empty() {
            map.serialize_entry("attributes", &Values(&node.attributes))?;
        }
        if !node.shapes.is_empty() {
            map.serialize_entry("shapes", &node.shapes)?;
        }
        if node.parameters != 0 {
            map.serialize_entry("parameters", &node.parameters)?;
        }
        if let Some(module) = &node.module {
            map.serialize_entry("module", module)?;
        }
        map.end()
    }
}

struct Edges<'a>(&'a [Option<Edge>]);

impl Serialize for Edges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for edge in self.0 {
            match edge {
                Some(Edge { node, port: 0 }) => list.serialize_element(node)?,
                other => list.serialize_element(other)?,
            }
        }
        list.end()
    }
}

struct Values<'a>(&'a Map);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.0.iter().map(|(name, value)| (name, Value(value))))
    }
}

struct Value<'a>(&'a RawValue);

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            RawValue::None => serializer.serialize_unit(),
            RawValue::Bool(value) => serializer.serialize_bool(*value),
            RawValue::Int(value) => serializer.serialize_i64(*value),
            RawValue::Float(value) => Float(*value).serialize(serializer),
            RawValue::Text(text) => serializer.serialize_str(text),
            RawValue::List(items) => serializer.collect_seq(items.iter().map(Value)),
            RawValue::Map(map) => Values(map).serialize(serializer),
            RawValue::Operand(operand) => marked(serializer, "t", operand),
            RawValue::Weight(shape) => marked(serializer, "w", shape),
            RawValue::Constant { shape, values } => constant(serializer, shape, values.as_deref()),
            RawValue::Slice(bounds) => {
                let bounds: Vec<_> = bounds.iter().map(Value).collect();
                marked(serializer, "slice", &bounds)
            }
            RawValue::Ellipsis => marked(serializer, "ellipsis", &true),
            RawValue::Other(name) => marked(serializer, "object", name),
        }
    }
}

fn marked<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    mark: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(mark, value)?;
    map.end()
}

fn constant<S: Serializer>(
    serializer: S,
    shape: &Shape,
    values: Option<&[f64]>,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("c", shape)?;
    if let Some(values) = values {
        let values: Vec<_> = values.iter().copied().map(Float).collect();
        map.serialize_entry("v", &values)?;
    }
    map.end()
}

struct Float(f64);

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        if value.is_nan() {
            return serializer.serialize_str("nan");
        }
        if value.is_infinite() {
            return serializer.serialize_str(if value > 0.0 { "inf" } else { "-inf" });
        }
        serializer.serialize_f64(value)
    }
}
