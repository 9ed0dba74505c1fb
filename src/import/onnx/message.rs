//! The ONNX messages, as far as structure needs them (field numbers: onnx.proto).
//!
//! Reading recurses as deep as graphs nest, which the budget bounds. Every body leaves here in
//! dataflow order, so that inlining it many times sorts it once.

use super::Error;
use super::budget::Budget;
use super::order;
use super::tensor::{Tensor, sparse, tensor};
use super::wire::{Field, Message};
use crate::graph::Shape;
use crate::import::RawValue;
use std::collections::HashMap;

/// Shapes of values by name.
pub(super) type Shapes<'a> = HashMap<&'a str, Shape>;

#[derive(Default)]
pub(super) struct Model<'a> {
    pub(super) producer_name: &'a str,
    pub(super) producer_version: &'a str,
    pub(super) graph: Option<Graph<'a>>,
    pub(super) functions: Vec<Function<'a>>,
}

#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) name: &'a str,
    /// In dataflow order.
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    pub(super) shapes: Shapes<'a>,
    /// Names that it takes from the graphs around it.
    pub(super) captures: Vec<&'a str>,
    /// Nodes, those of nested graphs included.
    pub(super) size: usize,
}

/// A function is found by domain, name and overload.
pub(super) type FunctionKey<'a> = (&'a str, &'a str, &'a str);

#[derive(Default)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) overload: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    /// In dataflow order.
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) shapes: Shapes<'a>,
    /// Attributes that a call may leave out.
    pub(super) defaults: Vec<Attribute<'a>>,
}

#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
    pub(super) overload: &'a str,
    pub(super) name: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) attributes: Vec<Attribute<'a>>,
}

#[derive(Default)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// The function's attribute that this one repeats.
    pub(super) refers_to: &'a str,
    pub(super) value: Option<RawValue>,
    /// Trainable elements of a tensor.
    pub(super) parameters: u64,
    pub(super) graphs: Vec<Graph<'a>>,
}

#[derive(Clone, Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Option<Shape>,
}

impl<'a> Function<'a> {
    pub(super) fn key(&self) -> FunctionKey<'a> {
        (self.domain, self.name, self.overload)
    }
}

impl<'a> Node<'a> {
    /// The function it calls, if there is one.
    pub(super) fn key(&self) -> FunctionKey<'a> {
        (self.domain, self.op, self.overload)
    }

    pub(super) fn graphs(&self) -> impl Iterator<Item = &Graph<'a>> {
        self.attributes
            .iter()
            .flat_map(|attribute| &attribute.graphs)
    }

    /// What to call it in a message.
    pub(super) fn described(&self) -> String {
        if self.name.is_empty() {
            self.op.to_string()
        } else {
            format!("{} ({})", self.name, self.op)
        }
    }
}

pub(super) type Reading<T> = Result<T, Error>;

pub(super) fn each<'a>(
    message: Message<'a>,
    mut read: impl FnMut(u32, Field<'a>) -> Reading<()>,
) -> Reading<()> {
    let mut fields = message.fields();
    while let Some((number, field)) = fields.next()? {
        read(number, field)?;
    }
    Ok(())
}

pub(super) fn name<'a>(message: Message<'a>, budget: &Budget<'_>) -> Reading<&'a str> {
    budget.check(
        "bytes in one name",
        message.bytes.len(),
        budget.limits.name_bytes,
    )?;
    message.text()
}

/// `ai.onnx` is another way to write the default domain.
fn domain<'a>(message: Message<'a>, budget: &Budget<'_>) -> Reading<&'a str> {
    let domain = name(message, budget)?;
    Ok(if domain == "ai.onnx" { "" } else { domain })
}

pub(super) fn model<'a>(bytes: &'a [u8], budget: &mut Budget<'_>) -> Reading<Model<'a>> {
    let mut model = Model::default();
    each(Message { bytes, offset: 0 }, |number, field| {
        let Field::Bytes(message) = field else {
            return Ok(());
        };
        match number {
            2 => model.producer_name = name(message, budget)?,
            3 => model.producer_version = name(message, budget)?,
            7 => model.graph = Some(graph(message, budget, 0)?),
            25 => model.functions.push(function(message, budget)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(model)
}

fn graph<'a>(message: Message<'a>, budget: &mut Budget<'_>, depth: usize) -> Reading<Graph<'a>> {
    budget.check_depth(depth)?;
    budget.take_items::<Graph<'_>>(1)?;
    let mut graph = Graph::default();
    each(message, |number, field| {
        let Field::Bytes(message) = field else {
            return Ok(());
        };
        match number {
            1 => graph.nodes.push(node(message, budget, depth)?),
            2 => graph.name = name(message, budget)?,
            5 => graph.constants.push(tensor(message, budget)?),
            11 => graph.inputs.push(value_info(message, budget)?),
            12 => graph.outputs.push(value_info(message, budget)?),
            13 => remember(&mut graph.shapes, value_info(message, budget)?),
            15 => graph.constants.push(sparse(message, budget)?),
            _ => {}
        }
        Ok(())
    })?;
    for output in &graph.outputs {
        remember(&mut graph.shapes, output.clone());
    }
    let nested = graph.nodes.iter().flat_map(Node::graphs);
    graph.size = graph.nodes.len() + nested.map(|graph| graph.size).sum::<usize>();
    graph.nodes = order::sort(graph.nodes)?;
    graph.captures = order::captures(&graph, budget)?;
    Ok(graph)
}

fn remember<'a>(shapes: &mut Shapes<'a>, info: ValueInfo<'a>) {
    if let Some(shape) = info.shape {
        shapes.insert(info.name, shape);
    }
}

fn function<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Function<'a>> {
    budget.read_node()?;
    budget.take_items::<Function<'_>>(1)?;
    let mut function = Function::default();
    each(message, |number, field| {
        let Field::Bytes(message) = field else {
            return Ok(());
        };
        match number {
            1 => function.name = name(message, budget)?,
            4 => function.inputs.push(operand(message, budget)?),
            5 => function.outputs.push(operand(message, budget)?),
            7 => function.nodes.push(node(message, budget, 0)?),
            10 => function.domain = domain(message, budget)?,
            11 => function.defaults.push(attribute(message, budget, 0)?),
            12 => remember(&mut function.shapes, value_info(message, budget)?),
            13 => function.overload = name(message, budget)?,
            _ => {}
        }
        check_operands(&function.inputs, &function.outputs, budget)?;
        check_attributes(&function.defaults, budget)
    })?;
    function.nodes = order::sort(function.nodes)?;
    Ok(function)
}

fn operand<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<&'a str> {
    budget.take_items::<&str>(1)?;
    name(message, budget)
}

fn check_operands(inputs: &[&str], outputs: &[&str], budget: &Budget<'_>) -> Reading<()> {
    budget.check(
        "operands on one node",
        inputs.len().max(outputs.len()),
        // An output is counted in 16 bits, whatever the settings say.
        budget.limits.operands.min(usize::from(u16::MAX)),
    )
}

fn check_attributes(attributes: &[Attribute<'_>], budget: &Budget<'_>) -> Reading<()> {
    budget.check(
        "attributes on one node",
        attributes.len(),
        budget.limits.attributes,
    )
}

fn node<'a>(message: Message<'a>, budget: &mut Budget<'_>, depth: usize) -> Reading<Node<'a>> {
    budget.read_node()?;
    let mut node = Node::default();
    each(message, |number, field| {
        let Field::Bytes(message) = field else {
            return Ok(());
        };
        match number {
            1 => node.inputs.push(operand(message, budget)?),
            2 => node.outputs.push(operand(message, budget)?),
            3 => node.name = name(message, budget)?,
            4 => node.op = name(message, budget)?,
            5 => node.attributes.push(attribute(message, budget, depth)?),
            7 => node.domain = domain(message, budget)?,
            8 => node.overload = name(message, budget)?,
            _ => {}
        }
        check_operands(&node.inputs, &node.outputs, budget)?;
        check_attributes(&node.attributes, budget)
    })?;
    Ok(node)
}

fn attribute<'a>(
    message: Message<'a>,
    budget: &mut Budget<'_>,
    depth: usize,
) -> Reading<Attribute<'a>> {
    budget.take_items::<Attribute<'_>>(1)?;
    let mut attribute = Attribute::default();
    let mut list = Vec::new();
    let mut kind = 0;
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(text)) => attribute.name = name(text, budget)?,
            (2, Field::Fixed32(bits)) => attribute.value = Some(float(bits)),
            (3, Field::Varint(value)) => attribute.value = Some(RawValue::Int(value as i64)),
            (4, Field::Bytes(text)) => attribute.value = Some(text_value(text, budget)?),
            (5, Field::Bytes(message)) => attribute.hold(tensor(message, budget)?),
            (22, Field::Bytes(message)) => attribute.hold(sparse(message, budget)?),
            (6 | 11, Field::Bytes(message)) => {
                attribute.graphs.push(graph(message, budget, depth + 1)?)
            }
            (7, Field::Fixed32(bits)) => push(&mut list, float(bits), budget)?,
            (7, Field::Bytes(packed)) => {
                for bytes in packed.bytes.chunks_exact(4) {
                    let bits = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                    push(&mut list, float(bits), budget)?;
                }
            }
            (8, field) => {
                field.integers(|value| push(&mut list, RawValue::Int(value as i64), budget))?
            }
            (9, Field::Bytes(text)) => push(&mut list, text_value(text, budget)?, budget)?,
            (20, Field::Varint(value)) => kind = value,
            (21, Field::Bytes(text)) => attribute.refers_to = name(text, budget)?,
            _ => {}
        }
        Ok(())
    })?;
    if !list.is_empty() {
        attribute.value = Some(RawValue::List(list));
    }
    if attribute.value.is_none() {
        attribute.value = empty_value(kind);
    }
    Ok(attribute)
}

impl<'a> Attribute<'a> {
    fn hold(&mut self, tensor: Tensor<'a>) {
        self.parameters = tensor.parameters();
        self.value = Some(tensor.into_value());
    }
}

/// Some writers leave out a value that is zero or empty, and state its type alone.
fn empty_value(kind: u64) -> Option<RawValue> {
    match kind {
        1 => Some(RawValue::Float(0.0)),
        2 => Some(RawValue::Int(0)),
        3 => Some(RawValue::Text("".into())),
        6..=8 => Some(RawValue::List(vec![])),
        _ => None,
    }
}

fn push(list: &mut Vec<RawValue>, value: RawValue, budget: &mut Budget<'_>) -> Reading<()> {
    budget.take_items::<RawValue>(1)?;
    budget.check("elements in one list", list.len() + 1, budget.limits.list)?;
    list.push(value);
    Ok(())
}

fn float(bits: u32) -> RawValue {
    RawValue::Float(f64::from(f32::from_bits(bits)))
}

/// Text attributes may hold any bytes; only readable ones of modest length matter to structure.
fn text_value(message: Message<'_>, budget: &mut Budget<'_>) -> Reading<RawValue> {
    if message.bytes.len() > budget.limits.name_bytes {
        return Ok(RawValue::Other("long text".into()));
    }
    budget.take_bytes(message.bytes.len())?;
    Ok(match std::str::from_utf8(message.bytes) {
        Ok(text) => RawValue::Text(text.into()),
        Err(_) => RawValue::Other("bytes".into()),
    })
}

fn value_info<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<ValueInfo<'a>> {
    budget.take_items::<ValueInfo<'_>>(2)?;
    let mut info = ValueInfo::default();
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(text)) => info.name = name(text, budget)?,
            (2, Field::Bytes(kind)) => info.shape = tensor_shape(kind, budget)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(info)
}

/// TypeProto.tensor_type.shape.
fn tensor_shape(kind: Message<'_>, budget: &mut Budget<'_>) -> Reading<Option<Shape>> {
    let mut shape = None;
    each(kind, |number, field| {
        let (1, Field::Bytes(tensor)) = (number, field) else {
            return Ok(());
        };
        each(tensor, |number, field| {
            let (2, Field::Bytes(dims)) = (number, field) else {
                return Ok(());
            };
            let mut known = Vec::new();
            each(dims, |number, field| {
                if let (1, Field::Bytes(dim)) = (number, field) {
                    // Twice: outputs of a graph are remembered as shapes too.
                    budget.take_items::<Option<u64>>(2)?;
                    known.push(dimension(dim)?);
                }
                budget.check_rank(known.len())
            })?;
            shape = Some(Shape(known));
            Ok(())
        })
    })?;
    Ok(shape)
}

/// A dimension that is symbolic, zero or negative is unknown.
fn dimension(message: Message<'_>) -> Reading<Option<u64>> {
    let mut dim = None;
    each(message, |number, field| {
        if let (1, Field::Varint(value)) = (number, field) {
            dim = u64::try_from(value as i64).ok().filter(|dim| *dim > 0);
        }
        Ok(())
    })?;
    Ok(dim)
}
