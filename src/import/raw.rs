//! The raw graph: a model without weights in the dialect of the tool that wrote it.
//!
//! What importers produce and `canonical` alone interprets. Nothing is simplified here.

use crate::graph::{Edge, Shape};

/// Whose operator names a raw graph uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Functional-level torch calls, as the Python tracer records them.
    Torch,
    /// ONNX operators.
    Onnx,
    /// Keras layers.
    Keras,
    /// Cells of neural-architecture-search spaces.
    Nas,
}

/// A model in its own dialect. Nodes are in topological order.
#[derive(Clone, Debug, PartialEq)]
pub struct RawGraph {
    /// Whose operator names the nodes use.
    pub dialect: Dialect,
    /// The tool that wrote it, with its version.
    pub producer: Option<String>,
    /// The model's name.
    pub name: Option<String>,
    /// Trainable parameters of the whole model, when the source states them.
    pub parameters: Option<u64>,
    /// Operators, model inputs (`input`) and, in the ONNX dialect, constants (`constant`).
    pub nodes: Vec<RawNode>,
    /// The values the model returns.
    pub outputs: Vec<Edge>,
}

/// One node of a raw graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawNode {
    /// The operator's name in its dialect; `input` marks a model input in every dialect.
    pub op: Box<str>,
    /// ONNX operator domain, empty for the default one and in every other dialect.
    pub domain: Box<str>,
    /// Operands; `None` where an optional operand is left out.
    pub inputs: Vec<Option<Edge>>,
    /// Named attributes in the order of the source.
    pub attributes: Map,
    /// One shape for each output; `None` where unknown.
    pub shapes: Vec<Option<Shape>>,
    /// Trainable parameters first used by this node.
    pub parameters: u64,
    /// Path of the module that called the operator, when known.
    pub module: Option<Box<str>>,
}

impl RawNode {
    /// The attribute `name`.
    pub fn attribute(&self, name: &str) -> Option<&RawValue> {
        self.attributes.get(name)
    }
}

/// Named values, in the order of the source.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(pub Vec<(Box<str>, RawValue)>);

impl Map {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .find(|(present, _)| &**present == name)
            .map(|(_, value)| value)
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum RawValue {
    /// Nothing given.
    None,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number; may be infinite or not a number.
    Float(f64),
    /// A text.
    Text(Box<str>),
    /// A sequence.
    List(Vec<RawValue>),
    /// Named values.
    Map(Map),
    /// Torch: the k-th operand of the node.
    Operand(u32),
    /// A parameter, a buffer, or a value computed from them alone.
    Weight(Shape),
    /// A constant tensor. Values are kept when they are few.
    Constant {
        /// Its shape.
        shape: Shape,
        /// Its values in row-major order, when kept.
        values: Option<Vec<f64>>,
    },
    /// Torch: a slice with start, stop and step.
    Slice(Box<[RawValue; 3]>),
    /// Torch: an ellipsis in an index.
    Ellipsis,
    /// Something else, by the name of its type.
    Other(Box<str>),
}

impl RawValue {
    /// The value as an integer; booleans and whole floats count.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            Self::Float(value) if value.fract() == 0.0 => Some(*value as i64),
            _ => None,
        }
    }

    /// The value as a number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.as_int().map(|value| value as f64),
        }
    }

    /// The value as a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as a list of integers; one integer is a list of one.
    pub fn as_ints(&self) -> Option<Vec<i64>> {
        match self {
            Self::List(items) => items.iter().map(Self::as_int).collect(),
            other => other.as_int().map(|value| vec![value]),
        }
    }
}
