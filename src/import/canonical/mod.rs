//! Turns raw graphs of every dialect into architectures: the same model, the same architecture.
//!
//! Two steps. `lower` reads a dialect into a working graph, in which weights, constants,
//! shape arithmetic, casts, identities and layout changes are no nodes any more. Then each file
//! of `rules` holds one rewrite, the same for every dialect. The invariant: no rule may depend on
//! names, node order, batch size or input resolution.

#[cfg(test)]
mod hostile_tests;
mod lower;
mod rules;
#[cfg(test)]
mod testing;
mod work;

use super::{Limits, RawGraph};
use crate::graph::{self, Architecture};

/// Why a raw graph becomes no architecture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A node that cannot be what it says.
    #[error("node {node} (`{op}`) {problem}")]
    Node {
        /// Its index in the raw graph.
        node: usize,
        /// Its operator.
        op: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Lowering made more nodes than allowed.
    #[error("the graph has more than {0} nodes; raise `limits.nodes` to accept it")]
    TooMany(usize),
    /// The result breaks a rule of every architecture.
    #[error(transparent)]
    Graph(#[from] graph::Error),
}

/// Canonicalises one raw graph.
///
/// # Errors
/// When the graph computes nothing from its inputs, or a node is malformed.
pub fn canonicalise(raw: &RawGraph, limits: &Limits) -> Result<Architecture, Error> {
    let mut work = lower::lower(raw, limits)?;
    rules::apply(&mut work);
    Ok(work.finish(raw.name.clone(), total_parameters(raw))?)
}

/// What the source states, or else the sum over its nodes.
fn total_parameters(raw: &RawGraph) -> u64 {
    raw.parameters.unwrap_or_else(|| {
        raw.nodes
            .iter()
            .fold(0, |total, node| total.saturating_add(node.parameters))
    })
}
