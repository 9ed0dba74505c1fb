//! What an engine must prove before it answers anyone.
//!
//! The files of a model can be whole and still be of no use: trained until every embedding is the
//! same, published beside the embeddings of other weights. So stored entries are asked about as if
//! they were new, and must find themselves.

use super::{Engine, Error, read};
use crate::corpus::Entry;
use crate::embedding::{Embedding, dot};
use crate::import::RawGraph;
use crate::index::Neighbour;
use crate::random::Random;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Blocks of the corpus whose entries are asked about.
const BLOCKS: usize = 4;
/// Entries of a block that are asked about: enough in all to see a broken model.
const PROBES: usize = 8;
/// Hits compared with those of a full scan, and most designs that may share one embedding.
const HITS: usize = 16;
/// What half precision and the order of sums may cost a similarity.
const ROUNDING: f32 = 1e-4;
/// The same entries are asked about at every start.
const SEED: u64 = 0x6e65_746b_696e;

impl Engine {
    /// Holds every embedding against the model's dimension and length one, and asks about a sample
    /// of the entries.
    ///
    /// # Errors
    /// When a check fails: the first entry at fault and what is wrong with it.
    pub fn self_check(&self) -> Result<(), Error> {
        let entries = self.corpus.entries();
        if self.embeddings.len() != entries.len() || self.index.len() != entries.len() {
            return Err(self.refused("it has no embedding of some entries".to_owned()));
        }
        for (entry, embedding) in entries.iter().zip(&self.embeddings) {
            self.check_embedding(entry, embedding)?;
        }
        let told_apart = self.probe_sample()?;
        let alone = told_apart.iter().filter(|alone| **alone).count();
        if alone * 2 < told_apart.len() {
            return Err(self.refused(format!(
                "it tells only {alone} of {} designs from every other one",
                told_apart.len()
            )));
        }
        Ok(())
    }

    fn check_embedding(&self, entry: &Entry, embedding: &Embedding) -> Result<(), Error> {
        let (found, dim) = (embedding.dim(), self.encoder.dim());
        if found != dim {
            return Err(self.refused(format!(
                "the embedding of {} has {found} components, but config.json asks for {dim}",
                entry.id
            )));
        }
        let length = dot(embedding.as_slice(), embedding.as_slice()).sqrt();
        // Not a number is no length either.
        if (length - 1.0).abs() <= ROUNDING {
            return Ok(());
        }
        Err(self.refused(format!(
            "the embedding of {} has length {length}, not 1",
            entry.id
        )))
    }

    /// Asks about entries spread over some blocks: for each, whether it is told from all others.
    fn probe_sample(&self) -> Result<Vec<bool>, Error> {
        let mut told_apart = Vec::new();
        for block in self.sampled_blocks() {
            let rows = self.corpus.block_rows(block..block + 1);
            let apart = rows.len().div_ceil(PROBES).max(1);
            read::each_graph(&self.corpus, block, |index, graph| {
                if (index - rows.start).is_multiple_of(apart) {
                    told_apart.push(self.probe(index, graph)?);
                }
                Ok(())
            })?;
        }
        Ok(told_apart)
    }

    fn sampled_blocks(&self) -> BTreeSet<usize> {
        let count = self.corpus.block_count();
        if count <= BLOCKS {
            return (0..count).collect();
        }
        let mut random = Random::new(SEED);
        let mut sample = BTreeSet::new();
        while sample.len() < BLOCKS {
            sample.insert(random.below(count));
        }
        sample
    }

    /// Asks about the entry at `own` as if it were new. True when no other design is as near to it
    /// as it is to itself; designs that share their tokens may well be.
    fn probe(&self, own: usize, graph: &RawGraph) -> Result<bool, Error> {
        let entry = &self.corpus.entries()[own];
        let architecture = read::canonicalised(&entry.id, graph, &self.limits)?;
        let query = self.embed(&entry.id, &architecture)?;
        self.check_embedding(entry, &query)?;
        let similarity = query.similarity(&self.embeddings[own]).value();
        if similarity < 1.0 - ROUNDING {
            return Err(self.refused(format!(
                "the stored embedding of {} is not what the model makes of it (similarity {similarity}); publish the model again",
                entry.id
            )));
        }
        let hits = self.index.search(&query, HITS, &|_| true);
        if hits != self.scanned(&query) {
            return Err(self.refused(format!(
                "the index finds other neighbours of {} than a full scan",
                entry.id
            )));
        }
        let first = hits.first().map_or(1.0, |hit| hit.similarity.value());
        let ties = hits
            .iter()
            .take_while(|hit| hit.similarity.value() >= first - ROUNDING);
        let same = ties.map(|hit| self.corpus.entries()[hit.position].exact == entry.exact);
        let same: Vec<bool> = same.collect();
        if !same.contains(&true) {
            return Err(self.refused(format!("{} does not find itself first", entry.id)));
        }
        Ok(!same.contains(&false))
    }

    /// The nearest entries by comparing with each.
    fn scanned(&self, query: &Embedding) -> Vec<Neighbour> {
        let compared = self.embeddings.iter().enumerate();
        let mut neighbours: Vec<Neighbour> = compared
            .map(|(position, embedding)| Neighbour {
                position,
                similarity: query.similarity(embedding),
            })
            .collect();
        neighbours.sort_by_key(|hit| (Reverse(hit.similarity), hit.position));
        neighbours.truncate(HITS);
        neighbours
    }

    fn refused(&self, reason: String) -> Error {
        Error::SelfCheck {
            version: self.model_version().to_owned(),
            reason,
        }
    }
}
