//! What filters and answers ask of an entry, wherever it is kept.

use super::{EntrySummary, Viewer};
use crate::corpus::{self, Kind};
use crate::graph::Digests;
use serde_json::{Map, Value};

/// The collection of the shipped corpus: everybody sees it, nobody changes it.
pub const PUBLIC: &str = "public";

/// An entry of the corpus, or one that somebody added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    pub(super) id: &'a str,
    pub(super) collection: &'a str,
    pub(super) name: &'a str,
    pub(super) family: &'a str,
    pub(super) coarse_family: &'a str,
    pub(super) source: &'a str,
    pub(super) task: &'a str,
    pub(super) published: bool,
    pub(super) operators: u64,
    pub(super) parameters: u64,
    pub(super) flops: u64,
    pub(super) digests: Digests,
    /// What its owner noted besides; none for the corpus.
    pub(super) metadata: Option<&'a Map<String, Value>>,
}

impl Facts<'_> {
    pub(super) fn is_seen_by(&self, viewer: &Viewer) -> bool {
        viewer.sees(self.collection)
    }
}

impl<'a> From<&'a corpus::Entry> for Facts<'a> {
    fn from(entry: &'a corpus::Entry) -> Self {
        Self {
            id: &entry.id,
            collection: PUBLIC,
            name: &entry.name,
            family: &entry.family,
            coarse_family: &entry.coarse_family,
            source: &entry.package,
            task: &entry.task,
            published: entry.kind == Kind::Published,
            operators: entry.operators,
            parameters: entry.parameters,
            flops: entry.flops,
            digests: Digests {
                exact: entry.exact,
                coarse: entry.coarse,
            },
            metadata: None,
        }
    }
}

impl From<Facts<'_>> for EntrySummary {
    fn from(facts: Facts<'_>) -> Self {
        Self {
            id: facts.id.to_owned(),
            collection: facts.collection.to_owned(),
            name: facts.name.to_owned(),
            family: facts.family.to_owned(),
            coarse_family: facts.coarse_family.to_owned(),
            source: facts.source.to_owned(),
            task: facts.task.to_owned(),
            published: facts.published,
            operators: facts.operators,
            parameters: facts.parameters,
            flops: facts.flops,
            digest: facts.digests.exact.to_string(),
            coarse_digest: facts.digests.coarse.to_string(),
            metadata: facts.metadata.cloned(),
            created: None,
            updated: None,
        }
    }
}
