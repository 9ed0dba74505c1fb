//! Stage 1: a motif attracts the contexts it occurs in and repels those of other motifs.
//!
//! A batch holds each motif once, so all occurrences of one hash are one positive set. A context
//! that several motifs of the batch occur in would be a false negative of all but one: it counts
//! neither for nor against the others.

use super::contexts::contexts;
use super::examples::{Examples, Motifs};
use super::{Config, Data, MotifSettings, examples};
use crate::eval::baselines::normalised;
use crate::model::Shapes;
use crate::model::motif_gnn::{BUCKETS, MotifGraph, Passing, level};
use crate::random::{self, Random};
use crate::train::Error;
use crate::train::batches::draw;
use crate::train::loss::paired_contrast;
use crate::train::parameters::Parameters;
use crate::train::stage::Stage;
use candle_core::{Device, Result, Tensor};

pub(super) struct MotifStage<'a> {
    data: &'a Data,
    settings: &'a MotifSettings,
    motifs: Motifs,
    contexts: Motifs,
    /// Of each motif the places of its contexts, and their signatures.
    of_motif: Vec<Vec<(u32, u64)>>,
    /// Motifs in the order in which they are drawn.
    order: Vec<u32>,
    random: Random,
    weights: Parameters,
    /// What validation looks at.
    examples: Option<Examples>,
}

impl<'a> MotifStage<'a> {
    pub(super) fn new(
        data: &'a Data,
        config: &'a Config,
        device: &Device,
    ) -> std::result::Result<Self, Error> {
        let network = &config.network;
        let dim = network.motif_dim;
        let mut shapes = Shapes::from([(BUCKETS.into(), vec![network.buckets, dim])]);
        for name in ["motif", "context"] {
            level(
                &mut shapes,
                name,
                dim,
                dim,
                network.rounds,
                Passing::Directed,
            );
        }
        let occurring = contexts(&data.learned(), network.splitter);
        let motifs: Vec<&MotifGraph> = occurring.values().map(|of| &of.motif).collect();
        let mut around: Vec<&MotifGraph> = Vec::new();
        let mut of_motif = Vec::with_capacity(motifs.len());
        for of in occurring.values() {
            let places = around.len() as u32..;
            of_motif.push(places.zip(of.contexts.keys().copied()).collect());
            around.extend(of.contexts.values());
        }
        Ok(Self {
            data,
            settings: &config.motif,
            motifs: Motifs::new(network, &motifs),
            contexts: Motifs::new(network, &around),
            order: (0..motifs.len() as u32).collect(),
            of_motif,
            random: Random::new(random::sequence(config.seed, [1])),
            weights: Parameters::seeded(&shapes, config.seed, device)?,
            examples: match &data.judge {
                Some(_) => Some(examples(data, config, None, 0)?),
                None => None,
            },
        })
    }

    /// The next motifs and, for each, some of its contexts with their signatures.
    fn draw(&mut self) -> Vec<(u32, Vec<(u32, u64)>)> {
        let count = self.settings.motifs.min(self.order.len());
        draw(&mut self.order, count, &mut self.random);
        let drawn = self.order[..count].iter();
        drawn
            .map(|motif| {
                let contexts = &mut self.of_motif[*motif as usize];
                let several = self.settings.contexts.min(contexts.len());
                draw(contexts, several, &mut self.random);
                (*motif, contexts[..several].to_vec())
            })
            .collect()
    }
}

impl Stage for MotifStage<'_> {
    fn weights(&self) -> &Parameters {
        &self.weights
    }

    fn skip(&mut self) {
        self.draw();
    }

    fn loss(&mut self) -> Result<Tensor> {
        let batch = self.draw();
        let motifs: Vec<u32> = batch.iter().map(|(motif, _)| *motif).collect();
        let contexts: Vec<u32> = batch
            .iter()
            .flat_map(|(_, contexts)| contexts.iter().map(|(place, _)| *place))
            .collect();
        let sets: Vec<Vec<u64>> = batch
            .iter()
            .map(|(_, contexts)| contexts.iter().map(|(_, signature)| *signature).collect())
            .collect();
        let motifs = self.motifs.vectors(&motifs, &self.weights, "motif")?;
        let contexts = self.contexts.vectors(&contexts, &self.weights, "context")?;
        paired_contrast(&motifs, &contexts, &sets, self.settings.temperature)
    }

    fn validation(&self) -> std::result::Result<Option<f64>, Error> {
        let Some(examples) = &self.examples else {
            return Ok(None);
        };
        let means = examples.motif_means(&self.weights)?.into_iter();
        Ok(self.data.map(means.map(normalised).collect()))
    }
}
