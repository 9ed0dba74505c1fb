//! Joins names into edges: inlines local functions and control flow.
//!
//! Each body is visited once per use, against the budget of visits, so doubling calls run out of
//! budget instead of time. A function that is already open cannot be opened again.

use super::Error;
use super::budget::Budget;
use super::message::{Attribute, Function, FunctionKey, Graph, Model, Node, Shapes, ValueInfo};
use crate::graph::{Edge, NodeIndex, Shape};
use crate::import::{Dialect, Map, RawGraph, RawNode, RawValue};
use std::collections::HashMap;

/// Values by name; `None` for an optional input left out.
struct Scope<'m, 'a> {
    values: HashMap<&'a str, Option<Edge>>,
    shapes: &'m Shapes<'a>,
}

/// Scopes from the outermost graph or the function inwards.
type Scopes<'m, 'a> = Vec<Scope<'m, 'a>>;

/// Attributes that a function call hands to its body.
type Given<'m, 'a> = HashMap<&'a str, &'m Attribute<'a>>;

struct Assembly<'m, 'a, 'l> {
    budget: Budget<'l>,
    functions: HashMap<FunctionKey<'a>, &'m Function<'a>>,
    open: Vec<FunctionKey<'a>>,
    raw: Vec<RawNode>,
    depth: usize,
}

pub(super) fn assemble(model: &Model<'_>, budget: Budget<'_>) -> Result<RawGraph, Error> {
    let graph = model
        .graph
        .as_ref()
        .filter(|graph| !graph.nodes.is_empty())
        .ok_or(Error::NoGraph)?;
    let functions = model.functions.iter();
    let mut assembly = Assembly {
        budget,
        functions: functions
            .map(|function| (function.key(), function))
            .collect(),
        open: vec![],
        raw: vec![],
        depth: 0,
    };
    let outputs = assembly.graph(graph, &mut vec![], &[], &Given::new())?;
    for (output, edge) in graph.outputs.iter().zip(&outputs) {
        if edge.is_none() && !output.name.is_empty() {
            return Err(Error::MissingOutput(output.name.to_string()));
        }
    }
    let parameters = assembly
        .raw
        .iter()
        .fold(0u64, |total, node| total.saturating_add(node.parameters));
    Ok(RawGraph {
        dialect: Dialect::Onnx,
        producer: producer(model),
        name: (!graph.name.is_empty()).then(|| graph.name.to_string()),
        parameters: Some(parameters),
        nodes: assembly.raw,
        outputs: outputs.into_iter().flatten().collect(),
    })
}

fn producer(model: &Model<'_>) -> Option<String> {
    match (model.producer_name, model.producer_version) {
        ("", "") => None,
        (name, "") => Some(name.to_string()),
        (name, version) => Some(format!("{name}/{version}")),
    }
}

impl<'m, 'a> Assembly<'m, 'a, '_> {
    fn emit(&mut self, node: RawNode) -> Result<NodeIndex, Error> {
        self.budget.produce_node()?;
        self.raw.push(node);
        Ok((self.raw.len() - 1) as NodeIndex)
    }

    /// Emits a graph whose first inputs are `bound` to values outside; the others are inputs.
    fn graph(
        &mut self,
        graph: &'m Graph<'a>,
        scopes: &mut Scopes<'m, 'a>,
        bound: &[Option<Edge>],
        given: &Given<'m, 'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        self.enter(scopes, &graph.shapes)?;
        for tensor in &graph.constants {
            let value = RawValue::Constant {
                shape: tensor.shape(),
                values: tensor.values.clone(),
            };
            let edge = self.constant(value, tensor.parameters())?;
            if tensor.is_unsigned_byte() {
                self.note_type(edge, "uint8")?;
            }
            self.define(scopes, tensor.name, Some(edge))?;
        }
        for (place, input) in graph.inputs.iter().enumerate() {
            if here(scopes).values.contains_key(input.name) {
                // A weight that is listed as an input too.
                continue;
            }
            let edge = match bound.get(place) {
                Some(edge) => *edge,
                None => Some(self.input(input)?),
            };
            self.define(scopes, input.name, edge)?;
        }
        for node in &graph.nodes {
            self.node(node, scopes, given)?;
        }
        let names = graph.outputs.iter().map(|output| output.name);
        self.leave(scopes, names, graph.outputs.len())
    }

    fn enter(&mut self, scopes: &mut Scopes<'m, 'a>, shapes: &'m Shapes<'a>) -> Result<(), Error> {
        self.depth += 1;
        self.budget.check_depth(self.depth)?;
        self.budget.take_items::<Scope<'_, '_>>(1)?;
        scopes.push(Scope {
            values: HashMap::new(),
            shapes,
        });
        Ok(())
    }

    /// Closes the innermost scope and looks up what it returns.
    fn leave(
        &mut self,
        scopes: &mut Scopes<'m, 'a>,
        names: impl Iterator<Item = &'a str>,
        count: usize,
    ) -> Result<Vec<Option<Edge>>, Error> {
        self.budget.take_items::<Option<Edge>>(count)?;
        let outputs = names.map(|name| look_up(scopes, name).flatten()).collect();
        scopes.pop();
        self.depth -= 1;
        Ok(outputs)
    }

    fn define(
        &mut self,
        scopes: &mut Scopes<'m, 'a>,
        name: &'a str,
        edge: Option<Edge>,
    ) -> Result<(), Error> {
        self.budget.take_items::<(&str, Option<Edge>)>(1)?;
        match here(scopes).values.insert(name, edge) {
            Some(_) if !name.is_empty() => Err(Error::Duplicate(name.to_string())),
            _ => Ok(()),
        }
    }

    fn input(&mut self, info: &ValueInfo<'a>) -> Result<Edge, Error> {
        let shapes = vec![self.copy_shape(info.shape.as_ref())?];
        let node = RawNode {
            op: "input".into(),
            shapes,
            ..RawNode::default()
        };
        self.emit(node).map(Edge::first)
    }

    fn constant(&mut self, value: RawValue, parameters: u64) -> Result<Edge, Error> {
        self.budget.take_value(&value)?;
        let node = RawNode {
            op: "constant".into(),
            attributes: Map(vec![("value".into(), value)]),
            shapes: vec![None],
            parameters,
            ..RawNode::default()
        };
        self.emit(node).map(Edge::first)
    }

    /// Says of what type a constant is, where its values alone do not tell what they mean.
    fn note_type(&mut self, constant: Edge, name: &str) -> Result<(), Error> {
        self.budget.take_items::<(Box<str>, RawValue)>(1)?;
        let attributes = &mut self.raw[constant.node as usize].attributes;
        attributes
            .0
            .push(("type".into(), RawValue::Text(name.into())));
        Ok(())
    }

    fn node(
        &mut self,
        node: &'m Node<'a>,
        scopes: &mut Scopes<'m, 'a>,
        given: &Given<'m, 'a>,
    ) -> Result<(), Error> {
        self.budget.visit_node()?;
        self.budget.take_items::<Option<Edge>>(node.inputs.len())?;
        let operands = node
            .inputs
            .iter()
            .map(|value| read(scopes, node, value))
            .collect::<Result<Vec<_>, _>>()?;
        let outputs = match node.op {
            "If" if node.domain.is_empty() => self.branch(node, scopes, given)?,
            "Loop" | "Scan" if node.domain.is_empty() => {
                self.body(node, &operands, scopes, given)?
            }
            "Constant" if node.domain.is_empty() => vec![Some(self.constant_node(node, given)?)],
            _ => match self.functions.get(&node.key()).copied() {
                Some(function) => self.call(function, node, &operands, given)?,
                None => self.operator(node, operands, scopes, given)?,
            },
        };
        for (place, name) in node.outputs.iter().enumerate() {
            if !name.is_empty() {
                self.define(scopes, name, outputs.get(place).copied().flatten())?;
            }
        }
        Ok(())
    }

    fn operator(
        &mut self,
        node: &'m Node<'a>,
        operands: Vec<Option<Edge>>,
        scopes: &Scopes<'m, 'a>,
        given: &Given<'m, 'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        self.budget.take_bytes(node.op.len() + node.domain.len())?;
        let mut attributes = Vec::with_capacity(node.attributes.len());
        for attribute in &node.attributes {
            if let Some(value) = resolved(attribute, given).and_then(|held| held.value.as_ref()) {
                self.budget.take_items::<(Box<str>, RawValue)>(1)?;
                self.budget.take_bytes(attribute.name.len())?;
                self.budget.take_value(value)?;
                attributes.push((attribute.name.into(), value.clone()));
            }
        }
        let mut shapes = Vec::with_capacity(node.outputs.len());
        for name in &node.outputs {
            shapes.push(self.copy_shape(shape(scopes, name))?);
        }
        let raw = RawNode {
            op: node.op.into(),
            domain: node.domain.into(),
            inputs: operands,
            attributes: Map(attributes),
            shapes,
            parameters: 0,
            module: None,
        };
        let index = self.emit(raw)?;
        let ports = 0..node.outputs.len() as u16;
        Ok(ports.map(|port| Some(Edge { node: index, port })).collect())
    }

    fn copy_shape(&mut self, shape: Option<&Shape>) -> Result<Option<Shape>, Error> {
        let dims = shape.map_or(0, Shape::rank);
        self.budget.take_items::<Option<Shape>>(1)?;
        self.budget.take_bytes(16 * dims)?;
        Ok(shape.cloned())
    }

    fn constant_node(&mut self, node: &'m Node<'a>, given: &Given<'m, 'a>) -> Result<Edge, Error> {
        let held = node.attributes.iter().find_map(|attribute| {
            let held = resolved(attribute, given)?;
            Some((held.value.as_ref()?, held.parameters))
        });
        let Some((value, parameters)) = held else {
            return self.constant(scalar(None), 0);
        };
        self.budget.take_value(value)?;
        let constant = match value {
            RawValue::Constant { .. } => value.clone(),
            RawValue::List(items) => RawValue::Constant {
                shape: Shape::known(&[items.len() as u64]),
                values: items.iter().map(RawValue::as_float).collect(),
            },
            other => scalar(other.as_float()),
        };
        self.constant(constant, parameters)
    }

    /// The larger branch: the smaller is a special case or a guard.
    fn branch(
        &mut self,
        node: &'m Node<'a>,
        scopes: &mut Scopes<'m, 'a>,
        given: &Given<'m, 'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        let branches = node.attributes.iter().flat_map(|attribute| {
            let is_then = attribute.name == "then_branch";
            attribute.graphs.iter().map(move |graph| (graph, is_then))
        });
        match branches.max_by_key(|(graph, is_then)| (graph.size, *is_then)) {
            Some((graph, _)) => self.graph(graph, scopes, &[], given),
            None => Ok(vec![]),
        }
    }

    /// One turn of a loop. Its counter and condition are constants.
    fn body(
        &mut self,
        node: &'m Node<'a>,
        operands: &[Option<Edge>],
        scopes: &mut Scopes<'m, 'a>,
        given: &Given<'m, 'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        let Some(graph) = node.graphs().next() else {
            return Ok(vec![]);
        };
        if node.op == "Scan" {
            // Opset 8 has the lengths of the sequences before the operands of the body.
            let lengths = operands.len().saturating_sub(graph.inputs.len()).min(1);
            return self.graph(graph, scopes, &operands[lengths..], given);
        }
        let constant = self.constant(scalar(None), 0)?;
        let mut bound = vec![Some(constant); 2];
        bound.extend(operands.iter().skip(2));
        let outputs = self.graph(graph, scopes, &bound, given)?;
        Ok(outputs.into_iter().skip(1).collect())
    }

    fn call(
        &mut self,
        function: &'m Function<'a>,
        node: &'m Node<'a>,
        operands: &[Option<Edge>],
        given: &Given<'m, 'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        if self.open.contains(&function.key()) {
            return Err(Error::Recursion(function.name.to_string()));
        }
        let mut scopes = vec![];
        self.enter(&mut scopes, &function.shapes)?;
        self.open.push(function.key());
        for (place, input) in function.inputs.iter().enumerate() {
            let edge = operands.get(place).copied().flatten();
            self.define(&mut scopes, input, edge)?;
        }
        let handed = node.attributes.iter().filter_map(|attribute| {
            let held = resolved(attribute, given)?;
            Some((attribute.name, held))
        });
        let defaults = function.defaults.iter();
        let inner: Given<'m, 'a> = defaults
            .map(|attribute| (attribute.name, attribute))
            .chain(handed)
            .collect();
        self.budget
            .take_items::<(&str, &Attribute<'_>)>(inner.len())?;
        for node in &function.nodes {
            self.node(node, &mut scopes, &inner)?;
        }
        self.open.pop();
        let names = function.outputs.iter().copied();
        self.leave(&mut scopes, names, function.outputs.len())
    }
}

/// A constant without dimensions.
fn scalar(value: Option<f64>) -> RawValue {
    RawValue::Constant {
        shape: Shape::default(),
        values: value.map(|value| vec![value]),
    }
}

/// The attribute that holds the value: in a function's body, it may be the caller's.
fn resolved<'m, 'a>(
    attribute: &'m Attribute<'a>,
    given: &Given<'m, 'a>,
) -> Option<&'m Attribute<'a>> {
    if attribute.refers_to.is_empty() {
        Some(attribute)
    } else {
        given.get(attribute.refers_to).copied()
    }
}

fn here<'s, 'm, 'a>(scopes: &'s mut Scopes<'m, 'a>) -> &'s mut Scope<'m, 'a> {
    scopes
        .last_mut()
        .expect("a scope is pushed before anything is defined")
}

fn look_up(scopes: &Scopes<'_, '_>, name: &str) -> Option<Option<Edge>> {
    let mut inside_out = scopes.iter().rev();
    inside_out.find_map(|scope| scope.values.get(name).copied())
}

fn shape<'s>(scopes: &'s Scopes<'_, '_>, name: &str) -> Option<&'s Shape> {
    let mut inside_out = scopes.iter().rev();
    inside_out.find_map(|scope| scope.shapes.get(name))
}

fn read(scopes: &Scopes<'_, '_>, node: &Node<'_>, value: &str) -> Result<Option<Edge>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    look_up(scopes, value).ok_or_else(|| Error::Missing {
        node: node.described(),
        value: value.to_string(),
    })
}
