//! Baseline: motifs of random sizes, cut from the canonical order.

use super::order::Ordered;
use super::{Cut, Splitter};
use crate::graph::Architecture;
use crate::random::Random;
use std::collections::BTreeSet;

/// Cuts the canonical order into stretches of random length. The architecture's digest is the
/// seed, so one design is always cut alike.
#[derive(Clone, Copy, Debug)]
pub struct RandomSizes {
    /// Nodes that a motif has on average.
    pub mean_nodes: usize,
}

impl Default for RandomSizes {
    fn default() -> Self {
        Self { mean_nodes: 6 }
    }
}

impl Splitter for RandomSizes {
    fn name(&self) -> &'static str {
        "random"
    }

    fn split(&self, architecture: &Architecture) -> Cut {
        let begins = self.begins(architecture);
        Cut::of_stretches(&Ordered::new(architecture), |place| begins.contains(&place))
    }
}

impl RandomSizes {
    fn begins(&self, architecture: &Architecture) -> BTreeSet<usize> {
        let mut random = Random::new(seed(architecture));
        let longest = 2 * self.mean_nodes.max(1) - 1;
        let mut begins = BTreeSet::new();
        let mut place = 0;
        while place < architecture.nodes().len() {
            begins.insert(place);
            place += 1 + random.below(longest);
        }
        begins
    }
}

/// Widths play no part in a cut, hence the coarse digest.
fn seed(architecture: &Architecture) -> u64 {
    let digest = architecture.digests().coarse.0;
    let (seed, _) = digest.split_first_chunk().expect("a digest has 16 bytes");
    u64::from_le_bytes(*seed)
}
