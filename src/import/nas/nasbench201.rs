//! NAS-Bench-201 (Dong and Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
//! Architecture Search", ICLR 2020): four nodes, an operation on each of six edges.
//!
//! Network: a stem of 16 channels, three stages of five cells at 16, 32 and 64 channels with a
//! residual block of stride 2 between, batch norm, ReLU, global pooling, classifier.

use super::build::{Builder, Conv, Value};
use crate::import::RawGraph;

const CELLS: usize = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    None,
    Skip,
    Conv(u64),
    AvgPool,
}

impl Edge {
    /// A number of its own.
    pub(super) fn number(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::Skip => 1,
            Self::AvgPool => 2,
            Self::Conv(side) => 3 + *side as u8,
        }
    }
}

/// `cell[target - 1][source]`.
pub(super) type Cell = [Vec<Edge>; 3];

pub(super) fn read(text: &str) -> Result<RawGraph, String> {
    let cell = parse(text)?;
    let (mut builder, image) = Builder::new(32);
    let mut value = builder.conv(image, Conv::square(3, 16));
    for (stage, channels) in [16, 32, 64].into_iter().enumerate() {
        if stage > 0 {
            value = residual_block(&mut builder, value, channels)?;
        }
        for _ in 0..CELLS {
            value = expand(&mut builder, value, &cell)
                .ok_or("lets nothing flow from its input to its output")?;
        }
    }
    let value = builder.batch_norm(value);
    let value = builder.relu(value);
    Ok(builder.classify(value, text.trim(), true))
}

pub(super) fn parse(text: &str) -> Result<Cell, String> {
    let nodes: Vec<_> = text.trim().split('+').collect();
    if nodes.len() != 3 {
        return Err(format!(
            "has {} nodes, not 3, between its `+` signs",
            nodes.len()
        ));
    }
    let mut cell = Cell::default();
    for (target, node) in nodes.iter().enumerate() {
        let edges = node
            .strip_prefix('|')
            .and_then(|node| node.strip_suffix('|'))
            .ok_or_else(|| format!("has a node {} that is not written |op~0|…|", target + 1))?;
        for (source, edge) in edges.split('|').enumerate() {
            cell[target].push(parse_edge(edge, source)?);
        }
        if cell[target].len() != target + 1 {
            return Err(format!(
                "has {} operations at node {}, not {}",
                cell[target].len(),
                target + 1,
                target + 1
            ));
        }
    }
    Ok(cell)
}

fn parse_edge(edge: &str, source: usize) -> Result<Edge, String> {
    let (op, stated) = edge
        .split_once('~')
        .ok_or_else(|| format!("has an operation `{edge}` without `~` and its source"))?;
    if stated != source.to_string() {
        return Err(format!("reads `{stated}` in the place of source {source}"));
    }
    match op {
        "none" => Ok(Edge::None),
        "skip_connect" => Ok(Edge::Skip),
        "nor_conv_1x1" => Ok(Edge::Conv(1)),
        "nor_conv_3x3" => Ok(Edge::Conv(3)),
        "avg_pool_3x3" => Ok(Edge::AvgPool),
        other => Err(format!(
            "has the operation `{other}`; the space has none, skip_connect, nor_conv_1x1, nor_conv_3x3 and avg_pool_3x3"
        )),
    }
}

/// The cell's output; `None` when nothing reaches it.
fn expand(builder: &mut Builder, input: Value, cell: &Cell) -> Option<Value> {
    let mut values = vec![Some(input)];
    for edges in cell {
        let mut operands = Vec::new();
        for (source, edge) in edges.iter().enumerate() {
            let Some(value) = values[source] else {
                continue;
            };
            match edge {
                Edge::None => {}
                Edge::Skip => operands.push(value),
                Edge::AvgPool => operands.push(builder.pool("avg_pool", value, 3, 1)),
                Edge::Conv(side) => {
                    let active = builder.relu(value);
                    operands.push(builder.conv(active, Conv::square(*side, value.channels)));
                }
            }
        }
        values.push(builder.sum(operands));
    }
    values[3]
}

fn residual_block(builder: &mut Builder, input: Value, out: u64) -> Result<Value, String> {
    let value = builder.relu(input);
    let value = builder.conv(value, Conv::square(3, out).stride(2));
    let value = builder.relu(value);
    let value = builder.conv(value, Conv::square(3, out));
    let short = builder.pool("avg_pool", input, 2, 2);
    let projection = Conv {
        batch_norm: false,
        ..Conv::square(1, out)
    };
    let short = builder.conv(short, projection);
    builder.sum(vec![short, value]).ok_or_else(String::new)
}
