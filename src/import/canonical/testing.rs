//! Writes small raw graphs as text, and says what they become.
//!
//! A line is `name = operator(arguments) key=value … -> shape`. An argument is an earlier name,
//! `_` for one left out, a number, `[2, 3]` for a list, or `w:8x3` for a weight; in the ONNX
//! dialect numbers and lists become constants. A text with commas stands in quotes. `x = input -> 1x3x8x8` is a model input. Several
//! names before `=` are several outputs. A last line `return a, b` names the results; without it
//! the last value is the result.

use super::canonicalise;
use crate::graph::{Architecture, Edge, Node, NodeIndex, Shape};
use crate::import::{Dialect, Limits, Map, RawGraph, RawNode, RawValue};
use std::collections::HashMap;

/// The architecture of a graph in the ONNX dialect.
pub(super) fn onnx(text: &str) -> Architecture {
    canonical(&raw(Dialect::Onnx, text))
}

/// The architecture of a graph in the torch dialect.
pub(super) fn torch(text: &str) -> Architecture {
    canonical(&raw(Dialect::Torch, text))
}

pub(super) fn canonical(raw: &RawGraph) -> Architecture {
    canonicalise(raw, &Limits::default()).unwrap()
}

/// The operators in order, inputs left out.
pub(super) fn operators(architecture: &Architecture) -> String {
    let names: Vec<&str> = architecture
        .nodes()
        .iter()
        .map(|node| node.operator.name())
        .filter(|name| *name != "input")
        .collect();
    names.join(" ")
}

/// The only node of this operator, with its attributes: `conv kernel=3x3 stride=1x1`.
pub(super) fn shown(architecture: &Architecture, operator: &str) -> String {
    let node = only(architecture, operator);
    node.attributes
        .iter()
        .fold(operator.to_string(), |shown, (key, value)| {
            format!("{shown} {}={value}", key.name())
        })
}

pub(super) fn only<'a>(architecture: &'a Architecture, operator: &str) -> &'a Node {
    let mut found = architecture
        .nodes()
        .iter()
        .filter(|node| node.operator.name() == operator);
    let node = found.next().expect("the operator is there");
    assert!(found.next().is_none(), "`{operator}` is there twice");
    node
}

pub(super) fn raw(dialect: Dialect, text: &str) -> RawGraph {
    let mut sketch = Sketch {
        dialect,
        nodes: vec![],
        names: HashMap::new(),
    };
    let mut outputs = vec![];
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines {
        outputs = match line.strip_prefix("return ") {
            Some(names) => names
                .split(',')
                .map(|name| sketch.names[name.trim()])
                .collect(),
            None => vec![sketch.line(line)],
        };
    }
    RawGraph {
        dialect,
        producer: None,
        name: None,
        parameters: None,
        nodes: sketch.nodes,
        outputs,
    }
}

struct Sketch<'t> {
    dialect: Dialect,
    nodes: Vec<RawNode>,
    names: HashMap<&'t str, Edge>,
}

impl<'t> Sketch<'t> {
    fn push(&mut self, node: RawNode) -> Edge {
        self.nodes.push(node);
        Edge::first((self.nodes.len() - 1) as NodeIndex)
    }

    /// Adds one line; its first output.
    fn line(&mut self, line: &'t str) -> Edge {
        let (names, rest) = line.split_once(" = ").expect("a line gives a name");
        let (call, shapes) = rest.rsplit_once(" -> ").unwrap_or((rest, ""));
        let shapes: Vec<&str> = shapes.split(',').map(str::trim).collect();
        let names: Vec<&str> = names.split(',').map(str::trim).collect();
        let mut node = self.call(call.trim());
        node.shapes = (0..names.len())
            .map(|port| {
                shapes
                    .get(port)
                    .filter(|dims| !dims.is_empty())
                    .map(|dims| shape(dims))
            })
            .collect();
        let first = self.push(node);
        for (port, name) in names.into_iter().enumerate() {
            let edge = Edge {
                node: first.node,
                port: port as u16,
            };
            self.names.insert(name, edge);
        }
        first
    }

    fn call(&mut self, call: &'t str) -> RawNode {
        let Some((op, rest)) = call.split_once('(') else {
            return RawNode {
                op: call.into(),
                ..RawNode::default()
            };
        };
        let (arguments, attributes) = rest.rsplit_once(')').expect("a call is closed");
        let attributes = attributes
            .split_whitespace()
            .map(|pair| {
                let (key, held) = pair.split_once('=').expect("an attribute has a value");
                (key.into(), value(held))
            })
            .collect();
        let (domain, op) = op.rsplit_once("::").unwrap_or(("", op));
        let node = RawNode {
            op: op.into(),
            domain: domain.into(),
            ..RawNode::default()
        };
        match self.dialect {
            Dialect::Torch => self.torch_call(node, arguments, Map(attributes)),
            _ => self.onnx_call(node, arguments, Map(attributes)),
        }
    }

    fn torch_call(&self, mut node: RawNode, arguments: &str, keywords: Map) -> RawNode {
        let mut inputs = vec![];
        let mut given = |text: &str| match self.names.get(text) {
            Some(edge) => {
                inputs.push(Some(*edge));
                RawValue::Operand((inputs.len() - 1) as u32)
            }
            None => value(text),
        };
        let args = parts(arguments)
            .into_iter()
            .map(|text| match listed(text) {
                Some(items) => RawValue::List(items.into_iter().map(&mut given).collect()),
                None => given(text),
            })
            .collect();
        node.inputs = inputs;
        node.attributes = Map(vec![
            ("args".into(), RawValue::List(args)),
            ("kwargs".into(), RawValue::Map(keywords)),
        ]);
        node
    }

    fn onnx_call(&mut self, mut node: RawNode, arguments: &str, attributes: Map) -> RawNode {
        for text in parts(arguments) {
            let edge = match self.names.get(text) {
                Some(edge) => Some(*edge),
                None if text == "_" => None,
                None => Some(self.constant(text)),
            };
            node.inputs.push(edge);
        }
        node.attributes = attributes;
        node
    }

    fn constant(&mut self, text: &str) -> Edge {
        let numbers = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let constant = match (text.strip_prefix("w:"), listed(text)) {
            (Some(dims), _) => RawValue::Constant {
                shape: shape(dims),
                values: None,
            },
            (None, Some(items)) => RawValue::Constant {
                shape: Shape::known(&[items.len() as u64]),
                values: Some(numbers(&items)),
            },
            (None, None) => RawValue::Constant {
                shape: Shape::default(),
                values: Some(numbers(&[text])),
            },
        };
        self.push(RawNode {
            op: "constant".into(),
            attributes: Map(vec![("value".into(), constant)]),
            shapes: vec![None],
            ..RawNode::default()
        })
    }
}

/// `1x3x8`; a dimension `?` is unknown.
fn shape(dims: &str) -> Shape {
    Shape(dims.split('x').map(|dim| dim.parse().ok()).collect())
}

/// The comma-separated parts outside any bracket or quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, vec![]);
    let mut quoted = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            _ if quoted => {}
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..place].trim());
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn listed(text: &str) -> Option<Vec<&str>> {
    Some(parts(text.strip_prefix('[')?.strip_suffix(']')?))
}

fn value(text: &str) -> RawValue {
    if let Some(items) = listed(text) {
        return RawValue::List(items.into_iter().map(value).collect());
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        return RawValue::Text(quoted.trim_end_matches('\'').into());
    }
    if let Some(dims) = text.strip_prefix("w:") {
        return RawValue::Weight(shape(dims));
    }
    if let Some((start, stop)) = text.split_once(':') {
        return RawValue::Slice(Box::new([value(start), value(stop), RawValue::None]));
    }
    match text {
        "" | "none" => RawValue::None,
        "..." => RawValue::Ellipsis,
        "true" => RawValue::Bool(true),
        "false" => RawValue::Bool(false),
        _ => match (text.parse(), text.parse()) {
            (Ok(int), _) => RawValue::Int(int),
            (_, Ok(float)) => RawValue::Float(float),
            _ => RawValue::Text(text.into()),
        },
    }
}
