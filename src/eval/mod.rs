//! The referee: metrics, splits, baselines without learning, and reports.
//!
//! Works on [`Labelled`] architectures, wherever they come from. Relevance is graded by the source
//! packages' taxonomy; duplicates of a query earn nothing. Knows neither HTTP nor SQL.

pub mod agreement;
pub mod baselines;
pub mod cells;
pub mod combined;
pub mod confusions;
pub mod edits;
pub mod formats;
mod labelled;
pub mod metrics;
pub mod plot;
pub mod protocol;
pub mod report;
pub mod split;

pub use labelled::{Labelled, UnusableEntry, labelled};

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
