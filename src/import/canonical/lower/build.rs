//! Adds canonical operators to a working graph: what the dialects share.

use super::infer;
use super::part::part;
use crate::graph::{Attributes, Edge, Key, Operator, OperatorGroup, Shape};
use crate::import::canonical::work::{Operand, Static, Work, WorkNode};

/// A working graph under construction.
pub(super) struct Builder {
    work: Work,
    most_nodes: usize,
}

/// A windowed operator's geometry.
#[derive(Default)]
pub(super) struct Window {
    pub(super) kernel: Vec<i64>,
    pub(super) stride: Vec<i64>,
    pub(super) dilation: Vec<i64>,
}

impl Window {
    pub(super) fn attributes(&self) -> Attributes {
        let rank = self.kernel.len();
        let mut attributes = Attributes::default().with(Key::Kernel, self.kernel.clone());
        attributes.set(Key::Stride, spread(&self.stride, rank));
        let dilation = spread(&self.dilation, rank);
        if dilation.iter().any(|step| *step != 1) {
            attributes.set(Key::Dilation, dilation);
        }
        attributes
    }

    /// True when it reads one position and moves by one.
    pub(super) fn is_pointwise(&self) -> bool {
        self.kernel.iter().all(|side| *side == 1) && self.stride.iter().all(|step| *step == 1)
    }
}

/// One number for every dimension, or one each; nothing means 1.
fn spread(values: &[i64], rank: usize) -> Vec<i64> {
    match values {
        [] => vec![1; rank],
        [one] => vec![*one; rank],
        many => many.to_vec(),
    }
}

impl Builder {
    pub(super) fn new(most_nodes: usize) -> Self {
        Self {
            work: Work::default(),
            most_nodes,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.work.nodes.len() > self.most_nodes
    }

    pub(super) fn len(&self) -> usize {
        self.work.nodes.len()
    }

    /// Products added since there were `before` nodes are of quantised values. What else computes
    /// on them differs from one way of quantising to the other.
    pub(super) fn mark_quantised(&mut self, before: usize) {
        for node in &mut self.work.nodes[before..] {
            let group = node.operator.group();
            if matches!(group, OperatorGroup::Learned | OperatorGroup::Product) {
                node.attributes.set(Key::Quantised, "int8");
            }
        }
    }

    /// The value with everything below zero cut off, where it is the result of a linear operator:
    /// elsewhere it is never negative or the activation is still there.
    pub(super) fn clipped(&mut self, operand: Operand, by: Operator) -> Operand {
        let Operand::Data(edge, shape) = &operand else {
            return operand;
        };
        match self.work.nodes[edge.node as usize].operator {
            Operator::Conv
            | Operator::ConvTranspose
            | Operator::Linear
            | Operator::BatchNorm
            | Operator::Add => {
                let shape = shape.clone();
                self.plain(by, vec![operand], shape)
            }
            _ => operand,
        }
    }

    pub(super) fn finish(mut self, outputs: Vec<Edge>) -> Work {
        self.work.outputs = outputs;
        self.work.sweep();
        self.work
    }

    pub(super) fn input(&mut self, shape: Option<Shape>) -> Operand {
        self.node(Operator::Input, Attributes::default(), vec![], shape)
    }

    /// Adds `operator`; without computed operands its value is static.
    pub(super) fn node(
        &mut self,
        operator: Operator,
        attributes: Attributes,
        operands: Vec<Operand>,
        shape: Option<Shape>,
    ) -> Operand {
        let shape = infer::kept(shape);
        if operator != Operator::Input && !operands.iter().any(Operand::is_data) {
            return Operand::Static(Static {
                shape,
                values: None,
            });
        }
        let node = WorkNode {
            operator,
            attributes,
            operands,
            shape: shape.clone(),
            scale: (1.0, 0.0),
        };
        Operand::Data(self.work.push(node), shape)
    }

    pub(super) fn plain(
        &mut self,
        operator: Operator,
        operands: Vec<Operand>,
        shape: Option<Shape>,
    ) -> Operand {
        self.node(operator, Attributes::default(), operands, shape)
    }

    /// The same value arriving in another shape.
    pub(super) fn reshaped(operand: Operand, shape: Option<Shape>) -> Operand {
        let shape = infer::kept(shape);
        match operand {
            Operand::Data(edge, _) => Operand::Data(edge, shape),
            Operand::Static(value) => Operand::Static(Static {
                shape,
                values: value.values,
            }),
            Operand::Absent => Operand::Absent,
        }
    }

    /// Everything below and above `bounds` is cut off.
    pub(super) fn clip(
        &mut self,
        operand: Operand,
        bounds: (f64, f64),
        shape: Option<Shape>,
    ) -> Operand {
        let clipped = self.plain(Operator::Clip, vec![operand], shape);
        if let Operand::Data(edge, _) = &clipped {
            self.work.nodes[edge.node as usize].scale = bounds;
        }
        clipped
    }

    /// `factor` x + `shift` with constants.
    pub(super) fn scale(
        &mut self,
        operand: Operand,
        factor: f64,
        shift: f64,
        shape: Option<Shape>,
    ) -> Operand {
        let scaled = self.plain(Operator::Scale, vec![operand], shape);
        if let Operand::Data(edge, _) = &scaled {
            self.work.nodes[edge.node as usize].scale = (factor, shift);
        }
        scaled
    }

    /// A sum, difference, product or quotient; with a scalar constant it is a scale.
    pub(super) fn arithmetic(
        &mut self,
        operator: Operator,
        left: Operand,
        right: Operand,
        shape: Option<Shape>,
    ) -> Operand {
        let scalar = |operand: &Operand| operand.as_static().and_then(Static::as_scalar);
        match (&operator, scalar(&left), scalar(&right)) {
            (Operator::Add, None, Some(c)) => self.scale(left, 1.0, c, shape),
            (Operator::Add, Some(c), None) => self.scale(right, 1.0, c, shape),
            (Operator::Sub, None, Some(c)) => self.scale(left, 1.0, -c, shape),
            (Operator::Sub, Some(c), None) => self.scale(right, -1.0, c, shape),
            (Operator::Mul, None, Some(c)) => self.scale(left, c, 0.0, shape),
            (Operator::Mul, Some(c), None) => self.scale(right, c, 0.0, shape),
            (Operator::Div, None, Some(c)) => self.scale(left, 1.0 / c, 0.0, shape),
            (Operator::Div, Some(1.0), None) => {
                self.plain(Operator::Reciprocal, vec![right], shape)
            }
            _ => self.elementwise(operator, left, right, shape),
        }
    }

    /// An elementwise operator of two values; a static one becomes an attribute. Subtraction of
    /// and division by a parameter are addition of and multiplication by another parameter.
    fn elementwise(
        &mut self,
        operator: Operator,
        left: Operand,
        right: Operand,
        shape: Option<Shape>,
    ) -> Operand {
        let squared = operator == Operator::Mul
            && matches!((&left, &right), (Operand::Data(a, _), Operand::Data(b, _)) if a == b);
        if squared {
            return self.node(Operator::Pow, exponent(2), vec![left], shape);
        }
        let mixed = left.is_data() != right.is_data();
        let operator = match operator {
            Operator::Sub if mixed && left.is_data() => Operator::Add,
            Operator::Div if mixed && left.is_data() => Operator::Mul,
            other => other,
        };
        let attributes = if mixed {
            Attributes::default().with(Key::Operand, "parameter")
        } else {
            Attributes::default()
        };
        self.node(operator, attributes, vec![left, right], shape)
    }

    /// A power; special exponents have operators of their own.
    pub(super) fn power(&mut self, base: Operand, power: Operand, shape: Option<Shape>) -> Operand {
        let Some(value) = power.as_static().and_then(Static::as_scalar) else {
            return self.elementwise(Operator::Pow, base, power, shape);
        };
        if value == 1.0 {
            base
        } else if value == 0.5 {
            self.plain(Operator::Sqrt, vec![base], shape)
        } else if value == -0.5 {
            self.plain(Operator::ReciprocalSqrt, vec![base], shape)
        } else if value == -1.0 {
            self.plain(Operator::Reciprocal, vec![base], shape)
        } else if value.fract() == 0.0 && value.abs() < 16.0 {
            self.node(Operator::Pow, exponent(value as i64), vec![base], shape)
        } else {
            self.plain(Operator::Pow, vec![base], shape)
        }
    }

    /// A convolution from the shape of its weight, [out, in / groups, kernel…], or a transposed one,
    /// whose weight is [in, out / groups, kernel…].
    pub(super) fn convolution(
        &mut self,
        operator: Operator,
        operands: Vec<Operand>,
        weight: Option<&Shape>,
        mut window: Window,
        groups: i64,
        shape: Option<Shape>,
    ) -> Operand {
        if let Some(weight) = weight.filter(|weight| weight.rank() > 2) {
            window.kernel = sides(&weight.0[2..]);
        }
        let whole = weight.and_then(|weight| weight.dim(0));
        let shared = weight
            .and_then(|weight| weight.dim(1))
            .map(|share| share.saturating_mul(groups.unsigned_abs()));
        let (read, written) = match operator {
            Operator::ConvTranspose => (whole, shared),
            _ => (shared, whole),
        };
        let attributes = channels(window.attributes(), read, written, groups);
        self.node(operator, attributes, operands, shape)
    }

    pub(super) fn linear(
        &mut self,
        operand: Operand,
        read: Option<u64>,
        written: Option<u64>,
        shape: Option<Shape>,
    ) -> Operand {
        let attributes = channels(Attributes::default(), read, written, 1);
        self.node(Operator::Linear, attributes, vec![operand], shape)
    }

    /// A sum over shared indices: a product, or a linear layer when one side is a weight.
    pub(super) fn einsum(
        &mut self,
        equation: &str,
        left: Operand,
        right: Operand,
        shape: Option<Shape>,
    ) -> Operand {
        let equation = equation.replace(' ', "");
        let (terms, result) = equation.split_once("->").unwrap_or((&equation, ""));
        let (first, second) = terms.split_once(',').unwrap_or((terms, ""));
        let (weight, term, operand, other) = match (left.is_data(), right.is_data()) {
            (true, false) => (right, second, left, first),
            (false, true) => (left, first, right, second),
            _ => return self.plain(Operator::MatMul, vec![left, right], shape),
        };
        let width = |keep: &dyn Fn(char) -> bool| {
            let dims = &weight.shape()?.0;
            let kept = term.chars().enumerate().filter(|(_, index)| keep(*index));
            kept.map(|(place, _)| dims.get(place).copied().flatten())
                .try_fold(1u64, |product, dim| product.checked_mul(dim?))
        };
        let read = width(&|index| other.contains(index) && !result.contains(index));
        let written = width(&|index| result.contains(index) && !other.contains(index));
        self.linear(operand, read, written, shape)
    }

    /// The part `start..start + len` along an axis of length `total`, or every `step`-th element.
    pub(super) fn slice(
        &mut self,
        operand: Operand,
        total: Option<u64>,
        start: u64,
        len: Option<u64>,
        step: i64,
        shape: Option<Shape>,
    ) -> Operand {
        if step == -1 {
            return self.plain(Operator::Flip, vec![operand], shape);
        }
        let part = if step == 1 {
            part(total, start, len)
        } else {
            Some("strided".into())
        };
        match part {
            Some(part) => {
                let attributes = Attributes::default().with(Key::Part, part);
                self.node(Operator::Slice, attributes, vec![operand], shape)
            }
            None => Self::reshaped(operand, shape),
        }
    }

    /// Pooling over a window; a window over one position is no operator, one over all is global.
    pub(super) fn pool(
        &mut self,
        operator: Operator,
        operand: Operand,
        window: Window,
        shape: Option<Shape>,
    ) -> Operand {
        if window.is_pointwise() {
            return operand;
        }
        if covers_everything(&operand, &window, shape.as_ref()) {
            let global = match operator {
                Operator::AvgPool => Operator::GlobalAvgPool,
                Operator::MaxPool => Operator::GlobalMaxPool,
                other => other,
            };
            return self.plain(global, vec![operand], shape);
        }
        let attributes = window.attributes();
        self.node(operator, attributes, vec![operand], shape)
    }

    /// A reduction over `axes` (every axis when empty).
    pub(super) fn reduce(
        &mut self,
        operator: Operator,
        operand: Operand,
        axes: &[i64],
        shape: Option<Shape>,
    ) -> Operand {
        let reach = reach(operand.shape(), axes);
        match (operator, reach) {
            (Operator::ReduceMean, Reach::Spatial) => {
                self.plain(Operator::GlobalAvgPool, vec![operand], shape)
            }
            (Operator::ReduceMax, Reach::Spatial) => {
                self.plain(Operator::GlobalMaxPool, vec![operand], shape)
            }
            (operator, reach) => {
                let attributes = Attributes::default().with(Key::Axes, reach.word());
                self.node(operator, attributes, vec![operand], shape)
            }
        }
    }

    /// Attention whose heads are a dimension of the query, unless `heads` states them.
    pub(super) fn attention(
        &mut self,
        operands: Vec<Operand>,
        heads: Option<u64>,
        bias: Option<&'static str>,
        shape: Option<Shape>,
    ) -> Operand {
        let mut attributes = Attributes::default();
        if let Some(heads) = heads.or_else(|| heads_of(operands.first()?.shape()?)) {
            attributes.set(Key::Heads, heads);
        }
        if let Some(bias) = bias {
            attributes.set(Key::Bias, bias);
        }
        self.node(Operator::Attention, attributes, operands, shape)
    }
}

/// Whether a constant on the left of a product is many matrices, as learned queries with heads
/// are; a single one is the weight of a layer across positions.
pub(super) fn is_stack(left: &Operand) -> bool {
    left.shape().is_some_and(|shape| {
        let leading = shape.rank().saturating_sub(2);
        shape.0[..leading].iter().any(|dim| *dim != Some(1))
    })
}

pub(super) fn exponent(value: i64) -> Attributes {
    Attributes::default().with(Key::Exponent, value)
}

/// The dimension before positions and channels: [batch, heads, positions, channels].
pub(in crate::import::canonical) fn heads_of(query: &Shape) -> Option<u64> {
    if query.rank() < 4 {
        None
    } else {
        query.dim(-3)
    }
}

fn sides(dims: &[Option<u64>]) -> Vec<i64> {
    dims.iter()
        .map(|dim| dim.map_or(0, |side| i64::try_from(side).unwrap_or(i64::MAX)))
        .collect()
}

fn channels(
    mut attributes: Attributes,
    read: Option<u64>,
    written: Option<u64>,
    groups: i64,
) -> Attributes {
    if let Some(read) = read {
        attributes.set(Key::InChannels, read);
    }
    if let Some(written) = written {
        attributes.set(Key::OutChannels, written);
    }
    if groups > 1 {
        attributes.set(Key::Groups, groups);
        let depthwise = read == Some(groups.unsigned_abs());
        attributes.set(
            Key::Grouping,
            if depthwise { "depthwise" } else { "grouped" },
        );
    }
    attributes
}

fn covers_everything(operand: &Operand, window: &Window, output: Option<&Shape>) -> bool {
    let rank = window.kernel.len();
    let (Some(read), Some(written)) = (operand.shape(), output) else {
        return false;
    };
    if read.rank() < rank || written.rank() < rank {
        return false;
    }
    let read = &read.0[read.rank() - rank..];
    let written = &written.0[written.rank() - rank..];
    written.iter().all(|dim| *dim == Some(1))
        && read.iter().zip(&window.kernel).all(|(dim, side)| {
            dim.is_some_and(|dim| u64::try_from(*side).is_ok_and(|side| side >= dim))
        })
}

/// Which axes a reduction covers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Spatial,
    Channels,
    Other,
}

impl Reach {
    fn word(self) -> &'static str {
        match self {
            Self::Spatial => "spatial",
            Self::Channels => "channels",
            Self::Other => "all",
        }
    }
}

/// Positions are the last axes of a channels-first value, or the middle ones of a channels-last
/// one; both occur and neither is declared. A lone last axis, or axis 1 of an image, is channels.
fn reach(shape: Option<&Shape>, axes: &[i64]) -> Reach {
    let Some(shape) = shape else {
        return match axes {
            [2, 3] | [-2, -1] | [-1, -2] => Reach::Spatial,
            [-1] => Reach::Channels,
            _ => Reach::Other,
        };
    };
    let rank = shape.rank();
    let mut axes: Vec<usize> = axes.iter().filter_map(|axis| shape.axis(*axis)).collect();
    axes.sort_unstable();
    axes.dedup();
    match (rank, axes.as_slice()) {
        (3, [1]) | (4, [1, 2] | [2, 3]) | (5, [2, 3, 4] | [1, 2, 3]) => Reach::Spatial,
        (4, [1]) | (5, [1]) => Reach::Channels,
        (_, [axis]) if axis + 1 == rank => Reach::Channels,
        _ => Reach::Other,
    }
}
