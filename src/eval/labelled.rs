//! Architectures with their place in the taxonomy, read from a corpus.

use crate::corpus::{self, Corpus, Entry, Kind};
use crate::graph::{Architecture, Digest};
use crate::import::{Limits, RawGraph, canonical};
use rayon::prelude::*;

/// An architecture with its place in the taxonomy.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// Unique name of the entry.
    pub id: String,
    /// The package it was traced from.
    pub package: String,
    /// The package's own module: what its labels were before they were curated.
    pub module: String,
    /// Whether somebody published it.
    pub kind: Kind,
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

impl Labelled {
    /// `entry` with its architecture, or with another where splits alone are asked about.
    pub fn of(entry: &Entry, architecture: Architecture) -> Self {
        Self {
            id: entry.id.clone(),
            package: entry.package.clone(),
            module: entry.module.clone(),
            kind: entry.kind,
            family: entry.family.clone(),
            coarse_family: entry.coarse_family.clone(),
            digest: entry.exact,
            coarse_digest: entry.coarse,
            architecture,
        }
    }
}

/// An entry that cannot be fitted on or asked about.
#[derive(Debug, thiserror::Error)]
pub enum UnusableEntry {
    /// The corpus is damaged.
    #[error(transparent)]
    Corpus(#[from] corpus::Error),
    /// Its graph has no architecture.
    #[error("{id}: {reason}")]
    NoArchitecture {
        /// The entry.
        id: String,
        /// Why.
        reason: String,
    },
    /// The canonical rules are not those of the day of packing.
    #[error("{id} has other digests than stored; pack the corpus again")]
    Stale {
        /// The entry.
        id: String,
    },
}

/// Every entry of `corpus` that has a family, in the order of the corpus.
///
/// # Errors
/// When an entry cannot be canonicalised, or into another design than the corpus states.
pub fn labelled(corpus: &Corpus, limits: &Limits) -> Result<Vec<Labelled>, UnusableEntry> {
    let blocks: Vec<Vec<Labelled>> = (0..corpus.block_count())
        .into_par_iter()
        .map(|block| {
            let mut labelled = Vec::new();
            for graph in corpus.block(block)?.graphs()? {
                let (index, graph) = graph?;
                let entry = &corpus.entries()[index];
                if !entry.family.is_empty() {
                    labelled.push(label(entry, &graph, limits)?);
                }
            }
            Ok(labelled)
        })
        .collect::<Result<_, UnusableEntry>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

fn label(entry: &Entry, graph: &RawGraph, limits: &Limits) -> Result<Labelled, UnusableEntry> {
    let id = || entry.id.clone();
    let architecture = canonical::canonicalise(graph, limits).map_err(|error| {
        let reason = error.to_string();
        UnusableEntry::NoArchitecture { id: id(), reason }
    })?;
    if architecture.digests().exact != entry.exact {
        return Err(UnusableEntry::Stale { id: id() });
    }
    Ok(Labelled::of(entry, architecture))
}
