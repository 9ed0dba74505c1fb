//! Approximate search: a navigable small-world graph, drawn by hnsw_rs and frozen into flat arrays.
//!
//! hnsw_rs walks through locks, hash maps and scattered vectors; the same graph in flat arrays is
//! walked several times as fast. Frozen, it takes no inserts: those go to a small exact index beside
//! it, and removed vectors are passed over. The invariant: a search never gives fewer than `k` while
//! `k` are accepted, and a vector is found from the moment that it was inserted.

mod build;
mod file;
mod graph;
mod nearest;
mod probe;
mod reach;
mod rows;
mod walk;

use super::best::Best;
use super::{Error, ExactIndex, Index, Neighbour, check_dim};
use crate::embedding::Embedding;
use graph::Graph;
use nearest::{Question, WALK_COST};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Below 16, hnsw_rs's graphs fall apart; above 255 it ends the process or miscounts.
const CONNECTIONS: RangeInclusive<usize> = 16..=255;
/// Positions are kept in 32 bits, and so are places of links, of which a vector has many.
const VECTORS_LARGEST: usize = 1 << 26;

/// How a graph is drawn and walked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HnswConfig {
    /// Links of a vector in the upper layers (M); twice as many in the layer of all vectors.
    pub connections: usize,
    /// Vectors kept on the way while the graph is drawn.
    pub ef_construction: usize,
    /// Vectors kept on the way of a search: more are slower and find more.
    pub ef: usize,
    /// Questions with known answers that a new graph is asked.
    pub probes: usize,
    /// Share of the true ten nearest that a new graph must find, or building it is an error.
    pub minimum_recall: f64,
}

impl Default for HnswConfig {
    fn default() -> Self {
        Self {
            connections: 16,
            ef_construction: 200,
            ef: 64,
            probes: 200,
            minimum_recall: 0.99,
        }
    }
}

impl HnswConfig {
    /// # Errors
    /// When a number is out of its range.
    pub fn check(&self) -> Result<(), Error> {
        let within = |setting, value: usize, range: RangeInclusive<usize>| {
            if range.contains(&value) {
                return Ok(());
            }
            let (least, most) = range.into_inner();
            Err(Error::Setting {
                setting,
                value,
                least,
                most,
            })
        };
        within("connections", self.connections, CONNECTIONS)?;
        let ef_construction = self.connections..=10_000;
        within("ef_construction", self.ef_construction, ef_construction)?;
        within("ef", self.ef, 1..=100_000)
    }
}

/// Vectors in a frozen graph, and a few beside it.
#[derive(Clone, Debug)]
pub struct HnswIndex {
    dim: usize,
    ef: usize,
    recall: f64,
    /// What a comparison of a walk costs: small graphs are scanned, for that is cheaper.
    walk_cost: f64,
    graph: Arc<Graph>,
    /// Of the vectors in the graph, which were removed.
    removed: Vec<bool>,
    removed_count: usize,
    fresh: ExactIndex,
}

impl HnswIndex {
    /// A graph of `embeddings`, in their order. Slow: minutes for 100,000.
    ///
    /// # Errors
    /// When one has another number of components than `dim`, when a setting is out of range, or when
    /// the graph does not find what it must.
    pub fn build<'a>(
        dim: usize,
        embeddings: impl IntoIterator<Item = &'a Embedding>,
        config: &HnswConfig,
    ) -> Result<Self, Error> {
        let mut vectors = Vec::new();
        for (position, embedding) in embeddings.into_iter().enumerate() {
            check_dim(position, embedding, dim)?;
            vectors.push(embedding.as_slice());
        }
        Self::of_vectors(dim, &vectors, config)
    }

    /// The same of vectors that are known to have `dim` components and length one.
    pub(super) fn of_vectors(
        dim: usize,
        vectors: &[&[f32]],
        config: &HnswConfig,
    ) -> Result<Self, Error> {
        config.check()?;
        if vectors.len() > VECTORS_LARGEST {
            return Err(Error::TooMany {
                count: vectors.len(),
                most: VECTORS_LARGEST,
            });
        }
        let graph = build::build(dim, vectors, config)?;
        let probed = probe::probe(&graph, config.ef, config.probes);
        let found = probed.recall.min(probed.themselves);
        if found < config.minimum_recall {
            return Err(Error::Recall {
                found,
                minimum: config.minimum_recall,
            });
        }
        Ok(Self::of_graph(graph, config.ef, probed.recall))
    }

    fn of_graph(graph: Graph, ef: usize, recall: f64) -> Self {
        let dim = graph.rows.dim();
        Self {
            dim,
            ef,
            recall,
            walk_cost: WALK_COST,
            removed: vec![false; graph.members.len()],
            removed_count: 0,
            graph: Arc::new(graph),
            fresh: ExactIndex::new(dim),
        }
    }

    /// Searches from now on keep `ef` vectors on the way.
    pub fn set_ef(&mut self, ef: usize) {
        self.ef = ef.max(1);
    }

    /// Share of the true ten nearest that the graph found after it was built.
    pub fn recall(&self) -> f64 {
        self.recall
    }

    /// Number of vectors beside the graph, the removed among them too.
    pub fn fresh(&self) -> usize {
        self.fresh.next()
    }

    /// Walks even where a scan is cheaper, so that tests of small graphs see walks.
    #[cfg(test)]
    pub(super) fn walking(mut self) -> Self {
        self.walk_cost = 0.0;
        self
    }

    pub(super) fn next(&self) -> usize {
        self.removed.len() + self.fresh.next()
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        self.fresh.push(vector);
    }

    /// The vector at `position`, unless it was removed.
    pub(super) fn live(&self, position: usize) -> Option<&[f32]> {
        match self.removed.get(position) {
            Some(true) => None,
            Some(false) => {
                let node = self.graph.members.node_of[position];
                Some(self.graph.rows.vector(node as usize))
            }
            None => self.fresh.live(position - self.removed.len()),
        }
    }
}

impl Index for HnswIndex {
    fn len(&self) -> usize {
        self.removed.len() - self.removed_count + self.fresh.len()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn insert(&mut self, embedding: &Embedding) -> Result<usize, Error> {
        let position = self.next();
        check_dim(position, embedding, self.dim)?;
        self.push(embedding.as_slice());
        Ok(position)
    }

    fn remove(&mut self, position: usize) -> bool {
        let Some(removed) = self.removed.get_mut(position) else {
            return self.fresh.remove(position - self.removed.len());
        };
        let is_live = !std::mem::replace(removed, true);
        self.removed_count += usize::from(is_live);
        is_live
    }

    fn search(&self, query: &Embedding, k: usize, keep: &dyn Fn(usize) -> bool) -> Vec<Neighbour> {
        assert_eq!(query.dim(), self.dim, "query of another model");
        let k = k.min(self.len());
        let mut best = Best::new(k);
        if k == 0 {
            return Vec::new();
        }
        let in_graph = self.removed.len();
        let question = Question {
            query: query.as_slice(),
            k: k.min(in_graph - self.removed_count),
            ef: self.ef.max(k),
            accepts: &|position| !self.removed[position] && keep(position),
            walk_cost: self.walk_cost,
        };
        if question.k > 0 {
            self.graph.offer_nearest(&question, &mut best);
        }
        let fresh = &self.fresh;
        fresh.offer_nearest(query.as_slice(), keep, in_graph, &mut best);
        best.into_neighbours()
    }
}
