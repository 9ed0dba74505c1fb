//! Within-class covariance normalisation (Hatch, Kajarekar and Stolcke, 2006) with shrinkage.
//!
//! Directions in which members of one family differ are made short, so that what is left tells
//! families apart. The covariances of families are averaged, so that a large family counts as
//! much as a small one.

use super::Error;
use crate::matrix::{Lower, Matrix, dot, leading_subspace, rows_times};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Settings of the projection.
#[derive(Clone, Debug)]
pub struct Whitening {
    /// Directions kept.
    pub dim: usize,
    /// Share of the covariance replaced by its mean variance in every direction.
    pub shrinkage: f64,
    /// Seed of the subspace iteration.
    pub seed: u64,
}

const ROUNDS: usize = 15;

/// The projection, row by row: `[dim, components]`.
///
/// # Errors
/// When no family has two members, or the covariance cannot be inverted.
pub fn fit_projection(
    families: &[&str],
    vectors: &[Vec<f64>],
    settings: &Whitening,
) -> Result<Vec<f32>, Error> {
    let components = vectors.first().map_or(0, Vec::len);
    let deviations = deviations(families, vectors);
    if deviations.is_empty() {
        return Err(Error::NoFamilies);
    }
    let mut within = Matrix::second_moment(components, &deviations);
    let mean_variance = within.trace() / components as f64;
    let floor = (settings.shrinkage * mean_variance).max(1e-9);
    within.shrink(1.0 - settings.shrinkage, floor);
    let lower = within.cholesky()?;
    let directions = if settings.dim < components {
        leading_directions(families, vectors, &lower, settings)
    } else {
        Matrix::identity(components)
    };
    Ok(folded(&directions, &lower))
}

/// Members by family, in order of name.
fn members<'a>(families: &[&'a str]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, family) in families.iter().enumerate() {
        members.entry(family).or_default().push(at);
    }
    members
}

/// Differences from the family's mean, each family weighing the same in total.
fn deviations(families: &[&str], vectors: &[Vec<f64>]) -> Vec<(f64, Vec<f64>)> {
    let members = members(families);
    let several: Vec<&Vec<usize>> = members.values().filter(|all| all.len() > 1).collect();
    let mut deviations = Vec::new();
    for all in &several {
        let weight = 1.0 / (all.len() * several.len()) as f64;
        let mean = mean(all, vectors);
        for member in *all {
            let difference = vectors[*member].iter().zip(&mean).map(|(a, b)| a - b);
            deviations.push((weight, difference.collect()));
        }
    }
    deviations
}

fn mean(members: &[usize], vectors: &[Vec<f64>]) -> Vec<f64> {
    let mut mean = vec![0.0; vectors[members[0]].len()];
    for member in members {
        for (mean, value) in mean.iter_mut().zip(&vectors[*member]) {
            *mean += value / members.len() as f64;
        }
    }
    mean
}

/// Leading directions of the whitened unit vectors, families weighing the same. `[dim, components]`
fn leading_directions(
    families: &[&str],
    vectors: &[Vec<f64>],
    lower: &Lower,
    settings: &Whitening,
) -> Matrix {
    let mut weights = vec![0.0; vectors.len()];
    for all in members(families).values() {
        for member in all {
            weights[*member] = 1.0 / all.len() as f64;
        }
    }
    let whitened: Vec<(f64, Vec<f64>)> = vectors
        .par_iter()
        .zip(weights)
        .map(|(vector, weight)| {
            let white = lower.solve(vector);
            let squares = dot(&white, &white).max(f64::MIN_POSITIVE);
            (weight / squares, white)
        })
        .collect();
    let components = vectors.first().map_or(0, Vec::len);
    let moment = Matrix::second_moment(components, &whitened);
    leading_subspace(components, settings.dim, ROUNDS, settings.seed, |basis| {
        rows_times(basis, &moment)
    })
}

/// Whitening and directions in one product, scaled so that half precision holds it.
fn folded(directions: &Matrix, lower: &Lower) -> Vec<f32> {
    let rows: Vec<Vec<f64>> = (0..directions.rows())
        .into_par_iter()
        .map(|row| lower.solve_transposed(directions.row(row)))
        .collect();
    let largest = rows
        .iter()
        .flatten()
        .fold(0f64, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { 16.0 / largest } else { 1.0 };
    rows.iter()
        .flatten()
        .map(|value| (value * scale) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn directions_that_vary_within_families_are_shortened() {
        let mut random = Random::new(5);
        let mut families = Vec::new();
        let mut vectors = Vec::new();
        for family in ["a", "b", "c"] {
            let centre = random.signed();
            for _ in 0..20 {
                families.push(family);
                vectors.push(vec![3.0 * random.signed(), centre + 0.01 * random.signed()]);
            }
        }
        let settings = Whitening {
            dim: 2,
            shrinkage: 0.001,
            seed: 1,
        };
        let projection = fit_projection(&families, &vectors, &settings).unwrap();
        let length = |column: usize| projection[column].hypot(projection[2 + column]);
        assert!(length(1) > 10.0 * length(0));
    }
}
