//! Trains the motif GNN in two stages: motifs with their contexts, then graphs with their families.
//!
//! Stage 1 (`motif_stage`) learns what motifs are; stage 2 (`graph_stage`) goes on from its weights,
//! beside token sets that are fitted first and stay. All see the training split alone.

mod contexts;
mod examples;
mod forward;
mod graph_stage;
mod motif_stage;
mod plan;
mod sparse;
#[cfg(test)]
mod tests;
mod views;

use super::Error;
use super::stage::{Progress, Schedule, Stage, run};
use crate::eval::baselines::Vectors;
use crate::eval::protocol::{self, Queries, estimate, evaluate};
use crate::eval::{Labelled, data_hash, split};
use crate::model::motif_gnn::{self, Network, PROJECTION, TokenSets, Weights};
use crate::model::{MotifGnn, TokenSetEncoder, tokens};
use candle_core::Device;
use examples::Examples;
use graph_stage::GraphStage;
use motif_stage::MotifStage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Settings of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sizes of the network.
    pub network: Network,
    /// The fit of the token sets beside the network; `null` for the network alone.
    pub token_sets: Option<super::Config>,
    /// The share of token sets in a similarity; the rest is the network's.
    pub share: f32,
    /// Stage 1.
    pub motif: MotifSettings,
    /// Stage 2.
    pub graph: GraphSettings,
    /// A package that is held out: all of the corpus but its entries is learned from, so the
    /// model can be asked for that package's networks alone.
    pub without: Option<String>,
    /// Steps between two checkpoints, each with a line of the log.
    pub every: usize,
    /// Seed of weights, batches and views.
    pub seed: u64,
}

/// Settings of stage 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MotifSettings {
    /// Gradient steps; with none motifs are learned in stage 2 alone.
    pub steps: usize,
    /// Distinct motifs in a batch.
    pub motifs: usize,
    /// Contexts of each motif in a batch, at most.
    pub contexts: usize,
    /// What similarities are divided by.
    pub temperature: f64,
    /// Rate of the first step; it falls to zero along half a cosine.
    pub learning_rate: f64,
}

/// Settings of stage 2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphSettings {
    /// Gradient steps; with none the network stays as stage 1 left it.
    pub steps: usize,
    /// Families in a batch.
    pub families: usize,
    /// Members of each family in a batch, at most.
    pub members: usize,
    /// Other views of each graph, of which a batch takes any.
    pub views: usize,
    /// What similarities are divided by: the smaller, the more the nearest count.
    pub temperature: f64,
    /// Rate of the first step; it falls to zero along half a cosine.
    pub learning_rate: f64,
    /// Weight of the contrast of families.
    pub contrast: f64,
    /// Weight of the classification of coarse families.
    pub classification: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::default(),
            token_sets: Some(super::Config::default()),
            share: 0.6,
            motif: MotifSettings::default(),
            graph: GraphSettings::default(),
            without: None,
            every: 100,
            seed: 0,
        }
    }
}

impl Default for MotifSettings {
    fn default() -> Self {
        Self {
            steps: 300,
            motifs: 256,
            contexts: 2,
            temperature: 0.1,
            learning_rate: 1e-3,
        }
    }
}

impl Default for GraphSettings {
    fn default() -> Self {
        Self {
            steps: 1_500,
            families: 64,
            members: 4,
            views: 1,
            temperature: 0.05,
            learning_rate: 1e-3,
            contrast: 1.0,
            classification: 0.2,
        }
    }
}

/// What a training looks at.
pub struct Data {
    /// Learned from, and in validation also asked about.
    entries: Vec<Labelled>,
    /// The places of those that are learned from.
    training: Vec<usize>,
    /// How validation families are asked about.
    judge: Option<protocol::Config>,
    hash: String,
}

impl Data {
    /// The training split of `protocol`, or that without the package that `config` holds out; with
    /// a `fold`, a quarter of its families is held out once more and asked about. The evaluation's
    /// queries take no part either way.
    pub fn new(
        entries: &[Labelled],
        protocol: &protocol::Config,
        config: &Config,
        fold: Option<u64>,
    ) -> Self {
        let hash = data_hash(entries);
        let kept = match &config.without {
            Some(package) => split::training_without(entries, package),
            None => split::training(entries, protocol),
        };
        let entries: Vec<Labelled> = kept.into_iter().cloned().collect();
        let judge = fold.map(|fold| super::validate::inner(protocol, fold));
        let training = match &judge {
            None => (0..entries.len()).collect(),
            Some(judge) => {
                let learned = split::training(&entries, judge);
                let place = |id: &String| entries.binary_search_by(|entry| entry.id.cmp(id));
                let places = learned.iter().map(|entry| place(&entry.id));
                places.filter_map(Result::ok).collect()
            }
        };
        Self {
            entries,
            training,
            judge,
            hash,
        }
    }

    fn learned(&self) -> Vec<&Labelled> {
        let places = self.training.iter();
        places.map(|place| &self.entries[*place]).collect()
    }

    /// Everything that has to be encoded: what is not asked about is left out.
    fn all(&self) -> Vec<&Labelled> {
        self.entries.iter().collect()
    }

    /// MAP@20 of the validation families by these vectors, one an entry.
    fn map(&self, vectors: Vec<Vec<f32>>) -> Option<f64> {
        let judge = self.judge.as_ref()?;
        let queries = Queries::HeldOutFamilies;
        let outcome = evaluate(&self.entries, &Vectors::new(vectors), &queries, judge);
        Some(estimate(&outcome, "map@20", judge)?.mean)
    }
}

/// Where a training runs, what it keeps and whom it tells.
pub struct Surroundings<'a> {
    /// The device.
    pub device: Device,
    /// Folder of checkpoints and logs, one for each stage; nothing is kept without it.
    pub folder: Option<&'a Path>,
    /// Called after every step.
    pub progress: &'a dyn Fn(Progress),
}

/// Weights by name: what one stage hands to the next.
pub type Learned = BTreeMap<String, Vec<f32>>;

/// Stage 1: the weights of the motif encoder.
///
/// # Errors
/// When there is nothing to learn from, or a checkpoint cannot be written.
pub fn train_motifs(
    data: &Data,
    config: &Config,
    around: &Surroundings<'_>,
) -> Result<Learned, Error> {
    let mut stage = MotifStage::new(data, config, &around.device)?;
    stage_run(
        &mut stage,
        "motif",
        (config.motif.steps, config.motif.learning_rate),
        data,
        config,
        around,
    )?;
    Ok(stage.weights().values(|name| name.starts_with("motif."))?)
}

/// Stage 2: the encoder named `version`, from the weights of stage 1.
///
/// # Errors
/// When there is nothing to learn from, or a checkpoint cannot be written.
pub fn train_graphs(
    version: &str,
    data: &Data,
    config: &Config,
    motifs: &Learned,
    around: &Surroundings<'_>,
) -> Result<MotifGnn, Error> {
    let fitted = config.token_sets.as_ref().map(|fit| {
        let fit = super::Config {
            seed: config.seed,
            ..fit.clone()
        };
        super::fit("token sets", &data.learned(), data.hash.clone(), &fit)
    });
    let fitted = fitted.transpose()?;
    let token_sets = fitted.as_ref().map(|fitted| TokenSets {
        vocabulary: tokens::VOCABULARY.into(),
        hashing: fitted.config().hashing.clone(),
        dim: fitted.config().dim,
        share: config.share,
    });
    let model = motif_gnn::Config {
        version: version.into(),
        encoder: motif_gnn::KIND.into(),
        vocabulary: motif_gnn::VOCABULARY.into(),
        dim: config.network.outputs + token_sets.as_ref().map_or(0, |of| of.dim),
        network: config.network.clone(),
        token_sets,
        seed: config.seed,
        data_hash: data.hash.clone(),
    };
    let mut stage = GraphStage::new(data, config, &model, fitted.as_ref(), &around.device)?;
    for (name, values) in motifs {
        stage.weights().set(name, values)?;
    }
    stage_run(
        &mut stage,
        "graph",
        (config.graph.steps, config.graph.learning_rate),
        data,
        config,
        around,
    )?;
    let (mut weights, known) = stage.finish()?;
    if let Some(projection) = fitted.as_ref().and_then(TokenSetEncoder::projection) {
        weights.insert(PROJECTION.into(), projection.to_vec());
    }
    Ok(MotifGnn::new(
        model.clone(),
        Weights::new(&model, weights)?,
        &known,
    )?)
}

fn stage_run(
    stage: &mut dyn Stage,
    name: &'static str,
    (steps, learning_rate): (usize, f64),
    data: &Data,
    config: &Config,
    around: &Surroundings<'_>,
) -> Result<(), Error> {
    let settings = serde_json::to_string(config).unwrap_or_default();
    let fold = data.judge.as_ref().map(|judge| judge.seed);
    let folder = around.folder.map(|folder| folder.join(name));
    let schedule = Schedule {
        name,
        steps,
        learning_rate,
        every: config.every.max(1),
        fingerprint: format!("{settings} {} {fold:?}", data.hash),
        folder: folder.as_deref(),
    };
    run(stage, &schedule, around.progress)
}

/// All examples of `data`, folded.
fn examples(
    data: &Data,
    config: &Config,
    fitted: Option<&TokenSetEncoder>,
    views: usize,
) -> Result<Examples, Error> {
    let entries = data.all();
    Ok(Examples::new(
        &entries,
        &config.network,
        fitted,
        views,
        config.seed,
    )?)
}
