//! Rankers that combine others: a dense score beside a sparse one, and the nearest ranked again.

use super::Labelled;
use super::protocol::Ranker;
use crate::motif::{Sequence, Splitter, Waists, macro_graph};
use rayon::prelude::*;
use std::sync::Arc;

/// How many of the nearest are ranked again.
const DEPTH: usize = 100;

/// One ranker's scores and a share of another's.
pub struct Fused {
    /// What counts in full.
    pub dense: Arc<dyn Ranker>,
    /// What is added.
    pub sparse: Arc<dyn Ranker>,
    /// Weight of what is added.
    pub weight: f32,
}

impl Ranker for Fused {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let dense = self.dense.scores(query, candidates);
        let sparse = self.sparse.scores(query, candidates);
        let pairs = dense.into_iter().zip(sparse);
        pairs
            .map(|(dense, sparse)| dense + self.weight * sparse)
            .collect()
    }
}

/// Sequences of the motifs of `entries`, in their order.
pub fn sequences(entries: &[Labelled]) -> Arc<[Sequence]> {
    let sequence = |entry: &Labelled| {
        let cut = Waists.split(&entry.architecture);
        Sequence::new(&macro_graph(&entry.architecture, &cut))
    };
    entries.par_iter().map(sequence).collect()
}

/// The hundred nearest of a ranker before all others, ranked again with a share of how well their
/// macro graphs align with the query's.
pub struct Reranked {
    /// Who finds the nearest.
    pub first: Arc<dyn Ranker>,
    /// One an entry.
    pub sequences: Arc<[Sequence]>,
    /// Weight of the alignment.
    pub weight: f32,
}

impl Ranker for Reranked {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let mut scores = self.first.scores(query, candidates);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let best = order.first().map_or(0.0, |at| scores[*at]);
        // What lifts the last of those that are ranked again above the first of the rest.
        let lift = order.get(DEPTH).map_or(0.0, |at| best - scores[*at]);
        let asked = &self.sequences[query];
        for at in order.into_iter().take(DEPTH) {
            let alignment = asked.alignment(&self.sequences[candidates[at]]);
            scores[at] += lift + self.weight * alignment;
        }
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::Fixed;
    use crate::motif::{MacroGraph, Motif, Occurrence};

    fn fixed(scores: &[f32]) -> Arc<dyn Ranker> {
        Arc::new(Fixed(scores.to_vec()))
    }

    fn of_one_motif(hash: u64) -> Sequence {
        let motif = Motif {
            hash,
            size: 1,
            name: String::new(),
            count: 1,
        };
        let occurrence = Occurrence {
            motif: 0,
            nodes: vec![0],
            inputs: vec![],
        };
        Sequence::new(&MacroGraph {
            motifs: vec![motif],
            occurrences: vec![occurrence],
        })
    }

    #[test]
    fn a_fused_score_is_a_weighted_sum() {
        let fused = Fused {
            dense: fixed(&[1.0, 2.0, 3.0]),
            sparse: fixed(&[4.0, 0.0, 2.0]),
            weight: 0.5,
        };
        assert_eq!(fused.scores(0, &[2, 0]), [4.0, 3.0]);
    }

    #[test]
    fn the_nearest_are_ranked_again_and_stay_before_the_rest() {
        // The first ranker prefers later entries; every third has the query's motif.
        let scores: Vec<f32> = (0..150).map(|at| at as f32 / 150.0).collect();
        let reranked = Reranked {
            first: fixed(&scores),
            sequences: (0..150).map(|at| of_one_motif(at % 3)).collect(),
            weight: 1.0,
        };
        let candidates: Vec<usize> = (1..150).collect();
        let scores = reranked.scores(0, &candidates);
        let mut order = candidates;
        order.sort_by(|a, b| scores[*b - 1].total_cmp(&scores[*a - 1]));
        let again: Vec<usize> = (50..150).rev().collect();
        let (kin, strangers): (Vec<usize>, Vec<usize>) =
            again.into_iter().partition(|at| at % 3 == 0);
        let rest: Vec<usize> = (1..50).rev().collect();
        assert_eq!(order, [kin, strangers, rest].concat());
    }
}
