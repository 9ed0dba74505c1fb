//! Losses of operators that carry gradients, and the schedule of the learning rate.

use candle_core::{D, Result, Tensor};
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// Score that takes an example out of its own softmax.
const EXCLUDED: f64 = -1e9;

/// Half a cosine from one to zero.
pub(super) fn half_cosine(step: usize, steps: usize) -> f64 {
    let done = step as f64 / steps as f64;
    0.5 * (1.0 + (PI * done).cos())
}

/// Numbers for names, in order of the names, and how many there are.
pub(super) fn numbered(names: &[&str]) -> (Vec<u32>, usize) {
    let mut numbers: BTreeMap<&str, u32> = names.iter().map(|name| (*name, 0)).collect();
    for (number, value) in (0..).zip(numbers.values_mut()) {
        *value = number;
    }
    let all = names.iter().map(|name| numbers[name]).collect();
    (all, numbers.len())
}

/// Lengths of the rows, as a column.
pub(super) fn lengths(rows: &Tensor) -> Result<Tensor> {
    (rows.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()
}

/// For each unit row, how unlikely the members of its family are among all others; the mean.
pub(super) fn contrast(embeddings: &Tensor, families: &[&str], temperature: f64) -> Result<Tensor> {
    let count = families.len();
    let (mut own, mut shares) = (vec![0f32; count * count], vec![0f32; count * count]);
    for (row, family) in families.iter().enumerate() {
        own[row * count + row] = EXCLUDED as f32;
        let same = |other: &usize| *other != row && families[*other] == *family;
        let relatives: Vec<usize> = (0..count).filter(same).collect();
        for relative in &relatives {
            shares[row * count + relative] = 1.0 / (relatives.len() * count) as f32;
        }
    }
    let own = Tensor::from_vec(own, (count, count), embeddings.device())?;
    let shares = Tensor::from_vec(shares, (count, count), embeddings.device())?;
    let scores = ((embeddings.matmul(&embeddings.t()?)? / temperature)? + own)?;
    (log_softmax(&scores)? * shares)?.sum_all()?.neg()
}

pub(super) fn cross_entropy(logits: &Tensor, classes: &[u32]) -> Result<Tensor> {
    let classes = Tensor::from_slice(classes, (classes.len(), 1), logits.device())?;
    log_softmax(logits)?.gather(&classes, 1)?.mean_all()?.neg()
}

/// Of plain operators, which carry gradients.
fn log_softmax(scores: &Tensor) -> Result<Tensor> {
    let largest = scores.max_keepdim(D::Minus1)?.detach();
    let shifted = scores.broadcast_sub(&largest)?;
    let total = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&total)
}

/// For each motif, how unlikely its contexts are among all contexts, and for each context, how
/// unlikely its motif is among all motifs; the mean of both. `sets` holds the signatures of each
/// motif's contexts, which stand in this order in `contexts`. A context that a motif occurs in
/// elsewhere in the batch is no negative of it.
pub(super) fn paired_contrast(
    motifs: &Tensor,
    contexts: &Tensor,
    sets: &[Vec<u64>],
    temperature: f64,
) -> Result<Tensor> {
    let (rows, columns) = (motifs.dim(0)?, contexts.dim(0)?);
    let (mut own, mut masked) = (vec![0f32; rows * columns], vec![0f32; rows * columns]);
    let mut first = 0;
    for (row, set) in sets.iter().enumerate() {
        let signatures = sets.iter().flatten().enumerate();
        for (column, _) in signatures.filter(|(_, signature)| set.contains(signature)) {
            masked[row * columns + column] = EXCLUDED as f32;
        }
        for column in first..first + set.len() {
            own[row * columns + column] = 1.0;
            masked[row * columns + column] = 0.0;
        }
        first += set.len();
    }
    let own = Tensor::from_vec(own, (rows, columns), motifs.device())?;
    let masked = Tensor::from_vec(masked, (rows, columns), motifs.device())?;
    let unit = |rows: &Tensor| rows.broadcast_div(&lengths(rows)?);
    let scores = ((unit(motifs)?.matmul(&unit(contexts)?.t()?)? / temperature)? + masked)?;
    let to_contexts = shared(&scores, &own)?;
    let to_motifs = shared(&scores.t()?.contiguous()?, &own.t()?.contiguous()?)?;
    (to_contexts + to_motifs)? * 0.5
}

/// Mean over rows of the mean cross entropy over each row's `own` columns.
fn shared(scores: &Tensor, own: &Tensor) -> Result<Tensor> {
    let shares = own.broadcast_div(&own.sum_keepdim(D::Minus1)?)?;
    let rows = (log_softmax(scores)? * shares)?.sum(D::Minus1)?;
    rows.mean_all()?.neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn rows(values: &[[f32; 2]]) -> Tensor {
        let flat: Vec<f32> = values.iter().flatten().copied().collect();
        Tensor::from_vec(flat, (values.len(), 2), &Device::Cpu).unwrap()
    }

    fn paired(motifs: &[[f32; 2]], contexts: &[[f32; 2]], sets: &[Vec<u64>]) -> f32 {
        let loss = paired_contrast(&rows(motifs), &rows(contexts), sets, 0.1).unwrap();
        loss.to_scalar().unwrap()
    }

    #[test]
    fn motifs_near_their_own_contexts_cost_less() {
        let motifs = [[1.0, 0.0], [0.0, 1.0]];
        let sets = [vec![1, 2], vec![3]];
        let near = paired(&motifs, &[[1.0, 0.1], [1.0, -0.1], [0.0, 1.0]], &sets);
        let far = paired(&motifs, &[[0.0, 1.0], [0.1, 1.0], [1.0, 0.0]], &sets);
        assert!(near < 1.0 && far > 5.0, "{near} {far}");
    }

    #[test]
    fn a_context_that_two_motifs_share_repels_neither() {
        let motifs = [[1.0, 0.0], [0.9, 0.1]];
        let contexts = [[1.0, 0.0], [1.0, 0.0]];
        let shared = paired(&motifs, &contexts, &[vec![1], vec![1]]);
        let apart = paired(&motifs, &contexts, &[vec![1], vec![2]]);
        assert!(shared.abs() < 1e-4 && apart > 0.3, "{shared} {apart}");
    }
}
