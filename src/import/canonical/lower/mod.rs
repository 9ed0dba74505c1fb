//! Reads a raw graph of one dialect into a working graph.
//!
//! A pass over the raw nodes in order. Each raw output becomes an [`Operand`]: a computed value
//! or a static one. Reshapes, casts and identities only change how a value arrives.

mod build;
mod fold;
mod infer;
mod nas;
mod onnx;
mod part;
mod quantised;
mod torch;

use super::work::{Operand, Static, Work};
use super::{Error, Limits, RawGraph};
use crate::graph::{Edge, Operator};
use crate::import::{Dialect, RawNode};
use build::Builder;
pub(super) use build::heads_of;

/// What each output of each raw node has become.
type Values = Vec<Vec<Operand>>;

pub(super) fn lower(raw: &RawGraph, limits: &Limits) -> Result<Work, Error> {
    let mut builder = Builder::new(limits.nodes);
    let mut memory = Memory { left: MOST_KEPT };
    let mut values: Values = Vec::with_capacity(raw.nodes.len());
    for (index, node) in raw.nodes.iter().enumerate() {
        let operands = operands(node, &values);
        let before = builder.len();
        let mut lowered = if &*node.op == "input" {
            vec![builder.input(node.shapes.first().cloned().flatten())]
        } else {
            match raw.dialect {
                Dialect::Torch => torch::lower(&mut builder, node, operands),
                Dialect::Onnx => onnx::lower(&mut builder, node, operands),
                Dialect::Nas => nas::lower(&mut builder, node, operands),
                Dialect::Keras => {
                    Err("the keras dialect cannot be read yet; export to ONNX".into())
                }
            }
            .map_err(|problem| Error::Node {
                node: index,
                op: node.op.to_string(),
                problem,
            })?
        };
        if raw.dialect == Dialect::Onnx {
            if quantised::is_quantised(raw, node) {
                builder.mark_quantised(before);
            }
            if let Some(by) = quantised::clipping(raw, node) {
                lowered = clipped(&mut builder, lowered, &by);
            }
        }
        if builder.is_full() {
            return Err(Error::TooMany(limits.nodes));
        }
        values.push(memory.remembered(lowered));
    }
    let outputs = raw
        .outputs
        .iter()
        .filter_map(|edge| data_edge(&values, *edge))
        .collect();
    Ok(builder.finish(outputs))
}

/// Elements of constants that are kept for shape arithmetic; real files have some ten thousand.
const MOST_KEPT: usize = 1 << 21;

/// What may still be kept: a node of a few bytes can compute a constant of thousands.
struct Memory {
    left: usize,
}

impl Memory {
    fn remembered(&mut self, values: Vec<Operand>) -> Vec<Operand> {
        let values = values.into_iter();
        values
            .map(|value| match value {
                Operand::Static(value) => Operand::Static(self.kept(value)),
                other => other,
            })
            .collect()
    }

    fn kept(&mut self, value: Static) -> Static {
        let elements = value.values.as_ref().map_or(0, |values| values.len());
        let left = self.left.checked_sub(elements);
        let fits = left.is_some() && elements as u64 <= fold::MOST_VALUES;
        self.left = left.filter(|_| fits).unwrap_or(self.left);
        Static {
            shape: infer::kept(value.shape),
            values: value.values.filter(|_| fits),
        }
    }
}

fn clipped(builder: &mut Builder, values: Vec<Operand>, by: &Operator) -> Vec<Operand> {
    let clip = |value| builder.clipped(value, by.clone());
    values.into_iter().map(clip).collect()
}

fn operands(node: &RawNode, values: &Values) -> Vec<Operand> {
    node.inputs
        .iter()
        .map(|edge| edge.map_or(Operand::Absent, |edge| value(values, edge)))
        .collect()
}

/// A value nobody computed (a port past the last) is left out rather than guessed.
fn value(values: &Values, edge: Edge) -> Operand {
    values
        .get(edge.node as usize)
        .and_then(|ports| ports.get(edge.port as usize).or(ports.first()))
        .cloned()
        .unwrap_or(Operand::Absent)
}

fn data_edge(values: &Values, edge: Edge) -> Option<Edge> {
    match value(values, edge) {
        Operand::Data(edge, _) => Some(edge),
        Operand::Static(_) | Operand::Absent => None,
    }
}
