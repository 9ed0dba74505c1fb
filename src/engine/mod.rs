//! The use cases: describe, search, compare. No HTTP in them, and no printing.
//!
//! An [`Engine`] holds the corpus, the encoder and the index, all of one model version, and never
//! changes after [`Engine::open`]: share it freely between threads. A new model is a new engine,
//! which [`Models`] makes over the same corpus.

mod answer;
mod compare;
mod describe;
mod error;
mod filter;
mod folders;
mod models;
mod open;
mod publish;
mod query;
mod read;
mod relation;
mod saved;
mod search;
mod self_check;

pub use answer::{
    Comparison, Description, Difference, EntrySummary, Equality, Hit, ModelState, ModelSummary,
    Motifs, Operators, QuerySummary, Relation, SearchAnswer,
};
pub use error::Error;
pub use filter::{Filter, Range};
pub use folders::Folder;
pub use models::{Loading, Models};
pub use open::Parts;
pub use publish::{publish_embeddings, publish_model};
pub use query::Query;
pub use search::SearchOptions;

use crate::corpus::Corpus;
use crate::embedding::Embedding;
use crate::import::Limits;
use crate::index::Index;
use crate::model::Encoder;
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

    /// The entry called `id`.
    ///
    /// # Errors
    /// When the corpus has no such entry.
    pub fn entry(&self, id: &str) -> Result<EntrySummary, Error> {
        Ok((&self.corpus.entries()[self.known_position(id)?]).into())
    }

    /// Up to `limit` entries that pass `filter`, in the order of the corpus, after the entry
    /// called `after`.
    ///
    /// # Errors
    /// When the corpus has no entry called `after`.
    pub fn list(
        &self,
        filter: &Filter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<EntrySummary>, Error> {
        filter.check()?;
        let start = match after {
            Some(id) => self.known_position(id)? + 1,
            None => 0,
        };
        let rest = self.corpus.entries()[start..].iter();
        Ok(rest
            .filter(|entry| filter.admits(entry))
            .take(limit)
            .map(EntrySummary::from)
            .collect())
    }

    /// The place of the entry called `id` in the corpus; an alias is a name of it too.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    fn known_position(&self, id: &str) -> Result<usize, Error> {
        self.position(id).ok_or_else(|| Error::UnknownEntry {
            id: id.to_owned(),
            near: self.near_names(id),
        })
    }

    /// Up to three ids that contain `id`, or that `id` contains: a hint for a misspelt name.
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
