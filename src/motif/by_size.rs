//! Baseline: motifs of equally many nodes, cut from the canonical order.

use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::Architecture;

/// Cuts the canonical order into stretches of equally many nodes.
#[derive(Clone, Copy, Debug)]
pub struct BySize {
    /// Nodes of a motif; the last one may have fewer.
    pub nodes: usize,
}

impl Default for BySize {
    /// About as many nodes as the motifs of [`super::Waists`] have.
    fn default() -> Self {
        Self { nodes: 6 }
    }
}

impl Splitter for BySize {
    fn name(&self) -> &'static str {
        "by size"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let nodes = self.nodes.max(1);
        Cut::of_stretches(&Ordered::new(architecture), |place| {
            place.is_multiple_of(nodes)
        })
    }
}
