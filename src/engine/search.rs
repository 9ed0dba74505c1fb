//! Search: the entries nearest to a query.

use super::relation::{Evidence, relation};
use super::{Engine, Error, Filter, Hit, Query, QuerySummary, SearchAnswer};
use crate::corpus::Entry;
use crate::embedding::Embedding;
use crate::graph::Digests;
use crate::index::Neighbour;
use std::borrow::Cow;
use std::time::Instant;

/// How to search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchOptions {
    /// Number of hits.
    pub k: usize,
    /// Which entries may be hits.
    pub filter: Filter,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            filter: Filter::default(),
        }
    }
}

/// A query ready for the index.
struct Prepared<'a> {
    summary: QuerySummary,
    digests: Digests,
    embedding: Cow<'a, Embedding>,
    /// Its place in the corpus, when it is a stored entry.
    position: Option<usize>,
}

impl Engine {
    /// The `k` entries nearest to `query` that pass the filter, nearest first; fewer only when
    /// fewer pass. A stored entry is its own first hit.
    ///
    /// # Errors
    /// When the query cannot be read, `k` is out of range or a range is empty.
    pub fn search(&self, query: &Query, options: &SearchOptions) -> Result<SearchAnswer, Error> {
        let started = Instant::now();
        self.check(options)?;
        let prepared = self.prepare(query)?;
        let entries = self.corpus.entries();
        let admits = |position: usize| options.filter.admits(&entries[position]);
        let index = &self.index;
        let mut neighbours = index.search(&prepared.embedding, options.k, &admits);
        let is_duplicate = |hit: &&Neighbour| entries[hit.position].exact == prepared.digests.exact;
        let duplicate = neighbours.iter().find(is_duplicate).map(|hit| hit.position);
        let own = prepared.position.filter(|own| admits(*own));
        if let Some(first) = own.or(duplicate) {
            put_first(&mut neighbours, first);
        }
        Ok(SearchAnswer {
            hits: self.hits(&prepared, &neighbours),
            query: prepared.summary,
            model_version: self.model_version().to_owned(),
            took_ms: started.elapsed().as_secs_f64() * 1e3,
        })
    }

    fn check(&self, options: &SearchOptions) -> Result<(), Error> {
        options.filter.check()?;
        let max = self.config.max_k;
        if (1..=max).contains(&options.k) {
            return Ok(());
        }
        Err(Error::OutOfRange { k: options.k, max })
    }

    fn prepare(&self, query: &Query) -> Result<Prepared<'_>, Error> {
        if let Query::Id(id) = query {
            let position = self.known_position(id)?;
            let known = self.known(position)?;
            return Ok(Prepared {
                summary: known.summary.clone(),
                digests: known.digests,
                embedding: Cow::Borrowed(&self.embeddings[position]),
                position: Some(position),
            });
        }
        let understood = self.understand(query)?;
        let name = understood.summary.name.as_deref().unwrap_or("the query");
        let embedding = self.embed(name, &understood.architecture)?;
        Ok(Prepared {
            digests: understood.digests,
            embedding: Cow::Owned(embedding),
            summary: understood.summary,
            position: None,
        })
    }

    fn hits(&self, prepared: &Prepared<'_>, neighbours: &[Neighbour]) -> Vec<Hit> {
        let family = self.family(prepared, neighbours);
        let entries = self.corpus.entries();
        let ranked = neighbours.iter().zip(1..);
        ranked
            .map(|(neighbour, rank)| {
                let entry = &entries[neighbour.position];
                let similarity = neighbour.similarity.value();
                let evidence = Evidence {
                    query: prepared.digests,
                    query_family: family,
                    entry: Digests {
                        exact: entry.exact,
                        coarse: entry.coarse,
                    },
                    entry_family: &entry.family,
                    similarity,
                };
                hit(
                    rank,
                    entry,
                    similarity,
                    relation(&evidence, self.config.variant_similarity),
                )
            })
            .collect()
    }

    /// The family the query is taken to belong to; see `relation`.
    fn family(&self, prepared: &Prepared<'_>, neighbours: &[Neighbour]) -> Option<&str> {
        let entries = self.corpus.entries();
        if let Some(own) = prepared.position {
            return Some(&entries[own].family);
        }
        let equal = neighbours
            .iter()
            .map(|neighbour| &entries[neighbour.position])
            .find(|entry| entry.exact == prepared.digests.exact);
        if let Some(entry) = equal {
            return Some(&entry.family);
        }
        let nearest = neighbours.first()?;
        let is_near = nearest.similarity.value() >= self.config.variant_similarity;
        is_near.then(|| entries[nearest.position].family.as_str())
    }
}

/// Other designs may tie with a duplicate, and duplicates tie with a stored query itself: the same
/// design still comes first, and a stored entry before its duplicates.
fn put_first(neighbours: &mut [Neighbour], own: usize) {
    let Some(place) = neighbours.iter().position(|hit| hit.position == own) else {
        // More duplicates than hits: the query takes the place of the last of them.
        if let (Some(first), Some(last)) = (neighbours.first().copied(), neighbours.last_mut()) {
            *last = Neighbour {
                position: own,
                ..first
            };
            neighbours.rotate_right(1);
        }
        return;
    };
    neighbours[..=place].rotate_right(1);
}

fn hit(rank: usize, entry: &Entry, similarity: f32, relation: super::Relation) -> Hit {
    Hit {
        rank,
        id: entry.id.clone(),
        name: entry.name.clone(),
        family: entry.family.clone(),
        coarse_family: entry.coarse_family.clone(),
        source: entry.package.clone(),
        similarity,
        relation,
    }
}
