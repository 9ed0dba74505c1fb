//! `config.json` of a motif GNN: what the weights were made for.

use super::super::{Error, hashing, tokens};
use crate::motif::{ByCount, BySize, Paper, RandomSizes, Splitter, Waists};
use serde::{Deserialize, Serialize};

/// What `config.json` calls this encoder.
pub const KIND: &str = "motif_gnn";
/// Names the features of nodes and the hash of motifs. A model trained on others cannot be used:
/// change it with every change of either, which also needs a new training.
pub const VOCABULARY: &str = "motifs-1";
/// Largest vector or table a config may ask for.
const MAX_SIZE: usize = 1 << 16;
/// More rounds than any training has a use for.
const MAX_ROUNDS: usize = 16;

/// `config.json` of a model folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the release.
    pub version: String,
    /// What kind of encoder: always `motif_gnn`.
    pub encoder: String,
    /// Which features and motifs it was trained on: [`VOCABULARY`], or it fits none of this program.
    pub vocabulary: String,
    /// Components of an embedding: those of the network and those of the token sets.
    pub dim: usize,
    /// Sizes of the network.
    pub network: Network,
    /// The token sets beside the network; none for the network alone.
    pub token_sets: Option<TokenSets>,
    /// Seed of the training.
    pub seed: u64,
    /// Hash of the training data, in hexadecimal.
    pub data_hash: String,
}

/// Sizes of the network and what it reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// How an architecture is cut into motifs.
    pub splitter: Cutting,
    /// How a node of the macro graph hears of its neighbours.
    pub passing: Passing,
    /// Rows of the table that the features of operators are hashed into.
    pub buckets: usize,
    /// Components of a motif's vector.
    pub motif_dim: usize,
    /// Components of a node of the macro graph.
    pub hidden: usize,
    /// Rounds of message passing, in a motif as in the macro graph.
    pub rounds: usize,
    /// Components of what is read out of the macro graph.
    pub outputs: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            splitter: Cutting::Waists,
            passing: Passing::Directed,
            buckets: 1024,
            motif_dim: 64,
            hidden: 128,
            rounds: 3,
            outputs: 128,
        }
    }
}

/// The splitters that a network may be trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cutting {
    /// At waists of the dataflow, as `netkin describe` does.
    Waists,
    /// As published by Pei et al.
    Paper,
    /// Motifs of equally many nodes.
    BySize,
    /// Equally many motifs.
    ByCount,
    /// Motifs of random sizes.
    Random,
    /// Every node alone: the macro graph is the flat graph.
    EachNode,
}

impl Cutting {
    /// The splitter of this name.
    pub fn splitter(self) -> Box<dyn Splitter> {
        match self {
            Self::Waists => Box::new(Waists),
            Self::Paper => Box::new(Paper),
            Self::BySize => Box::new(BySize::default()),
            Self::ByCount => Box::new(ByCount::default()),
            Self::Random => Box::new(RandomSizes::default()),
            Self::EachNode => Box::new(BySize { nodes: 1 }),
        }
    }
}

/// How a node hears of its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passing {
    /// Own weights for itself, for what it reads and for what reads it.
    Directed,
    /// Graph convolution (Kipf and Welling, 2017) with the mean over a node and its neighbours.
    Gcn,
    /// Graph attention (Veličković et al., 2018) with one head.
    Gat,
}

/// The token sets beside the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSets {
    /// Which tokens: those of [`tokens::VOCABULARY`].
    pub vocabulary: String,
    /// How tokens become the vector that is projected.
    pub hashing: hashing::Config,
    /// Components of the projection.
    pub dim: usize,
    /// Their share of a similarity, between 0 and 1; the rest is the network's.
    pub share: f32,
}

impl Config {
    /// Refuses what no weights could fit.
    pub(super) fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("network.outputs", self.network.outputs),
            ("network.buckets", self.network.buckets),
            ("network.motif_dim", self.network.motif_dim),
            ("network.hidden", self.network.hidden),
        ];
        if self.encoder != KIND {
            return refuse("encoder", format!("is not `{KIND}`"));
        }
        if self.vocabulary != VOCABULARY {
            let problem = format!("is not `{VOCABULARY}`, which this version of netkin makes");
            return refuse("vocabulary", problem);
        }
        for (field, size) in sizes {
            if size == 0 || size > MAX_SIZE {
                return refuse(field, "must lie between 1 and 65536".into());
            }
        }
        if self.network.rounds > MAX_ROUNDS {
            return refuse("network.rounds", "must be at most 16".into());
        }
        let mut dim = self.network.outputs;
        if let Some(token_sets) = &self.token_sets {
            token_sets.check()?;
            dim += token_sets.dim;
        }
        if self.dim != dim {
            return refuse("dim", format!("is not {dim}, as its parts together"));
        }
        Ok(())
    }
}

impl TokenSets {
    fn check(&self) -> Result<(), Error> {
        if self.vocabulary != tokens::VOCABULARY {
            let problem = format!(
                "is not `{}`, which this version of netkin makes",
                tokens::VOCABULARY
            );
            return refuse("token_sets.vocabulary", problem);
        }
        if self.dim == 0 || self.dim > MAX_SIZE {
            return refuse("token_sets.dim", "must lie between 1 and 65536".into());
        }
        if !(0.0..=1.0).contains(&self.share) {
            return refuse("token_sets.share", "must lie between 0 and 1".into());
        }
        self.hashing.check()
    }
}

fn refuse(field: &'static str, problem: String) -> Result<(), Error> {
    Err(Error::Setting { field, problem })
}
