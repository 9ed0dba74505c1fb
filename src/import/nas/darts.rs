//! DARTS (Liu, Simonyan and Yang, "DARTS: Differentiable Architecture Search", ICLR 2019): a
//! normal and a reduction cell, as Python prints a `Genotype`.
//!
//! Network: the published CIFAR-10 one, 36 channels and 20 cells, reductions at one and two
//! thirds, without the auxiliary head that only training uses.

use super::build::{Builder, Conv, Value, orders};
use crate::import::RawGraph;

const CHANNELS: u64 = 36;
const CELLS: usize = 20;
const MOST_STEPS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Skip,
    MaxPool,
    AvgPool,
    Separable(u64),
    Dilated(u64),
    Conv7,
}

impl Op {
    /// A number of its own, not 0.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::Skip => 1,
            Self::MaxPool => 2,
            Self::AvgPool => 3,
            Self::Conv7 => 4,
            Self::Separable(side) => 10 + *side as u8,
            Self::Dilated(side) => 20 + *side as u8,
        }
    }
}

/// Each step sums its operations; states 0 and 1 are the inputs, 2 the first step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) steps: Vec<Vec<(usize, Op)>>,
    concat: Vec<usize>,
}

pub(super) fn read(text: &str) -> Result<RawGraph, String> {
    let (normal, reduce) = cells(text)?;
    let (mut builder, image) = Builder::new(32);
    let stem = builder.conv(image, Conv::square(3, 3 * CHANNELS));
    let (mut before, mut last) = (stem, stem);
    let (mut channels, mut reduced) = (CHANNELS, false);
    for index in 0..CELLS {
        let reduces = index == CELLS / 3 || index == 2 * CELLS / 3;
        channels *= if reduces { 2 } else { 1 };
        let left = match reduced {
            true => factorised_reduce(&mut builder, before, channels)?,
            false => relu_conv(&mut builder, before, channels),
        };
        let right = relu_conv(&mut builder, last, channels);
        let cell = if reduces { &reduce } else { &normal };
        let output = expand(&mut builder, [left, right], cell, reduces)?;
        (before, last, reduced) = (last, output, reduces);
    }
    Ok(builder.classify(last, "darts", true))
}

/// The normal cell and the reduction cell.
pub(super) fn cells(text: &str) -> Result<(Cell, Cell), String> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    Ok((cell(&compact, "normal")?, cell(&compact, "reduce")?))
}

fn cell(text: &str, name: &str) -> Result<Cell, String> {
    let steps = parse_steps(field(text, name)?, name)?;
    let concat = parse_concat(field(text, &format!("{name}_concat"))?, name, steps.len())?;
    Ok(Cell { steps, concat }.pruned().canonical())
}

/// What stands behind `name=`.
fn field<'a>(text: &'a str, name: &str) -> Result<&'a str, String> {
    let marks = [format!("({name}="), format!(",{name}=")];
    marks
        .iter()
        .find_map(|mark| text.find(mark).map(|at| &text[at + mark.len()..]))
        .ok_or_else(|| {
            format!("has no `{name}`; write Genotype(normal=[…], normal_concat=…, reduce=[…], reduce_concat=…)")
        })
}

fn parse_steps(text: &str, name: &str) -> Result<Vec<Vec<(usize, Op)>>, String> {
    let malformed = || format!("has a `{name}` that is no list of ('operation', source) pairs");
    let list = bracketed(text, '[', ']').ok_or_else(malformed)?;
    let mut edges = Vec::new();
    for pair in list.split("),").filter(|pair| !pair.is_empty()) {
        let pair = pair.trim_start_matches('(').trim_end_matches(')');
        let (op, source) = pair.split_once(',').ok_or_else(malformed)?;
        let source: usize = source
            .trim_end_matches(',')
            .parse()
            .map_err(|_| malformed())?;
        edges.push((source, op.trim_matches(['\'', '"']).to_owned()));
    }
    if edges.is_empty() || edges.len() % 2 == 1 || edges.len() > 2 * MOST_STEPS {
        return Err(format!(
            "has {} operations in `{name}`; each of 1 to {MOST_STEPS} steps takes two",
            edges.len()
        ));
    }
    let mut steps = Vec::new();
    for (step, pair) in edges.chunks(2).enumerate() {
        let mut operands = Vec::new();
        for (source, op) in pair {
            if *source >= step + 2 {
                return Err(format!(
                    "reads state {source} in step {step} of `{name}`, before it exists"
                ));
            }
            if op != "none" {
                operands.push((*source, parse_op(op)?));
            }
        }
        steps.push(operands);
    }
    Ok(steps)
}

fn parse_op(op: &str) -> Result<Op, String> {
    match op {
        "skip_connect" => Ok(Op::Skip),
        "max_pool_3x3" => Ok(Op::MaxPool),
        "avg_pool_3x3" => Ok(Op::AvgPool),
        "sep_conv_3x3" => Ok(Op::Separable(3)),
        "sep_conv_5x5" => Ok(Op::Separable(5)),
        "sep_conv_7x7" => Ok(Op::Separable(7)),
        "dil_conv_3x3" => Ok(Op::Dilated(3)),
        "dil_conv_5x5" => Ok(Op::Dilated(5)),
        "conv_7x1_1x7" => Ok(Op::Conv7),
        other => Err(format!(
            "has the operation `{}`, which the space does not have",
            other.chars().take(40).collect::<String>()
        )),
    }
}

fn parse_concat(text: &str, name: &str, steps: usize) -> Result<Vec<usize>, String> {
    let malformed = || format!("has a `{name}_concat` that is neither range(a, b) nor a list");
    let ranged = text.strip_prefix("range");
    let list = match ranged {
        Some(text) => bracketed(text, '(', ')'),
        None => bracketed(text, '[', ']').or_else(|| bracketed(text, '(', ')')),
    }
    .ok_or_else(malformed)?;
    let mut states: Vec<usize> = list
        .split(',')
        .filter(|state| !state.is_empty())
        .map(|state| state.parse().map_err(|_| malformed()))
        .collect::<Result<_, _>>()?;
    if ranged.is_some() {
        let [start, end] = states[..] else {
            return Err(malformed());
        };
        // Bounded before it is unfolded.
        states = (start..end.min(steps + 3)).collect();
    }
    states.sort_unstable();
    states.dedup();
    if states.is_empty() || states.iter().any(|state| *state >= steps + 2) {
        return Err(format!(
            "names states in `{name}_concat` that it does not have"
        ));
    }
    Ok(states)
}

fn bracketed(text: &str, open: char, close: char) -> Option<&str> {
    let text = text.strip_prefix(open)?;
    text.find(close).map(|end| &text[..end])
}

impl Cell {
    /// Without steps that the output does not read.
    fn pruned(self) -> Self {
        let mut read = vec![false; self.steps.len() + 2];
        for state in &self.concat {
            read[*state] = true;
        }
        for (step, operands) in self.steps.iter().enumerate().rev() {
            if read[step + 2] {
                operands.iter().for_each(|(source, _)| read[*source] = true);
            }
        }
        let kept: Vec<_> = (0..self.steps.len())
            .filter(|step| read[step + 2])
            .collect();
        self.ordered(&kept)
    }

    pub(super) fn ordered(&self, order: &[usize]) -> Self {
        let place = |state: usize| match state {
            0 | 1 => state,
            later => order
                .iter()
                .position(|step| step + 2 == later)
                .map_or(usize::MAX, |at| at + 2),
        };
        let steps = order
            .iter()
            .map(|step| {
                let mut operands: Vec<_> = self.steps[*step]
                    .iter()
                    .map(|(source, op)| (place(*source), *op))
                    .collect();
                operands.sort_unstable();
                operands
            })
            .collect();
        let mut concat: Vec<_> = self.concat.iter().map(|state| place(*state)).collect();
        concat.sort_unstable();
        Self { steps, concat }
    }

    /// The smallest of its topological orders.
    fn canonical(self) -> Self {
        orders(self.steps.len())
            .iter()
            .map(|order| self.ordered(order))
            .filter(Self::is_sorted)
            .min()
            .unwrap_or(self)
    }

    fn is_sorted(&self) -> bool {
        self.steps
            .iter()
            .enumerate()
            .all(|(step, operands)| operands.iter().all(|(source, _)| *source < step + 2))
    }
}

fn expand(
    builder: &mut Builder,
    inputs: [Value; 2],
    cell: &Cell,
    reduces: bool,
) -> Result<Value, String> {
    let mut states = inputs.map(Some).to_vec();
    for operands in &cell.steps {
        let mut values = Vec::new();
        for (source, op) in operands {
            if let Some(value) = states[*source] {
                let stride = if reduces && *source < 2 { 2 } else { 1 };
                values.push(operate(builder, value, *op, stride)?);
            }
        }
        states.push(builder.sum(values));
    }
    let concat: Vec<_> = cell
        .concat
        .iter()
        .filter_map(|state| states[*state])
        .collect();
    builder
        .concat(&concat)
        .ok_or_else(|| "lets nothing flow from its inputs to its output".into())
}

fn operate(builder: &mut Builder, value: Value, op: Op, stride: u64) -> Result<Value, String> {
    let channels = value.channels;
    Ok(match op {
        Op::Skip if stride == 1 => value,
        Op::Skip => factorised_reduce(builder, value, channels)?,
        Op::MaxPool => builder.pool("max_pool", value, 3, stride),
        Op::AvgPool => builder.pool("avg_pool", value, 3, stride),
        Op::Separable(side) => {
            let value = depthwise(builder, value, side, stride, 1);
            depthwise(builder, value, side, 1, 1)
        }
        Op::Dilated(side) => depthwise(builder, value, side, stride, 2),
        Op::Conv7 => {
            let active = builder.relu(value);
            let across = Conv {
                kernel: (1, 7),
                stride: (1, stride),
                batch_norm: false,
                ..Conv::square(1, channels)
            };
            let down = Conv {
                kernel: (7, 1),
                stride: (stride, 1),
                ..Conv::square(1, channels)
            };
            let value = builder.conv(active, across);
            builder.conv(value, down)
        }
    })
}

/// ReLU, depthwise and pointwise convolution, batch norm.
fn depthwise(builder: &mut Builder, value: Value, side: u64, stride: u64, dilation: u64) -> Value {
    let channels = value.channels;
    let value = builder.relu(value);
    let spatial = Conv {
        dilation,
        depthwise: true,
        batch_norm: false,
        ..Conv::square(side, channels).stride(stride)
    };
    let value = builder.conv(value, spatial);
    builder.conv(value, Conv::square(1, channels))
}

fn relu_conv(builder: &mut Builder, value: Value, out: u64) -> Value {
    let value = builder.relu(value);
    builder.conv(value, Conv::square(1, out))
}

/// Two pointwise convolutions of stride 2, one shifted by a pixel, side by side.
fn factorised_reduce(builder: &mut Builder, value: Value, out: u64) -> Result<Value, String> {
    let active = builder.relu(value);
    let half = Conv {
        batch_norm: false,
        ..Conv::square(1, out / 2).stride(2)
    };
    let even = builder.conv(active, half);
    let down = builder.slice(active, "tail", active.channels);
    let shifted = builder.slice(down, "tail", active.channels);
    let odd = builder.conv(shifted, half);
    let both = builder.concat(&[even, odd]).ok_or_else(String::new)?;
    Ok(builder.batch_norm(both))
}
