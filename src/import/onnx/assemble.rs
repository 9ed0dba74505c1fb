//! Joins names into edges: sorts nodes, inlines local functions and control flow.
//!
//! Each body is visited once per use, against the node budget, so doubling calls run out of
//! budget instead of memory. A function that is already open cannot be opened again.

use super::message::{Attribute, Function, Graph, Model, Node, ValueInfo};
use super::{Budget, Error};
use crate::graph::{Edge, NodeIndex, Shape};
use crate::import::{Dialect, Map, RawGraph, RawNode, RawValue};
use std::collections::HashMap;

/// Values by name; `None` for an optional input left out.
type Scope<'a> = HashMap<&'a str, Option<Edge>>;

/// Attribute values that a function call hands to its body.
type Given<'a> = HashMap<&'a str, RawValue>;

struct Assembly<'a, 'm, 'l> {
    budget: Budget<'l>,
    functions: HashMap<(&'a str, &'a str), &'m Function<'a>>,
    open: Vec<&'a str>,
    shapes: HashMap<&'a str, Shape>,
    raw: Vec<RawNode>,
    depth: usize,
}

pub(super) fn assemble(model: &Model<'_>, budget: Budget<'_>) -> Result<RawGraph, Error> {
    let graph = model
        .graph
        .as_ref()
        .filter(|graph| !graph.nodes.is_empty())
        .ok_or(Error::NoGraph)?;
    let functions = model
        .functions
        .iter()
        .map(|function| ((function.domain, function.name), function))
        .collect();
    let mut assembly = Assembly {
        budget,
        functions,
        open: vec![],
        shapes: HashMap::new(),
        raw: vec![],
        depth: 0,
    };
    let mut scopes = vec![Scope::new()];
    let outputs = assembly.graph(graph, &mut scopes, &[], &Given::new())?;
    let parameters = assembly
        .raw
        .iter()
        .fold(0u64, |total, node| total.saturating_add(node.parameters));
    Ok(RawGraph {
        dialect: Dialect::Onnx,
        producer: (!model.producer.is_empty()).then(|| model.producer.clone()),
        name: (!graph.name.is_empty()).then(|| graph.name.to_string()),
        parameters: Some(parameters),
        nodes: assembly.raw,
        outputs: outputs.into_iter().flatten().collect(),
    })
}

impl<'a> Assembly<'a, '_, '_> {
    fn emit(&mut self, node: RawNode) -> Result<NodeIndex, Error> {
        self.budget.take_node()?;
        self.raw.push(node);
        Ok((self.raw.len() - 1) as NodeIndex)
    }

    /// Emits a graph whose first inputs are `bound` to values outside; the others are inputs.
    fn graph(
        &mut self,
        graph: &Graph<'a>,
        scopes: &mut Vec<Scope<'a>>,
        bound: &[Option<Edge>],
        given: &Given<'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        self.enter()?;
        self.remember_shapes(graph);
        scopes.push(Scope::new());
        for tensor in &graph.constants {
            let edge = self.constant(tensor.value(), tensor.parameters())?;
            define(scopes, tensor.name, Some(edge))?;
        }
        for (place, input) in graph.inputs.iter().enumerate() {
            if here(scopes).contains_key(input.name) {
                continue;
            }
            let edge = match bound.get(place) {
                Some(edge) => *edge,
                None => Some(self.input(input)?),
            };
            define(scopes, input.name, edge)?;
        }
        self.nodes(&graph.nodes, scopes, given)?;
        let outputs = graph
            .outputs
            .iter()
            .map(|output| look_up(scopes, output.name).flatten())
            .collect();
        scopes.pop();
        self.depth -= 1;
        Ok(outputs)
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        self.budget.check(
            "nested graphs and functions",
            self.depth,
            self.budget.limits.depth,
        )
    }

    fn remember_shapes(&mut self, graph: &Graph<'a>) {
        let known = graph.values.iter().chain(&graph.outputs);
        self.shapes
            .extend(known.filter_map(|info| Some((info.name, info.shape.clone()?))));
    }

    fn input(&mut self, info: &ValueInfo<'a>) -> Result<Edge, Error> {
        let node = RawNode {
            op: "input".into(),
            shapes: vec![info.shape.clone()],
            ..RawNode::default()
        };
        self.emit(node).map(Edge::first)
    }

    fn constant(&mut self, value: RawValue, parameters: u64) -> Result<Edge, Error> {
        let node = RawNode {
            op: "constant".into(),
            attributes: Map(vec![("value".into(), value)]),
            shapes: vec![None],
            parameters,
            ..RawNode::default()
        };
        self.emit(node).map(Edge::first)
    }

    /// Emits nodes in dataflow order, whatever their order in the file.
    fn nodes(
        &mut self,
        nodes: &[Node<'a>],
        scopes: &mut Vec<Scope<'a>>,
        given: &Given<'a>,
    ) -> Result<(), Error> {
        for index in sorted(nodes)? {
            self.node(&nodes[index], scopes, given)?;
        }
        Ok(())
    }

    fn node(
        &mut self,
        node: &Node<'a>,
        scopes: &mut Vec<Scope<'a>>,
        given: &Given<'a>,
    ) -> Result<(), Error> {
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
            _ => match self.functions.get(&(node.domain, node.op)).copied() {
                Some(function) => self.call(function, node, &operands, given)?,
                None => self.operator(node, operands, given)?,
            },
        };
        for (place, name) in node
            .outputs
            .iter()
            .enumerate()
            .filter(|(_, name)| !name.is_empty())
        {
            define(scopes, name, outputs.get(place).copied().flatten())?;
        }
        Ok(())
    }

    fn operator(
        &mut self,
        node: &Node<'a>,
        operands: Vec<Option<Edge>>,
        given: &Given<'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        let attributes = node
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name.into(), value(attribute, given)?)));
        let raw = RawNode {
            op: node.op.into(),
            domain: node.domain.into(),
            inputs: operands,
            attributes: Map(attributes.collect()),
            shapes: node
                .outputs
                .iter()
                .map(|name| self.shapes.get(name).cloned())
                .collect(),
            parameters: 0,
            module: None,
        };
        self.budget
            .take_bytes(48 * (raw.inputs.len() + raw.shapes.len()))?;
        let index = self.emit(raw)?;
        Ok((0..node.outputs.len())
            .map(|port| {
                Some(Edge {
                    node: index,
                    port: port as u16,
                })
            })
            .collect())
    }

    fn constant_node(&mut self, node: &Node<'a>, given: &Given<'a>) -> Result<Edge, Error> {
        let attribute = node
            .attributes
            .first()
            .and_then(|attribute| value(attribute, given));
        let constant = match attribute {
            Some(constant @ RawValue::Constant { .. }) => constant,
            Some(RawValue::List(items)) => RawValue::Constant {
                shape: Shape::known(&[items.len() as u64]),
                values: items.iter().map(RawValue::as_float).collect(),
            },
            other => RawValue::Constant {
                shape: Shape::default(),
                values: other
                    .and_then(|value| value.as_float())
                    .map(|value| vec![value]),
            },
        };
        let parameters = match &constant {
            RawValue::Constant {
                shape,
                values: None,
            } => shape.elements().unwrap_or(0),
            _ => 0,
        };
        self.constant(constant, parameters)
    }

    /// The larger branch: the smaller is a special case or a guard.
    fn branch(
        &mut self,
        node: &Node<'a>,
        scopes: &mut Vec<Scope<'a>>,
        given: &Given<'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        let branches = node
            .attributes
            .iter()
            .flat_map(|attribute| &attribute.graphs);
        match branches.max_by_key(|graph| graph.nodes.len()) {
            Some(graph) => self.graph(graph, scopes, &[], given),
            None => Ok(vec![]),
        }
    }

    /// One turn of a loop. Its counter and condition are constants.
    fn body(
        &mut self,
        node: &Node<'a>,
        operands: &[Option<Edge>],
        scopes: &mut Vec<Scope<'a>>,
        given: &Given<'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        let Some(graph) = node
            .attributes
            .iter()
            .flat_map(|attribute| &attribute.graphs)
            .next()
        else {
            return Ok(vec![]);
        };
        if node.op == "Scan" {
            return self.graph(graph, scopes, operands, given);
        }
        let constant = self.constant(
            RawValue::Constant {
                shape: Shape::default(),
                values: None,
            },
            0,
        )?;
        let mut bound = vec![Some(constant); 2];
        bound.extend(operands.iter().skip(2));
        let outputs = self.graph(graph, scopes, &bound, given)?;
        Ok(outputs.into_iter().skip(1).collect())
    }

    fn call(
        &mut self,
        function: &Function<'a>,
        node: &Node<'a>,
        operands: &[Option<Edge>],
        given: &Given<'a>,
    ) -> Result<Vec<Option<Edge>>, Error> {
        if self.open.contains(&function.name) {
            return Err(Error::Recursion(function.name.to_string()));
        }
        self.enter()?;
        self.open.push(function.name);
        let mut scopes = vec![Scope::new()];
        for (place, input) in function.inputs.iter().enumerate() {
            define(&mut scopes, input, operands.get(place).copied().flatten())?;
        }
        let inner = node
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name, value(attribute, given)?)))
            .collect();
        self.nodes(&function.nodes, &mut scopes, &inner)?;
        self.open.pop();
        self.depth -= 1;
        Ok(function
            .outputs
            .iter()
            .map(|name| look_up(&scopes, name).flatten())
            .collect())
    }
}

fn value<'a>(attribute: &Attribute<'a>, given: &Given<'a>) -> Option<RawValue> {
    if attribute.refers_to.is_empty() {
        attribute.value.clone()
    } else {
        given.get(attribute.refers_to).cloned()
    }
}

fn here<'s, 'a>(scopes: &'s mut [Scope<'a>]) -> &'s mut Scope<'a> {
    scopes
        .last_mut()
        .expect("a scope is pushed before anything is defined")
}

fn define<'a>(scopes: &mut [Scope<'a>], name: &'a str, edge: Option<Edge>) -> Result<(), Error> {
    match here(scopes).insert(name, edge) {
        Some(_) if !name.is_empty() => Err(Error::Duplicate(name.to_string())),
        _ => Ok(()),
    }
}

fn look_up(scopes: &[Scope<'_>], name: &str) -> Option<Option<Edge>> {
    scopes
        .iter()
        .rev()
        .find_map(|scope| scope.get(name).copied())
}

fn read(scopes: &[Scope<'_>], node: &Node<'_>, value: &str) -> Result<Option<Edge>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    look_up(scopes, value).ok_or_else(|| Error::Missing {
        node: described(node),
        value: value.to_string(),
    })
}

fn described(node: &Node<'_>) -> String {
    if node.name.is_empty() {
        node.op.to_string()
    } else {
        format!("{} ({})", node.name, node.op)
    }
}

/// Dataflow order; among nodes that are ready, the order of the file.
fn sorted<'a>(nodes: &[Node<'a>]) -> Result<Vec<usize>, Error> {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if producer.insert(name, index).is_some() {
                return Err(Error::Duplicate(name.to_string()));
            }
        }
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0usize; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for name in needed(node) {
            if let Some(before) = producer.get(name) {
                readers[*before].push(index);
                waiting[index] += 1;
            }
        }
    }
    let mut ready: std::collections::BinaryHeap<_> = (0..nodes.len())
        .filter(|index| waiting[*index] == 0)
        .map(std::cmp::Reverse)
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(std::cmp::Reverse(index)) = ready.pop() {
        order.push(index);
        for reader in &readers[index] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(std::cmp::Reverse(*reader));
            }
        }
    }
    match waiting.iter().position(|waits| *waits > 0) {
        Some(stuck) => Err(Error::Cycle(described(&nodes[stuck]))),
        None => Ok(order),
    }
}

/// What a node reads, its subgraphs' captures included. Nesting was bounded while reading.
fn needed<'n, 'a>(node: &'n Node<'a>) -> Vec<&'n str> {
    let mut names: Vec<&str> = node.inputs.to_vec();
    let mut open: Vec<&Graph<'a>> = node
        .attributes
        .iter()
        .flat_map(|attribute| &attribute.graphs)
        .collect();
    while let Some(graph) = open.pop() {
        for node in &graph.nodes {
            names.extend(&node.inputs);
            open.extend(
                node.attributes
                    .iter()
                    .flat_map(|attribute| &attribute.graphs),
            );
        }
        names.extend(graph.outputs.iter().map(|output| output.name));
    }
    names
}
