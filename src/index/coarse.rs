//! Vectors in eight bits a component, with a proven bound on what the rounding costs.
//!
//! A unit vector `v` is kept as `scale · rounded`, with the length `error` of what that misses.
//! For a unit query `q` kept the same way in more bits, `q·v` differs from the product of the
//! rounded vectors by at most `error(v) + error(q)`, up to a slack for the arithmetic itself.

use crate::embedding::dot;

/// Largest rounded component of a vector.
const VECTOR_LARGEST: f32 = 127.0;
/// What no sum of products may exceed, so that it fits in 32 bits.
const SUM_LARGEST: f32 = (1u32 << 30) as f32;

/// Scale and error of a row that no search finds.
const HIDDEN: [f32; 2] = [0.0, f32::NEG_INFINITY];

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
        let scale = scale(query, query_largest(query.len()));
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

    /// Similarities of some rows to the query up to a factor, appended to `products`.
    #[inline(always)]
    pub(super) fn products(&self, query: &CoarseQuery, rows: &[u32], products: &mut Vec<f32>) {
        for row in rows {
            products.push(self.product(query, *row as usize));
        }
    }

    /// The similarity of a row to the query up to a factor that is the same for all rows.
    #[inline(always)]
    pub(super) fn product(&self, query: &CoarseQuery, row: usize) -> f32 {
        let values = &self.rows[row * self.dim..][..self.dim];
        product(&query.values, values) as f32 * self.sizes[row][0]
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Takes a row out of every search: its bound becomes less than any similarity.
    pub(super) fn hide(&mut self, row: usize) {
        self.sizes[row] = HIDDEN;
    }

    pub(super) fn is_hidden(&self, row: usize) -> bool {
        self.sizes[row] == HIDDEN
    }

    /// For the rows from `first` on, numbers that their similarities to the query cannot exceed.
    ///
    /// Loops and no closures down to `product`: the compiler must inline all of it into a caller
    /// that has wide registers, and leaves large closures as they are.
    #[inline(always)]
    pub(super) fn upper_bounds(&self, query: &CoarseQuery, first: usize, bounds: &mut [f32]) {
        let margin = query.error + slack(self.dim);
        let rows = self.rows[first * self.dim..].chunks_exact(self.dim.max(1));
        for ((bound, row), [scale, error]) in bounds.iter_mut().zip(rows).zip(&self.sizes[first..])
        {
            let product = product(&query.values, row) as f32;
            *bound = product * (query.scale * scale) + error + margin;
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

/// Largest rounded component of a query: what fits in 14 bits, less where sums are long.
fn query_largest(dim: usize) -> f32 {
    const FOURTEEN_BITS: f32 = 8_191.0;
    (SUM_LARGEST / (VECTOR_LARGEST * dim.max(1) as f32)).min(FOURTEEN_BITS)
}

#[inline(always)]
fn product(query: &[i16], row: &[i8]) -> i32 {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return wide_product(simd, query, row);
    }
    plain_product(query, row)
}

/// Compilers know this loop and use the instruction that multiplies and adds pairs, but fill only
/// half of a register with it.
#[inline(always)]
fn plain_product(query: &[i16], row: &[i8]) -> i32 {
    let pairs = query.iter().zip(row);
    pairs.map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

/// The same sum, sixteen components to an instruction. Whole numbers: the order does not matter.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn wide_product(simd: pulp::x86::V3, query: &[i16], row: &[i8]) -> i32 {
    let (query, query_rest) = pulp::as_arrays::<16, _>(query);
    let (row, row_rest) = pulp::as_arrays::<16, _>(row);
    let mut sums = simd.avx._mm256_setzero_si256();
    for (query, row) in query.iter().zip(row) {
        let row = simd.avx2._mm256_cvtepi8_epi16(pulp::cast(*row));
        let products = simd.avx2._mm256_madd_epi16(pulp::cast(*query), row);
        sums = simd.avx2._mm256_add_epi32(sums, products);
    }
    let sums: [i32; 8] = pulp::cast(sums);
    sums.iter().sum::<i32>() + plain_product(query_rest, row_rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Embedding;
    use crate::random::Random;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn wide_registers_give_the_same_sum() {
        let Some(simd) = pulp::x86::V3::try_new() else {
            return;
        };
        let mut random = Random::new(4);
        for dim in [0, 1, 15, 16, 17, 256, 1_000] {
            let query: Vec<i16> = (0..dim)
                .map(|_| (random.signed() * 8_191.0) as i16)
                .collect();
            let row: Vec<i8> = (0..dim).map(|_| (random.signed() * 127.0) as i8).collect();
            let wide = wide_product(simd, &query, &row);
            assert_eq!(wide, plain_product(&query, &row));
        }
    }

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
