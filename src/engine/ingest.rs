//! From a model somebody sends to an entry that can be stored.

use super::{Engine, Error, Query, graphs, read};
use crate::import::RawGraph;
use crate::store::{self, Edit, NewEntry};

/// Longest text that an owner may say in one field, in bytes.
pub const LONGEST_TEXT: usize = 256;
/// Largest metadata, in bytes of JSON.
pub const LARGEST_METADATA: usize = 16 << 10;

impl Engine {
    /// What to store of `query`, embedded by this model. Where `said` has no name, the model's own or
    /// that of the query is taken.
    ///
    /// # Errors
    /// When the query is no model, is an entry already, or has no architecture.
    pub fn ingest(&self, query: &Query, collection: &str, said: Edit) -> Result<NewEntry, Error> {
        let graph = self.raw_graph(query)?;
        let own_name = query.name();
        let called = own_name.unwrap_or("the model");
        let architecture = read::canonicalised(called, &graph, &self.limits)?;
        let digests = architecture.digests();
        let name = match said.name.as_str() {
            "" => shortened(
                architecture
                    .name
                    .as_deref()
                    .or(own_name)
                    .unwrap_or("unnamed"),
            ),
            name => name.to_owned(),
        };
        let embedding = self.embed(&name, &architecture)?;
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let description = store::Description {
            collection: collection.to_owned(),
            digest: digests.exact,
            coarse_digest: digests.coarse,
            operators: count(architecture.operator_count() as u64),
            edges: count(architecture.edge_count() as u64),
            parameters: count(architecture.parameters),
            flops: count(architecture.flops()),
            edit: Edit { name, ..said },
        };
        Ok(NewEntry {
            description,
            graph: graphs::encode(&graph),
            embedding: Some((self.model_version().to_owned(), embedding)),
        })
    }

    fn raw_graph(&self, query: &Query) -> Result<RawGraph, Error> {
        match query {
            Query::Id(id) | Query::Stored { id, .. } => Err(Error::Stored { id: id.clone() }),
            Query::Vector { .. } => Err(Error::Vector {
                reason: "only a model can be added".to_owned(),
            }),
            Query::Bytes { name, bytes } => {
                let called = name.as_deref().unwrap_or("the model");
                Ok(read::stream(called, bytes.as_slice(), &self.limits)?.1)
            }
            Query::Graph { graph, .. } => Ok(graph.clone()),
            Query::Nas(text) => read::raw_cell(text, &self.limits),
        }
    }
}

/// A name that a model states itself may be of any length.
fn shortened(name: &str) -> String {
    let mut end = name.len().min(LONGEST_TEXT);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}
