//! Message passing over folded graphs, in plain loops: what a query runs.
//!
//! Row by row and in a fixed order of additions, so that a vector does not depend on which other
//! graphs are worked out beside it. `train` has the same equations with gradients, and a test holds
//! both together.

use super::config::Passing;
use super::fold::{Counted, Fold, Folded, Row};
use super::weights::Weights;
use crate::embedding::dot;

/// Keeps the length of a vector of zeros away from zero.
pub const EPSILON: f32 = 1e-5;
/// Slope of negative attention scores.
pub const LEAK: f32 = 0.2;

/// Vectors of one length, one after another.
pub(super) struct Rows {
    dim: usize,
    values: Vec<f32>,
}

impl Rows {
    pub(super) fn new(dim: usize) -> Self {
        let values = Vec::new();
        Self { dim, values }
    }

    pub(super) fn push(&mut self, row: &[f32]) {
        self.values.extend_from_slice(row);
    }

    fn get(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }
}

/// A matrix that vectors are multiplied by.
pub(super) struct Linear {
    inputs: usize,
    weights: Vec<f32>, // [outputs, inputs]
}

impl Linear {
    pub(super) fn new(weights: &mut Weights, name: &str, inputs: usize) -> Self {
        let weights = weights.take(name);
        Self { inputs, weights }
    }

    pub(super) fn of(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.inputs);
        rows.map(|row| dot(row, vector)).collect()
    }

    fn of_all(&self, vectors: &Rows) -> Rows {
        let values = vectors.iter().flat_map(|vector| self.of(vector)).collect();
        let dim = self.weights.len() / self.inputs;
        Rows { dim, values }
    }
}

/// Some rounds of message passing and what is read out of them.
pub(super) struct Level {
    dim: usize,
    rounds: Vec<Round>,
    readout: Linear, // [outputs, (rounds + 1) · 2 · dim]
}

struct Round {
    message: Message,
    bias: Vec<f32>, // [dim]
    gain: Vec<f32>, // [dim]
}

enum Message {
    Directed {
        own: Linear,
        before: Linear,
        after: Linear,
    },
    Gcn {
        shared: Linear,
    },
    Gat {
        shared: Linear,
        asks: Vec<f32>,    // [dim]
        answers: Vec<f32>, // [dim]
    },
}

impl Level {
    /// Takes the weights whose names begin with `level`.
    pub(super) fn new(
        weights: &mut Weights,
        level: &str,
        dim: usize,
        rounds: usize,
        passing: Passing,
    ) -> Self {
        let readout = Linear::new(weights, &format!("{level}.readout"), (rounds + 1) * 2 * dim);
        let round = |round| Round::new(weights, &format!("{level}.{round}"), dim, passing);
        Self {
            dim,
            rounds: (0..rounds).map(round).collect(),
            readout,
        }
    }

    pub(super) fn round_count(&self) -> usize {
        self.rounds.len()
    }

    /// The rows of every round, from those of round 0.
    pub(super) fn states(&self, fold: &Fold, first: Rows) -> Vec<Rows> {
        let mut states = vec![first];
        for (round, rows) in self.rounds.iter().zip(fold.rounds()) {
            let next = round.next(&states[states.len() - 1], rows);
            states.push(next);
        }
        states
    }

    /// What is read out of one graph among `states`.
    pub(super) fn read(&self, states: &[Rows], graph: &Folded) -> Vec<f32> {
        let pooled = states.iter().zip(graph);
        let pooled: Vec<f32> = pooled
            .flat_map(|(state, rows)| pool(state, rows, self.dim))
            .collect();
        self.readout.of(&pooled)
    }
}

/// What a row weighs in a pool: alike as one of a set, and by the logarithm of its count.
pub fn pool_weights(rows: &[Counted]) -> Vec<[f32; 2]> {
    let logarithm = |count: u32| (f64::from(count)).ln_1p() as f32;
    let total: f32 = rows.iter().map(|(_, count)| logarithm(*count)).sum();
    rows.iter()
        .map(|(_, count)| [1.0 / rows.len() as f32, logarithm(*count) / total])
        .collect()
}

fn pool(state: &Rows, rows: &[Counted], dim: usize) -> Vec<f32> {
    let mut pooled = vec![0.0; 2 * dim];
    let (set, counted) = pooled.split_at_mut(dim);
    for ((row, _), [alike, weight]) in rows.iter().zip(pool_weights(rows)) {
        add_scaled(set, alike, state.get(*row));
        add_scaled(counted, weight, state.get(*row));
    }
    pooled
}

impl Round {
    fn new(weights: &mut Weights, name: &str, dim: usize, passing: Passing) -> Self {
        let mut linear = |part: &str| Linear::new(weights, &format!("{name}.{part}"), dim);
        let message = match passing {
            Passing::Directed => Message::Directed {
                own: linear("own"),
                before: linear("before"),
                after: linear("after"),
            },
            Passing::Gcn => Message::Gcn {
                shared: linear("shared"),
            },
            Passing::Gat => Message::Gat {
                shared: linear("shared"),
                asks: weights.take(&format!("{name}.asks")),
                answers: weights.take(&format!("{name}.answers")),
            },
        };
        Self {
            message,
            bias: weights.take(&format!("{name}.bias")),
            gain: weights.take(&format!("{name}.gain")),
        }
    }

    /// `h' = h + relu(gain · m / rms(m))` with the message `m`.
    fn next(&self, state: &Rows, rows: &[Row]) -> Rows {
        let mut next = Rows::new(state.dim);
        let mut messages = self.message.all(state, rows);
        for (row, message) in rows.iter().zip(messages.values.chunks_exact_mut(state.dim)) {
            add_scaled(message, 1.0, &self.bias);
            to_unit_mean_square(message);
            let own = state.get(row.own).iter();
            let heard = message.iter().zip(&self.gain);
            let values = own
                .zip(heard)
                .map(|(own, (m, gain))| own + (m * gain).max(0.0));
            next.values.extend(values);
        }
        next
    }
}

impl Message {
    /// The message to each row.
    fn all(&self, state: &Rows, rows: &[Row]) -> Rows {
        let mut messages = Rows {
            dim: state.dim,
            values: vec![0.0; rows.len() * state.dim],
        };
        let targets = messages.values.chunks_exact_mut(state.dim);
        match self {
            Self::Directed { own, before, after } => {
                let (own, before, after) =
                    (own.of_all(state), before.of_all(state), after.of_all(state));
                for (row, message) in rows.iter().zip(targets) {
                    add_scaled(message, 1.0, own.get(row.own));
                    add_mean(message, &before, &row.before);
                    add_mean(message, &after, &row.after);
                }
            }
            Self::Gcn { shared } => {
                let shared = shared.of_all(state);
                for (row, message) in rows.iter().zip(targets) {
                    add_mean(message, &shared, &around(row));
                }
            }
            Self::Gat {
                shared,
                asks,
                answers,
            } => {
                let shared = shared.of_all(state);
                for (row, message) in rows.iter().zip(targets) {
                    let asked = dot(asks, shared.get(row.own));
                    let weight = |(other, count): &Counted| {
                        let score = asked + dot(answers, shared.get(*other));
                        let score = if score < 0.0 { LEAK * score } else { score };
                        *count as f32 * bounded(score).exp()
                    };
                    let around = around(row);
                    let total: f32 = around.iter().map(weight).sum();
                    for other in &around {
                        add_scaled(message, weight(other) / total, shared.get(other.0));
                    }
                }
            }
        }
        messages
    }
}

/// Attention scores end here, so that no exponential overflows.
pub const LARGEST_SCORE: f32 = 30.0;

fn bounded(score: f32) -> f32 {
    score.clamp(-LARGEST_SCORE, LARGEST_SCORE)
}

/// A row and its neighbours whatever the direction, in a fixed order.
pub fn around(row: &Row) -> Vec<Counted> {
    let own = std::iter::once((row.own, 1));
    own.chain(row.before.iter().copied())
        .chain(row.after.iter().copied())
        .collect()
}

fn add_mean(target: &mut [f32], state: &Rows, rows: &[Counted]) {
    let total: u32 = rows.iter().map(|(_, count)| count).sum();
    for (row, count) in rows {
        add_scaled(target, *count as f32 / total as f32, state.get(*row));
    }
}

/// Scales a vector so that the mean of its squares is about one.
pub(super) fn to_unit_mean_square(vector: &mut [f32]) {
    let scale = 1.0 / (dot(vector, vector) / vector.len() as f32 + EPSILON).sqrt();
    for value in vector {
        *value *= scale;
    }
}

pub(super) fn add_scaled(target: &mut [f32], scale: f32, vector: &[f32]) {
    for (target, value) in target.iter_mut().zip(vector) {
        *target += scale * value;
    }
}
