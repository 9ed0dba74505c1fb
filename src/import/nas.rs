//! Cells of neural-architecture-search spaces, expanded to the network that the space publishes.
//!
//! A cell is pruned (no dead vertices, no `none` edges, `skip` is identity) and put into one
//! canonical order first, so that isomorphic cells give equal raw graphs. The raw graphs are in
//! the `nas` dialect: operators and attributes carry canonical names. Sums have one `add` node
//! with all operands; batch norms after a convolution are part of it, as everywhere.

mod build;
mod darts;
pub mod edit;
mod nasbench101;
mod nasbench201;
pub mod space;

use super::{Limits, RawGraph};

/// Bytes of one specification; real ones take a few hundred.
const MOST_BYTES: usize = 16 << 10;

/// Reads a cell of one space; the problem continues the sentence "this … cell".
type Parse = fn(&str) -> Result<RawGraph, String>;

/// Why a specification is no cell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not written `nas:<space>:<cell>`.
    #[error(
        "a cell is written nas:<space>:<cell>, with the space nasbench101, nasbench201 or darts"
    )]
    Form,
    /// A space that is not known.
    #[error("the space `{0}` is not known; use nasbench101, nasbench201 or darts")]
    Space(String),
    /// A cell that its space does not have.
    #[error("this {space} cell {problem}")]
    Cell {
        /// The space.
        space: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Reads `nas:<space>:<cell>` (the prefix `nas:` may be left out).
///
/// # Errors
/// When the space is unknown, the cell is malformed, or nothing flows from its input to its output.
pub fn read(text: &str, limits: &Limits) -> Result<RawGraph, Error> {
    let text = text.trim();
    let text = text.strip_prefix("nas:").unwrap_or(text);
    let (space, cell) = text.split_once(':').ok_or(Error::Form)?;
    let (space, parse): (_, Parse) = match space {
        "nasbench101" => ("nasbench101", nasbench101::read),
        "nasbench201" => ("nasbench201", nasbench201::read),
        "darts" => ("darts", darts::read),
        other => return Err(Error::Space(other.chars().take(40).collect())),
    };
    let fail = |problem| Error::Cell { space, problem };
    if cell.len() > MOST_BYTES.min(limits.memory_bytes) {
        return Err(fail(format!("is longer than {MOST_BYTES} bytes")));
    }
    let graph = parse(cell).map_err(fail)?;
    if graph.nodes.len() > limits.nodes {
        return Err(fail(format!("expands to more than {} nodes", limits.nodes)));
    }
    Ok(graph)
}

#[cfg(test)]
mod tests;
