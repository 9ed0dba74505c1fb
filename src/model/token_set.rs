//! The encoder that ships: hashed token sets, then one learned linear projection.
//!
//! The projection is fitted by `train` (within-class whitening, then the leading directions) and
//! stored in half precision. Without one the hashed vector itself is the embedding. Never touches
//! the disk: callers bring bytes.

use super::{
    Encoder, Error, hashing,
    tensors::{self, Shapes, Tensors},
    tokens::{VOCABULARY, tokens},
};
use crate::embedding::{Embedding, dot};
use crate::graph::Architecture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What `config.json` calls this encoder.
pub(super) const KIND: &str = "token_set";
const PROJECTION: &str = "projection";
/// Largest hashed or embedded vector a config may ask for.
const MAX_DIM: usize = 1 << 16;

/// `config.json` of a model folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the release.
    pub version: String,
    /// What kind of encoder: always `token_set`.
    pub encoder: String,
    /// Which tokens it was fitted on: [`VOCABULARY`], or it fits no tokens of this program.
    pub vocabulary: String,
    /// Components of an embedding.
    pub dim: usize,
    /// How tokens become the vector that is projected.
    pub hashing: hashing::Config,
    /// Seed of the fit.
    pub seed: u64,
    /// Hash of the training data, in hexadecimal.
    pub data_hash: String,
}

/// Token sets, hashed and projected.
#[derive(Clone, Debug)]
pub struct TokenSetEncoder {
    config: Config,
    projection: Option<Box<[f32]>>, // [dim, hashing.dim]
}

impl TokenSetEncoder {
    /// The encoder without a projection: nothing learned, embeddings as wide as the hashing.
    ///
    /// # Errors
    /// When `hashing.dim` is 0 or absurd.
    pub fn unfitted(hashing: hashing::Config) -> Result<Self, Error> {
        let config = Config {
            version: "unfitted".into(),
            encoder: KIND.into(),
            vocabulary: VOCABULARY.into(),
            dim: hashing.dim,
            seed: hashing.seed,
            hashing,
            data_hash: String::new(),
        };
        check(&config)?;
        Ok(Self {
            config,
            projection: None,
        })
    }

    /// The encoder with a fitted projection, rounded to half precision as it will be stored.
    ///
    /// # Errors
    /// When the projection is not `[dim, hashing.dim]` or a weight does not fit half precision.
    pub fn fitted(config: Config, projection: &[f32]) -> Result<Self, Error> {
        check(&config)?;
        if projection.len() != config.dim * config.hashing.dim {
            return Err(Error::Shape {
                tensor: PROJECTION.into(),
                found: vec![projection.len()],
                expected: vec![config.dim, config.hashing.dim],
            });
        }
        Self::with_projection(config, tensors::rounded(projection).into())
    }

    /// Reads a model from the bytes of its `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// When either is corrupt, or they do not belong together.
    pub fn load(config: &[u8], weights: &[u8]) -> Result<Self, Error> {
        let config: Config = serde_json::from_slice(config).map_err(Error::Config)?;
        check(&config)?;
        let tensors = Tensors::read(weights)?;
        tensors.has_only(std::iter::once(PROJECTION))?;
        let projection = tensors.half(PROJECTION, &[config.dim, config.hashing.dim])?;
        Self::with_projection(config, projection.into())
    }

    fn with_projection(config: Config, projection: Box<[f32]>) -> Result<Self, Error> {
        if projection.iter().any(|weight| !weight.is_finite()) {
            return Err(Error::NotFinite(PROJECTION.into()));
        }
        Ok(Self {
            config,
            projection: Some(projection),
        })
    }

    /// What the model says of itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The fitted projection, row by row; `None` without one. `[dim, hashing.dim]`
    pub fn projection(&self) -> Option<&[f32]> {
        self.projection.as_deref()
    }

    /// The bytes of `model.safetensors`; `None` without a projection.
    ///
    /// # Errors
    /// When the tensor cannot be laid out.
    pub fn weights(&self) -> Result<Option<Vec<u8>>, Error> {
        let Some(projection) = &self.projection else {
            return Ok(None);
        };
        let shape = vec![self.config.dim, self.config.hashing.dim];
        let shapes = Shapes::from([(PROJECTION.into(), shape)]);
        let values = BTreeMap::from([(PROJECTION, &projection[..])]);
        tensors::write(&shapes, &values, &[]).map(Some)
    }

    /// The vector before the projection: what a fit works on.
    pub fn hashed(&self, architecture: &Architecture) -> Vec<f32> {
        hashing::hashed(&tokens(architecture), &self.config.hashing)
    }
}

impl Encoder for TokenSetEncoder {
    fn version(&self) -> &str {
        &self.config.version
    }

    fn dim(&self) -> usize {
        self.config.dim
    }

    fn encode(&self, architecture: &Architecture) -> Result<Embedding, Error> {
        let hashed = self.hashed(architecture);
        let values = match &self.projection {
            None => hashed,
            Some(projection) => projection
                .chunks_exact(hashed.len())
                .map(|row| dot(row, &hashed))
                .collect(),
        };
        Ok(Embedding::normalised(values)?)
    }
}

fn check(config: &Config) -> Result<(), Error> {
    let refuse = |field, problem: &str| {
        Err(Error::Setting {
            field,
            problem: problem.into(),
        })
    };
    if config.encoder != KIND {
        return refuse("encoder", "is not `token_set`");
    }
    if config.vocabulary != VOCABULARY {
        let problem = format!("is not `{VOCABULARY}`, which this version of netkin makes");
        return refuse("vocabulary", &problem);
    }
    if config.dim == 0 || config.dim > MAX_DIM {
        return refuse("dim", "must lie between 1 and 65536");
    }
    config.hashing.check()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attributes, Edge, Node, Operator};
    use half::f16;
    use safetensors::{Dtype, tensor::TensorView};

    fn architecture() -> Architecture {
        let node = |operator, inputs: &[u32]| Node {
            operator,
            attributes: Attributes::default(),
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        };
        let nodes = vec![node(Operator::Input, &[]), node(Operator::Conv, &[0])];
        Architecture::new(None, 0, nodes, vec![Edge::first(1)]).unwrap()
    }

    fn fitted() -> TokenSetEncoder {
        let hashing = hashing::Config {
            dim: 64,
            ..hashing::Config::default()
        };
        let config = Config {
            version: "test".into(),
            encoder: KIND.into(),
            vocabulary: VOCABULARY.into(),
            dim: 8,
            hashing,
            seed: 0,
            data_hash: String::new(),
        };
        let projection: Vec<f32> = (0..8 * 64).map(|at| (at as f32).sin()).collect();
        TokenSetEncoder::fitted(config, &projection).unwrap()
    }

    fn config_bytes(encoder: &TokenSetEncoder) -> Vec<u8> {
        serde_json::to_vec(encoder.config()).unwrap()
    }

    #[test]
    fn a_stored_model_encodes_bit_for_bit_alike() {
        let encoder = fitted();
        let weights = encoder.weights().unwrap().unwrap();
        let loaded = TokenSetEncoder::load(&config_bytes(&encoder), &weights).unwrap();
        assert_eq!(
            loaded.encode(&architecture()).unwrap(),
            encoder.encode(&architecture()).unwrap()
        );
        assert_eq!(loaded.weights().unwrap().unwrap(), weights);
    }

    fn refusal(config: &[u8], weights: &[u8]) -> String {
        TokenSetEncoder::load(config, weights)
            .unwrap_err()
            .to_string()
    }

    /// `config.json` after `change`.
    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
        let mut config = serde_json::to_value(fitted().config()).unwrap();
        change(&mut config);
        serde_json::to_vec(&config).unwrap()
    }

    fn tensors(tensors: &[(&str, Dtype, &[u8])]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, bytes)| {
            (*name, TensorView::new(*dtype, vec![8, 64], bytes).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn truncated_weights_are_refused() {
        let encoder = fitted();
        let weights = encoder.weights().unwrap().unwrap();
        let config = config_bytes(&encoder);
        for end in [0, 7, weights.len() / 2, weights.len() - 1] {
            let error = TokenSetEncoder::load(&config, &weights[..end]).unwrap_err();
            assert!(matches!(error, Error::Weights(_)), "{error}");
        }
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused_by_name() {
        let encoder = fitted();
        let config = config_bytes(&encoder);
        let good = encoder.weights().unwrap().unwrap();
        let (half, single) = ([0; 2 * 8 * 64], [0; 4 * 8 * 64]);
        assert_eq!(
            refusal(&changed(|config| config["dim"] = 9.into()), &good),
            "tensor `projection` has shape [8, 64], but config.json asks for [9, 64]"
        );
        assert_eq!(
            refusal(&config, &tensors(&[(PROJECTION, Dtype::F32, &single)])),
            "tensor `projection` holds F32, but half-precision floats (F16) are needed"
        );
        assert_eq!(
            refusal(&config, &tensors(&[("weight", Dtype::F16, &half)])),
            "the weights of the model lack the tensor `projection`"
        );
        let two = [
            ("bias", Dtype::F16, &half[..]),
            (PROJECTION, Dtype::F16, &half),
        ];
        assert_eq!(
            refusal(&config, &tensors(&two)),
            "the weights of the model hold the tensor `bias`, which its encoder does not have"
        );
        for bad in [f16::NAN, f16::INFINITY] {
            let mut poisoned = good.clone();
            let last = poisoned.len() - 2;
            poisoned[last..].copy_from_slice(&bad.to_le_bytes());
            assert_eq!(
                refusal(&config, &poisoned),
                "tensor `projection` holds a weight that is not finite"
            );
        }
    }

    #[test]
    fn configs_of_other_models_are_refused_by_field() {
        let weights = fitted().weights().unwrap().unwrap();
        let other = |field: &str, value: serde_json::Value| changed(|config| config[field] = value);
        assert!(refusal(b"{}", &weights).contains("missing field"));
        let cases = [
            ("colour", "red".into(), "unknown field `colour`"),
            ("encoder", "graph".into(), "`encoder` is not `token_set`"),
            (
                "vocabulary",
                "tokens-0".into(),
                "`vocabulary` is not `tokens-1`",
            ),
            ("dim", 0.into(), "`dim` must lie between"),
        ];
        for (field, value, reason) in cases {
            let refused = refusal(&other(field, value), &weights);
            assert!(refused.contains(reason), "{refused}");
        }
        let groups = changed(|config| config["hashing"]["groups"] = vec![1.0; 4].into());
        let refused = refusal(&groups, &weights);
        assert!(refused.contains("invalid length 4"), "{refused}");
        let unknown = super::super::load(&other("encoder", "graph".into()), &weights);
        let refused = unknown.err().unwrap().to_string();
        assert!(
            refused.contains("`encoder` is `graph`, a kind"),
            "{refused}"
        );
    }

    #[test]
    fn hostile_headers_of_weights_are_refused() {
        let config = config_bytes(&fitted());
        let framed = |len: u64, header: &str| [&len.to_le_bytes()[..], header.as_bytes()].concat();
        let tensor = |shape: &str, from: u64, to: u64| {
            format!(r#"{{"dtype":"F16","shape":{shape},"data_offsets":[{from},{to}]}}"#)
        };
        let one =
            |shape: &str, from, to| format!(r#"{{"projection":{}}}"#, tensor(shape, from, to));
        let overlapping = format!(
            r#"{{"projection":{},"other":{}}}"#,
            tensor("[8,64]", 0, 1024),
            tensor("[8,64]", 512, 1536)
        );
        let headers = [
            one("[8,64]", 0, u64::MAX),
            one("[8,64]", 1024, 0),
            one("[18446744073709551615,2]", 0, 1024),
            overlapping,
            "[".repeat(100_000),
        ];
        for header in headers {
            let mut weights = framed(header.len() as u64, &header);
            weights.extend([0; 1024]);
            let error = TokenSetEncoder::load(&config, &weights).unwrap_err();
            assert!(matches!(error, Error::Weights(_)), "{error}");
        }
        for len in [100 << 20, 1 << 40, u64::MAX] {
            let weights = framed(len, &one("[8,64]", 0, 1024));
            assert!(TokenSetEncoder::load(&config, &weights).is_err());
        }
    }

    #[test]
    fn an_unfitted_encoder_embeds_too() {
        let encoder = TokenSetEncoder::unfitted(hashing::Config::default()).unwrap();
        assert_eq!(
            encoder.encode(&architecture()).unwrap().dim(),
            encoder.dim()
        );
    }
}
