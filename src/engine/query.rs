//! From whatever a caller asks about to an architecture with its embedding.

use super::stages::{Stage, timed};
use super::{Embedded, Engine, Error, QuerySummary, graphs, read, saved};
use crate::embedding::Embedding;
use crate::graph::{Architecture, Digests};
use crate::import::{Format, Limits, RawGraph};
use std::io::Read;

/// What a caller asks about.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// A stored entry.
    Id(String),
    /// The graph of an entry that somebody added, as the database gave it.
    Stored {
        /// Its id.
        id: String,
        /// The stored bytes.
        graph: Vec<u8>,
    },
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
    /// An embedding that was made before.
    Vector {
        /// The version of the model that made it.
        model_version: String,
        /// Its components; they need not have length one.
        values: Vec<f32>,
    },
}

impl Query {
    /// What whoever asks calls it.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Id(id) | Self::Stored { id, .. } => Some(id),
            Self::Bytes { name, .. } | Self::Graph { name, .. } => name.as_deref(),
            Self::Nas(text) => Some(text),
            Self::Vector { .. } => None,
        }
    }

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
        timed(Stage::Understand, || self.understood(query))
    }

    fn understood(&self, query: &Query) -> Result<Understood, Error> {
        match query {
            Query::Id(id) => self.understand_entry(self.known_position(id)?),
            Query::Stored { id, graph } => {
                let graph = graphs::decode(id, graph, &self.limits)?;
                let architecture = read::canonicalised(id, &graph, &self.limits)?;
                Ok(understood(Some(id.clone()), "stored", architecture))
            }
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
                let raw = read::raw_cell(text, &self.limits)?;
                let architecture = read::canonicalised(text, &raw, &self.limits)?;
                Ok(understood(Some(text.clone()), "nas", architecture))
            }
            Query::Vector { .. } => Err(Error::Vector {
                reason: "it has no architecture; send the model itself".to_owned(),
            }),
        }
    }

    /// `query` as a vector.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn embedded(&self, query: &Query) -> Result<Embedded, Error> {
        let understood = self.understand(query)?;
        let name = query.name().unwrap_or(UNNAMED);
        let embedding = self.embed(name, &understood.architecture)?;
        Ok(Embedded {
            query: understood.summary,
            model_version: self.model_version().to_owned(),
            vector: embedding.as_slice().to_vec(),
        })
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
        let embedding = timed(Stage::Encode, || self.encoder.encode(architecture));
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
