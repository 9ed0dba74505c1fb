//! Latent semantic analysis: tf-idf over all tokens, then a truncated singular value decomposition.
//!
//! Fitted on training entries only, so tokens that only held-out graphs have are lost: that is
//! this baseline's weakness, not a mistake.

use super::lexical::{Bag, document_counts, weighted};
use crate::matrix::{Matrix, leading_subspace};
use rayon::prelude::*;
use std::collections::BTreeMap;

const ROUNDS: usize = 8;

type Sparse = Vec<(usize, f64)>;

/// Unit vectors of `dim` components (fewer when `train` is smaller), one an entry of `bags`.
pub fn latent_vectors(bags: &[Bag], train: &[usize], dim: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut counts = document_counts(train.iter().map(|entry| &bags[*entry].all));
    counts.retain(|_, count| *count > 1);
    let places: BTreeMap<u64, usize> = counts.keys().copied().zip(0..).collect();
    let rows: Vec<Sparse> = bags
        .iter()
        .map(|bag| sparse(bag, &counts, &places, train.len()))
        .collect();
    let columns = columns(&rows, train, places.len());
    // Left singular vectors: the leading subspace of A Aᵀ.  // [dim, training entries]
    let left = leading_subspace(train.len(), dim, ROUNDS, seed, |basis| {
        times_rows(&times_columns(basis, &columns), &rows, train)
    });
    // Aᵀ u has length σ; dividing by it gives an orthonormal basis of token space.
    let right = unit_rows(times_columns(&left, &columns)); // [dim, tokens]
    rows.par_iter().map(|row| project(row, &right)).collect()
}

fn sparse(
    bag: &Bag,
    counts: &BTreeMap<u64, u32>,
    places: &BTreeMap<u64, usize>,
    documents: usize,
) -> Sparse {
    let known: Vec<u64> = bag
        .all
        .iter()
        .copied()
        .filter(|token| places.contains_key(token))
        .collect();
    weighted(&known, counts, documents)
        .into_iter()
        .map(|(token, weight)| (places[&token], f64::from(weight)))
        .collect()
}

/// For each token, the training entries that hold it.
fn columns(rows: &[Sparse], train: &[usize], tokens: usize) -> Vec<Sparse> {
    let mut columns = vec![Sparse::new(); tokens];
    for (at, entry) in train.iter().enumerate() {
        for (token, weight) in &rows[*entry] {
            columns[*token].push((at, *weight));
        }
    }
    columns
}

/// Each row of `basis` [k, entries] times A: [k, tokens].
fn times_columns(basis: &Matrix, columns: &[Sparse]) -> Matrix {
    products(basis, columns.len(), |row, token| {
        gathered(row, &columns[token])
    })
}

/// Each row of `basis` [k, tokens] times Aᵀ: [k, entries].
fn times_rows(basis: &Matrix, rows: &[Sparse], train: &[usize]) -> Matrix {
    products(basis, train.len(), |row, at| {
        gathered(row, &rows[train[at]])
    })
}

fn products(basis: &Matrix, cols: usize, value: impl Fn(&[f64], usize) -> f64 + Sync) -> Matrix {
    let rows: Vec<Vec<f64>> = (0..basis.rows())
        .into_par_iter()
        .map(|row| (0..cols).map(|col| value(basis.row(row), col)).collect())
        .collect();
    let mut product = Matrix::zeros(basis.rows(), cols);
    for (at, row) in rows.iter().enumerate() {
        product.row_mut(at).copy_from_slice(row);
    }
    product
}

fn gathered(dense: &[f64], sparse: &Sparse) -> f64 {
    sparse.iter().map(|(at, weight)| dense[*at] * weight).sum()
}

fn unit_rows(mut matrix: Matrix) -> Matrix {
    for row in 0..matrix.rows() {
        let row = matrix.row_mut(row);
        let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length > 1e-12 {
            row.iter_mut().for_each(|value| *value /= length);
        }
    }
    matrix
}

fn project(row: &Sparse, right: &Matrix) -> Vec<f32> {
    let values = (0..right.rows()).map(|at| gathered(right.row(at), row) as f32);
    super::normalised(values.collect())
}
