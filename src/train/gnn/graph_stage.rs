//! Stage 2: members of a family attract each other and repel the rest of their batch (supervised
//! contrastive learning, as in `contrastive`), and coarse families are told apart.
//!
//! The network learns by itself: token sets, which stay as they were fitted, come beside it when it
//! has learned, so their share can be chosen without another training.

use super::examples::{CHUNK, Examples};
use super::{Config, Data, GraphSettings, Learned, examples};
use crate::model::TokenSetEncoder;
use crate::model::motif_gnn::{self, MotifGraph, PROJECTION, shapes};
use crate::random::{self, Random};
use crate::train::Error;
use crate::train::batches::Batches;
use crate::train::loss::{contrast, cross_entropy, lengths, numbered};
use crate::train::parameters::Parameters;
use crate::train::stage::Stage;
use candle_core::{Device, Result, Tensor};
use std::collections::BTreeMap;

/// What tells coarse families apart; no part of the model.
const CLASSES: &str = "heads.classes";

pub(super) struct GraphStage<'a> {
    data: &'a Data,
    settings: &'a GraphSettings,
    examples: Examples,
    /// The share of token sets in a similarity.
    share: f64,
    device: Device,
    weights: Parameters,
    families: Vec<&'a str>,
    /// Coarse families of the entries, by number.
    coarse: Vec<u32>,
    batches: Batches,
    views: Random,
}

impl<'a> GraphStage<'a> {
    pub(super) fn new(
        data: &'a Data,
        config: &'a Config,
        model: &motif_gnn::Config,
        fitted: Option<&TokenSetEncoder>,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        let of = |family: fn(&crate::eval::Labelled) -> &str| -> Vec<&'a str> {
            data.entries.iter().map(family).collect()
        };
        let families = of(|entry| &entry.family);
        let (coarse, classes) = numbered(&of(|entry| &entry.coarse_family));
        let mut shapes = shapes(model);
        shapes.remove(PROJECTION);
        shapes.insert(CLASSES.into(), vec![classes, model.network.outputs]);
        let weights = Parameters::seeded(&shapes, config.seed, device)?;
        let learned: Vec<&str> = data.training.iter().map(|at| families[*at]).collect();
        let settings = &config.graph;
        let batches = Batches::new(&learned, settings.families, settings.members, config.seed);
        if batches.is_empty() {
            return Err(Error::NoFamilies);
        }
        Ok(Self {
            data,
            settings,
            examples: examples(data, config, fitted, settings.views)?,
            share: f64::from(config.share),
            device: device.clone(),
            weights,
            families,
            coarse,
            batches,
            views: Random::new(random::sequence(config.seed, [2])),
        })
    }

    /// The weights of the model, and the motifs that it knows.
    pub(super) fn finish(self) -> Result<(Learned, BTreeMap<u64, MotifGraph>)> {
        let weights = self.weights.values(|name| name != CLASSES)?;
        Ok((weights, self.examples.known))
    }

    /// What the next batch is made of: places of entries, and which of their views.
    fn draw(&mut self) -> Vec<(usize, usize)> {
        let batch = self.batches.next();
        let views = self.examples.view_count();
        let batch = batch.into_iter();
        batch
            .map(|at| (self.data.training[at], self.views.below(views)))
            .collect()
    }

    /// What the network makes of these graphs, at length one. `[graphs, outputs]`
    fn structure(&self, batch: &[(usize, usize)]) -> Result<Tensor> {
        let structure = self.examples.structure(batch, &self.weights)?;
        structure.broadcast_div(&lengths(&structure)?)
    }

    /// Embeddings: token sets, where there are any, beside what the network makes.
    fn embedded(&self, batch: &[(usize, usize)]) -> Result<Tensor> {
        let structure = self.structure(batch)?;
        let Some(projected) = self.examples.projected(batch, &self.device)? else {
            return Ok(structure);
        };
        let parts = [
            (projected * self.share.sqrt())?,
            (structure * (1.0 - self.share).sqrt())?,
        ];
        Tensor::cat(&parts, 1)
    }
}

impl Stage for GraphStage<'_> {
    fn weights(&self) -> &Parameters {
        &self.weights
    }

    fn skip(&mut self) {
        self.draw();
    }

    fn loss(&mut self) -> Result<Tensor> {
        let batch = self.draw();
        let structure = self.structure(&batch)?;
        let families: Vec<&str> = batch.iter().map(|(at, _)| self.families[*at]).collect();
        let coarse: Vec<u32> = batch.iter().map(|(at, _)| self.coarse[*at]).collect();
        let temperature = self.settings.temperature;
        let apart = contrast(&structure, &families, temperature)?;
        let logits = structure.matmul(&self.weights.get(CLASSES)?.t()?)?;
        let told = cross_entropy(&(logits / temperature)?, &coarse)?;
        (apart * self.settings.contrast)? + (told * self.settings.classification)?
    }

    fn validation(&self) -> std::result::Result<Option<f64>, Error> {
        if self.data.judge.is_none() {
            return Ok(None);
        }
        let all: Vec<(usize, usize)> = (0..self.examples.len()).map(|at| (at, 0)).collect();
        let mut embeddings = Vec::with_capacity(all.len());
        for some in all.chunks(CHUNK) {
            embeddings.extend(self.embedded(some)?.to_vec2()?);
        }
        Ok(self.data.map(embeddings))
    }
}
