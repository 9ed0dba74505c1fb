//! Every graph that a training or its validation looks at, folded together once.

use super::forward::{level, to_unit_mean_square};
use super::plan::Plan;
use super::sparse::Sparse;
use super::views::view;
use crate::embedding::Embedding;
use crate::eval::Labelled;
use crate::model::motif_gnn::{
    BUCKETS, Fold, Folded, INPUT, MotifGraph, Network, Passing, Sketch, bucket,
};
use crate::model::{Encoder, Error, TokenSetEncoder};
use crate::random::{self, Random};
use crate::train::parameters::Parameters;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Motifs, folded together.
pub(super) struct Motifs {
    fold: Fold,
    /// The buckets of each row of round 0.
    features: Vec<Vec<u32>>,
    graphs: Vec<Folded>,
}

/// Architectures as macro graphs.
pub(super) struct Examples {
    network: Network,
    /// The distinct motifs by hash.
    pub(super) known: BTreeMap<u64, MotifGraph>,
    /// One for each row of round 0 of `fold`.
    motifs: Motifs,
    fold: Fold,
    /// Of each example the graph itself and its other views.
    views: Vec<Vec<Folded>>,
    /// Of each example the embedding by its token sets; empty without them.
    tokens: Vec<Embedding>,
}

impl Motifs {
    pub(super) fn new(network: &Network, graphs: &[&MotifGraph]) -> Self {
        let mut fold = Fold::new(network.rounds);
        let mut features = BTreeMap::new();
        let graphs = graphs.iter().map(|motif| {
            features.extend(motif.graph.colours.iter().zip(&motif.features));
            fold.add(&motif.graph)
        });
        let graphs = graphs.collect();
        let buckets = |colour: &u64| -> Vec<u32> {
            let features = features[colour].iter();
            features.map(|of| bucket(*of, network.buckets)).collect()
        };
        Self {
            features: fold.colours().iter().map(buckets).collect(),
            fold,
            graphs,
        }
    }

    /// The vectors of these motifs, by the weights of `name`. `[motifs, motif_dim]`
    pub(super) fn vectors(
        &self,
        places: &[u32],
        weights: &Parameters,
        name: &str,
    ) -> Result<Tensor> {
        let table = weights.get(BUCKETS)?;
        let graphs: Vec<&Folded> = places.iter().map(|at| &self.graphs[*at as usize]).collect();
        let plan = Plan::new(&self.fold, &graphs, Passing::Directed, table.device())?;
        let rows = plan.first.iter().map(|row| {
            let buckets = self.features[*row as usize].iter();
            buckets.map(|bucket| (*bucket, 1.0)).collect()
        });
        let all: Vec<u32> = (0..table.dim(0)? as u32).collect();
        let nodes = Sparse::new(rows, &all, table.device())?.times(table)?;
        to_unit_mean_square(&level(weights, name, &plan, to_unit_mean_square(&nodes)?)?)
    }
}

impl Examples {
    /// `entries`, in their order, each with so many other views.
    pub(super) fn new(
        entries: &[&Labelled],
        network: &Network,
        fitted: Option<&TokenSetEncoder>,
        views: usize,
        seed: u64,
    ) -> std::result::Result<Self, Error> {
        let sketches: Vec<Sketch> = entries
            .par_iter()
            .map(|entry| Sketch::new(&entry.architecture, network.splitter))
            .collect();
        let tokens = fitted.map_or(Ok(Vec::new()), |fitted| {
            let entries = entries.par_iter();
            entries
                .map(|entry| fitted.encode(&entry.architecture))
                .collect()
        })?;
        let mut fold = Fold::new(network.rounds);
        let views = entries.iter().zip(&sketches).map(|(entry, sketch)| {
            let mut random = Random::new(random::sequence(seed, [random::text(&entry.id)]));
            let mut folded = vec![fold.add(&sketch.graph)];
            folded.extend((0..views).map(|_| fold.add(&view(&sketch.graph, &mut random))));
            folded
        });
        let views = views.collect();
        let mut known = BTreeMap::new();
        for sketch in sketches {
            for (hash, motif) in sketch.motifs {
                known.entry(hash).or_insert(motif);
            }
        }
        let motifs: Vec<&MotifGraph> = fold.colours().iter().map(|hash| &known[hash]).collect();
        Ok(Self {
            motifs: Motifs::new(network, &motifs),
            network: network.clone(),
            known,
            fold,
            views,
            tokens,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.views.len()
    }

    /// Number of views of each example, itself included.
    pub(super) fn view_count(&self) -> usize {
        self.views.first().map_or(1, Vec::len)
    }

    /// What the network reads out of these views of examples. `[examples, dim]`
    pub(super) fn structure(
        &self,
        batch: &[(usize, usize)],
        weights: &Parameters,
    ) -> Result<Tensor> {
        let input = weights.get(INPUT)?;
        let graphs = batch.iter().map(|(at, view)| &self.views[*at][*view]);
        let graphs: Vec<&Folded> = graphs.collect();
        let plan = Plan::new(&self.fold, &graphs, self.network.passing, input.device())?;
        let motifs = self.motifs.vectors(&plan.first, weights, "motif")?;
        let first = to_unit_mean_square(&motifs.matmul(&input.t()?)?)?;
        level(weights, "macro", &plan, first)
    }

    /// The embeddings of these examples by their token sets; none without them. `[examples, dim]`
    pub(super) fn projected(
        &self,
        batch: &[(usize, usize)],
        device: &Device,
    ) -> Result<Option<Tensor>> {
        let Some(first) = self.tokens.first() else {
            return Ok(None);
        };
        let tokens = batch.iter().flat_map(|(at, _)| self.tokens[*at].as_slice());
        let shape = (batch.len(), first.dim());
        Tensor::from_vec(tokens.copied().collect(), shape, device).map(Some)
    }

    /// The mean of an example's distinct motif vectors: what motifs alone tell. `[motif_dim]`
    pub(super) fn motif_means(&self, weights: &Parameters) -> Result<Vec<Vec<f32>>> {
        let all: Vec<u32> = (0..self.motifs.graphs.len() as u32).collect();
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(all.len());
        for some in all.chunks(CHUNK) {
            vectors.extend(self.motifs.vectors(some, weights, "motif")?.to_vec2()?);
        }
        let mean = |views: &Vec<Folded>| {
            let mut mean = vec![0.0; self.network.motif_dim];
            for (row, _) in &views[0][0] {
                for (mean, value) in mean.iter_mut().zip(&vectors[*row as usize]) {
                    *mean += value;
                }
            }
            mean
        };
        Ok(self.views.iter().map(mean).collect())
    }
}

/// Graphs that are worked out together when nothing is learned from them.
pub(super) const CHUNK: usize = 512;
