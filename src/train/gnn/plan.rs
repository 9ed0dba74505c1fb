//! Which rows of a fold a batch of graphs needs, as index tensors.

use super::sparse::{Sparse, place};
use crate::model::motif_gnn::{Counted, Fold, Folded, Passing, Row, around, pool_weights};
use candle_core::{Device, Result, Tensor};

/// What a round of message passing works on.
pub(super) struct Round {
    /// Where each row itself stands in the round before.
    pub(super) own: Tensor,
    pub(super) neighbours: Neighbours,
}

pub(super) enum Neighbours {
    Directed {
        before: Sparse,
        after: Sparse,
    },
    /// A row and its neighbours, weighted by their share.
    Mean(Sparse),
    /// The same, weighted by their counts.
    Counts(Sparse),
}

/// One level of message passing over a batch.
pub(super) struct Plan {
    /// Rows of round 0 of the fold, ascending.
    pub(super) first: Vec<u32>,
    pub(super) rounds: Vec<Round>,
    /// For each round, round 0 included, from rows to graphs: as sets and by logarithmic counts.
    pub(super) pools: Vec<[Sparse; 2]>,
}

impl Plan {
    pub(super) fn new(
        fold: &Fold,
        graphs: &[&Folded],
        passing: Passing,
        device: &Device,
    ) -> Result<Self> {
        let needed = needed(fold, graphs);
        let rounds = (1..needed.len()).map(|round| {
            let rows: Vec<&Row> = needed[round]
                .iter()
                .map(|row| &fold.rows(round)[*row as usize])
                .collect();
            Round::new(&rows, &needed[round - 1], passing, device)
        });
        let pools = needed
            .iter()
            .enumerate()
            .map(|(round, rows)| pools(graphs, round, rows, device));
        Ok(Self {
            rounds: rounds.collect::<Result<_>>()?,
            pools: pools.collect::<Result<_>>()?,
            first: needed.into_iter().next().unwrap_or_default(),
        })
    }
}

/// The rows of each round that the graphs and later rounds need, ascending.
fn needed(fold: &Fold, graphs: &[&Folded]) -> Vec<Vec<u32>> {
    let rounds = fold.rounds().count();
    let mut needed: Vec<Vec<u32>> = vec![Vec::new(); rounds + 1];
    for round in (0..=rounds).rev() {
        let pooled = graphs.iter().flat_map(|graph| &graph[round]);
        needed[round].extend(pooled.map(|(row, _)| *row));
        needed[round].sort_unstable();
        needed[round].dedup();
        if round == 0 {
            break;
        }
        let read = needed[round].iter().flat_map(|row| {
            let row = &fold.rows(round)[*row as usize];
            let around = row.before.iter().chain(&row.after).map(|(row, _)| *row);
            around.chain([row.own])
        });
        let read: Vec<u32> = read.collect();
        needed[round - 1] = read;
    }
    needed
}

impl Round {
    fn new(rows: &[&Row], sources: &[u32], passing: Passing, device: &Device) -> Result<Self> {
        let own: Vec<u32> = rows.iter().map(|row| place(sources, row.own)).collect();
        let sparse = |of: &dyn Fn(&Row) -> Vec<(u32, f32)>| {
            let entries = rows.iter().map(|row| of(row));
            Sparse::new(entries, sources, device)
        };
        let neighbours = match passing {
            Passing::Directed => Neighbours::Directed {
                before: sparse(&|row| shares(&row.before))?,
                after: sparse(&|row| shares(&row.after))?,
            },
            Passing::Gcn => Neighbours::Mean(sparse(&|row| shares(&around(row)))?),
            Passing::Gat => Neighbours::Counts(sparse(&|row| {
                let around = around(row).into_iter();
                around.map(|(row, count)| (row, count as f32)).collect()
            })?),
        };
        Ok(Self {
            own: Tensor::from_vec(own, rows.len(), device)?,
            neighbours,
        })
    }
}

fn shares(rows: &[Counted]) -> Vec<(u32, f32)> {
    let total: u32 = rows.iter().map(|(_, count)| count).sum();
    let share = |count: u32| count as f32 / total as f32;
    rows.iter()
        .map(|(row, count)| (*row, share(*count)))
        .collect()
}

fn pools(graphs: &[&Folded], round: usize, rows: &[u32], device: &Device) -> Result<[Sparse; 2]> {
    let pool = |which: usize| {
        let entries = graphs.iter().map(|graph| {
            let weights = pool_weights(&graph[round]).into_iter();
            let pooled = graph[round].iter().zip(weights);
            pooled
                .map(|((row, _), weights)| (*row, weights[which]))
                .collect()
        });
        Sparse::new(entries, rows, device)
    };
    Ok([pool(0)?, pool(1)?])
}
