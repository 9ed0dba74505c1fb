//! How large an input may be before it is refused; every importer obeys the same settings.

use serde::{Deserialize, Serialize};

/// Bounds on one input. An input beyond one is refused by name, never truncated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Nodes of the raw graph, inlined subgraphs and functions included.
    pub nodes: usize,
    /// Attributes of one node.
    pub attributes: usize,
    /// Inputs or outputs of one node.
    pub operands: usize,
    /// Bytes of one name.
    pub name_bytes: usize,
    /// Nesting of subgraphs, functions, messages and JSON values.
    pub depth: usize,
    /// Dimensions of one shape.
    pub rank: usize,
    /// Elements of one list, and of a constant whose values are kept.
    pub list: usize,
    /// Bytes of memory that the raw graph may take, estimated while reading.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 200_000,
            attributes: 256,
            operands: 4_096,
            name_bytes: 4_096,
            depth: 32,
            rank: 16,
            list: 65_536,
            memory_bytes: 256 << 20,
        }
    }
}
