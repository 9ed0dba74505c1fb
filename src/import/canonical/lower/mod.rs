//! Reads a raw graph of one dialect into a working graph.
//!
//! A pass over the raw nodes in order. Each raw output becomes an [`Operand`]: a computed value
//! or a static one. Reshapes, casts and identities only change how a value arrives.

mod build;
mod fold;
mod infer;
mod memory;
mod nas;
mod onnx;
mod part;
mod quantised;
mod torch;

use super::work::{Operand, Work};
use super::{Error, Limits, RawGraph};
use crate::graph::Edge;
use crate::import::{Dialect, RawNode};
use build::Builder;
pub(super) use build::heads_of;
use memory::Memory;

/// What each output of each raw node has become.
type Values = Vec<Vec<Operand>>;

pub(super) fn lower(raw: &RawGraph, limits: &Limits) -> Result<Work, Error> {
    let mut builder = Builder::new(limits.nodes);
    let mut memory = Memory::default();
    let mut values: Values = Vec::with_capacity(raw.nodes.len());
    for (index, node) in raw.nodes.iter().enumerate() {
        let lowered = lower_node(&mut builder, raw, index, operands(node, &values))?;
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

fn lower_node(
    builder: &mut Builder,
    raw: &RawGraph,
    index: usize,
    operands: Vec<Operand>,
) -> Result<Vec<Operand>, Error> {
    let node = &raw.nodes[index];
    if &*node.op == "input" {
        let shape = node.shapes.first().cloned().flatten();
        return Ok(vec![builder.input(shape)]);
    }
    let before = builder.len();
    let lowered = match raw.dialect {
        Dialect::Torch => torch::lower(builder, node, operands),
        Dialect::Onnx => onnx::lower(builder, node, operands)
            .map(|lowered| quantised::settle(builder, raw, node, before, lowered)),
        Dialect::Nas => nas::lower(builder, node, operands),
        Dialect::Keras => Err("the keras dialect cannot be read yet; export to ONNX".into()),
    };
    lowered.map_err(|problem| Error::Node {
        node: index,
        op: node.op.to_string(),
        problem,
    })
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
