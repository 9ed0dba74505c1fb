//! The little dense linear algebra that fitting needs: Cholesky, solving, leading subspaces.
//!
//! Row-major, double precision, in a fixed order of additions, so the same input gives the same
//! bits whatever the number of threads. Never used while answering a query.

use crate::random::Random;
use rayon::prelude::*;

/// A matrix of doubles, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    values: Vec<f64>,
}

/// The matrix is not positive definite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the matrix is not positive definite at row {row}; raise the shrinkage")]
pub struct NotPositive {
    /// The first row that shows it.
    pub row: usize,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            values: vec![0.0; rows * cols],
        }
    }

    /// The matrix that leaves every vector as it is.
    pub fn identity(dim: usize) -> Self {
        let mut identity = Self::zeros(dim, dim);
        identity.shrink(0.0, 1.0);
        identity
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// One row, to write.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// Sum of `weight · x xᵀ` over weighted vectors of `dim` components.
    pub fn second_moment(dim: usize, vectors: &[(f64, Vec<f64>)]) -> Self {
        const ROWS: usize = 16; // a block of rows stays in cache while the vectors stream past
        let mut moment = Self::zeros(dim, dim);
        moment
            .values
            .par_chunks_mut(ROWS * dim.max(1))
            .enumerate()
            .for_each(|(block, rows)| {
                for (weight, vector) in vectors {
                    for (offset, row) in rows.chunks_exact_mut(dim).enumerate() {
                        add_scaled(row, weight * vector[block * ROWS + offset], vector);
                    }
                }
            });
        moment
    }

    /// Scales every value by `keep` and adds `diagonal` to the diagonal.
    pub fn shrink(&mut self, keep: f64, diagonal: f64) {
        for value in &mut self.values {
            *value *= keep;
        }
        for at in 0..self.rows.min(self.cols) {
            self.values[at * self.cols + at] += diagonal;
        }
    }

    /// Sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.rows.min(self.cols))
            .map(|at| self.values[at * self.cols + at])
            .sum()
    }

    /// The lower triangle `L` with `L Lᵀ` equal to this symmetric matrix.
    ///
    /// # Errors
    /// When the matrix is not positive definite.
    pub fn cholesky(&self) -> Result<Lower, NotPositive> {
        let mut lower = Self::zeros(self.rows, self.rows);
        for row in 0..self.rows {
            for col in 0..=row {
                let known = dot(&lower.row(row)[..col], &lower.row(col)[..col]);
                let rest = self.row(row)[col] - known;
                lower.row_mut(row)[col] = if row == col {
                    if rest.is_nan() || rest <= 0.0 {
                        return Err(NotPositive { row });
                    }
                    rest.sqrt()
                } else {
                    rest / lower.row(col)[col]
                };
            }
        }
        Ok(Lower(lower))
    }
}

/// A lower triangle with a positive diagonal.
#[derive(Clone, Debug)]
pub struct Lower(Matrix);

impl Lower {
    /// `L⁻¹ x`.
    pub fn solve(&self, x: &[f64]) -> Vec<f64> {
        let mut solution: Vec<f64> = Vec::with_capacity(x.len());
        for (row, value) in x.iter().enumerate() {
            let known = dot(&self.0.row(row)[..row], &solution);
            solution.push((value - known) / self.0.row(row)[row]);
        }
        solution
    }

    /// `L⁻ᵀ x`.
    pub fn solve_transposed(&self, x: &[f64]) -> Vec<f64> {
        let mut solution = x.to_vec();
        for row in (0..x.len()).rev() {
            let value = solution[row] / self.0.row(row)[row];
            solution[row] = value;
            add_scaled(&mut solution[..row], -value, self.0.row(row));
        }
        solution
    }
}

/// An orthonormal basis, one vector a row, of the leading subspace of a symmetric operator.
///
/// Subspace iteration from seeded random vectors. Rows beyond the rank are zero.
pub fn leading_subspace(
    dim: usize,
    count: usize,
    rounds: usize,
    seed: u64,
    apply: impl Fn(&Matrix) -> Matrix,
) -> Matrix {
    let mut random = Random::new(seed);
    let mut basis = Matrix::zeros(count.min(dim), dim);
    for value in &mut basis.values {
        *value = random.signed();
    }
    orthonormalise(&mut basis);
    for _ in 0..rounds {
        basis = apply(&basis);
        orthonormalise(&mut basis);
    }
    basis
}

/// Each row of `vectors` times the symmetric `matrix`.
pub fn rows_times(vectors: &Matrix, matrix: &Matrix) -> Matrix {
    let mut product = Matrix::zeros(vectors.rows, matrix.rows);
    product
        .values
        .par_chunks_mut(matrix.rows.max(1))
        .enumerate()
        .for_each(|(row, out)| {
            for (at, out) in out.iter_mut().enumerate() {
                *out = dot(vectors.row(row), matrix.row(at));
            }
        });
    product
}

/// Gram-Schmidt, twice, since once loses orthogonality among nearly dependent rows.
fn orthonormalise(basis: &mut Matrix) {
    let cols = basis.cols.max(1);
    for row in 0..basis.rows {
        let (done, rest) = basis.values.split_at_mut(row * cols);
        let current = &mut rest[..cols];
        let before = dot(current, current).sqrt();
        for _ in 0..2 {
            for earlier in done.chunks_exact(cols) {
                let along = dot(earlier, current);
                add_scaled(current, -along, earlier);
            }
        }
        let length = dot(current, current).sqrt();
        let independent = length > before * 1e-10 && length > 0.0;
        let scale = if independent { 1.0 / length } else { 0.0 };
        for value in current {
            *value *= scale;
        }
    }
}

/// Adds `scale · vector` to `target`, over the shorter length.
fn add_scaled(target: &mut [f64], scale: f64, vector: &[f64]) {
    for (target, value) in target.iter_mut().zip(vector) {
        *target += scale * value;
    }
}

/// Dot product over the shorter length, eight running sums.
pub fn dot(one: &[f64], other: &[f64]) -> f64 {
    const LANES: usize = 8;
    let length = one.len().min(other.len());
    let (one_blocks, one_rest) = one[..length].as_chunks::<LANES>();
    let (other_blocks, other_rest) = other[..length].as_chunks::<LANES>();
    let mut sums = [0f64; LANES];
    for (a, b) in one_blocks.iter().zip(other_blocks) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = one_rest.iter().zip(other_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(dim: usize) -> Matrix {
        let mut random = Random::new(1);
        let vectors: Vec<(f64, Vec<f64>)> = (0..4 * dim)
            .map(|_| (0.1, (0..dim).map(|_| random.signed()).collect()))
            .collect();
        Matrix::second_moment(dim, &vectors)
    }

    #[test]
    fn cholesky_multiplies_back() {
        let matrix = spread(37);
        let lower = matrix.cholesky().unwrap();
        for row in 0..37 {
            for col in 0..37 {
                let product = dot(lower.0.row(row), lower.0.row(col));
                assert!((product - matrix.row(row)[col]).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn solving_undoes_the_triangle() {
        let lower = spread(20).cholesky().unwrap();
        let x: Vec<f64> = (0..20).map(f64::from).collect();
        let solved = lower.solve(&x);
        let transposed = lower.solve_transposed(&x);
        for (row, value) in x.iter().enumerate() {
            assert!((dot(lower.0.row(row), &solved) - value).abs() < 1e-9);
            let column: f64 = (0..20)
                .map(|at| lower.0.row(at)[row] * transposed[at])
                .sum();
            assert!((column - value).abs() < 1e-9);
        }
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        assert_eq!(
            Matrix::zeros(2, 2).cholesky().err(),
            Some(NotPositive { row: 0 })
        );
    }

    #[test]
    fn the_leading_subspace_holds_the_large_axes() {
        let mut matrix = Matrix::zeros(6, 6);
        for (at, value) in [1.0, 50.0, 2.0, 40.0, 0.5, 0.1].into_iter().enumerate() {
            matrix.row_mut(at)[at] = value;
        }
        let basis = leading_subspace(6, 2, 20, 3, |basis| rows_times(basis, &matrix));
        for axis in [1, 3] {
            let inside: f64 = (0..2).map(|row| basis.row(row)[axis].powi(2)).sum();
            assert!((inside - 1.0).abs() < 1e-9);
        }
    }
}
