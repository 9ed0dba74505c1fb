//! The learned encoder: a network over motifs, then one over the macro graph of motifs.
//!
//! A motif's vector depends on its hash alone, so those of known motifs are a table and a query
//! costs look-ups and one pass over the distinct neighbourhoods of its macro graph (`fold`). The
//! projected token sets stand beside what the network reads out, so that a similarity is a weighted
//! mean of both. The same layers over the cut into single nodes are the baselines GCN and GAT on the flat graph. Never
//! touches the disk, knows nothing of gradients.

mod config;
mod fold;
mod passing;
mod sketch;
#[cfg(test)]
mod tests;
mod weights;

pub use config::{Config, Cutting, KIND, Network, Passing, TokenSets, VOCABULARY};
pub use fold::{Counted, Digraph, Fold, Folded, Row, signature};
pub use passing::{EPSILON, LARGEST_SCORE, LEAK, around, pool_weights};
pub use sketch::{MotifGraph, Sketch, context};
pub use weights::{BUCKETS, INPUT, PROJECTION, Table, Weights, level, shapes};

use super::{Encoder, Error, hashing, tensors, tokens::tokens};
use crate::embedding::Embedding;
use crate::graph::Architecture;
use crate::random;
use passing::{Level, Linear, Rows, add_scaled, to_unit_mean_square};
use std::collections::BTreeMap;

/// The row of the table of features that a feature is hashed to.
pub fn bucket(feature: u64, buckets: usize) -> u32 {
    ((u128::from(random::mix(feature)) * buckets as u128) >> 64) as u32
}

/// The learned encoder, with the vectors of the motifs that it knows.
pub struct MotifGnn {
    config: Config,
    table: Table,
    motifs: MotifEncoder,
    input: Linear, // [hidden, motif_dim]
    graph: Level,
    token_sets: Option<(TokenSets, Linear)>, // [token_sets.dim, hashing.dim]
    /// What the parts above were made of.
    weights: Weights,
}

impl MotifGnn {
    /// The encoder with these weights, rounded to half precision as they are stored, and a table of
    /// `known` motifs.
    ///
    /// # Errors
    /// When weights do not fit the config or half precision.
    pub fn new(
        config: Config,
        weights: Weights,
        known: &BTreeMap<u64, MotifGraph>,
    ) -> Result<Self, Error> {
        config.check()?;
        let weights = weights.rounded();
        for (name, weight) in weights.by_name() {
            if weight.iter().any(|weight| !weight.is_finite()) {
                return Err(Error::NotFinite(name.clone()));
            }
        }
        let mut encoder = Self::of(config, weights, Table::default());
        encoder.table = encoder.motifs.table(known);
        Ok(encoder)
    }

    /// Reads a model from the bytes of its `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// When either is corrupt, or they do not belong together.
    pub fn load(config: &[u8], weights: &[u8]) -> Result<Self, Error> {
        let config: Config = serde_json::from_slice(config).map_err(Error::Config)?;
        config.check()?;
        let (weights, table) = weights::read(&config, weights)?;
        Ok(Self::of(config, weights, table))
    }

    fn of(config: Config, weights: Weights, table: Table) -> Self {
        let Network {
            passing,
            motif_dim,
            hidden,
            rounds,
            ..
        } = config.network;
        let mut parts = weights.clone();
        let token_sets = config.token_sets.clone().map(|token_sets| {
            let linear = Linear::new(&mut parts, PROJECTION, token_sets.hashing.dim);
            (token_sets, linear)
        });
        Self {
            motifs: MotifEncoder::new(&config.network, &mut parts),
            input: Linear::new(&mut parts, INPUT, motif_dim),
            graph: Level::new(&mut parts, "macro", hidden, rounds, passing),
            token_sets,
            weights,
            table,
            config,
        }
    }

    /// What the model says of itself.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The bytes of `model.safetensors`.
    ///
    /// # Errors
    /// When the tensors cannot be laid out.
    pub fn weights(&self) -> Result<Vec<u8>, Error> {
        weights::write(&self.config, &self.weights, &self.table)
    }

    /// The weights by name, as they are stored.
    pub fn named_weights(&self) -> &Weights {
        &self.weights
    }

    /// Number of motifs whose vectors are known.
    pub fn known_motifs(&self) -> usize {
        self.table.hashes.len()
    }

    /// Changes the share of token sets in a similarity, which no weight depends on; nothing happens
    /// to a network that stands alone.
    ///
    /// # Errors
    /// When the share lies outside 0 and 1.
    pub fn set_share(&mut self, share: f32) -> Result<(), Error> {
        let mut config = self.config.clone();
        if let Some(token_sets) = &mut config.token_sets {
            token_sets.share = share;
        }
        config.check()?;
        if let Some((token_sets, _)) = &mut self.token_sets {
            token_sets.share = share;
        }
        self.config = config;
        Ok(())
    }

    /// What the network reads out of the macro graph. `[outputs]`
    fn structure(&self, sketch: &Sketch) -> Vec<f32> {
        let unknown = sketch.motifs.iter();
        let unknown = unknown.filter(|(hash, _)| self.table.get(**hash).is_none());
        let unknown = self.motifs.table(unknown);
        let mut fold = Fold::new(self.config.network.rounds);
        let folded = fold.add(&sketch.graph);
        let mut first = Rows::new(self.config.network.hidden);
        for hash in fold.colours() {
            let motif = self.table.get(*hash).or_else(|| unknown.get(*hash));
            let motif = motif.expect("every colour of the macro graph is a motif's hash");
            let mut state = self.input.of(motif);
            to_unit_mean_square(&mut state);
            first.push(&state);
        }
        self.graph.read(&self.graph.states(&fold, first), &folded)
    }
}

impl Encoder for MotifGnn {
    fn version(&self) -> &str {
        &self.config.version
    }

    fn dim(&self) -> usize {
        self.config.dim
    }

    fn encode(&self, architecture: &Architecture) -> Result<Embedding, Error> {
        let sketch = Sketch::new(architecture, self.config.network.splitter);
        let structure = Embedding::normalised(self.structure(&sketch))?;
        let Some((token_sets, projection)) = &self.token_sets else {
            return Ok(structure);
        };
        let hashed = hashing::hashed(&tokens(architecture), &token_sets.hashing);
        let projected = Embedding::normalised(projection.of(&hashed))?;
        Ok(Embedding::normalised(side_by_side(
            &projected,
            &structure,
            token_sets.share,
        ))?)
    }
}

/// A vector whose products are weighted means of those of its parts; `share` is that of `one`.
fn side_by_side(one: &Embedding, other: &Embedding, share: f32) -> Vec<f32> {
    let one = one.as_slice().iter().map(|value| value * share.sqrt());
    let other = other.as_slice().iter();
    one.chain(other.map(|value| value * (1.0 - share).sqrt()))
        .collect()
}

/// From a motif to its vector.
struct MotifEncoder {
    dim: usize,
    buckets: Vec<f32>, // [buckets, dim]
    level: Level,
}

impl MotifEncoder {
    fn new(network: &Network, weights: &mut Weights) -> Self {
        let dim = network.motif_dim;
        Self {
            dim,
            buckets: weights.take(BUCKETS),
            level: Level::new(weights, "motif", dim, network.rounds, Passing::Directed),
        }
    }

    /// The vectors of `motifs`, in half precision.
    fn table<'a>(&self, motifs: impl IntoIterator<Item = (&'a u64, &'a MotifGraph)>) -> Table {
        let motifs: Vec<(&u64, &MotifGraph)> = motifs.into_iter().collect();
        let mut fold = Fold::new(self.level.round_count());
        let mut features = BTreeMap::new();
        let mut folded = Vec::with_capacity(motifs.len());
        for (_, motif) in &motifs {
            folded.push(fold.add(&motif.graph));
            features.extend(motif.graph.colours.iter().zip(&motif.features));
        }
        let mut first = Rows::new(self.dim);
        for colour in fold.colours() {
            first.push(&self.node(features[colour]));
        }
        let states = self.level.states(&fold, first);
        let vectors = folded.iter().flat_map(|graph| {
            let mut vector = self.level.read(&states, graph);
            to_unit_mean_square(&mut vector);
            tensors::rounded(&vector)
        });
        Table {
            vectors: vectors.collect(),
            hashes: motifs.into_iter().map(|(hash, _)| *hash).collect(),
        }
    }

    fn node(&self, features: &[u64]) -> Vec<f32> {
        let mut sum = vec![0.0; self.dim];
        let buckets = self.buckets.len() / self.dim;
        for feature in features {
            let row = bucket(*feature, buckets) as usize;
            add_scaled(&mut sum, 1.0, &self.buckets[row * self.dim..][..self.dim]);
        }
        to_unit_mean_square(&mut sum);
        sum
    }
}
