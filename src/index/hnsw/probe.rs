//! Asks a new graph questions whose answers are known.
//!
//! A graph that cannot find its own vectors, or finds too few of the true neighbours, must not
//! serve. What counts is similarity: another vector that is as near is no miss.

use super::graph::Graph;
use super::nearest::{Question, WALK_COST};
use crate::embedding::Embedding;
use crate::index::best::Best;
use crate::random::Random;

/// Neighbours of a question.
const K: usize = 10;
/// Length of what is added to a vector to make a question of it.
const NOISE: f64 = 0.2;

/// What the probes found, as shares of what there is to find.
pub(super) struct Probed {
    /// Of the vectors asked for, those found as themselves.
    pub(super) themselves: f64,
    /// Of the ten nearest to a vector nearby, those found.
    pub(super) recall: f64,
}

/// Asks for `probes` vectors spread evenly over the graph, and for as many that lie near them.
pub(super) fn probe(graph: &Graph, ef: usize, probes: usize) -> Probed {
    let count = probes.min(graph.rows.len());
    let mut random = Random::new(0);
    let (mut themselves, mut recall) = (0.0, 0.0);
    for place in 0..count {
        let vector = graph.rows.vector(place * graph.rows.len() / count);
        themselves += recall_of(graph, vector, 1, ef);
        let nearby = nearby(vector, &mut random);
        recall += recall_of(
            graph,
            nearby.as_ref().map_or(vector, Embedding::as_slice),
            K,
            ef,
        );
    }
    let share = |sum: f64| if count == 0 { 1.0 } else { sum / count as f64 };
    Probed {
        themselves: share(themselves),
        recall: share(recall),
    }
}

fn nearby(vector: &[f32], random: &mut Random) -> Option<Embedding> {
    // Uniform in [-1, 1): a third is the mean square.
    let size = NOISE * (3.0 / vector.len() as f64).sqrt();
    let moved = vector
        .iter()
        .map(|value| value + (size * random.signed()) as f32);
    Embedding::normalised(moved.collect()).ok()
}

fn recall_of(graph: &Graph, query: &[f32], k: usize, ef: usize) -> f64 {
    let question = Question {
        query,
        k: k.min(graph.members.len()),
        ef,
        accepts: &|_| true,
        walk_cost: WALK_COST,
    };
    let (mut found, mut truth) = (Best::new(question.k), Best::new(question.k));
    graph.offer_nearest(&question, &mut found);
    graph.scan(&question, &mut truth);
    let (found, truth) = (found.into_neighbours(), truth.into_neighbours());
    let Some(worst) = truth.last() else {
        return 1.0;
    };
    let near = found
        .iter()
        .filter(|hit| hit.similarity >= worst.similarity);
    near.count() as f64 / truth.len() as f64
}
