//! Motifs: an architecture cut into small recurring subgraphs, and the macro graph of the pieces.
//!
//! A [`Splitter`] says where to cut; [`macro_graph`] makes one node of every piece. [`Waists`] is
//! the splitter of `netkin describe`; the others are the published method and its baselines. Every cut
//! is acyclic: the pieces can be put in an order in which values only flow forward. No cut may
//! depend on the numbering of nodes, only on operators, attributes and dataflow; widths play no
//! part, so two widths of one design are cut alike.

mod align;
mod by_count;
mod by_size;
mod cut;
mod identity;
mod label;
mod macro_graph;
mod name;
mod order;
mod paper;
mod random;
mod waists;

pub use align::Sequence;
pub use by_count::ByCount;
pub use by_size::BySize;
pub use cut::Cut;
pub use macro_graph::{MacroGraph, Motif, Occurrence, macro_graph};
pub use paper::Paper;
pub use random::RandomSizes;
pub use waists::Waists;

use crate::graph::Architecture;

/// One way to cut an architecture. Implementations are pure and deterministic.
pub trait Splitter: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// The motif occurrence of every node.
    fn split(&self, architecture: &Architecture) -> Cut;
}

#[cfg(test)]
mod tests;
