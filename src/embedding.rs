//! Unit vectors and how near two of them are.
//!
//! An [`Embedding`] has length one because its constructor made it so; every similarity is
//! therefore a plain dot product. Knows nothing of models or indexes.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// Why a vector is no embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No direction to keep.
    #[error("a vector of length zero has no direction")]
    Zero,
    /// Not a number, or too large to have a length.
    #[error("a vector with a component that is not finite has no direction")]
    NotFinite,
}

/// A vector of length one.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding(Box<[f32]>);

impl Embedding {
    /// Scales `values` to length one.
    ///
    /// # Errors
    /// When they are empty, all zero, or not all finite.
    pub fn normalised(mut values: Vec<f32>) -> Result<Self, Error> {
        let squares: f64 = values.iter().map(|value| f64::from(*value).powi(2)).sum();
        if !squares.is_finite() {
            return Err(Error::NotFinite);
        }
        if squares == 0.0 {
            return Err(Error::Zero);
        }
        let length = squares.sqrt();
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Ok(Self(values.into_boxed_slice()))
    }

    /// The components of an embedding that were taken out of one, bit for bit.
    pub(crate) fn of_unit(values: &[f32]) -> Self {
        debug_assert!((dot(values, values) - 1.0).abs() < 1e-3, "no embedding");
        Self(values.into())
    }

    /// Number of components.
    pub fn dim(&self) -> usize {
        self.0.len()
    }

    /// The components.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }

    /// Cosine of the angle between two embeddings of one model.
    ///
    /// # Panics
    /// When their numbers of components differ: they come from different models.
    pub fn similarity(&self, other: &Self) -> Similarity {
        assert_eq!(self.dim(), other.dim(), "embeddings of different models");
        Similarity::clamped(dot(&self.0, &other.0))
    }
}

/// How near two embeddings are: 1 the same direction, -1 opposite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Similarity(f32);

impl Similarity {
    /// Brings a rounding excess back into [-1, 1]; not a number becomes -1.
    pub fn clamped(value: f32) -> Self {
        if value.is_nan() {
            return Self(-1.0);
        }
        Self(value.clamp(-1.0, 1.0) + 0.0) // no negative zero, which would sort apart
    }

    /// Its value in [-1, 1].
    pub fn value(self) -> f32 {
        self.0
    }
}

impl Eq for Similarity {}

impl Ord for Similarity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Similarity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<Similarity> for f32 {
    fn from(similarity: Similarity) -> Self {
        similarity.0
    }
}

impl TryFrom<f32> for Similarity {
    type Error = &'static str;

    fn try_from(value: f32) -> Result<Self, Self::Error> {
        if (-1.0..=1.0).contains(&value) {
            Ok(Self(value))
        } else {
            Err("a similarity lies between -1 and 1")
        }
    }
}

/// Dot product over the shorter length, in a fixed order of additions.
///
/// Sixteen running sums, so that the compiler may use vector registers without reordering.
#[inline]
pub fn dot(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 16;
    let length = one.len().min(other.len());
    let (one_blocks, one_rest) = one[..length].as_chunks::<LANES>();
    let (other_blocks, other_rest) = other[..length].as_chunks::<LANES>();
    let mut sums = [0f32; LANES];
    for (a, b) in one_blocks.iter().zip(other_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_has_length_one() {
        let embedding = Embedding::normalised(vec![3.0, 4.0]).unwrap();
        assert_eq!(embedding.as_slice(), [0.6, 0.8]);
        let huge = Embedding::normalised(vec![f32::MAX, f32::MAX]).unwrap();
        assert!((huge.similarity(&huge).value() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_vector_without_direction_is_refused() {
        assert_eq!(Embedding::normalised(vec![0.0; 3]), Err(Error::Zero));
        assert_eq!(Embedding::normalised(vec![]), Err(Error::Zero));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(Embedding::normalised(vec![1.0, bad]), Err(Error::NotFinite));
        }
    }

    #[test]
    fn similarity_stays_in_range() {
        assert_eq!(Similarity::clamped(1.000_001).value(), 1.0);
        assert_eq!(Similarity::clamped(f32::NAN).value(), -1.0);
        assert!(Similarity::try_from(1.1).is_err());
        assert!(serde_json::from_str::<Similarity>("2.0").is_err());
    }

    #[test]
    fn dot_covers_blocks_and_rest() {
        let ones: Vec<f32> = (0..37).map(|value| value as f32).collect();
        assert_eq!(dot(&ones, &[2.0; 37]), 2.0 * 36.0 * 37.0 / 2.0);
    }
}
