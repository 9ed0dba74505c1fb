//! Fits the shipped encoder: within-class whitening of hashed token sets and the leading directions,
//! then gradient steps from there.
//!
//! The same training examples, settings and seed give the same bytes.

mod batches;
mod card;
mod checkpoint;
mod contrastive;
mod device;
pub mod gnn;
mod log;
mod loss;
mod optimiser;
mod parameters;
mod stage;
mod validate;
mod wccn;

pub use card::{model_card, motif_gnn_card};
pub use contrastive::Refinement;
pub use device::{DeviceChoice, DeviceError};
pub use stage::Progress;
pub use validate::{Fit, Search, Validated, Validation};
pub use wccn::{Whitening, fit_projection};

use crate::eval::Labelled;
use crate::model::{self, TokenSetEncoder, hashing, tokens};
use contrastive::{Examples, refine};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Settings of a fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Components of an embedding; the whole whitened vector when it is no longer than that.
    pub dim: usize,
    /// Share of the within-class covariance that is replaced by a multiple of the identity.
    pub shrinkage: f64,
    /// Gradient steps after the closed form.
    pub refinement: Refinement,
    /// Seed of hashing, of the search for leading directions and of the batches.
    pub seed: u64,
    /// How tokens are hashed; its seed is replaced by `seed`.
    pub hashing: hashing::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dim: 256,
            shrinkage: 0.8,
            refinement: Refinement::default(),
            seed: 0,
            hashing: hashing::Config::default(),
        }
    }
}

/// Why nothing could be fitted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No family with two designs.
    #[error("the training data has no family with two different designs; nothing to learn from")]
    NoFamilies,
    /// The covariance cannot be inverted.
    #[error(transparent)]
    Covariance(#[from] crate::matrix::NotPositive),
    /// The arithmetic of the refinement failed.
    #[error("the refinement failed: {0}")]
    Arithmetic(#[from] candle_core::Error),
    /// The refinement came to a loss that is no number.
    #[error(
        "the loss of the refinement is no number at step {step}; lower `refinement.learning_rate`"
    )]
    Diverged {
        /// The step.
        step: usize,
    },
    /// A checkpoint or a log could not be read or written.
    #[error("{path}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The model refuses what was fitted.
    #[error(transparent)]
    Model(#[from] model::Error),
}

/// Fits an encoder named `version` on `training` alone; `data_hash` names the data it comes from.
///
/// # Errors
/// When there is too little to learn from.
pub fn fit(
    version: &str,
    training: &[&Labelled],
    data_hash: String,
    config: &Config,
) -> Result<TokenSetEncoder, Error> {
    let hashing = hashing::Config {
        seed: config.seed,
        ..config.hashing.clone()
    };
    let plain = TokenSetEncoder::unfitted(hashing.clone())?;
    let vectors: Vec<Vec<f64>> = training
        .par_iter()
        .map(|entry| {
            let hashed = plain.hashed(&entry.architecture);
            hashed.into_iter().map(f64::from).collect()
        })
        .collect();
    let families: Vec<&str> = training.iter().map(|entry| entry.family.as_str()).collect();
    let whitening = Whitening {
        dim: config.dim.min(hashing.dim),
        shrinkage: config.shrinkage,
        seed: config.seed,
    };
    let projection = fit_projection(&families, &vectors, &whitening)?;
    let coarse: Vec<&str> = training
        .iter()
        .map(|entry| entry.coarse_family.as_str())
        .collect();
    let examples = Examples {
        families: &families,
        coarse_families: &coarse,
        vectors: &vectors,
    };
    let projection = refine(&examples, projection, &config.refinement, config.seed)?;
    let model = model::Config {
        version: version.into(),
        encoder: "token_set".into(),
        vocabulary: tokens::VOCABULARY.into(),
        dim: whitening.dim,
        hashing,
        seed: config.seed,
        data_hash,
    };
    Ok(TokenSetEncoder::fitted(model, &projection)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::{Vectors, testing::zoo};
    use crate::eval::{data_hash, protocol, split};

    fn config() -> Config {
        Config {
            dim: 32,
            hashing: hashing::Config {
                dim: 128,
                ..hashing::Config::default()
            },
            ..Config::default()
        }
    }

    fn protocol() -> protocol::Config {
        protocol::Config {
            held_out: 0.4,
            ..protocol::Config::default()
        }
    }

    fn fitted(entries: &[Labelled]) -> Result<TokenSetEncoder, Error> {
        let training = split::training(entries, &protocol());
        fit("v", &training, data_hash(entries), &config())
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_whatever_the_order_of_entries() {
        let mut entries = zoo(10, 4);
        let one = fitted(&entries).unwrap();
        entries.reverse();
        let other = fitted(&entries).unwrap();
        assert_eq!(one.weights().unwrap(), other.weights().unwrap());
        assert_eq!(one.config(), other.config());
    }

    #[test]
    fn a_fit_finds_held_out_families() {
        let entries = zoo(20, 6);
        let encoder = fitted(&entries).unwrap();
        let ranker = Vectors::encoded(&entries, &encoder).unwrap();
        let outcome = protocol::evaluate(
            &entries,
            &ranker,
            &protocol::Queries::HeldOutFamilies,
            &protocol(),
        );
        let map = protocol::estimate(&outcome, "map@20", &protocol()).unwrap();
        assert!(map.mean > 0.9, "{}", map.mean);
    }

    #[test]
    fn too_little_data_is_refused() {
        let error = fitted(&zoo(1, 1)).unwrap_err();
        assert!(matches!(error, Error::NoFamilies));
    }
}
