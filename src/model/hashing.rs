//! Tokens to one vector: signed feature hashing, so there is no vocabulary to ship or to miss.
//!
//! Every group becomes a vector of length one and is weighted; the sum is scaled to length one.
//! Sums run over sorted tokens, which makes the result bit-equal whatever the order of nodes.

use super::Error;
use super::tokens::{Group, Tokens};
use crate::random;
use serde::{Deserialize, Serialize};

/// How tokens are hashed. Part of a model: weights fit only the hashing they were fitted with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Components of the hashed vector.
    pub dim: usize,
    /// Decides place and sign of every token.
    pub seed: u64,
    /// Weight of each group, in the order of [`Group::ALL`].
    pub groups: [f32; 5],
    /// Weight of the logarithmic counts, which tell depths apart.
    pub counts: f32,
    /// Weight of the widths, which tell scales apart.
    pub widths: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dim: 2048,
            seed: 0,
            groups: [1.0; 5],
            counts: 1.0,
            widths: 0.1,
        }
    }
}

/// Largest hashed vector a config may ask for.
const MAX_DIM: usize = 1 << 16;

impl Config {
    /// Refuses settings that no tokens could be hashed by.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |field, problem: &str| {
            Err(Error::Setting {
                field,
                problem: problem.into(),
            })
        };
        if self.dim == 0 || self.dim > MAX_DIM {
            return refuse("hashing.dim", "must lie between 1 and 65536");
        }
        let mut weights = self.groups.iter().chain([&self.counts, &self.widths]);
        if weights.any(|weight| !weight.is_finite() || *weight < 0.0) {
            return refuse("hashing", "has a weight that is negative or not finite");
        }
        Ok(())
    }
}

/// Places that one token is added to; two halve the harm of a collision.
const PLACES: u64 = 2;

/// The hashed vector of length one. Zero only when every weight is.
pub fn hashed(tokens: &Tokens, config: &Config) -> Vec<f32> {
    let mut sum = vec![0f64; config.dim];
    for (group, weight) in Group::ALL.into_iter().zip(config.groups) {
        let set = &tokens.sets[group as usize];
        let weighted = set.iter().map(|token| (*token, 1.0));
        add_group(&mut sum, group as u64, weighted, weight, config);
    }
    let logarithmic = |(token, count): (&u64, &u32)| (*token, f64::from(*count).ln_1p());
    let counts = tokens.counts.iter().map(logarithmic);
    add_group(&mut sum, 5, counts, config.counts, config);
    let widths = tokens.widths.iter().map(logarithmic);
    add_group(&mut sum, 6, widths, config.widths, config);
    unit(&sum)
}

fn add_group(
    sum: &mut [f64],
    group: u64,
    tokens: impl Iterator<Item = (u64, f64)> + Clone,
    weight: f32,
    config: &Config,
) {
    if weight == 0.0 || config.dim == 0 {
        return;
    }
    let mut vector = vec![0f64; config.dim];
    for (token, value) in tokens {
        for place in 0..PLACES {
            let bits = random::sequence(config.seed, [group, place, token]);
            let at = (bits >> 1) as usize % config.dim;
            vector[at] += if bits & 1 == 0 { value } else { -value };
        }
    }
    let length = length(&vector);
    if length > 0.0 {
        for (sum, value) in sum.iter_mut().zip(&vector) {
            *sum += f64::from(weight) * value / length;
        }
    }
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn unit(vector: &[f64]) -> Vec<f32> {
    let length = length(vector);
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    vector.iter().map(|value| (value * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tokens(tokens: &[u64]) -> Tokens {
        Tokens {
            sets: [tokens.to_vec(), vec![], vec![], vec![], vec![]],
            counts: BTreeMap::new(),
            widths: BTreeMap::new(),
        }
    }

    fn cosine(one: &[f32], other: &[f32]) -> f32 {
        crate::embedding::dot(one, other)
    }

    #[test]
    fn shared_tokens_make_vectors_near() {
        let config = Config::default();
        let one = hashed(&tokens(&(0..40).collect::<Vec<_>>()), &config);
        let near = hashed(&tokens(&(4..44).collect::<Vec<_>>()), &config);
        let far = hashed(&tokens(&(100..140).collect::<Vec<_>>()), &config);
        assert!((cosine(&one, &one) - 1.0).abs() < 1e-5);
        assert!(cosine(&one, &near) > 0.8);
        assert!(cosine(&one, &far).abs() < 0.3);
    }

    #[test]
    fn nothing_hashes_to_zero() {
        assert!(
            hashed(&tokens(&[]), &Config::default())
                .iter()
                .all(|value| *value == 0.0)
        );
    }
}
