//! The network with gradients: the equations of `model::motif_gnn`, over a batch.

use super::plan::{Neighbours, Plan, Round};
use super::sparse::Sparse;
use crate::model::motif_gnn::{EPSILON, LARGEST_SCORE, LEAK};
use crate::train::parameters::Parameters;
use candle_core::{D, Result, Tensor};

/// Each row scaled so that the mean of its squares is about one.
pub(super) fn to_unit_mean_square(rows: &Tensor) -> Result<Tensor> {
    let mean = rows.sqr()?.mean_keepdim(D::Minus1)?;
    rows.broadcast_div(&(mean + f64::from(EPSILON))?.sqrt()?)
}

/// What one level reads out of each graph, from the rows of round 0. `[graphs, outputs]`
pub(super) fn level(
    weights: &Parameters,
    name: &str,
    plan: &Plan,
    first: Tensor,
) -> Result<Tensor> {
    let mut pooled = pooled(&plan.pools[0], &first)?;
    let mut state = first;
    for (round, about) in plan.rounds.iter().enumerate() {
        state = next(weights, &format!("{name}.{round}"), about, &state)?;
        pooled.extend(self::pooled(&plan.pools[round + 1], &state)?);
    }
    let pooled = Tensor::cat(&pooled, 1)?; // [graphs, (rounds + 1) · 2 · dim]
    pooled.matmul(&weights.get(&format!("{name}.readout"))?.t()?)
}

fn pooled(pools: &[Sparse; 2], state: &Tensor) -> Result<Vec<Tensor>> {
    pools.iter().map(|pool| pool.times(state)).collect()
}

/// `h' = h + relu(gain · m / rms(m))` with the message `m`.
fn next(weights: &Parameters, name: &str, round: &Round, state: &Tensor) -> Result<Tensor> {
    let part = |part: &str| weights.get(&format!("{name}.{part}"));
    let sent = |by: &str| state.matmul(&part(by)?.t()?);
    let message = match &round.neighbours {
        Neighbours::Directed { before, after } => {
            let own = sent("own")?.index_select(&round.own, 0)?;
            let around = (before.times(&sent("before")?)? + after.times(&sent("after")?)?)?;
            (own + around)?
        }
        Neighbours::Mean(around) => around.times(&sent("shared")?)?,
        Neighbours::Counts(around) => attended(
            around,
            round,
            &sent("shared")?,
            part("asks")?,
            part("answers")?,
        )?,
    };
    let message = message.broadcast_add(part("bias")?)?;
    let heard = to_unit_mean_square(&message)?.broadcast_mul(part("gain")?)?;
    state.index_select(&round.own, 0)? + heard.relu()?
}

/// Attention with one head, of plain operators, which carry gradients.
fn attended(
    around: &Sparse,
    round: &Round,
    shared: &Tensor,
    asks: &Tensor,
    answers: &Tensor,
) -> Result<Tensor> {
    let score = |vector: &Tensor| shared.matmul(&vector.unsqueeze(1)?); // [rows, 1]
    let asked = score(asks)?.index_select(&round.own, 0)?;
    let asked = asked.index_select(&around.targets, 0)?;
    let score = (asked + score(answers)?.index_select(&around.sources, 0)?)?;
    let score = (score.relu()? - (score.neg()?.relu()? * f64::from(LEAK))?)?;
    let bound = f64::from(LARGEST_SCORE);
    let raw = (score.clamp(-bound, bound)?.exp()? * &around.weights)?; // [entries, 1]
    let total = around.sum(&raw)?.index_select(&around.targets, 0)?;
    let entries = shared.index_select(&around.sources, 0)?;
    around.sum(&entries.broadcast_mul(&(raw / total)?)?)
}
