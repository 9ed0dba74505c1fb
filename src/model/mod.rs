//! From an architecture to its embedding.
//!
//! [`Encoder`] is the only thing that callers need; [`TokenSetEncoder`] and [`MotifGnn`] are those
//! that ship.
//! Encoders are pure: the same architecture and weights give the same bits, whatever the order of
//! its nodes. Fitting weights belongs to `train`.

mod error;
pub mod hashing;
pub mod motif_gnn;
mod tensors;
mod token_set;
pub mod tokens;

pub use error::Error;
pub use motif_gnn::MotifGnn;
pub use tensors::Shapes;
pub use token_set::{Config, TokenSetEncoder};

use crate::embedding::Embedding;
use crate::graph::Architecture;
use serde::Deserialize;

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

/// What the `config.json` of every model says, whichever encoder it is for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// Name of the release.
    pub version: String,
    /// What kind of encoder it is for.
    pub encoder: String,
    /// Components of an embedding.
    pub dim: usize,
}

/// Reads what a `config.json` says of any model.
///
/// # Errors
/// When it is not JSON, or lacks a field.
pub fn manifest(config: &[u8]) -> Result<Manifest, Error> {
    serde_json::from_slice(config).map_err(Error::Config)
}

/// Reads a model of any kind from the bytes of its `config.json` and `model.safetensors`.
///
/// # Errors
/// When the kind is unknown, either is corrupt, or they do not belong together.
pub fn load(config: &[u8], weights: &[u8]) -> Result<Box<dyn Encoder>, Error> {
    let kind = manifest(config)?.encoder;
    match kind.as_str() {
        token_set::KIND => Ok(Box::new(TokenSetEncoder::load(config, weights)?)),
        motif_gnn::KIND => Ok(Box::new(MotifGnn::load(config, weights)?)),
        _ => Err(Error::Setting {
            field: "encoder",
            problem: format!("is `{kind}`, a kind that this version of netkin does not know"),
        }),
    }
}

#[cfg(test)]
mod testing;

#[cfg(test)]
mod tests {
    use super::testing::in_two_orders;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn renumbering_nodes_leaves_the_embedding_bit_equal(
            graph: u64, order: u64, count in 1usize..60,
        ) {
            let encoder = TokenSetEncoder::unfitted(hashing::Config::default()).unwrap();
            let [one, other] = in_two_orders(graph, order, count);
            prop_assert_eq!(encoder.encode(&one).unwrap(), encoder.encode(&other).unwrap());
        }
    }
}
