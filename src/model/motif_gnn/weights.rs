//! The weights by name: which there are, of what shape, and their bytes.

use super::config::{Config, Network, Passing};
use crate::model::Error;
use crate::model::tensors::{self, Shapes};
use std::collections::BTreeMap;

/// The table that features are hashed into.
pub const BUCKETS: &str = "motif.buckets";
/// From a motif's vector to a node of the macro graph.
pub const INPUT: &str = "macro.input";
/// The projection of the token sets.
pub const PROJECTION: &str = "tokens.projection";
const HASHES: &str = "table.hashes";
const VECTORS: &str = "table.vectors";

/// Every weight of a network, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights(BTreeMap<String, Vec<f32>>);

/// Vectors of known motifs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Hashes of motifs, ascending.
    pub hashes: Vec<u64>,
    /// Their vectors, one after another: `[hashes, motif_dim]`.
    pub vectors: Vec<f32>,
}

impl Table {
    /// The vector of the motif with this hash, where it is known.
    pub fn get(&self, hash: u64) -> Option<&[f32]> {
        let place = self.hashes.binary_search(&hash).ok()?;
        let dim = self.vectors.len() / self.hashes.len();
        Some(&self.vectors[place * dim..][..dim])
    }
}

impl Weights {
    /// Weights by name.
    ///
    /// # Errors
    /// When they are not those that `config` asks for.
    pub fn new(config: &Config, weights: BTreeMap<String, Vec<f32>>) -> Result<Self, Error> {
        let shapes = shapes(config);
        for (name, shape) in &shapes {
            let weight = weights.get(name);
            let weight = weight.ok_or_else(|| Error::MissingTensor(name.clone()))?;
            if weight.len() != shape.iter().product::<usize>() {
                return Err(Error::Shape {
                    tensor: name.clone(),
                    found: vec![weight.len()],
                    expected: shape.clone(),
                });
            }
        }
        match weights.keys().find(|name| !shapes.contains_key(*name)) {
            Some(extra) => Err(Error::ExtraTensor(extra.clone())),
            None => Ok(Self(weights)),
        }
    }

    /// Every weight, by name.
    pub fn by_name(&self) -> &BTreeMap<String, Vec<f32>> {
        &self.0
    }

    /// Rounded to half precision, as they are stored.
    pub(super) fn rounded(self) -> Self {
        let rounded = self.0.into_iter();
        Self(
            rounded
                .map(|(name, weight)| (name, tensors::rounded(&weight)))
                .collect(),
        )
    }

    /// Takes out the weight called `name`, which the shapes of the config contain.
    pub(super) fn take(&mut self, name: &str) -> Vec<f32> {
        let weight = self.0.remove(name);
        weight.expect("the weights were held against the shapes of the config")
    }
}

/// Name and shape of every weight but the table of known motifs.
pub fn shapes(config: &Config) -> Shapes {
    let Network {
        passing,
        buckets,
        motif_dim,
        hidden,
        rounds,
        outputs,
        ..
    } = config.network;
    let mut shapes = Shapes::from([
        (BUCKETS.into(), vec![buckets, motif_dim]),
        (INPUT.into(), vec![hidden, motif_dim]),
    ]);
    level(
        &mut shapes,
        "motif",
        motif_dim,
        motif_dim,
        rounds,
        Passing::Directed,
    );
    level(&mut shapes, "macro", hidden, outputs, rounds, passing);
    if let Some(token_sets) = &config.token_sets {
        let shape = vec![token_sets.dim, token_sets.hashing.dim];
        shapes.insert(PROJECTION.into(), shape);
    }
    shapes
}

/// Adds the weights of one level of message passing.
pub fn level(
    shapes: &mut Shapes,
    level: &str,
    dim: usize,
    outputs: usize,
    rounds: usize,
    passing: Passing,
) {
    let square: &[&str] = match passing {
        Passing::Directed => &["own", "before", "after"],
        Passing::Gcn | Passing::Gat => &["shared"],
    };
    let vectors: &[&str] = match passing {
        Passing::Directed | Passing::Gcn => &["bias", "gain"],
        Passing::Gat => &["asks", "answers", "bias", "gain"],
    };
    for round in 0..rounds {
        for part in square {
            shapes.insert(format!("{level}.{round}.{part}"), vec![dim, dim]);
        }
        for part in vectors {
            shapes.insert(format!("{level}.{round}.{part}"), vec![dim]);
        }
    }
    shapes.insert(
        format!("{level}.readout"),
        vec![outputs, (rounds + 1) * 2 * dim],
    );
}

/// Reads `model.safetensors`.
pub(super) fn read(config: &Config, bytes: &[u8]) -> Result<(Weights, Table), Error> {
    let tensors = tensors::Tensors::read(bytes)?;
    let mut shapes = shapes(config);
    let known = tensors.rows(HASHES)?;
    let columns = config.network.motif_dim;
    shapes.insert(VECTORS.into(), vec![known, columns]);
    tensors.has_only(shapes.keys().map(String::as_str).chain([HASHES]))?;
    let mut weights = BTreeMap::new();
    for (name, shape) in &shapes {
        weights.insert(name.clone(), tensors.half(name, shape)?);
    }
    let vectors = weights.remove(VECTORS).unwrap_or_default();
    let hashes = tensors.integers(HASHES)?;
    if !hashes.is_sorted_by(|one, other| one < other) {
        let problem = format!("`{HASHES}` does not ascend");
        return Err(Error::Weights(problem));
    }
    Ok((Weights(weights), Table { hashes, vectors }))
}

/// The bytes of `model.safetensors`.
pub(super) fn write(config: &Config, weights: &Weights, table: &Table) -> Result<Vec<u8>, Error> {
    let mut shapes = shapes(config);
    shapes.insert(
        VECTORS.into(),
        vec![table.hashes.len(), config.network.motif_dim],
    );
    let mut values: BTreeMap<&str, &[f32]> = BTreeMap::from([(VECTORS, &table.vectors[..])]);
    let named = weights.0.iter();
    values.extend(named.map(|(name, weight)| (name.as_str(), weight.as_slice())));
    tensors::write(&shapes, &values, &[(HASHES, &table.hashes)])
}
