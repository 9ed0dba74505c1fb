//! Stage 2: members of a family attract each other and repel the rest of their batch (supervised
//! contrastive learning, as in `contrastive`), and coarse families are told apart.
//!
//! The network's last layer starts at zero beside token sets, so training starts from their closed
//! form.

use super::examples::{CHUNK, Examples};
use crate::train::parameters::Parameters;
use super::{Config, Data, GraphSettings, Learned, examples};
use crate::model::motif_gnn::{self, MotifGraph, PROJECTION, READOUT, shapes};
use crate::random::{self, Random};
use crate::train::Error;
use crate::train::batches::Batches;
use crate::train::loss::{contrast, cross_entropy, half_cosine, lengths, numbered};
use crate::train::stage::Stage;
use candle_core::{Device, Result, Tensor};
use std::collections::BTreeMap;

/// What tells coarse families apart; no part of the model.
const CLASSES: &str = "heads.classes";

pub(super) struct GraphStage<'a> {
    data: &'a Data,
    settings: &'a GraphSettings,
    examples: Examples,
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
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        let of = |family: fn(&crate::eval::Labelled) -> &str| -> Vec<&'a str> {
            data.entries.iter().map(family).collect()
        };
        let families = of(|entry| &entry.family);
        let (coarse, classes) = numbered(&of(|entry| &entry.coarse_family));
        let mut shapes = shapes(model);
        shapes.insert(CLASSES.into(), vec![classes, config.dim]);
        let weights = Parameters::seeded(&shapes, config.seed, device)?;
        let hashing = model.token_sets.as_ref().map(|token_sets| &token_sets.hashing);
        if hashing.is_some() {
            weights.set(READOUT, &vec![0.0; shapes[READOUT].iter().product()])?;
        }
        let learned: Vec<&str> = data.training.iter().map(|at| families[*at]).collect();
        let settings = &config.graph;
        let batches = Batches::new(&learned, settings.families, settings.members, config.seed);
        if batches.is_empty() {
            return Err(Error::NoFamilies);
        }
        Ok(Self {
            data,
            settings,
            examples: examples(data, config, hashing, settings.views),
            weights,
            families,
            coarse,
            batches,
            views: Random::new(random::sequence(config.seed, [2])),
        })
    }

    /// What the weight called `name` starts from.
    pub(super) fn start(&self, name: &str, values: &[f32]) -> Result<()> {
        if name != PROJECTION || values.is_empty() {
            return self.weights.set(name, values);
        }
        // Scaled so that projections have length one on average, which is what the rate is for.
        self.weights.set(name, values)?;
        let some: Vec<(usize, usize)> = (0..self.examples.len()).map(|at| (at, 0)).collect();
        let (mut sum, mut count) = (0.0, 0);
        for some in some.chunks(CHUNK) {
            if let Some(projected) = self.examples.projected(some, &self.weights)? {
                sum += lengths(&projected)?.sum_all()?.to_scalar::<f32>()?;
                count += some.len();
            }
        }
        let scale = count as f32 / sum.max(f32::MIN_POSITIVE);
        let scaled: Vec<f32> = values.iter().map(|value| value * scale).collect();
        self.weights.set(name, &scaled)
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

    /// Embeddings before they are scaled, and what the network alone gives.
    fn embedded(&self, batch: &[(usize, usize)]) -> Result<(Tensor, Tensor)> {
        let structure = self.examples.structure(batch, &self.weights)?;
        let whole = match self.examples.projected(batch, &self.weights)? {
            Some(projected) => (projected + &structure)?,
            None => structure.clone(),
        };
        Ok((whole, structure))
    }
}

fn unit(rows: &Tensor) -> Result<Tensor> {
    rows.broadcast_div(&lengths(rows)?)
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
        let families: Vec<&str> = batch.iter().map(|(at, _)| self.families[*at]).collect();
        let coarse: Vec<u32> = batch.iter().map(|(at, _)| self.coarse[*at]).collect();
        let temperature = self.settings.temperature;
        let (whole, structure) = self.embedded(&batch)?;
        let embeddings = unit(&whole)?;
        let mut loss = contrast(&embeddings, &families, temperature)?;
        if self.settings.classification > 0.0 {
            let logits = embeddings.matmul(&self.weights.get(CLASSES)?.t()?)?;
            let told = cross_entropy(&(logits / temperature)?, &coarse)?;
            loss = (loss + (told * self.settings.classification)?)?;
        }
        if self.settings.alone > 0.0 {
            let alone = contrast(&unit(&structure)?, &families, temperature)?;
            loss = (loss + (alone * self.settings.alone)?)?;
        }
        Ok(loss)
    }

    fn rate(&self, name: &str, step: usize) -> f64 {
        let first = match name {
            PROJECTION | CLASSES => self.settings.projection_rate,
            _ => self.settings.learning_rate,
        };
        first * half_cosine(step, self.settings.steps)
    }

    fn validation(&self) -> std::result::Result<Option<f64>, Error> {
        if self.data.judge.is_none() {
            return Ok(None);
        }
        let all: Vec<(usize, usize)> = (0..self.examples.len()).map(|at| (at, 0)).collect();
        let (mut whole, mut alone) = (Vec::new(), Vec::new());
        for some in all.chunks(CHUNK) {
            let (embedded, structure) = self.embedded(some)?;
            whole.extend(unit(&embedded)?.to_vec2()?);
            alone.extend(unit(&structure)?.to_vec2()?);
        }
        let alone = self.data.map(alone);
        eprintln!("ALONE {alone:?}");
        Ok(self.data.map(whole))
    }
}
