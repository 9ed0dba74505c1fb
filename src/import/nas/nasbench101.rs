//! NAS-Bench-101 (Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search",
//! ICML 2019): up to seven vertices and nine edges, an operation on each interior vertex.
//!
//! Network: a stem of 128 channels, three stacks of three cells with max pooling and doubled
//! channels between, global pooling, classifier. Channels inside a cell follow the paper's rule:
//! those of the vertices that feed the output share the output's.

use super::build::{Builder, Conv, Value, orders};
use crate::import::RawGraph;
use serde::Deserialize;

pub(super) const MOST_VERTICES: usize = 7;
const MOST_EDGES: usize = 9;

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    space: Option<String>,
    matrix: Vec<Vec<u8>>,
    ops: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Input,
    Conv1,
    Conv3,
    MaxPool,
    Output,
}

/// Edges from lower to higher vertices; the first is the input, the last the output.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) ops: Vec<Op>,
    pub(super) matrix: Vec<Vec<bool>>,
}

pub(super) fn read(text: &str) -> Result<RawGraph, String> {
    network(&parse(text)?.pruned()?.canonical())
}

fn network(cell: &Cell) -> Result<RawGraph, String> {
    let (mut builder, image) = Builder::new(32);
    let mut value = conv_relu(&mut builder, image, 3, 128);
    for (stack, channels) in [128, 256, 512].into_iter().enumerate() {
        if stack > 0 {
            value = builder.pool("max_pool", value, 2, 2);
        }
        for _ in 0..3 {
            value = expand(&mut builder, value, cell, channels)
                .ok_or("lets nothing flow from its input to its output")?;
        }
    }
    Ok(builder.classify(value, "nasbench101", true))
}

pub(super) fn parse(text: &str) -> Result<Cell, String> {
    let written: Written = serde_json::from_str(text).map_err(|error| {
        format!("is not written {{\"matrix\": [[0, 1, …], …], \"ops\": [\"input\", …]}}: {error}")
    })?;
    if written.space.is_some_and(|space| space != "nasbench101") {
        return Err("states another space".into());
    }
    let count = written.ops.len();
    if !(2..=MOST_VERTICES).contains(&count) {
        return Err(format!("has {count} vertices, not 2 to {MOST_VERTICES}"));
    }
    if written.matrix.len() != count || written.matrix.iter().any(|row| row.len() != count) {
        return Err(format!(
            "has {count} operations but no {count} × {count} matrix"
        ));
    }
    for (row, cells) in written.matrix.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            if *cell > 1 || (*cell == 1 && column <= row) {
                return Err(format!(
                    "has {cell} at row {row}, column {column} of its matrix; it must hold 0 and 1, above the diagonal only"
                ));
            }
        }
    }
    let matrix: Vec<Vec<bool>> = written
        .matrix
        .iter()
        .map(|row| row.iter().map(|cell| *cell == 1).collect())
        .collect();
    let edges = matrix.iter().flatten().filter(|edge| **edge).count();
    if edges > MOST_EDGES {
        return Err(format!("has {edges} edges, more than {MOST_EDGES}"));
    }
    let ops = written
        .ops
        .iter()
        .enumerate()
        .map(|(vertex, op)| parse_op(op, vertex, count))
        .collect::<Result<_, _>>()?;
    Ok(Cell { ops, matrix })
}

fn parse_op(op: &str, vertex: usize, count: usize) -> Result<Op, String> {
    match op {
        "input" if vertex == 0 => Ok(Op::Input),
        "output" if vertex + 1 == count => Ok(Op::Output),
        _ if vertex == 0 || vertex + 1 == count => {
            Err("must have `input` as its first and `output` as its last operation".into())
        }
        "conv1x1-bn-relu" => Ok(Op::Conv1),
        "conv3x3-bn-relu" => Ok(Op::Conv3),
        "maxpool3x3" => Ok(Op::MaxPool),
        other => Err(format!(
            "has the operation `{other}`; the space has conv1x1-bn-relu, conv3x3-bn-relu and maxpool3x3"
        )),
    }
}

impl Cell {
    /// Without vertices that lie on no path from input to output.
    pub(super) fn pruned(self) -> Result<Self, String> {
        let count = self.ops.len();
        let mut reached = vec![false; count];
        let mut useful = vec![false; count];
        reached[0] = true;
        useful[count - 1] = true;
        for vertex in 0..count {
            reached[vertex] |= (0..vertex).any(|from| reached[from] && self.matrix[from][vertex]);
        }
        for vertex in (0..count).rev() {
            useful[vertex] |= (vertex..count).any(|to| useful[to] && self.matrix[vertex][to]);
        }
        if !reached[count - 1] {
            return Err("lets nothing flow from its input to its output".into());
        }
        let kept: Vec<_> = (0..count)
            .filter(|vertex| reached[*vertex] && useful[*vertex])
            .collect();
        Ok(self.ordered(&kept))
    }

    fn ordered(&self, order: &[usize]) -> Self {
        Self {
            ops: order.iter().map(|vertex| self.ops[*vertex]).collect(),
            matrix: order
                .iter()
                .map(|from| order.iter().map(|to| self.matrix[*from][*to]).collect())
                .collect(),
        }
    }

    /// The smallest of its topological orders: at most 120 orders of five interior vertices.
    fn canonical(self) -> Self {
        let count = self.ops.len();
        orders(count - 2)
            .into_iter()
            .map(|order| {
                let interior = order.into_iter().map(|vertex| vertex + 1);
                let whole: Vec<_> = std::iter::once(0)
                    .chain(interior)
                    .chain([count - 1])
                    .collect();
                self.ordered(&whole)
            })
            .filter(Self::is_sorted)
            .min()
            .unwrap_or(self)
    }

    fn is_sorted(&self) -> bool {
        (0..self.ops.len()).all(|row| !self.matrix[row][..=row].contains(&true))
    }

    /// Channels of each vertex: `compute_vertex_channels` of the published code.
    fn channels(&self, input: u64, output: u64) -> Vec<u64> {
        let last = self.ops.len() - 1;
        let mut channels = vec![0; last + 1];
        channels[0] = input;
        channels[last] = output;
        let feeding: Vec<_> = (1..last)
            .filter(|vertex| self.matrix[*vertex][last])
            .collect();
        let share = feeding.len().max(1) as u64;
        for (place, vertex) in feeding.iter().enumerate() {
            channels[*vertex] = output / share + u64::from((place as u64) < output % share);
        }
        for vertex in (1..last).rev().filter(|vertex| !feeding.contains(vertex)) {
            channels[vertex] = (vertex + 1..last)
                .filter(|to| self.matrix[vertex][*to])
                .map(|to| channels[to])
                .max()
                .unwrap_or(output);
        }
        channels
    }
}

fn conv_relu(builder: &mut Builder, input: Value, side: u64, out: u64) -> Value {
    let value = builder.conv(input, Conv::square(side, out));
    builder.relu(value)
}

/// `build_module` of the published code.
fn expand(builder: &mut Builder, input: Value, cell: &Cell, out: u64) -> Option<Value> {
    let last = cell.ops.len() - 1;
    let channels = cell.channels(input.channels, out);
    let mut values = vec![input];
    for (vertex, width) in channels.iter().copied().enumerate().take(last).skip(1) {
        let mut operands = Vec::new();
        for source in (1..vertex).filter(|source| cell.matrix[*source][vertex]) {
            operands.push(truncated(builder, values[source], width));
        }
        if cell.matrix[0][vertex] {
            operands.push(conv_relu(builder, input, 1, width));
        }
        let value = builder.sum(operands)?;
        values.push(match cell.ops[vertex] {
            Op::Conv1 => conv_relu(builder, value, 1, width),
            Op::Conv3 => conv_relu(builder, value, 3, width),
            Op::MaxPool => builder.pool("max_pool", value, 3, 1),
            Op::Input | Op::Output => value,
        });
    }
    let feeding: Vec<_> = (1..last)
        .filter(|vertex| cell.matrix[*vertex][last])
        .map(|vertex| values[vertex])
        .collect();
    let mut operands: Vec<_> = builder.concat(&feeding).into_iter().collect();
    if cell.matrix[0][last] {
        operands.push(conv_relu(builder, input, 1, out));
    }
    builder.sum(operands)
}

fn truncated(builder: &mut Builder, value: Value, channels: u64) -> Value {
    if value.channels == channels {
        return value;
    }
    builder.slice(value, "head", channels)
}
