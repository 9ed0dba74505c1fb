//! Nearest neighbours among embeddings, by position.
//!
//! An index knows vectors and positions, never graphs, names or models; whoever built it maps
//! positions to entries. Answers are deterministic: ties go to the smaller position.

mod coarse;
mod exact;

pub use exact::ExactIndex;

use crate::embedding::{Embedding, Similarity};

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Place of the vector in the order of insertion.
    pub position: usize,
    /// How near it is to the query.
    pub similarity: Similarity,
}

/// Why vectors cannot be indexed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Vectors of different models.
    #[error("vector {position} has {found} components, the index holds vectors of {expected}")]
    Dim {
        /// The vector at fault.
        position: usize,
        /// Its number of components.
        found: usize,
        /// The number that the index holds.
        expected: usize,
    },
}

/// Finds nearest neighbours.
pub trait Index: Send + Sync {
    /// Number of vectors.
    fn len(&self) -> usize;

    /// True when there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of components of every vector and query.
    fn dim(&self) -> usize;

    /// The `k` nearest vectors whose position `keep` accepts, nearest first, ties by position.
    ///
    /// Fewer than `k` only when `keep` accepts fewer.
    ///
    /// # Panics
    /// When the query has another number of components than the index: it comes from another model.
    fn search(&self, query: &Embedding, k: usize, keep: &dyn Fn(usize) -> bool) -> Vec<Neighbour>;
}
