//! Reads ONNX models: the graph only. Weights are skipped, external data is never opened.
//!
//! `wire` reads protobuf fields, `message` and `tensor` the ONNX messages that matter, `order`
//! sorts bodies, `skim` lets weights pass by, `assemble` joins names into edges and inlines
//! functions and control flow. All of them draw on one `Budget`, so neither depth nor
//! amplification can outgrow [`Limits`].

mod assemble;
mod budget;
mod message;
mod order;
mod skim;
mod tensor;
mod wire;

use super::{Limits, RawGraph};
use budget::Budget;
use std::io::{BufReader, Read};

/// Why bytes are no ONNX model that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Bytes that break the protobuf encoding.
    #[error(
        "the ONNX file is damaged at byte {offset}: {problem}; export it again or check the transfer"
    )]
    Damaged {
        /// Where reading stopped.
        offset: usize,
        /// What was met there.
        problem: &'static str,
    },
    /// A file that could not be read to its end.
    #[error("the ONNX file could not be read: {0}")]
    Unreadable(String),
    /// Well-formed bytes without a graph.
    #[error("the file holds no ONNX graph; export a model with at least one operator")]
    NoGraph,
    /// More of something than the limits allow.
    #[error(
        "the ONNX model has more {what} than the limit of {limit}; raise `limits` to accept it"
    )]
    TooLarge {
        /// What is counted.
        what: &'static str,
        /// How many may be.
        limit: usize,
    },
    /// A value that nothing computes.
    #[error(
        "node `{node}` reads `{value}`, which no node, input or initialiser provides; export the whole model"
    )]
    Missing {
        /// The reader.
        node: String,
        /// The value's name.
        value: String,
    },
    /// A result of the model that nothing computes.
    #[error(
        "the graph output `{0}` comes from no node, input or initialiser; export the whole model"
    )]
    MissingOutput(String),
    /// A value that several nodes compute.
    #[error("the value `{0}` is computed twice; every ONNX value has one producer")]
    Duplicate(String),
    /// Nodes that wait for each other.
    #[error("node `{0}` is part of a cycle; an ONNX graph must be acyclic")]
    Cycle(String),
    /// A local function that calls itself.
    #[error("the local function `{0}` calls itself; inline it before exporting")]
    Recursion(String),
}

/// Reads the graph of an ONNX model.
///
/// # Errors
/// When the bytes are damaged, exceed a limit, or describe no acyclic graph.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<RawGraph, Error> {
    let mut budget = Budget::new(limits);
    let model = message::model(bytes, &mut budget)?;
    assemble::assemble(&model, budget)
}

/// Bytes that are asked for at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Reads the graph of an ONNX model from a file of any size: payloads of large tensors pass by
/// and are never held, so memory follows the graph alone. Gives what [`read`] gives.
///
/// # Errors
/// As for [`read`], and when reading fails.
pub fn read_from(reader: impl Read, limits: &Limits) -> Result<RawGraph, Error> {
    let mut budget = Budget::new(limits);
    let source = BufReader::with_capacity(BUFFER_BYTES, reader);
    let skimmed = skim::skim(source, &mut budget)?;
    let model = message::model(&skimmed.kept, &mut budget).map_err(|error| match error {
        Error::Damaged { offset, problem } => Error::Damaged {
            offset: skimmed.in_file(offset),
            problem,
        },
        other => other,
    })?;
    assemble::assemble(&model, budget)
}

/// Whether bytes could begin an ONNX model: with a field that its outermost message has.
pub(super) fn is_plausible(start: &[u8]) -> bool {
    let mut fields = wire::Message {
        bytes: start,
        offset: 0,
    }
    .fields();
    match fields.tag() {
        // Integers: ir_version, model_version.
        Ok((1 | 5, wire)) => wire == 0,
        // Texts and messages: from producer_name to configuration.
        Ok((2..=4 | 6..=8 | 14 | 20 | 25 | 26, wire)) => wire == 2,
        _ => false,
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
