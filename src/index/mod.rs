//! Nearest neighbours among embeddings, by position.
//!
//! An index knows vectors and positions, never graphs, names or models; whoever built it maps
//! positions to entries. Answers are deterministic: ties go to the smaller position.

mod best;
mod coarse;
#[cfg(test)]
mod contract;
mod exact;
mod hnsw;
mod segmented;

pub use exact::ExactIndex;
pub use hnsw::{HnswConfig, HnswIndex};
pub use segmented::{Due, Rebuilt, Segmented, SegmentedConfig};

use crate::embedding::{Embedding, Similarity};
use std::path::PathBuf;

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Place of the vector in the order of insertion.
    pub position: usize,
    /// How near it is to the query.
    pub similarity: Similarity,
}

/// Why vectors cannot be indexed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// More than positions of 32 bits can tell apart.
    #[error("{count} vectors, an index in memory holds at most {most}")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A setting out of its range.
    #[error("index setting `{setting}` is {value}, it lies between {least} and {most}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What it is.
        value: usize,
        /// Its least value.
        least: usize,
        /// Its largest value.
        most: usize,
    },
    /// The graph came back without some of the vectors put into it.
    #[error("the graph lost {lost} vectors while it was built; the exact index serves them all")]
    Lost {
        /// How many are missing.
        lost: usize,
    },
    /// The graph finds too little.
    #[error(
        "the graph finds {found:.4} of what it must, at least {minimum:.4}; raise `ef`, \
         `ef_construction` or `connections`, or let the exact index serve"
    )]
    Recall {
        /// Share of the true neighbours that it found.
        found: f64,
        /// Share that the settings ask for.
        minimum: f64,
    },
    /// The file cannot be read or written.
    #[error("index file {}: {problem}", path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// The file is damaged or belongs to something else.
    #[error("index file {}: {problem}; delete the file, it is rebuilt", path.display())]
    Unusable {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Finds nearest neighbours.
pub trait Index: Send + Sync {
    /// Number of vectors that can be found.
    fn len(&self) -> usize;

    /// True when there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of components of every vector and query.
    fn dim(&self) -> usize;

    /// Appends a vector and returns its position, which no other vector had or will have.
    ///
    /// # Errors
    /// When it has another number of components.
    fn insert(&mut self, embedding: &Embedding) -> Result<usize, Error>;

    /// Takes a vector out of every search from now on. False when there is none at `position`,
    /// never was or no more.
    fn remove(&mut self, position: usize) -> bool;

    /// The `k` nearest vectors whose position `keep` accepts, nearest first, ties by position.
    ///
    /// Fewer than `k` only when `keep` accepts fewer. It may be asked about a position more than once
    /// and must answer alike.
    ///
    /// # Panics
    /// When the query has another number of components than the index: it comes from another model.
    fn search(&self, query: &Embedding, k: usize, keep: &dyn Fn(usize) -> bool) -> Vec<Neighbour>;
}

/// Refuses a vector of another model.
fn check_dim(position: usize, embedding: &Embedding, expected: usize) -> Result<(), Error> {
    if embedding.dim() == expected {
        return Ok(());
    }
    Err(Error::Dim {
        position,
        found: embedding.dim(),
        expected,
    })
}
