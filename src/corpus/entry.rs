//! What the corpus knows about an architecture besides its graph, and counts over all of it.

use crate::graph::{Digest, Shape};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// Whether somebody published the architecture or it was put together from published parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Published under its name.
    Published,
    /// Composed from published parts, such as a decoder on an encoder.
    Composed,
}

impl Kind {
    /// Its name, as written in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Composed => "composed",
        }
    }
}

/// One distinct architecture of the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Unique: package and name, `timm/resnet18`.
    pub id: String,
    /// Its name in its package.
    pub name: String,
    /// Ids of entries with the same exact digest that were merged into this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The package it was traced from.
    pub package: String,
    /// That package's version.
    pub package_version: String,
    /// The package's own grouping: its module, model type or configuration directory.
    pub module: String,
    /// Its curated family; empty while nobody has curated it.
    pub family: String,
    /// Its curated coarse family; empty while nobody has curated it.
    pub coarse_family: String,
    /// What it is for, such as `image-classification`.
    pub task: String,
    /// The framework it is written in.
    pub framework: String,
    /// Published or composed.
    pub kind: Kind,
    /// Trainable parameters.
    pub parameters: u64,
    /// Floating-point operations at the traced input shapes.
    pub flops: u64,
    /// Operators of the canonical graph.
    pub operators: u64,
    /// The input shapes it was traced with.
    pub input_shapes: Vec<Shape>,
    /// Structural digest.
    pub exact: Digest,
    /// Structural digest without widths.
    pub coarse: Digest,
    /// The paper, when the package names it; never guessed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// Licence of the package's code, when it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
}

/// Counts over the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// The corpus's own version.
    pub corpus_version: String,
    /// Names, aliases included.
    pub names: usize,
    /// Distinct exact digests.
    pub distinct_exact: usize,
    /// Distinct coarse digests.
    pub distinct_coarse: usize,
    /// Published entries.
    pub published: usize,
    /// Composed entries.
    pub composed: usize,
    /// Families.
    pub families: usize,
    /// Coarse families.
    pub coarse_families: usize,
    /// Packages.
    pub packages: usize,
    /// Tasks.
    pub tasks: usize,
    /// Cells of each space of neural architecture search that lie beside the corpus.
    pub nas: BTreeMap<String, NasSpace>,
}

/// Cells of a space of neural architecture search; their graphs are expanded on demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NasSpace {
    /// Cells written down.
    pub cells: usize,
    /// Distinct exact digests among their networks; cells in which nothing flows have none.
    pub distinct: usize,
}

impl Stats {
    pub(super) fn of(corpus_version: &str, entries: &[Entry]) -> Self {
        let of_kind = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
        Self {
            corpus_version: corpus_version.to_owned(),
            names: entries.iter().map(|entry| 1 + entry.aliases.len()).sum(),
            distinct_exact: distinct(entries, |entry| Some(entry.exact)),
            distinct_coarse: distinct(entries, |entry| Some(entry.coarse)),
            published: of_kind(Kind::Published),
            composed: of_kind(Kind::Composed),
            families: distinct(entries, |entry| stated(&entry.family)),
            coarse_families: distinct(entries, |entry| stated(&entry.coarse_family)),
            packages: distinct(entries, |entry| stated(&entry.package)),
            tasks: distinct(entries, |entry| stated(&entry.task)),
            nas: BTreeMap::new(),
        }
    }
}

fn stated(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn distinct<'a, T: Eq + std::hash::Hash>(
    entries: &'a [Entry],
    part: impl Fn(&'a Entry) -> Option<T>,
) -> usize {
    entries
        .iter()
        .filter_map(part)
        .collect::<HashSet<_>>()
        .len()
}
