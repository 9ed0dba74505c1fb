//! The `torch` dialect: functional-level calls with their arguments as torch received them.
//!
//! Shapes come with the trace, so nothing is inferred here.

use super::build::{Builder, Window, exponent, is_stack};
use crate::graph::{Attributes, Key, Operator, Shape};
use crate::import::canonical::work::{Operand, Static};
use crate::import::{Map, RawNode, RawValue};

type Lowered = Result<Vec<Operand>, String>;

/// One call: its arguments by position or keyword.
struct Call<'a> {
    node: &'a RawNode,
    operands: &'a [Operand],
    args: &'a [RawValue],
    kwargs: Option<&'a Map>,
}

impl<'a> Call<'a> {
    fn new(node: &'a RawNode, operands: &'a [Operand]) -> Self {
        let args = match node.attribute("args") {
            Some(RawValue::List(items)) => items.as_slice(),
            _ => &[],
        };
        let kwargs = match node.attribute("kwargs") {
            Some(RawValue::Map(map)) => Some(map),
            _ => None,
        };
        Self {
            node,
            operands,
            args,
            kwargs,
        }
    }

    fn arg(&self, position: usize, name: &str) -> Option<&'a RawValue> {
        self.args.get(position).or_else(|| self.kwargs?.get(name))
    }

    fn ints(&self, position: usize, name: &str) -> Vec<i64> {
        self.arg(position, name)
            .and_then(RawValue::as_ints)
            .unwrap_or_default()
    }

    fn int(&self, position: usize, name: &str) -> Option<i64> {
        self.arg(position, name).and_then(RawValue::as_int)
    }

    fn operand(&self, position: usize, name: &str) -> Operand {
        self.arg(position, name)
            .map_or(Operand::Absent, |value| self.value(value))
    }

    fn value(&self, value: &RawValue) -> Operand {
        match value {
            RawValue::Operand(place) => self
                .operands
                .get(*place as usize)
                .cloned()
                .unwrap_or(Operand::Absent),
            RawValue::Weight(shape) => Operand::Static(Static {
                shape: Some(shape.clone()),
                values: None,
            }),
            RawValue::Constant { shape, values } => Operand::Static(Static {
                shape: Some(shape.clone()),
                values: values.as_deref().map(Into::into),
            }),
            RawValue::Bool(_) | RawValue::Int(_) | RawValue::Float(_) => {
                value.as_float().map_or(Operand::Absent, |number| {
                    Operand::Static(Static::scalar(number))
                })
            }
            _ => Operand::Absent,
        }
    }

    /// Shape of output `port`.
    fn shape(&self, port: usize) -> Option<Shape> {
        self.node.shapes.get(port).cloned().flatten()
    }

    /// Every computed operand, wherever in the arguments it stands.
    fn data(&self) -> Vec<Operand> {
        self.operands
            .iter()
            .filter(|operand| operand.is_data())
            .cloned()
            .collect()
    }

    fn first(&self) -> Operand {
        let first = self.operand(0, "input");
        if first.is_data() {
            first
        } else {
            self.data().into_iter().next().unwrap_or(first)
        }
    }

    fn has_parameter(&self) -> bool {
        let parameter =
            |value: &RawValue| matches!(value, RawValue::Weight(_) | RawValue::Constant { .. });
        self.args.iter().any(|value| match value {
            RawValue::List(items) => items.iter().any(parameter),
            other => parameter(other),
        })
    }
}

pub(super) fn lower(builder: &mut Builder, node: &RawNode, operands: Vec<Operand>) -> Lowered {
    let call = Call::new(node, &operands);
    let name = node.op.trim_matches('_');
    if let Some(lowered) = layout(builder, name, &call) {
        return Ok(lowered);
    }
    if let Some(lowered) = special(builder, name, &call) {
        return Ok(vec![lowered]);
    }
    if let Some(lowered) = recurrent(builder, name, &call) {
        return Ok(lowered);
    }
    Ok(general(builder, name, &call))
}

/// Calls that only change how values arrive, or take parts of them.
fn layout(builder: &mut Builder, name: &str, call: &Call<'_>) -> Option<Vec<Operand>> {
    match name {
        "contiguous"
        | "clone"
        | "detach"
        | "dropout"
        | "dropout1d"
        | "dropout2d"
        | "dropout3d"
        | "alpha_dropout"
        | "feature_dropout"
        | "feature_alpha_dropout"
        | "float"
        | "half"
        | "bfloat16"
        | "double"
        | "type"
        | "long"
        | "int"
        | "bool"
        | "type_as"
        | "to"
        | "data"
        | "requires_grad"
        | "identity"
        | "logical_not"
        | "bitwise_not"
        | "invert"
        | "stochastic_depth"
        | "real"
        | "alias"
        | "checkpoint"
        | "cpu"
        | "cuda"
        | "view"
        | "reshape"
        | "flatten"
        | "unflatten"
        | "unsqueeze"
        | "squeeze"
        | "view_as"
        | "reshape_as"
        | "unsafe_view"
        | "ravel"
        | "permute"
        | "transpose"
        | "swapaxes"
        | "swapdims"
        | "movedim"
        | "moveaxis"
        | "T"
        | "mT"
        | "H"
        | "mH"
        | "t"
        | "adjoint"
        | "expand"
        | "expand_as"
        | "repeat"
        | "tile"
        | "broadcast_to"
        | "repeat_interleave"
        | "channel_shuffle"
        | "native_channel_shuffle"
        | "nan_to_num"
        | "as_strided"
        | "get_buffer"
        | "refine_names"
        | "align_to"
        | "rename"
        | "unfold"
        | "im2col" => Some(vec![Builder::reshaped(call.first(), call.shape(0))]),
        "broadcast_tensors" | "atleast_1d" | "atleast_2d" | "meshgrid" => Some(
            call.operands
                .iter()
                .enumerate()
                .map(|(port, operand)| Builder::reshaped(operand.clone(), call.shape(port)))
                .collect(),
        ),
        "split" | "chunk" | "unbind" | "tensor_split" | "split_with_sizes" | "unsafe_chunk"
        | "unsafe_split" | "hsplit" | "vsplit" | "dsplit" => Some(split(builder, name, call)),
        "getitem" => Some(vec![index(builder, call)]),
        "select" | "narrow" => Some(vec![narrow(builder, name, call)]),
        "pad" | "constant_pad_nd" => Some(vec![pad(builder, call)]),
        _ => None,
    }
}

fn split(builder: &mut Builder, name: &str, call: &Call<'_>) -> Vec<Operand> {
    let operand = call.first();
    let axis = if name == "unbind" {
        call.int(1, "dim")
    } else {
        call.int(2, "dim")
    }
    .unwrap_or(0);
    let total = operand.shape().and_then(|shape| shape.dim(axis));
    let mut start = 0u64;
    (0..call.node.shapes.len())
        .map(|port| {
            let shape = call.shape(port);
            let len = if name == "unbind" {
                Some(1)
            } else {
                shape.as_ref().and_then(|shape| shape.dim(axis))
            };
            let slice = builder.slice(operand.clone(), total, start, len, 1, shape);
            start = start.saturating_add(len.unwrap_or(0));
            slice
        })
        .collect()
}

fn narrow(builder: &mut Builder, name: &str, call: &Call<'_>) -> Operand {
    let operand = call.first();
    let total = operand
        .shape()
        .and_then(|shape| shape.dim(call.int(1, "dim").unwrap_or(0)));
    let start = wrapped(
        call.int(2, if name == "select" { "index" } else { "start" })
            .unwrap_or(0),
        total,
    );
    let len = if name == "select" {
        Some(1)
    } else {
        call.int(3, "length").map(i64::unsigned_abs)
    };
    builder.slice(operand, total, start, len, 1, call.shape(0))
}

/// A negative position counts from the end.
fn wrapped(position: i64, total: Option<u64>) -> u64 {
    match u64::try_from(position) {
        Ok(position) => position,
        Err(_) => total.unwrap_or(0).saturating_sub(position.unsigned_abs()),
    }
}

/// `x[…]`: one slice for each axis of which only a part is taken.
fn index(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let operand = call.first();
    let items = match call.args.get(1) {
        Some(RawValue::List(items)) => items.as_slice(),
        Some(item) => std::slice::from_ref(item),
        None => &[],
    };
    let computed = call.operands.iter().skip(1).any(Operand::is_data)
        && items
            .iter()
            .any(|item| matches!(item, RawValue::Operand(_)));
    if computed {
        return builder.plain(Operator::Gather, call.data(), call.shape(0));
    }
    let source = operand.shape().cloned();
    let mut value = operand;
    for (axis, item) in indexed_axes(items, source.as_ref()) {
        value = take(
            builder,
            value,
            source.as_ref().and_then(|shape| shape.dim(axis)),
            item,
        );
    }
    Builder::reshaped(value, call.shape(0))
}

/// Pairs each index item with its axis, from the end after an ellipsis.
fn indexed_axes<'a>(items: &'a [RawValue], shape: Option<&Shape>) -> Vec<(i64, &'a RawValue)> {
    let consumes = |item: &RawValue| {
        !matches!(
            item,
            RawValue::None | RawValue::Bool(_) | RawValue::Ellipsis
        )
    };
    let rank = shape.map_or(0, |shape| shape.rank() as i64);
    let mut axes = Vec::new();
    let mut axis = 0;
    for (place, item) in items.iter().enumerate() {
        if matches!(item, RawValue::Ellipsis) {
            axis = rank - items[place..].iter().filter(|item| consumes(item)).count() as i64;
        } else if consumes(item) {
            axes.push((axis, item));
            axis += 1;
        }
    }
    axes
}

fn take(builder: &mut Builder, value: Operand, total: Option<u64>, item: &RawValue) -> Operand {
    let shape = value.shape().cloned();
    match item {
        RawValue::Slice(bounds) => {
            let [start, stop, step] = &**bounds;
            let start = wrapped(start.as_int().unwrap_or(0), total);
            let stop = match stop.as_int() {
                Some(stop) => Some(total.map_or(wrapped(stop, total), |total| {
                    wrapped(stop, Some(total)).min(total)
                })),
                None => total,
            };
            let len = stop.map(|stop| stop.saturating_sub(start));
            builder.slice(value, total, start, len, step.as_int().unwrap_or(1), shape)
        }
        // A constant list of positions is a permutation or a selection: layout, unless few remain.
        RawValue::Constant { .. } | RawValue::List(_) | RawValue::Weight(_) => value,
        other => match other.as_int() {
            Some(position) => {
                builder.slice(value, total, wrapped(position, total), Some(1), 1, shape)
            }
            None => value,
        },
    }
}

fn pad(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let mode = call
        .arg(2, "mode")
        .and_then(RawValue::as_text)
        .unwrap_or("constant");
    if mode == "constant" {
        return Builder::reshaped(call.first(), call.shape(0));
    }
    let attributes = Attributes::default().with(Key::Mode, mode.to_string());
    builder.node(Operator::Pad, attributes, vec![call.first()], call.shape(0))
}

/// Calls whose arguments carry structure.
fn special(builder: &mut Builder, name: &str, call: &Call<'_>) -> Option<Operand> {
    let shape = call.shape(0);
    Some(match name {
        "conv1d" | "conv2d" | "conv3d" => convolution(builder, call, Operator::Conv),
        "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d" => {
            convolution(builder, call, Operator::ConvTranspose)
        }
        "deform_conv2d" => {
            let weight = call.operand(1, "weight").shape().cloned();
            let window = Window {
                stride: call.ints(4, "stride"),
                ..Window::default()
            };
            let operator = Operator::DeformConv;
            builder.convolution(operator, call.data(), weight.as_ref(), window, 1, shape)
        }
        "linear" => linear(
            builder,
            call.operand(0, "input"),
            &call.operand(1, "weight"),
            shape,
            true,
        ),
        "addmm" => add_product(builder, call, "mat1", "mat2"),
        "baddbmm" | "addbmm" => add_product(builder, call, "batch1", "batch2"),
        "matmul" | "bmm" | "mm" | "rmatmul" | "mv" | "chain_matmul" => {
            let (left, right) = (call.operand(0, "input"), call.operand(1, "other"));
            if name == "rmatmul" {
                product(builder, right, left, shape)
            } else {
                product(builder, left, right, shape)
            }
        }
        "einsum" => einsum(builder, call),
        "scaled_dot_product_attention" => attention(builder, call),
        "multi_head_attention_forward" => multi_head_attention(builder, call),
        "embedding" | "embedding_bag" => {
            let weight = call.operand(1, "weight");
            // `embedding_bag` and old signatures exchange the first two.
            let (ids, weight) = if weight.is_data() {
                (weight, call.operand(0, "input"))
            } else {
                (call.operand(0, "input"), weight)
            };
            embedding(builder, ids, &weight, shape)
        }
        "avg_pool1d" | "avg_pool2d" | "avg_pool3d" => pool(builder, Operator::AvgPool, call),
        "max_pool1d"
        | "max_pool2d"
        | "max_pool3d"
        | "max_pool1d_with_indices"
        | "max_pool2d_with_indices"
        | "max_pool3d_with_indices" => pool(builder, Operator::MaxPool, call),
        "lp_pool1d" | "lp_pool2d" => pool(builder, Operator::LpPool, call),
        "adaptive_avg_pool1d" | "adaptive_avg_pool2d" | "adaptive_avg_pool3d" => {
            adaptive(builder, Operator::AvgPool, call)
        }
        "adaptive_max_pool1d"
        | "adaptive_max_pool2d"
        | "adaptive_max_pool3d"
        | "adaptive_max_pool2d_with_indices" => adaptive(builder, Operator::MaxPool, call),
        "mean" | "sum" | "amax" | "amin" | "prod" | "logsumexp" | "var" | "std" | "norm"
        | "vector_norm" | "linalg_vector_norm" | "nansum" => reduce(builder, name, call)?,
        "max" | "min" if !call.operand(1, "other").is_data() => reduce(builder, name, call)?,
        "add" | "iadd" | "radd" => binary(builder, Operator::Add, call, false),
        "sub" | "isub" | "subtract" => binary(builder, Operator::Sub, call, false),
        "rsub" => binary(builder, Operator::Sub, call, true),
        "mul" | "imul" | "rmul" | "multiply" => binary(builder, Operator::Mul, call, false),
        "div" | "truediv" | "itruediv" | "true_divide" | "divide" | "idiv" => {
            binary(builder, Operator::Div, call, false)
        }
        "rtruediv" | "rdiv" => binary(builder, Operator::Div, call, true),
        "addcmul" => {
            let product = builder.arithmetic(
                Operator::Mul,
                call.operand(1, "tensor1"),
                call.operand(2, "tensor2"),
                shape.clone(),
            );
            builder.arithmetic(Operator::Add, call.operand(0, "input"), product, shape)
        }
        "neg" | "negative" => builder.scale(call.first(), -1.0, 0.0, shape),
        "pow" | "ipow" | "float_power" => {
            builder.power(call.operand(0, "input"), call.operand(1, "exponent"), shape)
        }
        "square" => builder.node(Operator::Pow, exponent(2), vec![call.first()], shape),
        "hardtanh" | "clamp" | "clip" => clip(builder, name, call),
        "clamp_min" => bounds(
            builder,
            call.first(),
            call.operand(1, "min")
                .as_static()
                .and_then(Static::as_scalar),
            None,
            shape,
        ),
        "clamp_max" => bounds(
            builder,
            call.first(),
            None,
            call.operand(1, "max")
                .as_static()
                .and_then(Static::as_scalar),
            shape,
        ),
        "layer_norm" => builder.plain(Operator::LayerNorm, vec![call.first()], shape),
        "rms_norm" => builder.plain(Operator::RmsNorm, vec![call.first()], shape),
        "batch_norm" | "instance_norm" => {
            let operator = if name == "batch_norm" {
                Operator::BatchNorm
            } else {
                Operator::InstanceNorm
            };
            builder.plain(operator, vec![call.first()], shape)
        }
        "group_norm" => {
            let mut attributes = Attributes::default();
            if let Some(groups) = call.int(1, "num_groups") {
                attributes.set(Key::Groups, groups);
            }
            builder.node(Operator::GroupNorm, attributes, vec![call.first()], shape)
        }
        "local_response_norm" => {
            builder.plain(Operator::LocalResponseNorm, vec![call.first()], shape)
        }
        "normalize" => builder.plain(Operator::LpNormalize, vec![call.first()], shape),
        "interpolate" | "upsample" | "upsample_nearest" | "upsample_bilinear" => {
            resize(builder, name, call)
        }
        "roll" => builder.plain(Operator::Roll, vec![call.first()], shape),
        "index_select" | "take_along_dim" | "gather"
            if call.data().len() == 1 && call.operand(0, "input").is_data() =>
        {
            Builder::reshaped(call.first(), shape)
        }
        "setitem" | "copy" if call.data().len() < 2 => Builder::reshaped(call.first(), shape),
        _ => return None,
    })
}

/// Transposed convolutions take their dilation last.
fn convolution(builder: &mut Builder, call: &Call<'_>, operator: Operator) -> Operand {
    let dilation = match operator {
        Operator::ConvTranspose => 7,
        _ => 5,
    };
    let weight = call.operand(1, "weight").shape().cloned();
    let window = Window {
        kernel: vec![],
        stride: call.ints(3, "stride"),
        dilation: call.ints(dilation, "dilation"),
    };
    let operands = [call.operand(0, "input"), call.operand(1, "weight")]
        .into_iter()
        .filter(Operand::is_data)
        .collect();
    builder.convolution(
        operator,
        operands,
        weight.as_ref(),
        window,
        call.int(6, "groups").unwrap_or(1),
        call.shape(0),
    )
}

/// `transposed` weights are [out, in], as torch's `linear` keeps them.
fn linear(
    builder: &mut Builder,
    operand: Operand,
    weight: &Operand,
    shape: Option<Shape>,
    transposed: bool,
) -> Operand {
    if weight.is_data() {
        return builder.plain(Operator::MatMul, vec![operand, weight.clone()], shape);
    }
    let dims = weight.shape();
    let (first, last) = (
        dims.and_then(|dims| dims.dim(-2)),
        dims.and_then(|dims| dims.dim(-1)),
    );
    let (read, written) = if transposed {
        (last, first)
    } else {
        (first, last)
    };
    builder.linear(operand, read, written, shape)
}

fn product(builder: &mut Builder, left: Operand, right: Operand, shape: Option<Shape>) -> Operand {
    match (left.is_data(), right.is_data()) {
        (true, false) => linear(builder, left, &right, shape, false),
        (false, true) if !is_stack(&left) => linear(builder, right, &left, shape, true),
        _ => builder.plain(Operator::MatMul, vec![left, right], shape),
    }
}

/// A sum plus a product; without a computed sum it is the product with a bias.
fn add_product(builder: &mut Builder, call: &Call<'_>, left: &str, right: &str) -> Operand {
    let (left, right) = (call.operand(1, left), call.operand(2, right));
    let product = product(builder, left, right, call.shape(0));
    builder.arithmetic(
        Operator::Add,
        product,
        call.operand(0, "input"),
        call.shape(0),
    )
}

/// Two-operand sums over a shared index are products of matrices.
fn einsum(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let operands: Vec<Operand> = call
        .args
        .iter()
        .skip(1)
        .flat_map(|value| match value {
            RawValue::List(items) => items.iter().map(|item| call.value(item)).collect(),
            other => vec![call.value(other)],
        })
        .collect();
    let equation = call
        .arg(0, "equation")
        .and_then(RawValue::as_text)
        .unwrap_or("");
    match operands.as_slice() {
        [left, right] => builder.einsum(equation, left.clone(), right.clone(), call.shape(0)),
        _ => builder.plain(Operator::Einsum, call.data(), call.shape(0)),
    }
}

fn attention(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let mask = call.operand(3, "attn_mask");
    let causal = call.arg(5, "is_causal").and_then(RawValue::as_int) == Some(1);
    let bias = (causal || mask.as_static().is_some()).then_some("static");
    let operands =
        [(0, "query"), (1, "key"), (2, "value")].map(|(place, name)| call.operand(place, name));
    let operands = operands.into_iter().chain(mask.is_data().then_some(mask));
    builder.attention(operands.collect(), None, bias, call.shape(0))
}

/// The whole of `nn.MultiheadAttention`: projections in, attention, projection out.
fn multi_head_attention(builder: &mut Builder, call: &Call<'_>) -> Operand {
    let [query, key, value] =
        [(0, "query"), (1, "key"), (2, "value")].map(|(place, name)| call.operand(place, name));
    let width = call
        .int(3, "embed_dim_to_check")
        .and_then(|width| u64::try_from(width).ok());
    let heads = call
        .int(4, "num_heads")
        .and_then(|heads| u64::try_from(heads).ok());
    let same = |a: &Operand, b: &Operand| matches!((a, b), (Operand::Data(a, _), Operand::Data(b, _)) if a == b);
    let packed = |factor: u64| width.map(|width| width.saturating_mul(factor));
    let (query, key, value) = if same(&query, &key) && same(&key, &value) {
        let all = builder.linear(query.clone(), width, packed(3), None);
        (all.clone(), all.clone(), all)
    } else if same(&key, &value) {
        let both = builder.linear(key.clone(), width, packed(2), None);
        (
            builder.linear(query.clone(), width, width, query.shape().cloned()),
            both.clone(),
            both,
        )
    } else {
        let mut project = |operand: Operand| {
            let shape = operand.shape().cloned();
            builder.linear(operand, width, width, shape)
        };
        (project(query), project(key), project(value))
    };
    let masked = call.operand(18, "attn_mask").as_static().is_some();
    let bias = masked.then_some("static");
    let attended = builder.attention(vec![query, key, value], heads, bias, call.shape(0));
    builder.linear(attended, width, width, call.shape(0))
}

fn embedding(
    builder: &mut Builder,
    ids: Operand,
    weight: &Operand,
    shape: Option<Shape>,
) -> Operand {
    let mut attributes = Attributes::default();
    if let Some(width) = weight.shape().and_then(|shape| shape.dim(-1)) {
        attributes.set(Key::OutChannels, width);
    }
    builder.node(Operator::Embedding, attributes, vec![ids], shape)
}

fn pool(builder: &mut Builder, operator: Operator, call: &Call<'_>) -> Operand {
    let rank = call
        .node
        .op
        .chars()
        .find(char::is_ascii_digit)
        .and_then(|digit| digit.to_digit(10))
        .unwrap_or(2) as usize;
    let shift = usize::from(operator == Operator::LpPool);
    let full = |values: Vec<i64>| {
        if values.len() == 1 {
            vec![values[0]; rank]
        } else {
            values
        }
    };
    let kernel = full(call.ints(1 + shift, "kernel_size"));
    let stride = full(call.ints(2 + shift, "stride"));
    let stride = if stride.is_empty() {
        kernel.clone()
    } else {
        stride
    };
    let dilation = if operator == Operator::MaxPool {
        full(call.ints(4, "dilation"))
    } else {
        vec![]
    };
    builder.pool(
        operator,
        call.first(),
        Window {
            kernel,
            stride,
            dilation,
        },
        call.shape(0),
    )
}

/// Adaptive pooling is pooling with the window that the sizes imply, as exporters write it.
fn adaptive(builder: &mut Builder, operator: Operator, call: &Call<'_>) -> Operand {
    let operand = call.first();
    let shape = call.shape(0);
    let rank = call
        .node
        .op
        .chars()
        .find(char::is_ascii_digit)
        .and_then(|digit| digit.to_digit(10))
        .unwrap_or(2) as usize;
    let kernel = operand
        .shape()
        .zip(shape.as_ref())
        .and_then(|(read, written)| {
            (1..=rank as i64)
                .rev()
                .map(|axis| {
                    let (read, written) = (read.dim(-axis)?, written.dim(-axis)?.max(1));
                    i64::try_from(read.div_ceil(written)).ok()
                })
                .collect::<Option<Vec<i64>>>()
        });
    let everything = shape
        .as_ref()
        .is_some_and(|shape| (1..=rank as i64).all(|axis| shape.dim(-axis) == Some(1)));
    match kernel {
        Some(kernel) if !everything => builder.pool(
            operator,
            operand,
            Window {
                stride: kernel.clone(),
                kernel,
                dilation: vec![],
            },
            shape,
        ),
        _ => {
            let global = if operator == Operator::AvgPool {
                Operator::GlobalAvgPool
            } else {
                Operator::GlobalMaxPool
            };
            builder.plain(global, vec![operand], shape)
        }
    }
}

fn reduce(builder: &mut Builder, name: &str, call: &Call<'_>) -> Option<Operand> {
    let operator = match name {
        "mean" => Operator::ReduceMean,
        "sum" | "nansum" => Operator::ReduceSum,
        "amax" | "max" => Operator::ReduceMax,
        "amin" | "min" => Operator::ReduceMin,
        "prod" => Operator::ReduceProd,
        "logsumexp" => Operator::ReduceLogSumExp,
        "var" | "std" => Operator::ReduceVariance,
        "norm" | "vector_norm" | "linalg_vector_norm" => Operator::ReduceNorm,
        _ => return None,
    };
    let place = if operator == Operator::ReduceNorm {
        2
    } else {
        1
    };
    let axes = call.ints(place, "dim");
    Some(builder.reduce(operator, call.first(), &axes, call.shape(0)))
}

fn binary(builder: &mut Builder, operator: Operator, call: &Call<'_>, reversed: bool) -> Operand {
    let (left, right) = (call.operand(0, "input"), call.operand(1, "other"));
    let (left, right) = if reversed {
        (right, left)
    } else {
        (left, right)
    };
    builder.arithmetic(operator, left, right, call.shape(0))
}

fn clip(builder: &mut Builder, name: &str, call: &Call<'_>) -> Operand {
    let (low, high) = if name == "hardtanh" {
        ("min_val", "max_val")
    } else {
        ("min", "max")
    };
    let bound = |place, name: &str| {
        call.operand(place, name)
            .as_static()
            .and_then(Static::as_scalar)
    };
    let default = |value| {
        if name == "hardtanh" {
            Some(value)
        } else {
            None
        }
    };
    bounds(
        builder,
        call.first(),
        bound(1, low).or(default(-1.0)),
        bound(2, high).or(default(1.0)),
        call.shape(0),
    )
}

/// Clamping: to [0, 6] and to [0, ∞) it has names of its own.
pub(super) fn bounds(
    builder: &mut Builder,
    operand: Operand,
    low: Option<f64>,
    high: Option<f64>,
    shape: Option<Shape>,
) -> Operand {
    let high = high.filter(|high| *high < 1e30);
    let low = low.filter(|low| *low > -1e30);
    let operator = match (low, high) {
        (Some(0.0), Some(6.0)) => Operator::Relu6,
        (Some(0.0), None) => Operator::Relu,
        (None, None) => return operand,
        (low, high) => {
            let bounds = (low.unwrap_or(-f64::INFINITY), high.unwrap_or(f64::INFINITY));
            return builder.clip(operand, bounds, shape);
        }
    };
    builder.plain(operator, vec![operand], shape)
}

fn resize(builder: &mut Builder, name: &str, call: &Call<'_>) -> Operand {
    let mode = match name {
        "upsample_bilinear" => "linear",
        "interpolate" | "upsample" => call
            .arg(3, "mode")
            .and_then(RawValue::as_text)
            .map_or("nearest", interpolation),
        _ => "nearest",
    };
    let same = call
        .first()
        .shape()
        .is_some_and(|shape| Some(shape) == call.shape(0).as_ref());
    if same {
        return call.first();
    }
    let attributes = Attributes::default().with(Key::Mode, mode);
    builder.node(
        Operator::Resize,
        attributes,
        vec![call.first()],
        call.shape(0),
    )
}

fn interpolation(mode: &str) -> &'static str {
    match mode {
        "bilinear" | "linear" | "trilinear" => "linear",
        "bicubic" => "cubic",
        "area" => "area",
        _ => "nearest",
    }
}

fn recurrent(builder: &mut Builder, name: &str, call: &Call<'_>) -> Option<Vec<Operand>> {
    let operator = match name {
        "lstm" => Operator::Lstm,
        "gru" => Operator::Gru,
        "rnn_tanh" | "rnn_relu" => Operator::Rnn,
        _ => return None,
    };
    let weights: Vec<&Shape> = weight_shapes(call.args);
    let has_biases = call
        .args
        .iter()
        .find_map(|value| match value {
            RawValue::Bool(value) => Some(*value),
            _ => None,
        })
        .unwrap_or(true);
    let flags: Vec<bool> = call
        .args
        .iter()
        .filter_map(|value| match value {
            RawValue::Bool(value) => Some(*value),
            _ => None,
        })
        .collect();
    let both = flags.get(2).copied().unwrap_or(false);
    let layers = call
        .args
        .iter()
        .find_map(|value| match value {
            RawValue::Int(value) => Some(*value),
            _ => None,
        })
        .unwrap_or(1)
        .clamp(1, 64) as usize;
    let per_layer = (if has_biases { 4 } else { 2 }) * (1 + usize::from(both));
    let mut value = call.first();
    for layer in 0..layers {
        let matrix = weights.get(layer * per_layer);
        let recurrent = weights.get(layer * per_layer + 1);
        let mut attributes = Attributes::default();
        if let Some(read) = matrix.and_then(|shape| shape.dim(1)) {
            attributes.set(Key::InChannels, read);
        }
        if let Some(hidden) = recurrent.and_then(|shape| shape.dim(1)) {
            attributes.set(Key::Hidden, hidden);
        }
        if both {
            attributes.set(Key::Direction, "both");
        }
        value = builder.node(operator.clone(), attributes, vec![value], call.shape(0));
    }
    let states =
        (1..call.node.shapes.len()).map(|port| Builder::reshaped(value.clone(), call.shape(port)));
    Some(std::iter::once(value.clone()).chain(states).collect())
}

fn weight_shapes(args: &[RawValue]) -> Vec<&Shape> {
    args.iter()
        .filter_map(|value| match value {
            RawValue::List(items) => Some(
                items
                    .iter()
                    .filter_map(|item| match item {
                        RawValue::Weight(shape) => Some(shape),
                        _ => None,
                    })
                    .collect::<Vec<_>>(),
            ),
            _ => None,
        })
        .max_by_key(Vec::len)
        .unwrap_or_default()
}

/// Calls with no argument that matters: an operator of the vocabulary or an unknown one.
fn general(builder: &mut Builder, name: &str, call: &Call<'_>) -> Vec<Operand> {
    let operator = plain_operator(name).unwrap_or_else(|| Operator::unknown("torch", name));
    let mut attributes = Attributes::default();
    let data = call.data();
    if call.has_parameter()
        && matches!(
            operator,
            Operator::Concat | Operator::Max | Operator::Min | Operator::Where
        )
    {
        attributes.set(Key::Operand, "parameter");
    }
    if operator == Operator::Concat
        && data.len() == 1
        && !call.has_parameter()
        && concat_parts(call) == 1
    {
        return vec![Builder::reshaped(call.first(), call.shape(0))];
    }
    let first = builder.node(operator, attributes, data, call.shape(0));
    let rest = (1..call.node.shapes.len()).map(|port| match &first {
        Operand::Data(edge, _) => Operand::Data(
            crate::graph::Edge {
                node: edge.node,
                port: port as u16,
            },
            call.shape(port),
        ),
        other => other.clone(),
    });
    std::iter::once(first.clone()).chain(rest).collect()
}

fn concat_parts(call: &Call<'_>) -> usize {
    match call.args.first() {
        Some(RawValue::List(items)) => items.len(),
        _ => 1,
    }
}

fn plain_operator(name: &str) -> Option<Operator> {
    use Operator as O;
    Some(match name {
        "relu" => O::Relu,
        "relu6" => O::Relu6,
        "leaky_relu" | "rrelu" => O::LeakyRelu,
        "prelu" => O::PRelu,
        "elu" => O::Elu,
        "celu" => O::Celu,
        "selu" => O::Selu,
        "gelu" => O::Gelu,
        "silu" => O::Silu,
        "mish" => O::Mish,
        "hardswish" => O::HardSwish,
        "sigmoid" | "expit" => O::Sigmoid,
        "hardsigmoid" => O::HardSigmoid,
        "logsigmoid" => O::LogSigmoid,
        "tanh" => O::Tanh,
        "softplus" => O::Softplus,
        "softsign" => O::Softsign,
        "hardshrink" | "softshrink" | "tanhshrink" => O::Shrink,
        "threshold" => O::ThresholdedRelu,
        "glu" => O::Glu,
        "softmax" => O::Softmax,
        "log_softmax" => O::LogSoftmax,
        "cat" | "concat" | "concatenate" | "stack" | "hstack" | "vstack" | "dstack" => O::Concat,
        "cumsum" | "cumprod" | "logcumsumexp" => O::Cumulative,
        "bilinear" => O::Bilinear,
        "sqrt" => O::Sqrt,
        "rsqrt" => O::ReciprocalSqrt,
        "reciprocal" => O::Reciprocal,
        "exp" | "expm1" => O::Exp,
        "log" | "log1p" | "log2" | "log10" => O::Log,
        "abs" | "absolute" => O::Abs,
        "sign" | "sgn" => O::Sign,
        "floor" | "ceil" | "round" | "trunc" | "floordiv" | "floor_divide" => O::Round,
        "erf" => O::Erf,
        "sin" | "cos" | "tan" | "atan" | "atan2" | "arctan" | "asin" | "acos" | "sinh" | "cosh" => {
            O::Trigonometric
        }
        "minimum" | "min" | "fmin" => O::Min,
        "maximum" | "max" | "fmax" => O::Max,
        "remainder" | "fmod" | "mod" => O::Mod,
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" | "greater" | "less" | "isnan" | "isinf"
        | "isfinite" | "isclose" | "equal" => O::Compare,
        "logical_and" | "logical_or" | "logical_xor" | "and" | "or" | "xor" | "bitwise_and"
        | "bitwise_or" | "any" | "all" | "lshift" | "rshift" => O::Logical,
        "where" | "masked_fill" => O::Where,
        "argmax" | "argmin" => O::ArgExtreme,
        "topk" => O::TopK,
        "sort" | "argsort" => O::Sort,
        "nonzero" | "argwhere" => O::NonZero,
        "unique" | "unique_consecutive" => O::Unique,
        "one_hot" => O::OneHot,
        "nms" | "batched_nms" => O::NonMaxSuppression,
        "bernoulli" | "multinomial" | "normal" | "rand_like" | "randn_like" => O::Random,
        "grid_sample" | "grid_sampler" => O::GridSample,
        "roi_align" | "ps_roi_align" | "roi_pool" => O::RoiAlign,
        "flip" | "fliplr" | "flipud" | "rot90" => O::Flip,
        "pixel_shuffle" => O::DepthToSpace,
        "pixel_unshuffle" => O::SpaceToDepth,
        "fold" | "col2im" => O::Fold,
        "gather" | "index_select" | "take_along_dim" | "take" | "index" | "masked_select" => {
            O::Gather
        }
        "scatter" | "scatter_add" | "index_add" | "index_put" | "setitem" | "copy"
        | "index_copy" | "masked_scatter" | "scatter_reduce" => O::Scatter,
        "tril" | "triu" => O::Triangle,
        "fft_fft" | "fft_ifft" | "fft_rfft" | "fft_irfft" | "fft_fft2" | "fft_rfft2"
        | "fft_irfft2" | "fft_rfftn" | "fft_irfftn" | "stft" | "istft" => O::Fourier,
        _ => return None,
    })
}
