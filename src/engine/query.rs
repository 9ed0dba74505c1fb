//! From whatever a caller asks about to an architecture with its embedding.

use super::{Engine, Error, QuerySummary, read, saved};
use crate::embedding::Embedding;
use crate::graph::{Architecture, Digests};
use crate::import::{Format, Limits, RawGraph};
use std::io::Read;

/// What a caller asks about.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// A stored entry.
    Id(String),
    /// A model in any format netkin reads.
    Bytes {
        /// What to call it in messages, and in the answer when it states no name itself.
        name: Option<String>,
        /// The file.
        bytes: Vec<u8>,
    },
    /// A model that was read already.
    Graph {
        /// As for bytes.
        name: Option<String>,
        /// The format it was read from.
        format: Format,
        /// What was read.
        graph: RawGraph,
    },
    /// A cell of an architecture-search space, such as `nas:nb201:…`.
    Nas(String),
}

impl Query {
    /// Reads a model in any format, weights passing by: a file may be far larger than memory.
    ///
    /// # Errors
    /// When it is no model that netkin reads, or reading fails.
    pub fn from_reader(
        name: Option<String>,
        reader: impl Read,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let called = name.as_deref().unwrap_or(UNNAMED);
        let (format, graph) = read::stream(called, reader, limits)?;
        Ok(Self::Graph {
            name,
            format,
            graph,
        })
    }
}

/// What a query without a name is called in messages.
const UNNAMED: &str = "the query";

/// A query that has been understood.
pub(super) struct Understood {
    pub(super) summary: QuerySummary,
    pub(super) architecture: Architecture,
    pub(super) digests: Digests,
}

/// What is known of a stored entry as a query.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) summary: QuerySummary,
    pub(super) digests: Digests,
}

impl Engine {
    /// The architecture of `query`, with its summary.
    pub(super) fn understand(&self, query: &Query) -> Result<Understood, Error> {
        match query {
            Query::Id(id) => self.understand_entry(self.known_position(id)?),
            Query::Bytes { name, bytes } => self.understand_bytes(name.as_deref(), bytes),
            Query::Graph {
                name,
                format,
                graph,
            } => {
                let called = name.as_deref().unwrap_or(UNNAMED);
                let architecture = read::canonicalised(called, graph, &self.limits)?;
                Ok(named(
                    name.as_deref(),
                    read::format_name(*format),
                    architecture,
                ))
            }
            Query::Nas(text) => {
                let architecture = read::cell(text, &self.limits)?;
                Ok(understood(Some(text.clone()), "nas", architecture))
            }
        }
    }

    /// What is known of the entry at `position`; worked out once.
    pub(super) fn known(&self, position: usize) -> Result<&Known, Error> {
        if let Some(known) = self.known[position].get() {
            return Ok(known);
        }
        let understood = self.understand_entry(position)?;
        Ok(self.known[position].get_or_init(|| Known {
            summary: understood.summary,
            digests: understood.digests,
        }))
    }

    /// The embedding of `architecture`, rounded as those of the corpus are, so that a duplicate
    /// has a similarity of exactly what an entry has with itself.
    pub(super) fn embed(
        &self,
        name: &str,
        architecture: &Architecture,
    ) -> Result<Embedding, Error> {
        let embedding = self.encoder.encode(architecture);
        embedding
            .map(|embedding| saved::rounded(&embedding))
            .map_err(|error| Error::Encode {
                name: name.to_owned(),
                reason: error.to_string(),
            })
    }

    fn understand_entry(&self, position: usize) -> Result<Understood, Error> {
        let entry = &self.corpus.entries()[position];
        let architecture = read::stored(&self.corpus, position, &self.limits)?;
        let mut understood = understood(Some(entry.id.clone()), "corpus", architecture);
        understood.summary.parameters = entry.parameters;
        Ok(understood)
    }

    fn understand_bytes(&self, name: Option<&str>, bytes: &[u8]) -> Result<Understood, Error> {
        let called = name.unwrap_or(UNNAMED);
        let (format, architecture) = read::bytes(called, bytes, &self.limits)?;
        Ok(named(name, format, architecture))
    }
}

/// A model that may state its own name.
fn named(name: Option<&str>, format: &str, architecture: Architecture) -> Understood {
    let own = architecture.name.clone();
    let name = own.or_else(|| name.map(str::to_owned));
    understood(name, format, architecture)
}

fn understood(name: Option<String>, format: &str, architecture: Architecture) -> Understood {
    let digests = architecture.digests();
    Understood {
        summary: QuerySummary {
            name,
            format: format.to_owned(),
            operators: architecture.operator_count(),
            edges: architecture.edge_count(),
            parameters: architecture.parameters,
            digest: digests.exact.to_string(),
            coarse_digest: digests.coarse.to_string(),
        },
        architecture,
        digests,
    }
}
