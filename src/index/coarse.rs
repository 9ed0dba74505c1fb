//! Vectors in eight bits a component, with a proven bound on what the rounding costs.
//!
//! A unit vector `v` is kept as `scale · rounded`, with the length `error` of what that misses.
//! For a unit query `q` kept the same way in more bits, `q·v` differs from the product of the
//! rounded vectors by at most `error(v) + error(q)`, up to a slack for the arithmetic itself.

use crate::embedding::dot;

/// Largest rounded component of a query.
const QUERY_LARGEST: f32 = 8_191.0;
/// Largest rounded component of a vector.
const VECTOR_LARGEST: f32 = 127.0;
/// Components whose products are added in 32 bits: 1,024 · 127 · 8,191 is just below 2³⁰.
const BLOCK: usize = 1_024;

/// Rows of rounded vectors.
#[derive(Clone, Debug, Default)]
pub(super) struct Coarse {
    dim: usize,
    rows: Vec<i8>, // [vectors, dim]
    /// For each row its scale and its error.
    sizes: Vec<[f32; 2]>,
}

/// A query, rounded.
pub(super) struct CoarseQuery {
    values: Vec<i16>,
    scale: f32,
    error: f32,
}

impl CoarseQuery {
    pub(super) fn new(query: &[f32]) -> Self {
        let scale = scale(query, QUERY_LARGEST);
        let values: Vec<i16> = query
            .iter()
            .map(|value| (value / scale).round() as i16)
            .collect();
        let error = error(query, values.iter().map(|value| f32::from(*value) * scale));
        Self {
            values,
            scale,
            error,
        }
    }
}

impl Coarse {
    pub(super) fn new(dim: usize) -> Self {
        Self {
            dim,
            ..Self::default()
        }
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        let scale = scale(vector, VECTOR_LARGEST);
        let start = self.rows.len();
        self.rows
            .extend(vector.iter().map(|value| (value / scale).round() as i8));
        let rounded = self.rows[start..].iter();
        let error = error(vector, rounded.map(|value| f32::from(*value) * scale));
        self.sizes.push([scale, error]);
    }

    /// For the rows from `first` on, numbers that their similarities to the query cannot exceed.
    ///
    /// Loops and no closures down to `block_product`: the compiler must inline all of it into a
    /// caller that has wide registers, and leaves large closures as they are.
    #[inline(always)]
    pub(super) fn upper_bounds(&self, query: &CoarseQuery, first: usize, bounds: &mut [f32]) {
        let margin = query.error + slack(self.dim);
        let rows = self.rows[first * self.dim..].chunks_exact(self.dim.max(1));
        for ((bound, row), [scale, error]) in bounds.iter_mut().zip(rows).zip(&self.sizes[first..])
        {
            let product = product(&query.values, row) * (query.scale * scale);
            *bound = product + error + margin;
        }
    }
}

/// More than what single precision loses in the products here and in the exact one: each of the
/// sixteen running sums of `dot` rounds once for every addition, by at most 2⁻²⁴ of what it holds.
fn slack(dim: usize) -> f32 {
    (dim as f32 / 16.0 + 64.0) * f32::EPSILON
}

/// The unit in which the largest component is `largest`.
fn scale(vector: &[f32], largest: f32) -> f32 {
    let most = vector
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    if most > 0.0 { most / largest } else { 1.0 }
}

fn error(vector: &[f32], rounded: impl Iterator<Item = f32>) -> f32 {
    let missed: Vec<f32> = vector.iter().zip(rounded).map(|(a, b)| a - b).collect();
    dot(&missed, &missed).sqrt()
}

#[inline(always)]
fn product(query: &[i16], row: &[i8]) -> f32 {
    let mut sum = 0.0;
    for (query, row) in query.chunks(BLOCK).zip(row.chunks(BLOCK)) {
        sum += block_product(query, row) as f32;
    }
    sum
}

/// Written plainly: compilers know this loop and use the instruction that multiplies and adds pairs.
#[inline(always)]
fn block_product(query: &[i16], row: &[i8]) -> i32 {
    let pairs = query.iter().zip(row);
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Embedding;
    use crate::random::Random;

    #[test]
    fn no_similarity_exceeds_its_bound_and_the_bound_is_near() {
        let mut random = Random::new(3);
        for dim in [1, 7, 16, 256, 1_500] {
            let mut coarse = Coarse::new(dim);
            let vectors: Vec<Embedding> = (0..200)
                .map(|place| {
                    let peak = if place % 3 == 0 { 30.0 } else { 1.0 };
                    let mut values: Vec<f32> = (0..dim).map(|_| random.signed() as f32).collect();
                    values[0] *= peak;
                    Embedding::normalised(values).unwrap()
                })
                .collect();
            for vector in &vectors {
                coarse.push(vector.as_slice());
            }
            for query in &vectors[..20] {
                let rounded = CoarseQuery::new(query.as_slice());
                let mut bounds = vec![0.0; vectors.len()];
                coarse.upper_bounds(&rounded, 0, &mut bounds);
                for (bound, vector) in bounds.into_iter().zip(&vectors) {
                    let exact = dot(query.as_slice(), vector.as_slice());
                    assert!(bound >= exact, "{bound} is below {exact}");
                    assert!(bound < exact + 0.2, "{bound} is far above {exact}");
                }
            }
        }
    }
}
