//! Sparse rankers: BM25 over operator n-grams and tf-idf over all tokens.

use crate::eval::Labelled;
use crate::eval::protocol::Ranker;
use crate::model::tokens::{Group, Tokens, tokens};
use crate::motif::{Splitter, Waists, macro_graph};
use crate::random;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Tokens of one entry: n-grams of operators apart from everything.
#[derive(Clone, Debug)]
pub struct Bag {
    /// Sorted operator n-grams.
    pub grams: Vec<u64>,
    /// Sorted labels of one Weisfeiler-Lehman round, without and with attributes.
    pub neighbourhoods: Vec<u64>,
    /// Sorted tokens of all groups, kept apart by group.
    pub all: Vec<u64>,
}

/// The bags of `entries`, in their order.
pub fn bags(entries: &[Labelled]) -> Vec<Bag> {
    entries
        .par_iter()
        .map(|entry| bag(&tokens(&entry.architecture)))
        .collect()
}

fn bag(tokens: &Tokens) -> Bag {
    Bag {
        grams: tokens.sets[Group::OperatorGrams as usize].clone(),
        neighbourhoods: sorted(
            tokens,
            &[Group::Neighbourhoods, Group::AttributedNeighbourhoods],
        ),
        all: sorted(tokens, &Group::ALL),
    }
}

/// The tokens of `groups`, kept apart by group.
fn sorted(tokens: &Tokens, groups: &[Group]) -> Vec<u64> {
    let mut sorted: Vec<u64> = groups
        .iter()
        .flat_map(|group| {
            let in_group = |token: &u64| random::sequence(*group as u64, [*token]);
            tokens.sets[*group as usize].iter().map(in_group)
        })
        .collect();
    sorted.sort_unstable();
    sorted
}

/// Sorted hashes of the motifs of `entry`.
fn motifs(entry: &Labelled) -> Vec<u64> {
    let cut = Waists.split(&entry.architecture);
    let motifs = macro_graph(&entry.architecture, &cut).motifs;
    let mut hashes: Vec<u64> = motifs.iter().map(|motif| motif.hash).collect();
    hashes.sort_unstable();
    hashes
}

/// How rare a token is among `train`, by token.
pub(super) fn document_counts<'a>(bags: impl Iterator<Item = &'a Vec<u64>>) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for token in bags.flatten() {
        *counts.entry(*token).or_insert(0) += 1;
    }
    counts
}

/// Entries that hold a token, ascending, each with its weight.
#[derive(Default)]
struct Postings(BTreeMap<u64, Vec<(usize, f32)>>);

impl Postings {
    /// `entry` must not be below those that were added before.
    fn add(&mut self, token: u64, entry: usize, weight: f32) {
        self.0.entry(token).or_default().push((entry, weight));
    }

    /// For each of `candidates` the sum over `query`, tokens with their weights.
    fn scores(&self, query: impl Iterator<Item = (u64, f32)>, candidates: &[usize]) -> Vec<f32> {
        let first = candidates.iter().copied().min().unwrap_or(0);
        let end = candidates.iter().copied().max().map_or(0, |last| last + 1);
        // Candidates are few among all entries, and stand together.
        let mut scores = vec![0.0; end - first.min(end)];
        for (token, own) in query {
            let Some(entries) = self.0.get(&token) else {
                continue;
            };
            let from = entries.partition_point(|(entry, _)| *entry < first);
            let among = entries[from..].iter();
            for (entry, weight) in among.take_while(|(entry, _)| *entry < end) {
                scores[entry - first] += own * weight;
            }
        }
        candidates.iter().map(|at| scores[at - first]).collect()
    }
}

/// Okapi BM25 over operator n-grams (k1 1.2, b .75), document frequencies from `train`.
pub struct Bm25 {
    queries: Vec<Vec<u64>>,
    postings: Postings,
}

impl Bm25 {
    /// Ranks the entries of `bags`.
    pub fn new(bags: &[Bag], train: &[usize]) -> Self {
        let counts = document_counts(train.iter().map(|entry| &bags[*entry].grams));
        let total: usize = train.iter().map(|entry| bags[*entry].grams.len()).sum();
        let mean_length = (total as f32 / train.len().max(1) as f32).max(1.0);
        let mut postings = Postings::default();
        for (entry, bag) in bags.iter().enumerate() {
            let length = bag.grams.len() as f32 / mean_length;
            let weight = 2.2 / (1.0 + 1.2 * (0.25 + 0.75 * length));
            for token in &bag.grams {
                let held = counts.get(token).copied().unwrap_or(0) as f32;
                let rare = ((train.len() as f32 - held + 0.5) / (held + 0.5)).ln_1p();
                postings.add(*token, entry, rare * weight);
            }
        }
        Self {
            queries: bags.iter().map(|bag| bag.grams.clone()).collect(),
            postings,
        }
    }
}

impl Ranker for Bm25 {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let tokens = self.queries[query].iter().map(|token| (*token, 1.0));
        self.postings.scores(tokens, candidates)
    }
}

/// Cosine of tf-idf vectors.
pub struct TfIdf {
    vectors: Vec<Vec<(u64, f32)>>,
    postings: Postings,
}

impl TfIdf {
    /// Ranks by all tokens, document frequencies from `train`.
    pub fn new(bags: &[Bag], train: &[usize]) -> Self {
        Self::over(bags, train, |bag| &bag.all)
    }

    /// Ranks by the labels of one Weisfeiler-Lehman round, document frequencies from `train`.
    pub fn of_neighbourhoods(bags: &[Bag], train: &[usize]) -> Self {
        Self::over(bags, train, |bag| &bag.neighbourhoods)
    }

    /// Ranks by motifs, document frequencies from `train`.
    pub fn of_motifs(entries: &[Labelled], train: &[usize]) -> Self {
        let motifs: Vec<Vec<u64>> = entries.par_iter().map(motifs).collect();
        Self::over(&motifs, train, |motifs| motifs)
    }

    fn over<T>(bags: &[T], train: &[usize], part: impl Fn(&T) -> &Vec<u64>) -> Self {
        let counts = document_counts(train.iter().map(|entry| part(&bags[*entry])));
        let vectors: Vec<Vec<(u64, f32)>> = bags
            .iter()
            .map(|bag| weighted(part(bag), &counts, train.len()))
            .collect();
        let mut postings = Postings::default();
        for (entry, vector) in vectors.iter().enumerate() {
            for (token, weight) in vector {
                postings.add(*token, entry, *weight);
            }
        }
        Self { vectors, postings }
    }
}

impl Ranker for TfIdf {
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
        let tokens = self.vectors[query].iter().copied();
        self.postings.scores(tokens, candidates)
    }
}

/// The tokens with their rarity, scaled to length one.
pub(super) fn weighted(
    tokens: &[u64],
    counts: &BTreeMap<u64, u32>,
    documents: usize,
) -> Vec<(u64, f32)> {
    let rarity = |token: &u64| {
        let held = counts.get(token).copied().unwrap_or(0) as f32;
        ((1.0 + documents as f32) / (1.0 + held)).ln() + 1.0
    };
    let weights: Vec<f32> = tokens.iter().map(rarity).collect();
    let length = weights
        .iter()
        .map(|weight| weight * weight)
        .sum::<f32>()
        .sqrt();
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    tokens
        .iter()
        .zip(weights)
        .map(|(token, weight)| (*token, weight * scale))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_candidates_are_scored_whatever_their_order() {
        let mut postings = Postings::default();
        for entry in 0..5 {
            postings.add(7, entry, entry as f32);
        }
        postings.add(9, 3, 100.0);
        let query = || [(7, 2.0), (9, 1.0), (11, 5.0)].into_iter();
        assert_eq!(postings.scores(query(), &[4, 3, 2]), [8.0, 106.0, 4.0]);
        assert_eq!(postings.scores(query(), &[0]), [0.0]);
        assert_eq!(postings.scores(query(), &[9]), [0.0]);
        assert!(postings.scores(query(), &[]).is_empty());
    }
}
