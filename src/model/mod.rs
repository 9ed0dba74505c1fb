//! From an architecture to its embedding.
//!
//! [`Encoder`] is the only thing that callers need; [`TokenSetEncoder`] is the one that ships.
//! Encoders are pure: the same architecture and weights give the same bits, whatever the order of
//! its nodes. Fitting weights belongs to `train`.

mod error;
pub mod hashing;
mod token_set;
pub mod tokens;

pub use error::Error;
pub use token_set::{Config, TokenSetEncoder};

use crate::embedding::Embedding;
use crate::graph::Architecture;

/// Turns architectures into embeddings that may be compared with each other.
pub trait Encoder: Send + Sync {
    /// Names weights and code; embeddings of different versions must never be compared.
    fn version(&self) -> &str;

    /// Number of components of every embedding.
    fn dim(&self) -> usize;

    /// The embedding of `architecture`.
    ///
    /// # Errors
    /// When nothing of the architecture has a direction under these weights.
    fn encode(&self, architecture: &Architecture) -> Result<Embedding, Error>;
}
