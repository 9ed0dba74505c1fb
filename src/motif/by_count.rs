//! Baseline: equally many motifs for every architecture, cut from the canonical order.

use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::Architecture;

/// Cuts the canonical order into a given number of stretches, as equal as can be.
#[derive(Clone, Copy, Debug)]
pub struct ByCount {
    /// Motifs of an architecture; one that has fewer nodes has one a node.
    pub motifs: usize,
}

impl Default for ByCount {
    fn default() -> Self {
        Self { motifs: 16 }
    }
}

impl Splitter for ByCount {
    fn name(&self) -> &'static str {
        "by count"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let nodes = architecture.nodes().len();
        let motifs = self.motifs.clamp(1, nodes);
        let stretch = |place: usize| place * motifs / nodes;
        Cut::of_stretches(&Ordered::new(architecture), |place| {
            stretch(place) != stretch(place - 1)
        })
    }
}
