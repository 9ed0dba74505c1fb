//! The ONNX messages, as far as structure needs them (field numbers: onnx.proto).

use super::wire::{Field, Message};
use super::{Budget, Error};
use crate::graph::Shape;
use crate::import::RawValue;

/// Values of tensors up to this many elements are kept.
const MOST_VALUES: u64 = 1024;

#[derive(Default)]
pub(super) struct Model<'a> {
    pub(super) producer: String,
    pub(super) graph: Option<Graph<'a>>,
    pub(super) functions: Vec<Function<'a>>,
}

#[derive(Default)]
pub(super) struct Graph<'a> {
    pub(super) name: &'a str,
    pub(super) nodes: Vec<Node<'a>>,
    pub(super) constants: Vec<Tensor<'a>>,
    pub(super) inputs: Vec<ValueInfo<'a>>,
    pub(super) outputs: Vec<ValueInfo<'a>>,
    pub(super) values: Vec<ValueInfo<'a>>,
}

#[derive(Default)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) domain: &'a str,
    pub(super) inputs: Vec<&'a str>,
    pub(super) outputs: Vec<&'a str>,
    pub(super) nodes: Vec<Node<'a>>,
}

#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) op: &'a str,
    pub(super) domain: &'a str,
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
    pub(super) graphs: Vec<Graph<'a>>,
}

#[derive(Default)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) kind: u64,
    pub(super) values: Option<Vec<f64>>,
}

#[derive(Default)]
pub(super) struct ValueInfo<'a> {
    pub(super) name: &'a str,
    pub(super) shape: Option<Shape>,
}

impl Tensor<'_> {
    pub(super) fn shape(&self) -> Shape {
        Shape(
            self.dims
                .iter()
                .map(|dim| u64::try_from(*dim).ok())
                .collect(),
        )
    }

    pub(super) fn value(&self) -> RawValue {
        RawValue::Constant {
            shape: self.shape(),
            values: self.values.clone(),
        }
    }

    /// Elements that training would change: those of float and quantised tensors.
    pub(super) fn parameters(&self) -> u64 {
        let trainable = matches!(self.kind, 1 | 2 | 3 | 10 | 11 | 16..=23);
        if trainable {
            self.shape()
                .elements()
                .filter(|count| *count > 1)
                .unwrap_or(0)
        } else {
            0
        }
    }
}

type Reading<T> = Result<T, Error>;

fn each<'a>(
    message: Message<'a>,
    mut read: impl FnMut(u32, Field<'a>) -> Reading<()>,
) -> Reading<()> {
    let mut fields = message.fields();
    while let Some((number, field)) = fields.next()? {
        read(number, field)?;
    }
    Ok(())
}

fn name<'a>(message: Message<'a>, budget: &Budget<'_>) -> Reading<&'a str> {
    budget.check(
        "bytes in one name",
        message.bytes.len(),
        budget.limits.name_bytes,
    )?;
    message.text()
}

pub(super) fn model<'a>(bytes: &'a [u8], budget: &mut Budget<'_>) -> Reading<Model<'a>> {
    let mut model = Model::default();
    each(Message { bytes, offset: 0 }, |number, field| {
        match (number, field) {
            (2, Field::Bytes(text)) => {
                model.producer = format!("{}{}", name(text, budget)?, model.producer)
            }
            (3, Field::Bytes(text)) => {
                model.producer = format!("{}/{}", model.producer, name(text, budget)?)
            }
            (7, Field::Bytes(message)) => model.graph = Some(graph(message, budget, 0)?),
            (25, Field::Bytes(message)) => model.functions.push(function(message, budget)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(model)
}

fn graph<'a>(message: Message<'a>, budget: &mut Budget<'_>, depth: usize) -> Reading<Graph<'a>> {
    budget.check("nested graphs", depth, budget.limits.depth)?;
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
            13 => graph.values.push(value_info(message, budget)?),
            15 => graph.constants.push(sparse(message, budget)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(graph)
}

fn function<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Function<'a>> {
    budget.take_node()?;
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
            10 => function.domain = name(message, budget)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(function)
}

fn operand<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<&'a str> {
    budget.take_bytes(16)?;
    name(message, budget)
}

fn node<'a>(message: Message<'a>, budget: &mut Budget<'_>, depth: usize) -> Reading<Node<'a>> {
    budget.take_node()?;
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
            7 => node.domain = name(message, budget)?,
            _ => {}
        }
        budget.check(
            "operands on one node",
            node.inputs.len().max(node.outputs.len()),
            budget.limits.operands,
        )?;
        budget.check(
            "attributes on one node",
            node.attributes.len(),
            budget.limits.attributes,
        )
    })?;
    if node.domain == "ai.onnx" {
        node.domain = "";
    }
    Ok(node)
}

fn attribute<'a>(
    message: Message<'a>,
    budget: &mut Budget<'_>,
    depth: usize,
) -> Reading<Attribute<'a>> {
    budget.take_bytes(96)?;
    let mut attribute = Attribute::default();
    let mut list = Vec::new();
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(text)) => attribute.name = name(text, budget)?,
            (2, Field::Fixed32(bits)) => attribute.value = Some(float(bits)),
            (3, Field::Varint(value)) => attribute.value = Some(RawValue::Int(value as i64)),
            (4, Field::Bytes(text)) => attribute.value = Some(text_value(text, budget)?),
            (5, Field::Bytes(message)) => attribute.value = Some(tensor(message, budget)?.value()),
            (22, Field::Bytes(message)) => attribute.value = Some(sparse(message, budget)?.value()),
            (6 | 11, Field::Bytes(message)) => {
                attribute.graphs.push(graph(message, budget, depth + 1)?)
            }
            (7, Field::Fixed32(bits)) => push(&mut list, float(bits), budget)?,
            (7, Field::Bytes(packed)) => {
                for bytes in packed.bytes.chunks_exact(4) {
                    push(
                        &mut list,
                        float(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
                        budget,
                    )?;
                }
            }
            (8, Field::Varint(value)) => push(&mut list, RawValue::Int(value as i64), budget)?,
            (8, Field::Bytes(packed)) => {
                for value in packed.packed_varints() {
                    push(&mut list, RawValue::Int(value? as i64), budget)?;
                }
            }
            (9, Field::Bytes(text)) => push(&mut list, text_value(text, budget)?, budget)?,
            (21, Field::Bytes(text)) => attribute.refers_to = name(text, budget)?,
            _ => {}
        }
        Ok(())
    })?;
    if !list.is_empty() {
        attribute.value = Some(RawValue::List(list));
    }
    Ok(attribute)
}

fn push(list: &mut Vec<RawValue>, value: RawValue, budget: &mut Budget<'_>) -> Reading<()> {
    budget.take_bytes(std::mem::size_of::<RawValue>())?;
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

fn tensor<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Tensor<'a>> {
    budget.take_bytes(96)?;
    let mut tensor = Tensor::default();
    let mut parts: Vec<(u32, Field<'a>)> = Vec::new();
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Varint(dim)) => tensor.dims.push(dim as i64),
            (1, Field::Bytes(packed)) => {
                for dim in packed.packed_varints() {
                    tensor.dims.push(dim? as i64);
                    budget.check(
                        "dimensions in one shape",
                        tensor.dims.len(),
                        budget.limits.rank,
                    )?;
                }
            }
            (2, Field::Varint(kind)) => tensor.kind = kind,
            (8, Field::Bytes(text)) => tensor.name = name(text, budget)?,
            (4 | 5 | 7 | 9 | 10 | 11, data) if (parts.len() as u64) < MOST_VALUES => {
                parts.push((number, data))
            }
            _ => {}
        }
        budget.check(
            "dimensions in one shape",
            tensor.dims.len(),
            budget.limits.rank,
        )
    })?;
    if let Some(count) = tensor
        .shape()
        .elements()
        .filter(|count| *count <= MOST_VALUES)
    {
        budget.take_bytes(8 * count as usize)?;
        tensor.values = values(tensor.kind, &parts, count as usize)?;
    }
    Ok(tensor)
}

/// Values in any of the encodings; `None` when they are absent or of another length.
fn values(kind: u64, parts: &[(u32, Field<'_>)], count: usize) -> Reading<Option<Vec<f64>>> {
    let mut values = Vec::with_capacity(count);
    for (number, field) in parts {
        match (number, field) {
            (9, Field::Bytes(raw)) => {
                values.extend(raw_values(kind, raw.bytes).into_iter().take(count + 1))
            }
            (4, Field::Bytes(raw)) => {
                values.extend(raw_values(1, raw.bytes).into_iter().take(count + 1))
            }
            (10, Field::Bytes(raw)) => {
                values.extend(raw_values(11, raw.bytes).into_iter().take(count + 1))
            }
            (4, Field::Fixed32(bits)) => values.push(f64::from(f32::from_bits(*bits))),
            (10, Field::Fixed64(bits)) => values.push(f64::from_bits(*bits)),
            (5 | 7 | 11, Field::Varint(value)) => values.push(*value as i64 as f64),
            (5 | 7 | 11, Field::Bytes(packed)) => {
                for value in packed.packed_varints().take(count + 1) {
                    values.push(value? as i64 as f64);
                }
            }
            _ => {}
        }
    }
    Ok((values.len() == count).then_some(values))
}

fn raw_values(kind: u64, bytes: &[u8]) -> Vec<f64> {
    fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes
            .chunks_exact(N)
            .take(MOST_VALUES as usize + 1)
            .map(|chunk| {
                let mut fixed = [0; N];
                fixed.copy_from_slice(chunk);
                read(fixed)
            })
            .collect()
    }
    match kind {
        1 => each(bytes, |b| f64::from(f32::from_le_bytes(b))),
        2 => each(bytes, |b: [u8; 1]| f64::from(b[0])),
        3 => each(bytes, |b: [u8; 1]| f64::from(b[0] as i8)),
        4 => each(bytes, |b| f64::from(u16::from_le_bytes(b))),
        5 => each(bytes, |b| f64::from(i16::from_le_bytes(b))),
        6 => each(bytes, |b| f64::from(i32::from_le_bytes(b))),
        7 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        9 => each(bytes, |b: [u8; 1]| f64::from(b[0])),
        10 => each(bytes, |b| half(u16::from_le_bytes(b))),
        11 => each(bytes, f64::from_le_bytes),
        12 => each(bytes, |b| f64::from(u32::from_le_bytes(b))),
        13 => each(bytes, |b| u64::from_le_bytes(b) as f64),
        16 => each(bytes, |b| {
            f64::from(f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16))
        }),
        _ => Vec::new(),
    }
}

/// IEEE 754 half precision.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff) / 1024.0;
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2f64.powi(-14),
        0x1f if fraction == 0.0 => sign * f64::INFINITY,
        0x1f => f64::NAN,
        exponent => sign * (1.0 + fraction) * 2f64.powi(i32::from(exponent) - 15),
    }
}

/// A sparse tensor: only its name and shape matter.
fn sparse<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Tensor<'a>> {
    let mut dense = Tensor::default();
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(values)) => {
                let values = tensor(values, budget)?;
                (dense.name, dense.kind) = (values.name, values.kind);
            }
            (3, Field::Varint(dim)) => dense.dims.push(dim as i64),
            (3, Field::Bytes(packed)) => {
                for dim in packed.packed_varints() {
                    dense.dims.push(dim? as i64);
                    budget.check(
                        "dimensions in one shape",
                        dense.dims.len(),
                        budget.limits.rank,
                    )?;
                }
            }
            _ => {}
        }
        budget.check(
            "dimensions in one shape",
            dense.dims.len(),
            budget.limits.rank,
        )
    })?;
    Ok(dense)
}

fn value_info<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<ValueInfo<'a>> {
    budget.take_bytes(96)?;
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
                    known.push(dimension(dim)?);
                }
                budget.take_bytes(16)?;
                budget.check("dimensions in one shape", known.len(), budget.limits.rank)
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
