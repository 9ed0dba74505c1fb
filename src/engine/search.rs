//! Search: the entries nearest to a query, of the corpus and of what users added.

use super::additions::Table;
use super::facts::Facts;
use super::relation::{Evidence, relation};
use super::stages::{Stage, timed};
use super::{Engine, Error, Filter, Hit, Query, QuerySummary, Relation, SearchAnswer, Viewer};
use crate::embedding::{Embedding, Similarity};
use crate::graph::Digests;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::Instant;

/// How to search.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchOptions {
    /// Number of hits.
    pub k: usize,
    /// Which entries may be hits.
    pub filter: Filter,
    /// Who asks.
    pub viewer: Viewer,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            k: 10,
            filter: Filter::default(),
            viewer: Viewer::All,
        }
    }
}

/// A query ready for the index.
struct Prepared<'a> {
    summary: QuerySummary,
    /// None of a vector.
    digests: Option<Digests>,
    embedding: Cow<'a, Embedding>,
    /// Its own id and family, when it is a stored entry.
    own: Option<Facts<'a>>,
}

/// An entry that may be a hit.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    entry: Facts<'a>,
    similarity: Similarity,
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
        let table = self.additions.read();
        let prepared = timed(Stage::Prepare, || {
            self.prepare(query, &table, &options.viewer)
        })?;
        let mut candidates = timed(Stage::Index, || {
            self.candidates(&prepared.embedding, &table, options)
        });
        let admits = |own: &Facts<'_>| options.filter.admits(own);
        let duplicate = candidates
            .iter()
            .find(|hit| Some(hit.entry.digests.exact) == prepared.digests.map(|own| own.exact))
            .map(|hit| hit.entry);
        if let Some(first) = prepared.own.filter(admits).or(duplicate) {
            put_first(&mut candidates, first);
        }
        Ok(SearchAnswer {
            hits: self.hits(&prepared, &candidates),
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

    fn prepare<'a>(
        &'a self,
        query: &Query,
        table: &'a Table,
        viewer: &Viewer,
    ) -> Result<Prepared<'a>, Error> {
        match query {
            Query::Id(id) => self.prepare_entry(id, table, viewer),
            Query::Vector {
                model_version,
                values,
            } => self.prepare_vector(model_version, values),
            _ => {
                let understood = self.understand(query)?;
                let name = understood.summary.name.as_deref().unwrap_or("the query");
                let embedding = self.embed(name, &understood.architecture)?;
                Ok(Prepared {
                    digests: Some(understood.digests),
                    embedding: Cow::Owned(embedding),
                    summary: understood.summary,
                    own: None,
                })
            }
        }
    }

    fn prepare_entry<'a>(
        &'a self,
        id: &str,
        table: &'a Table,
        viewer: &Viewer,
    ) -> Result<Prepared<'a>, Error> {
        if let Some(position) = self.position(id) {
            let known = self.known(position)?;
            return Ok(Prepared {
                summary: known.summary.clone(),
                digests: Some(known.digests),
                embedding: Cow::Borrowed(&self.embeddings[position]),
                own: Some((&self.corpus.entries()[position]).into()),
            });
        }
        let place = table.find(id, viewer).ok_or_else(|| self.unknown(id))?;
        let row = table.row(place);
        Ok(Prepared {
            summary: row.as_query(),
            digests: Some(row.facts().digests),
            embedding: Cow::Owned(table.embedding(place)),
            own: Some(row.facts()),
        })
    }

    fn prepare_vector(&self, version: &str, values: &[f32]) -> Result<Prepared<'_>, Error> {
        let refused = |reason: String| Error::Vector { reason };
        if version != self.model_version() {
            return Err(Error::OtherModel {
                asked: version.to_owned(),
                serving: self.model_version().to_owned(),
            });
        }
        let dim = self.encoder.dim();
        if values.len() != dim {
            let reason = format!("it has {} components, not {dim}", values.len());
            return Err(refused(reason));
        }
        let embedding = Embedding::normalised(values.to_vec());
        Ok(Prepared {
            summary: QuerySummary::of_vector(),
            digests: None,
            embedding: Cow::Owned(embedding.map_err(|error| refused(error.to_string()))?),
            own: None,
        })
    }

    /// The nearest of the corpus and of what was added, together.
    fn candidates<'a>(
        &'a self,
        embedding: &Embedding,
        table: &'a Table,
        options: &SearchOptions,
    ) -> Vec<Candidate<'a>> {
        let SearchOptions { k, filter, viewer } = options;
        let entries = self.corpus.entries();
        let admits = |position: usize| filter.admits(&Facts::from(&entries[position]));
        let of_corpus = self.index.search(embedding, *k, &admits).into_iter();
        let of_corpus = of_corpus.map(|hit| Candidate {
            entry: (&entries[hit.position]).into(),
            similarity: hit.similarity,
        });
        let admits = |entry: &Facts<'_>| entry.is_seen_by(viewer) && filter.admits(entry);
        let added = table.search(embedding, *k, &|row| admits(&row.facts()));
        let added = added.into_iter().map(|hit| Candidate {
            entry: table.row(hit.position).facts(),
            similarity: hit.similarity,
        });
        let mut candidates: Vec<Candidate<'a>> = of_corpus.chain(added).collect();
        // Both are sorted and the sort is stable: entries of the corpus come first among equals.
        candidates.sort_by_key(|candidate| Reverse(candidate.similarity));
        candidates.truncate(*k);
        candidates
    }

    fn hits(&self, prepared: &Prepared<'_>, candidates: &[Candidate<'_>]) -> Vec<Hit> {
        let family = self.family(prepared, candidates);
        let ranked = candidates.iter().zip(1..);
        ranked
            .map(|(candidate, rank)| {
                let evidence = Evidence {
                    query: prepared.digests,
                    query_family: family,
                    entry: candidate.entry.digests,
                    entry_family: candidate.entry.family,
                    similarity: candidate.similarity.value(),
                };
                let relation = relation(&evidence, self.config.variant_similarity);
                hit(rank, candidate, relation)
            })
            .collect()
    }

    /// The family the query is taken to belong to; see `relation`.
    fn family<'a>(&self, prepared: &Prepared<'a>, candidates: &[Candidate<'a>]) -> Option<&'a str> {
        let stated = |entry: Facts<'a>| Some(entry.family).filter(|family| !family.is_empty());
        if let Some(own) = prepared.own {
            return stated(own);
        }
        let mut equal = candidates.iter().map(|candidate| candidate.entry);
        let exact = prepared.digests.map(|digests| digests.exact);
        if let Some(entry) = equal.find(|entry| Some(entry.digests.exact) == exact) {
            return stated(entry);
        }
        let nearest = candidates.first()?;
        let is_near = nearest.similarity.value() >= self.config.variant_similarity;
        stated(nearest.entry).filter(|_| is_near)
    }
}

/// Other designs may tie with a duplicate, and duplicates tie with a stored query itself: the same
/// design still comes first, and a stored entry before its duplicates.
fn put_first<'a>(candidates: &mut [Candidate<'a>], own: Facts<'a>) {
    let Some(place) = candidates.iter().position(|hit| hit.entry.id == own.id) else {
        // More duplicates than hits: the query takes the place of the last of them.
        if let (Some(first), Some(last)) = (candidates.first().copied(), candidates.last_mut()) {
            *last = Candidate {
                entry: own,
                ..first
            };
            candidates.rotate_right(1);
        }
        return;
    };
    candidates[..=place].rotate_right(1);
}

fn hit(rank: usize, candidate: &Candidate<'_>, relation: Relation) -> Hit {
    let entry = &candidate.entry;
    Hit {
        rank,
        id: entry.id.to_owned(),
        collection: entry.collection.to_owned(),
        name: entry.name.to_owned(),
        family: entry.family.to_owned(),
        coarse_family: entry.coarse_family.to_owned(),
        source: entry.source.to_owned(),
        similarity: candidate.similarity.value(),
        relation,
    }
}
