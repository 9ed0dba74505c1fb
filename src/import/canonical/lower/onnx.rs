//! The `onnx` dialect: operators of every opset from 7 on, with shapes inferred on the way.

use super::build::{Builder, Window, is_stack};
use super::infer::{self, Sliding};
use super::{fold, quantised, torch};
use crate::graph::{Attributes, Edge, Key, Operator, Shape};
use crate::import::canonical::work::{Operand, Static};
use crate::import::{RawNode, RawValue};

type Lowered = Result<Vec<Operand>, String>;

/// One node with its operands.
struct Call<'a> {
    node: &'a RawNode,
    operands: Vec<Operand>,
}

impl Call<'_> {
    fn at(&self, place: usize) -> Operand {
        self.operands.get(place).cloned().unwrap_or(Operand::Absent)
    }

    fn shape_at(&self, place: usize) -> Option<&Shape> {
        self.operands.get(place)?.shape()
    }

    fn int(&self, name: &str) -> Option<i64> {
        self.node.attribute(name)?.as_int()
    }

    fn ints(&self, name: &str) -> Vec<i64> {
        self.node
            .attribute(name)
            .and_then(RawValue::as_ints)
            .unwrap_or_default()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.node.attribute(name)?.as_text()
    }

    fn values(&self, place: usize) -> Option<&[f64]> {
        self.operands.get(place)?.as_static()?.values.as_deref()
    }

    fn scalar(&self, place: usize) -> Option<f64> {
        self.operands
            .get(place)?
            .as_static()?
            .as_scalar()
            .filter(|value| !value.is_nan())
    }

    /// A list that older opsets keep in an attribute and newer ones in an operand.
    fn ints_either(&self, name: &str, place: usize) -> Option<Vec<i64>> {
        match self.node.attribute(name) {
            Some(value) => value.as_ints(),
            None => known_ints(self.values(place)?),
        }
    }

    /// Like `ints_either`, each bound on its own: one may be unknown while others are not.
    fn bounds(&self, name: &str, place: usize) -> Vec<Option<i64>> {
        match self.node.attribute(name).and_then(RawValue::as_ints) {
            Some(bounds) => bounds.into_iter().map(Some).collect(),
            None => self.values(place).map_or_else(Vec::new, |values| {
                values
                    .iter()
                    .map(|value| (!value.is_nan()).then_some(*value as i64))
                    .collect()
            }),
        }
    }

    fn data(&self) -> Vec<Operand> {
        self.operands
            .iter()
            .filter(|operand| operand.is_data())
            .cloned()
            .collect()
    }

    /// The shape that the file states for output `port`, else the inferred one.
    fn stated(&self, port: usize) -> Option<Shape> {
        self.node.shapes.get(port).cloned().flatten()
    }

    fn or_stated(&self, inferred: Option<Shape>) -> Option<Shape> {
        match inferred {
            Some(shape) if shape.0.iter().all(Option::is_some) => Some(shape),
            inferred => self.stated(0).or(inferred),
        }
    }

    fn axes(&self, place: usize) -> Vec<i64> {
        self.ints_either("axes", place).unwrap_or_default()
    }
}

/// Integers, when none of them is unknown.
fn known_ints(values: &[f64]) -> Option<Vec<i64>> {
    values
        .iter()
        .map(|value| (!value.is_nan()).then_some(*value as i64))
        .collect()
}

pub(super) fn lower(builder: &mut Builder, node: &RawNode, operands: Vec<Operand>) -> Lowered {
    let (op, operands) = quantised::float_twin(&node.op, operands);
    let call = Call { node, operands };
    if op == "constant" {
        return Ok(vec![constant(node)]);
    }
    if op == "Shape" {
        let start = call.int("start");
        let whole = start.is_none() && call.int("end").is_none();
        let dims = if whole {
            fold::shape_of(&call.at(0))
        } else {
            None
        };
        return Ok(vec![Operand::Static(dims.unwrap_or_else(unknown_dims))]);
    }
    if op == "Size" {
        let size = call.shape_at(0).and_then(Shape::elements);
        return Ok(vec![Operand::Static(Static::scalar(
            size.map_or(f64::NAN, |size| size as f64),
        ))]);
    }
    if !call.operands.iter().any(Operand::is_data) {
        return Ok(folded(builder, op, &call));
    }
    if let Some(lowered) = layout(builder, op, &call) {
        return Ok(lowered);
    }
    if let Some(lowered) = special(builder, op, &call) {
        return Ok(vec![lowered]);
    }
    Ok(general(builder, op, &call))
}

/// The dimensions of a value of unknown rank: a vector, and nothing else is known.
fn unknown_dims() -> Static {
    Static {
        shape: Some(Shape(vec![None])),
        values: None,
    }
}

fn constant(node: &RawNode) -> Operand {
    Operand::Static(match node.attribute("value") {
        Some(RawValue::Constant { shape, values }) => Static {
            shape: Some(shape.clone()),
            values: values.as_deref().map(Into::into),
        },
        Some(RawValue::Weight(shape)) => Static {
            shape: Some(shape.clone()),
            values: None,
        },
        _ => Static::default(),
    })
}

/// A node without computed operands: a constant, evaluated when small, its shape kept else.
fn folded(builder: &mut Builder, op: &str, call: &Call<'_>) -> Vec<Operand> {
    let value = fold::fold(op, &call.operands, call.int("axis"));
    if let Some(value) = value {
        return vec![Operand::Static(value)];
    }
    if op == "ConstantOfShape" {
        return vec![Operand::Static(filled(call))];
    }
    if let Some(value) = moved(op, call) {
        return vec![Operand::Static(value)];
    }
    // The same code that lowers computed values knows the shapes of constant ones.
    if let Some(lowered) = layout(builder, op, call) {
        return lowered.into_iter().map(without_values).collect();
    }
    let shape = match op {
        "Add" | "Mul" | "Sub" | "Div" | "Pow" | "Where" | "And" | "Or" | "Less" | "Greater" => {
            infer::broadcast(call.shape_at(0), call.shape_at(1))
        }
        "Gather" => gathered(call),
        "Concat" => {
            let shapes: Vec<Option<&Shape>> = call.operands.iter().map(Operand::shape).collect();
            infer::concat(&shapes, call.int("axis").unwrap_or(0))
        }
        "MatMul" => infer::matmul(call.shape_at(0), call.shape_at(1)),
        "ScatterND" | "ScatterElements" | "Clip" | "Trilu" | "Sin" | "Cos" | "Exp" | "Not"
        | "Neg" | "Sqrt" | "Abs" | "Tanh" | "Relu" | "Sigmoid" => call.shape_at(0).cloned(),
        _ => None,
    };
    let shape = call.or_stated(shape);
    (0..call.node.shapes.len().max(1))
        .map(|_| {
            Operand::Static(Static {
                shape: shape.clone(),
                values: None,
            })
        })
        .collect()
}

/// A constant of a computed shape; its values matter only while they are few.
fn filled(call: &Call<'_>) -> Static {
    let shape = match call.values(0) {
        Some(dims) => Some(infer::reshape(None, dims)),
        None => call.stated(0),
    };
    let fill = match call.node.attribute("value") {
        Some(RawValue::Constant {
            values: Some(values),
            ..
        }) => values.first().copied(),
        Some(_) => None,
        None => Some(0.0),
    };
    Static {
        values: repeated(fill, shape.as_ref()),
        shape,
    }
}

/// A small constant with its elements rearranged, or only another shape.
fn moved(op: &str, call: &Call<'_>) -> Option<Static> {
    let source = call.operands.first()?.as_static()?;
    match op {
        "Cast" | "CastLike" | "Identity" => Some(source.clone()),
        "Reshape" | "Unsqueeze" | "Squeeze" | "Flatten" => {
            let shape = match op {
                "Reshape" => infer::reshape(source.shape.as_ref(), call.values(1)?),
                "Unsqueeze" => infer::unsqueeze(source.shape.as_ref(), &call.axes(1))?,
                "Squeeze" => infer::squeeze(
                    source.shape.as_ref(),
                    call.ints_either("axes", 1).as_deref(),
                )?,
                _ => infer::flatten(source.shape.as_ref(), call.int("axis").unwrap_or(1))?,
            };
            Some(Static {
                shape: Some(shape),
                values: source.values.clone(),
            })
        }
        "Expand" => expanded(call),
        "Transpose" => fold::transpose(source),
        "Slice" => sliced(call, source),
        "Gather" => selected(call, source),
        _ => None,
    }
}

fn sliced(call: &Call<'_>, source: &Static) -> Option<Static> {
    let (starts, ends) = (call.ints_either("starts", 1)?, call.ints_either("ends", 2)?);
    let axes = call.ints_either("axes", 3);
    let steps = call.ints_either("steps", 4);
    let mut value = source.clone();
    for (place, (start, end)) in starts.iter().zip(&ends).enumerate() {
        let axis = axes
            .as_ref()
            .map_or(place as i64, |axes| axes.get(place).copied().unwrap_or(0));
        let step = steps
            .as_ref()
            .and_then(|steps| steps.get(place))
            .copied()
            .unwrap_or(1);
        let total = usize::try_from(value.shape.as_ref()?.dim(axis)?).ok()?;
        if total > value.values.as_ref()?.len() {
            return None;
        }
        value = fold::take(&value, axis, &fold::places(total, *start, *end, step))?;
    }
    Some(value)
}

fn selected(call: &Call<'_>, source: &Static) -> Option<Static> {
    let axis = call.int("axis").unwrap_or(0);
    let indices = call.operands.get(1)?.as_static()?;
    if source.shape == unknown_dims().shape {
        return Some(Static {
            shape: indices.shape.clone(),
            values: repeated(Some(f64::NAN), indices.shape.as_ref()),
        });
    }
    let total = i64::try_from(source.shape.as_ref()?.dim(axis)?).ok()?;
    let places = call.values(1)?.iter().map(|index| {
        let index = if *index < 0.0 {
            index + total as f64
        } else {
            *index
        };
        (0.0..total as f64)
            .contains(&index)
            .then_some(index as usize)
    });
    let taken = fold::take(source, axis, &places.collect::<Option<Vec<_>>>()?)?;
    let scalar = indices
        .shape
        .as_ref()
        .is_some_and(|shape| shape.rank() == 0);
    let shape = if scalar {
        infer::squeeze(taken.shape.as_ref(), Some(&[axis]))
    } else {
        taken.shape.clone()
    };
    Some(Static {
        shape,
        values: taken.values,
    })
}

/// One value in a larger shape.
fn expanded(call: &Call<'_>) -> Option<Static> {
    let fill = call.scalar(0)?;
    let shape = infer::reshape(None, call.values(1)?);
    Some(Static {
        values: repeated(Some(fill), Some(&shape)),
        shape: Some(shape),
    })
}

fn repeated(fill: Option<f64>, shape: Option<&Shape>) -> Option<std::rc::Rc<[f64]>> {
    let count = shape?
        .elements()
        .filter(|count| *count <= fold::MOST_VALUES)?;
    Some(vec![fill?; count as usize].into())
}

/// Shape of a selection: the indices' dimensions in place of the axis.
fn gathered(call: &Call<'_>) -> Option<Shape> {
    let (source, indices) = (call.shape_at(0)?, call.shape_at(1)?);
    let axis = source.axis(call.int("axis").unwrap_or(0))?;
    let mut dims = source.0[..axis].to_vec();
    dims.extend_from_slice(&indices.0);
    dims.extend_from_slice(&source.0[axis + 1..]);
    Some(Shape(dims))
}

fn without_values(operand: Operand) -> Operand {
    match operand {
        Operand::Static(value) => {
            let few = value
                .values
                .as_ref()
                .is_some_and(|values| values.len() == 1);
            let values = if few { value.values } else { None };
            Operand::Static(Static {
                shape: value.shape,
                values,
            })
        }
        other => other,
    }
}

fn layout(builder: &mut Builder, op: &str, call: &Call<'_>) -> Option<Vec<Operand>> {
    let source = call.shape_at(0);
    let arriving =
        |shape: Option<Shape>| Some(vec![Builder::reshaped(call.at(0), call.or_stated(shape))]);
    match op {
        "Identity" | "Not" | "BitwiseNot" | "Dropout" | "Cast" | "CastLike"
        | "DequantizeLinear" | "QuantizeLinear" | "OptionalGetElement" | "Optional" => {
            arriving(source.cloned())
        }
        "DynamicQuantizeLinear" => Some(dynamically_quantised(call)),
        "Reshape" => {
            let target = match call.node.attribute("shape").and_then(RawValue::as_ints) {
                Some(dims) => Some(dims.iter().map(|dim| *dim as f64).collect::<Vec<_>>()),
                None => call.values(1).map(<[f64]>::to_vec),
            };
            arriving(target.map(|target| infer::reshape(source, &target)))
        }
        "Transpose" => {
            let order = call.ints("perm");
            arriving(infer::transpose(
                source,
                (!order.is_empty()).then_some(&order),
            ))
        }
        "Unsqueeze" => arriving(infer::unsqueeze(source, &call.axes(1))),
        "Squeeze" => arriving(infer::squeeze(
            source,
            call.ints_either("axes", 1).as_deref(),
        )),
        "Flatten" => arriving(infer::flatten(source, call.int("axis").unwrap_or(1))),
        "Expand" => arriving(
            call.values(1)
                .and_then(|target| infer::broadcast(source, Some(&infer::reshape(None, target)))),
        ),
        "Tile" => arriving(call.values(1).zip(source).map(|(times, source)| {
            Shape(
                source
                    .0
                    .iter()
                    .zip(times)
                    .map(|(dim, times)| dim.map(|dim| dim.saturating_mul(*times as u64)))
                    .collect(),
            )
        })),
        "Pad" => pad(builder, call),
        "Split" => Some(split(builder, call)),
        "Slice" => Some(vec![slice(builder, call)]),
        "Gather" => gather(builder, call),
        _ => None,
    }
}

/// The value, its scale and its zero point, which are as good as 1 and 0.
fn dynamically_quantised(call: &Call<'_>) -> Vec<Operand> {
    let [scale, zero] = [1.0, 0.0].map(|value| Operand::Static(Static::scalar(value)));
    vec![call.at(0), scale, zero]
}

fn pad(builder: &mut Builder, call: &Call<'_>) -> Option<Vec<Operand>> {
    let mode = call.text("mode").unwrap_or("constant");
    let pads = call
        .ints_either("pads", 1)
        .or_else(|| call.ints_either("paddings", 1));
    let shape = call
        .shape_at(0)
        .zip(pads)
        .filter(|(source, pads)| pads.len() == 2 * source.rank())
        .map(|(source, pads)| {
            let rank = source.rank();
            Shape(
                source
                    .0
                    .iter()
                    .enumerate()
                    .map(|(place, dim)| {
                        let grown = i64::try_from((*dim)?)
                            .ok()?
                            .checked_add(pads[place])?
                            .checked_add(pads[place + rank])?;
                        u64::try_from(grown).ok()
                    })
                    .collect(),
            )
        });
    let shape = call.or_stated(shape);
    if mode == "constant" {
        return Some(vec![Builder::reshaped(call.at(0), shape)]);
    }
    let word = match mode {
        "edge" => "replicate",
        "wrap" => "circular",
        other => other,
    };
    let attributes = Attributes::default().with(Key::Mode, word.to_string());
    Some(vec![builder.node(
        Operator::Pad,
        attributes,
        vec![call.at(0)],
        shape,
    )])
}

fn resized(source: Option<&Shape>, axis: i64, len: Option<u64>) -> Option<Shape> {
    let mut shape = source?.clone();
    let axis = shape.axis(axis)?;
    shape.0[axis] = len;
    Some(shape)
}

fn split(builder: &mut Builder, call: &Call<'_>) -> Vec<Operand> {
    let axis = call.int("axis").unwrap_or(0);
    let total = call.shape_at(0).and_then(|shape| shape.dim(axis));
    let count = call.node.shapes.len().max(1) as u64;
    let sizes = call.ints_either("split", 1);
    let mut start = 0u64;
    (0..count)
        .map(|port| {
            let stated = sizes
                .as_ref()
                .and_then(|sizes| sizes.get(port as usize))
                .and_then(|len| u64::try_from(*len).ok());
            let even = total.map(|total| total.div_ceil(count).min(total.saturating_sub(start)));
            let len = stated.or(even);
            let shape = resized(call.shape_at(0), axis, len);
            let slice = builder.slice(call.at(0), total, start, len, 1, shape);
            start = start.saturating_add(len.unwrap_or(0));
            slice
        })
        .collect()
}

/// One slice for each axis of which only a part is taken.
fn slice(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let starts = call.bounds("starts", 1);
    let ends = call.bounds("ends", 2);
    let count = starts.len().max(ends.len()).max(1);
    let axes = call
        .ints_either("axes", 3)
        .unwrap_or_else(|| (0..count as i64).collect());
    let steps = call.ints_either("steps", 4);
    let mut value = call.at(0);
    for (place, axis) in axes.iter().enumerate() {
        let source = value.shape().cloned();
        let total = source.as_ref().and_then(|shape| shape.dim(*axis));
        let step = steps
            .as_ref()
            .and_then(|steps| steps.get(place))
            .copied()
            .unwrap_or(1);
        let bound = |bounds: &[Option<i64>]| bounds.get(place).copied().flatten();
        let (start, len) = range(total, bound(&starts), bound(&ends), step);
        let shape = resized(
            source.as_ref(),
            *axis,
            len.map(|len| len.div_ceil(step.unsigned_abs().max(1))),
        );
        value = builder.slice(value, total, start, len, step, shape);
    }
    value
}

/// First position and number of positions between bounds, negative ones counted from the end.
fn range(
    total: Option<u64>,
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> (u64, Option<u64>) {
    let from = start.unwrap_or(1);
    if step < 0 {
        return (0, total);
    }
    let Some(end) = end.filter(|_| start.is_some()) else {
        return (from.max(0).unsigned_abs(), None);
    };
    match total.and_then(|total| i64::try_from(total).ok()) {
        Some(total) => {
            let place = |bound: i64| {
                (if bound < 0 {
                    bound.saturating_add(total)
                } else {
                    bound
                })
                .clamp(0, total)
            };
            let (from, end) = (place(from), place(end));
            (
                from.unsigned_abs(),
                Some((end - from).max(0).unsigned_abs()),
            )
        }
        None if from >= 0 && end >= from && end < 1 << 31 => {
            (from.unsigned_abs(), Some((end - from).unsigned_abs()))
        }
        None => (from.max(0).unsigned_abs(), None),
    }
}

/// Look-up in a weight, one position of a value, or a selection by computed indices.
fn gather(builder: &mut Builder, call: &Call<'_>) -> Option<Vec<Operand>> {
    let axis = call.int("axis").unwrap_or(0);
    let (source, indices) = (call.at(0), call.at(1));
    match (source.is_data(), indices.is_data()) {
        (false, true) => {
            let shape = call.or_stated(indices.shape().zip(source.shape()).map(|(ids, table)| {
                Shape(
                    ids.0
                        .iter()
                        .copied()
                        .chain(table.0.iter().skip(1).copied())
                        .collect(),
                )
            }));
            let mut attributes = Attributes::default();
            if let Some(width) = source.shape().and_then(|table| table.dim(-1)) {
                attributes.set(Key::OutChannels, width);
            }
            Some(vec![builder.node(
                Operator::Embedding,
                attributes,
                vec![indices],
                shape,
            )])
        }
        (true, false) => Some(vec![pick(builder, call, axis)]),
        _ => None,
    }
}

fn pick(builder: &mut Builder, call: &Call<'_>, axis: i64) -> Operand {
    let source = call.shape_at(0);
    let total = source.and_then(|shape| shape.dim(axis));
    let indices = call.operands.get(1).and_then(Operand::as_static);
    let single = indices.and_then(Static::as_scalar);
    let scalar = indices
        .and_then(|value| value.shape.as_ref())
        .is_some_and(|shape| shape.rank() == 0);
    match single {
        Some(position) => {
            let start = if position < 0.0 {
                total.map_or(0, |total| total.saturating_sub((-position) as u64))
            } else {
                position as u64
            };
            let shape = if scalar {
                infer::squeeze(source, Some(&[axis]))
            } else {
                resized(source, axis, Some(1))
            };
            builder.slice(call.at(0), total, start, Some(1), 1, call.or_stated(shape))
        }
        // Many constant positions: a permutation or a selection, which is layout.
        None => Builder::reshaped(call.at(0), call.stated(0)),
    }
}

fn special(builder: &mut Builder, op: &str, call: &Call<'_>) -> Option<Operand> {
    let source = call.shape_at(0).cloned();
    let elementwise = || call.or_stated(elementwise_shape(call));
    let same = || call.or_stated(source.clone());
    Some(match op {
        "Conv" | "FusedConv" => convolution(builder, call),
        "ConvTranspose" => {
            let weight = call.shape_at(1).cloned();
            let window = Window {
                kernel: call.ints("kernel_shape"),
                stride: call.ints("strides"),
                dilation: call.ints("dilations"),
            };
            builder.convolution(
                Operator::ConvTranspose,
                data_of(call, &[0, 1]),
                weight.as_ref(),
                window,
                call.int("group").unwrap_or(1),
                call.stated(0),
            )
        }
        "Gemm" => gemm(builder, call),
        "MatMul" | "FusedMatMul" => matmul(builder, call.at(0), call.at(1), call),
        "Einsum" if call.operands.len() == 2 => {
            let equation = call.text("equation").unwrap_or("");
            builder.einsum(equation, call.at(0), call.at(1), call.stated(0))
        }
        "Add" => builder.arithmetic(Operator::Add, call.at(0), call.at(1), elementwise()),
        "Sub" => builder.arithmetic(Operator::Sub, call.at(0), call.at(1), elementwise()),
        "Mul" => builder.arithmetic(Operator::Mul, call.at(0), call.at(1), elementwise()),
        "Div" => builder.arithmetic(Operator::Div, call.at(0), call.at(1), elementwise()),
        "Pow" => builder.power(call.at(0), call.at(1), elementwise()),
        "Neg" => builder.scale(call.at(0), -1.0, 0.0, same()),
        "Sum" if call.operands.len() == 1 => call.at(0),
        "Sum" if call.operands.len() == 2 => {
            builder.arithmetic(Operator::Add, call.at(0), call.at(1), elementwise())
        }
        "BatchNormalization" | "SpatialBN" => {
            builder.plain(Operator::BatchNorm, vec![call.at(0)], same())
        }
        "LayerNormalization" => builder.plain(Operator::LayerNorm, vec![call.at(0)], same()),
        "RMSNormalization" | "SimplifiedLayerNormalization" => {
            builder.plain(Operator::RmsNorm, vec![call.at(0)], same())
        }
        "InstanceNormalization" => builder.plain(Operator::InstanceNorm, vec![call.at(0)], same()),
        "GroupNormalization" => {
            let mut attributes = Attributes::default();
            if let Some(groups) = call.int("num_groups") {
                attributes.set(Key::Groups, groups);
            }
            builder.node(Operator::GroupNorm, attributes, vec![call.at(0)], same())
        }
        "LRN" => builder.plain(Operator::LocalResponseNorm, vec![call.at(0)], same()),
        "LpNormalization" => builder.plain(Operator::LpNormalize, vec![call.at(0)], same()),
        "Clip" => {
            let bound = |name: &str, place| {
                call.node
                    .attribute(name)
                    .and_then(RawValue::as_float)
                    .or(call.scalar(place))
            };
            torch::bounds(
                builder,
                call.at(0),
                bound("min", 1),
                bound("max", 2),
                same(),
            )
        }
        "Max" if call.operands.len() == 2 && call.scalar(1) == Some(0.0) => {
            builder.plain(Operator::Relu, vec![call.at(0)], same())
        }
        "GlobalAveragePool" => builder.plain(
            Operator::GlobalAvgPool,
            vec![call.at(0)],
            global(source.as_ref()),
        ),
        "GlobalMaxPool" => builder.plain(
            Operator::GlobalMaxPool,
            vec![call.at(0)],
            global(source.as_ref()),
        ),
        "AveragePool" => pool(builder, Operator::AvgPool, call),
        "MaxPool" => pool(builder, Operator::MaxPool, call),
        "LpPool" => pool(builder, Operator::LpPool, call),
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL2"
        | "ReduceL1" | "ReduceLogSumExp" => reduce(builder, op, call),
        "Resize" | "Upsample" => resize(builder, call),
        "Concat" => concat(builder, call),
        "Attention" if domain(call.node) == "onnx" && call.operands.len() >= 3 => {
            attention(builder, call)
        }
        "Swish" => builder.plain(Operator::Silu, vec![call.at(0)], same()),
        "FastGelu" | "QuickGelu" | "BiasGelu" => {
            builder.plain(Operator::Gelu, vec![call.at(0)], same())
        }
        "LSTM" | "GRU" | "RNN" => return None,
        _ => return None,
    })
}

/// The attention of opset 23: heads are a dimension of the operands or an attribute.
fn attention(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let heads = call
        .int("q_num_heads")
        .and_then(|heads| u64::try_from(heads).ok());
    let mask = call.at(3);
    let masked = mask.as_static().is_some() || call.int("is_causal") == Some(1);
    let bias = masked.then_some("static");
    let operands = [0, 1, 2].map(|place| call.at(place)).into_iter();
    let operands = operands.chain(mask.is_data().then_some(mask)).collect();
    let shape = call.or_stated(call.shape_at(0).cloned());
    builder.attention(operands, heads, bias, shape)
}

/// Shape after broadcasting; a constant of unknown shape is taken to fit the computed operand.
fn elementwise_shape(call: &Call<'_>) -> Option<Shape> {
    match (call.operands.first()?, call.operands.get(1)?) {
        (Operand::Data(_, shape), Operand::Static(Static { shape: None, .. }))
        | (Operand::Static(Static { shape: None, .. }), Operand::Data(_, shape)) => shape.clone(),
        (left, right) => infer::broadcast(left.shape(), right.shape()),
    }
}

fn data_of(call: &Call<'_>, places: &[usize]) -> Vec<Operand> {
    places
        .iter()
        .map(|place| call.at(*place))
        .filter(Operand::is_data)
        .collect()
}

fn convolution(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let weight = call.shape_at(1).cloned();
    let kernel = match &weight {
        Some(weight) if weight.rank() > 2 => weight.0[2..]
            .iter()
            .map(|dim| dim.map_or(0, |dim| i64::try_from(dim).unwrap_or(i64::MAX)))
            .collect(),
        _ => call.ints("kernel_shape"),
    };
    let window = Window {
        kernel,
        stride: call.ints("strides"),
        dilation: call.ints("dilations"),
    };
    let channels = weight.as_ref().and_then(|weight| weight.dim(0));
    let shape = windowed(call, &window, channels, false);
    builder.convolution(
        Operator::Conv,
        data_of(call, &[0, 1]),
        weight.as_ref(),
        window,
        call.int("group").unwrap_or(1),
        shape,
    )
}

fn windowed(call: &Call<'_>, window: &Window, channels: Option<u64>, ceil: bool) -> Option<Shape> {
    let pads = call.ints("pads");
    let same = call
        .text("auto_pad")
        .is_some_and(|mode| mode.starts_with("SAME"));
    let sliding = Sliding {
        kernel: &window.kernel,
        stride: &window.stride,
        dilation: &window.dilation,
        pads: &pads,
        same,
        ceil,
    };
    call.or_stated(infer::window(call.shape_at(0), channels, &sliding))
}

fn pool(builder: &mut Builder, operator: Operator, call: &Call<'_>) -> Operand {
    let kernel = call.ints("kernel_shape");
    let stride = call.ints("strides");
    let stride = if stride.is_empty() {
        vec![1; kernel.len()]
    } else {
        stride
    };
    let window = Window {
        kernel,
        stride,
        dilation: call.ints("dilations"),
    };
    let channels = call.shape_at(0).and_then(|shape| shape.dim(1));
    let shape = windowed(call, &window, channels, call.int("ceil_mode") == Some(1));
    builder.pool(operator, call.at(0), window, shape)
}

fn global(source: Option<&Shape>) -> Option<Shape> {
    let source = source?;
    Some(Shape(
        source
            .0
            .iter()
            .enumerate()
            .map(|(place, dim)| if place < 2 { *dim } else { Some(1) })
            .collect(),
    ))
}

fn gemm(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let transposed = call.int("transB") == Some(1);
    let weight = call.shape_at(1);
    let (first, last) = (weight.and_then(|w| w.dim(0)), weight.and_then(|w| w.dim(1)));
    let (read, written) = if transposed {
        (last, first)
    } else {
        (first, last)
    };
    let shape = call.or_stated(resized(call.shape_at(0), -1, written));
    let product = if call.at(1).is_data() {
        builder.plain(Operator::MatMul, data_of(call, &[0, 1]), shape.clone())
    } else {
        builder.linear(call.at(0), read, written, shape.clone())
    };
    if call.at(2).is_data() {
        builder.arithmetic(Operator::Add, product, call.at(2), shape)
    } else {
        product
    }
}

fn matmul(builder: &mut Builder, left: Operand, right: Operand, call: &Call<'_>) -> Operand {
    let shape = call.or_stated(infer::matmul(left.shape(), right.shape()));
    match (left.is_data(), right.is_data()) {
        (true, false) => {
            let weight = right.shape().cloned();
            let dim = |axis| weight.as_ref().and_then(|weight| weight.dim(axis));
            builder.linear(left, dim(-2), dim(-1), shape)
        }
        (false, true) if !is_stack(&left) => {
            let weight = left.shape().cloned();
            let dim = |axis| weight.as_ref().and_then(|weight| weight.dim(axis));
            builder.linear(right, dim(-1), dim(-2), shape)
        }
        _ => builder.plain(Operator::MatMul, vec![left, right], shape),
    }
}

fn reduce(builder: &mut Builder, op: &str, call: &Call<'_>) -> Operand {
    let operator = match op {
        "ReduceMean" => Operator::ReduceMean,
        "ReduceSum" => Operator::ReduceSum,
        "ReduceMax" => Operator::ReduceMax,
        "ReduceMin" => Operator::ReduceMin,
        "ReduceProd" => Operator::ReduceProd,
        "ReduceLogSumExp" => Operator::ReduceLogSumExp,
        _ => Operator::ReduceNorm,
    };
    let axes = call.axes(1);
    let keep = call.int("keepdims") != Some(0);
    let shape = call.or_stated(infer::reduce(call.shape_at(0), &axes, keep));
    builder.reduce(operator, call.at(0), &axes, shape)
}

fn resize(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let mode = call.text("mode").unwrap_or("nearest").to_string();
    let shape = call.stated(0).or_else(|| {
        let source = call.shape_at(0)?;
        if let Some(sizes) = call.values(3) {
            return Some(infer::reshape(None, sizes));
        }
        let scales = call
            .values(2)
            .or(call.values(1))
            .filter(|scales| scales.len() == source.rank())?;
        Some(Shape(
            source
                .0
                .iter()
                .zip(scales)
                .map(|(dim, scale)| Some(((*dim)? as f64 * scale) as u64))
                .collect(),
        ))
    });
    let known = shape
        .as_ref()
        .is_some_and(|shape| shape.0.iter().all(Option::is_some));
    if known && shape.as_ref() == call.shape_at(0) {
        return call.at(0);
    }
    builder.node(
        Operator::Resize,
        Attributes::default().with(Key::Mode, mode),
        vec![call.at(0)],
        shape,
    )
}

fn concat(builder: &mut Builder, call: &Call<'_>) -> Operand {
    if call.operands.len() == 1 {
        return call.at(0);
    }
    let shapes: Vec<Option<&Shape>> = call.operands.iter().map(Operand::shape).collect();
    let shape = call.or_stated(infer::concat(&shapes, call.int("axis").unwrap_or(0)));
    let mut attributes = Attributes::default();
    if !call.operands.iter().all(Operand::is_data) {
        attributes.set(Key::Operand, "parameter");
    }
    builder.node(Operator::Concat, attributes, call.data(), shape)
}

fn general(builder: &mut Builder, op: &str, call: &Call<'_>) -> Vec<Operand> {
    let operator = plain_operator(op).unwrap_or_else(|| Operator::unknown(domain(call.node), op));
    let mut attributes = Attributes::default();
    if matches!(operator, Operator::Lstm | Operator::Gru | Operator::Rnn) {
        recurrent(&mut attributes, call);
        return recurrent_outputs(builder, operator, attributes, call);
    }
    if matches!(operator, Operator::Max | Operator::Min | Operator::Where)
        && call
            .operands
            .iter()
            .any(|operand| operand.as_static().is_some())
    {
        attributes.set(Key::Operand, "parameter");
    }
    let inferred = match operator {
        Operator::Gather if op == "GatherElements" => call.shape_at(1).cloned(),
        Operator::Unknown { .. } | Operator::TopK | Operator::Gather | Operator::NonZero => None,
        Operator::Compare | Operator::Logical | Operator::Where => {
            infer::broadcast(call.shape_at(0), call.shape_at(1))
        }
        _ => call.shape_at(0).cloned(),
    };
    let first = builder.node(operator, attributes, call.data(), call.or_stated(inferred));
    let rest = (1..call.node.shapes.len()).map(|port| match &first {
        Operand::Data(edge, _) => Operand::Data(
            Edge {
                node: edge.node,
                port: port as u16,
            },
            call.stated(port),
        ),
        other => other.clone(),
    });
    std::iter::once(first.clone()).chain(rest).collect()
}

fn domain(node: &RawNode) -> &str {
    if node.domain.is_empty() {
        "onnx"
    } else {
        &node.domain
    }
}

/// Weights of recurrent layers are [directions, gates x hidden, in], quantised ones transposed.
fn recurrent(attributes: &mut Attributes, call: &Call<'_>) {
    let axis = if &*call.node.op == "DynamicQuantizeLSTM" {
        1
    } else {
        2
    };
    if let Some(read) = call.shape_at(1).and_then(|weight| weight.dim(axis)) {
        attributes.set(Key::InChannels, read);
    }
    if let Some(hidden) = call
        .int("hidden_size")
        .and_then(|hidden| u64::try_from(hidden).ok())
    {
        attributes.set(Key::Hidden, hidden);
    }
    if call.text("direction") == Some("bidirectional") {
        attributes.set(Key::Direction, "both");
    }
}

fn recurrent_outputs(
    builder: &mut Builder,
    operator: Operator,
    attributes: Attributes,
    call: &Call<'_>,
) -> Vec<Operand> {
    let value = builder.node(operator, attributes, vec![call.at(0)], call.stated(0));
    (0..call.node.shapes.len().max(1))
        .map(|port| Builder::reshaped(value.clone(), call.stated(port)))
        .collect()
}

fn plain_operator(op: &str) -> Option<Operator> {
    use Operator as O;
    Some(match op {
        "Relu" => O::Relu,
        "LeakyRelu" => O::LeakyRelu,
        "PRelu" => O::PRelu,
        "Elu" => O::Elu,
        "Celu" => O::Celu,
        "Selu" => O::Selu,
        "Gelu" => O::Gelu,
        "Mish" => O::Mish,
        "HardSwish" => O::HardSwish,
        "Sigmoid" => O::Sigmoid,
        "HardSigmoid" => O::HardSigmoid,
        "Tanh" => O::Tanh,
        "Softplus" => O::Softplus,
        "Softsign" => O::Softsign,
        "Shrink" => O::Shrink,
        "ThresholdedRelu" => O::ThresholdedRelu,
        "Softmax" => O::Softmax,
        "LogSoftmax" => O::LogSoftmax,
        "CumSum" | "CumProd" => O::Cumulative,
        "Sqrt" => O::Sqrt,
        "Reciprocal" => O::Reciprocal,
        "Exp" => O::Exp,
        "Log" => O::Log,
        "Abs" => O::Abs,
        "Sign" => O::Sign,
        "Floor" | "Ceil" | "Round" => O::Round,
        "Erf" => O::Erf,
        "Sin" | "Cos" | "Tan" | "Atan" | "Asin" | "Acos" | "Sinh" | "Cosh" => O::Trigonometric,
        "Min" => O::Min,
        "Max" => O::Max,
        "Mod" => O::Mod,
        "Sum" => O::Add,
        "Equal" | "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "IsNaN" | "IsInf" => {
            O::Compare
        }
        "And" | "Or" | "Xor" | "BitwiseAnd" | "BitwiseOr" => O::Logical,
        "Where" => O::Where,
        "ArgMax" | "ArgMin" => O::ArgExtreme,
        "TopK" => O::TopK,
        "NonZero" => O::NonZero,
        "Unique" => O::Unique,
        "OneHot" => O::OneHot,
        "NonMaxSuppression" => O::NonMaxSuppression,
        "RandomNormal" | "RandomUniform" | "RandomNormalLike" | "RandomUniformLike"
        | "Bernoulli" | "Multinomial" => O::Random,
        "GridSample" => O::GridSample,
        "RoiAlign" | "MaxRoiPool" => O::RoiAlign,
        "DepthToSpace" => O::DepthToSpace,
        "SpaceToDepth" => O::SpaceToDepth,
        "Col2Im" => O::Fold,
        "Gather" | "GatherElements" | "GatherND" | "Compress" => O::Gather,
        "Scatter" | "ScatterElements" | "ScatterND" => O::Scatter,
        "Trilu" => O::Triangle,
        "DFT" | "STFT" => O::Fourier,
        "LSTM" => O::Lstm,
        "GRU" => O::Gru,
        "RNN" => O::Rnn,
        "ReduceLogSum" | "ReduceSumSquare" => O::ReduceSum,
        "Einsum" => O::Einsum,
        "DeformConv" => O::DeformConv,
        "ReverseSequence" => O::Flip,
        _ => return None,
    })
}
