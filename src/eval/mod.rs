//! The referee: metrics, splits, baselines without learning, and reports.
//!
//! Works on [`Labelled`] architectures, wherever they come from. Relevance is graded by the source
//! packages' taxonomy; duplicates of a query earn nothing. Knows neither HTTP nor SQL.

pub mod baselines;
pub mod metrics;
pub mod protocol;
pub mod report;

use crate::graph::{Architecture, Digest};
use serde::{Deserialize, Serialize};

/// An architecture with its place in the taxonomy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labelled {
    /// Unique name of the entry.
    pub id: String,
    /// Family, such as `resnet`.
    pub family: String,
    /// Coarse family, such as `residual cnn`.
    pub coarse_family: String,
    /// Exact structural digest.
    pub digest: Digest,
    /// Structural digest without widths.
    pub coarse_digest: Digest,
    /// The architecture itself.
    pub architecture: Architecture,
}

/// Hash over everything that fitting and evaluation depend on, independent of the order.
pub fn data_hash(entries: &[Labelled]) -> String {
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let Labelled {
                id,
                family,
                coarse_family,
                digest,
                ..
            } = entry;
            format!("{id}\t{family}\t{coarse_family}\t{digest}\n")
        })
        .collect();
    lines.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for line in &lines {
        hasher.update(line.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}
