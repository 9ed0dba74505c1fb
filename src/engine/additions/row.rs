//! One entry that somebody added, as it is held in memory.

use crate::engine::facts::Facts;
use crate::engine::{EntrySummary, QuerySummary};
use crate::graph::Digests;
use crate::store;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value};

/// An entry without its graph.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Row {
    pub(super) id: Box<str>,
    pub(super) collection: Box<str>,
    name: Box<str>,
    family: Box<str>,
    coarse_family: Box<str>,
    source: Box<str>,
    task: Box<str>,
    operators: u64,
    edges: u64,
    parameters: u64,
    flops: u64,
    digests: Digests,
    metadata: Map<String, Value>,
    created_ms: i64,
    updated_ms: i64,
}

impl Row {
    pub(in crate::engine) fn facts(&self) -> Facts<'_> {
        Facts {
            id: &self.id,
            collection: &self.collection,
            name: &self.name,
            family: &self.family,
            coarse_family: &self.coarse_family,
            source: &self.source,
            task: &self.task,
            published: false,
            operators: self.operators,
            parameters: self.parameters,
            flops: self.flops,
            digests: self.digests,
            metadata: Some(&self.metadata),
        }
    }

    pub(in crate::engine) fn summary(&self) -> EntrySummary {
        EntrySummary {
            created: time(self.created_ms),
            updated: time(self.updated_ms),
            ..self.facts().into()
        }
    }

    pub(in crate::engine) fn as_query(&self) -> QuerySummary {
        QuerySummary {
            name: Some(self.name.to_string()),
            format: "stored".to_owned(),
            operators: self.operators as usize,
            edges: self.edges as usize,
            parameters: self.parameters,
            digest: self.digests.exact.to_string(),
            coarse_digest: self.digests.coarse.to_string(),
        }
    }
}

impl From<store::Entry> for Row {
    fn from(entry: store::Entry) -> Self {
        let said = entry.description.edit;
        let text = |text: Option<String>| text.unwrap_or_default().into_boxed_str();
        let count = |count: i64| u64::try_from(count).unwrap_or(0);
        Self {
            id: entry.id.into(),
            collection: entry.description.collection.into(),
            name: said.name.into(),
            family: text(said.family),
            coarse_family: text(said.coarse_family),
            source: text(said.source),
            task: text(said.task),
            operators: count(entry.description.operators),
            edges: count(entry.description.edges),
            parameters: count(entry.description.parameters),
            flops: count(entry.description.flops),
            digests: Digests {
                exact: entry.description.digest,
                coarse: entry.description.coarse_digest,
            },
            // Written by us as an object; a database that was edited by hand may hold another text.
            metadata: serde_json::from_str(&said.metadata).unwrap_or_default(),
            created_ms: entry.created_ms,
            updated_ms: entry.updated_ms,
        }
    }
}

/// In UTC, as RFC 3339 writes it.
fn time(ms: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(ms)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}
