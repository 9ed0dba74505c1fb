//! The use cases: describe, search, compare, add. No HTTP in them, and no printing.
//!
//! An [`Engine`] holds the corpus, the encoder and the index, all of one model version: share it
//! freely between threads. Only the entries that users added change in it, by following the database.
//! A new model is a new engine, which [`Models`] makes over the same corpus.

mod additions;
mod answer;
mod compare;
mod describe;
mod error;
mod facts;
mod filter;
mod folders;
mod graphs;
mod ingest;
mod models;
mod open;
mod publish;
mod query;
mod read;
mod relation;
mod saved;
mod search;
mod self_check;
mod stages;
mod viewer;

pub use answer::{
    Comparison, Description, Difference, Embedded, EntrySummary, Equality, Hit, ModelState,
    ModelSummary, Motifs, Operators, QuerySummary, Relation, SearchAnswer,
};
pub use error::Error;
pub use facts::PUBLIC;
pub use filter::{Filter, Range};
pub use folders::Folder;
pub use graphs::graph_json;
pub use ingest::{LARGEST_METADATA, LONGEST_TEXT};
pub use models::{Loading, Models};
pub use open::Parts;
pub use publish::{publish_embeddings, publish_model};
pub use query::Query;
pub use search::SearchOptions;
pub use viewer::Viewer;

use crate::corpus::Corpus;
use crate::embedding::Embedding;
use crate::import::{Limits, RawGraph};
use crate::index::{Index, SegmentedConfig};
use crate::model::Encoder;
use additions::Additions;
use facts::Facts;
use query::Known;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// What the engine needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Folder that holds `corpus/netkin.corpus` and `models/`.
    pub assets_dir: PathBuf,
    /// The folder of the model to use; empty for the newest.
    pub model: String,
    /// From this similarity on, an entry of the query's own family is called a variant.
    pub variant_similarity: f32,
    /// Most hits of one search.
    pub max_k: usize,
    /// How entries that users add are searched.
    pub index: SegmentedConfig,
}

/// Answers questions about one corpus with one model.
pub struct Engine {
    corpus: Arc<Corpus>,
    positions: HashMap<String, usize>,
    encoder: Box<dyn Encoder>,
    index: Box<dyn Index>,
    embeddings: Vec<Embedding>,
    /// What is known of a stored entry as a query; filled when first asked for.
    known: Vec<OnceLock<Known>>,
    additions: Additions,
    limits: Limits,
    config: Config,
}

impl Engine {
    /// The version of the model that makes the answers.
    pub fn model_version(&self) -> &str {
        self.encoder.version()
    }

    /// The entries and their raw graphs.
    pub fn corpus(&self) -> &Corpus {
        &self.corpus
    }

    /// The embedding of each entry, in the order of the corpus.
    pub fn embeddings(&self) -> &[Embedding] {
        &self.embeddings
    }

    /// Most hits of one search.
    pub fn max_k(&self) -> usize {
        self.config.max_k
    }

    /// Bounds on one model.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Differs from every number that it had before an entry was added, changed or removed.
    pub fn revision(&self) -> u64 {
        self.additions.revision()
    }

    /// Number of entries that users added.
    pub fn addition_count(&self) -> usize {
        self.additions.read().len()
    }

    /// The same by collection.
    pub fn addition_counts(&self) -> HashMap<String, usize> {
        let table = self.additions.read();
        let mut counts = HashMap::new();
        for row in table.after("") {
            *counts.entry(row.facts().collection.to_owned()).or_default() += 1;
        }
        counts
    }

    /// The raw graph of an entry of the corpus.
    ///
    /// # Errors
    /// When the corpus has no entry called `id`, or is damaged.
    pub fn graph(&self, id: &str) -> Result<RawGraph, Error> {
        read::raw(&self.corpus, self.known_position(id)?)
    }

    /// Whether `id` is an entry that somebody added and `viewer` sees.
    pub fn is_addition(&self, id: &str, viewer: &Viewer) -> bool {
        self.position(id).is_none() && self.additions.read().find(id, viewer).is_some()
    }

    /// The entry called `id`.
    ///
    /// # Errors
    /// When there is no such entry that `viewer` sees.
    pub fn entry(&self, id: &str, viewer: &Viewer) -> Result<EntrySummary, Error> {
        if self.position(id).is_none() {
            let table = self.additions.read();
            if let Some(place) = table.find(id, viewer) {
                return Ok(table.row(place).summary());
            }
        }
        let entry = &self.corpus.entries()[self.known_position(id)?];
        Ok(Facts::from(entry).into())
    }

    /// Up to `limit` entries that pass `filter` and come after the entry called `after`: first those
    /// of the corpus in its order, then those that `viewer` sees of the added ones, by id.
    ///
    /// # Errors
    /// When `after` is no entry, and none that may have been one.
    pub fn list(
        &self,
        filter: &Filter,
        viewer: &Viewer,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EntrySummary>, Error> {
        filter.check()?;
        let entries = self.corpus.entries();
        let (start, id) = match after {
            None => (0, ""),
            Some(id) => match self.position(id) {
                Some(position) => (position + 1, ""),
                None if may_be_addition(id) => (entries.len(), id),
                None => return Err(self.unknown(id)),
            },
        };
        let of_corpus = entries[start..].iter().map(Facts::from);
        let of_corpus = of_corpus
            .filter(|entry| filter.admits(entry))
            .map(EntrySummary::from);
        let table = self.additions.read();
        let admits = |facts: &Facts<'_>| facts.is_seen_by(viewer) && filter.admits(facts);
        let added = table.after(id).filter(|row| admits(&row.facts()));
        let added = added.map(|row| row.summary());
        Ok(of_corpus.chain(added).take(limit).collect())
    }

    /// The place of the entry called `id` in the corpus; an alias is a name of it too.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    fn known_position(&self, id: &str) -> Result<usize, Error> {
        self.position(id).ok_or_else(|| self.unknown(id))
    }

    fn unknown(&self, id: &str) -> Error {
        Error::UnknownEntry {
            id: id.to_owned(),
            near: self.near_names(id),
        }
    }

    /// Up to three ids of the corpus that contain `id`, or that `id` contains: a hint for a misspelt name.
    fn near_names(&self, id: &str) -> Vec<String> {
        let wanted = id.to_lowercase();
        let ids = self.corpus.entries().iter().map(|entry| &entry.id);
        let mut near: Vec<String> = ids
            .filter(|id| !wanted.is_empty() && id.to_lowercase().contains(&wanted))
            .cloned()
            .collect();
        near.sort_by_key(String::len);
        near.truncate(3);
        near
    }
}

/// Whether `id` has the form of an added entry's: it may be one that is gone by now.
fn may_be_addition(id: &str) -> bool {
    let digest = id.split_once('/').map_or("", |(_, digest)| digest);
    digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}
