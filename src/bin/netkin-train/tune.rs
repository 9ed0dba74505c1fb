//! Compares settings on validation families and keeps what was found.

use crate::files::{json, read, read_corpus, write};
use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use netkin::eval::report::Tried;
use netkin::eval::{data_hash, protocol};
use netkin::train::{self, Fit, Progress, Search, Validation, gnn};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What to compare.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    encoder: Kind,
    /// Validation splits.
    folds: u64,
    /// Settings that every trial starts from; defaults where it says nothing.
    base: BTreeMap<String, Value>,
    /// What each trial changes: settings by path, such as `hashing/counts` or `search/motifs`.
    trials: Vec<BTreeMap<String, Value>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    TokenSets,
    MotifGnn,
}

/// Where the settings of the search stand among those of the encoder.
const SEARCH: &str = "search";

pub(crate) fn run(corpus: &Path, grid: &Path, out: &Path) -> Result<String> {
    let place = || format!("reading {}", grid.display());
    let grid: Grid = serde_json::from_slice(&read(grid)?).with_context(place)?;
    let entries = read_corpus(corpus)?;
    let hash = data_hash(&entries);
    let before = known(out)?;
    let protocol = protocol::Config::default();
    let mut validation = Validation::new(&entries, &protocol, grid.folds);
    let base = changed(&grid.encoder.defaults()?, &grid.base)?;
    let (trials, steps) = bars(1 + grid.trials.len() as u64)?;
    let mut tried = Vec::new();
    for changes in std::iter::once(&BTreeMap::new()).chain(&grid.trials) {
        let name = name(changes);
        let of_trial = || format!("trial: {name}");
        let config = changed(&base, changes)?;
        let is_same = |tried: &&Tried| {
            (&tried.config, tried.folds, &tried.data_hash) == (&config, grid.folds, &hash)
        };
        let found = match before.iter().find(is_same) {
            Some(found) => Tried {
                name: name.clone(),
                ..found.clone()
            },
            None => {
                let (fit, search) = grid.encoder.settings(&config).with_context(of_trial)?;
                let validated = validation.judge(&fit, search, &|step| show(&steps, step));
                let validated = validated.with_context(of_trial)?;
                Tried {
                    name: name.clone(),
                    config,
                    folds: grid.folds,
                    data_hash: hash.clone(),
                    metrics: validated.metrics,
                    curve: validated.curve,
                }
            }
        };
        tried.push(found);
        // After every trial, so that an interrupted run keeps what it has found.
        write(out, &json(&tried)?)?;
        trials.inc(1);
    }
    trials.finish_and_clear();
    steps.finish_and_clear();
    Ok(tried.iter().map(line).collect())
}

impl Kind {
    /// Default settings of the encoder and, within, of the search.
    fn defaults(self) -> Result<Value> {
        let mut settings = match self {
            Self::TokenSets => serde_json::to_value(train::Config::default())?,
            Self::MotifGnn => serde_json::to_value(gnn::Config {
                token_sets: Some(train::Config::default()),
                ..gnn::Config::default()
            })?,
        };
        settings[SEARCH] = serde_json::to_value(Search::default())?;
        Ok(settings)
    }

    fn settings(self, settings: &Value) -> Result<(Fit, Search)> {
        let mut settings = settings.clone();
        let search = settings[SEARCH].take();
        if let Some(settings) = settings.as_object_mut() {
            settings.remove(SEARCH);
        }
        let fit = match self {
            Self::TokenSets => Fit::TokenSets(of(settings)?),
            Self::MotifGnn => Fit::MotifGnn(Box::new(of(settings)?)),
        };
        Ok((fit, of(search)?))
    }
}

fn of<T: DeserializeOwned>(settings: Value) -> Result<T> {
    Ok(serde_json::from_value(settings)?)
}

/// What an earlier run found; nothing when there was none.
fn known(out: &Path) -> Result<Vec<Tried>> {
    if !out.exists() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&read(out)?).with_context(|| format!("reading {}", out.display()))
}

fn line(tried: &Tried) -> String {
    let value = |metric: &str| tried.metrics.get(metric).copied().unwrap_or_default();
    format!(
        "MRR@20 {:.4}  MAP@20 {:.4}  NDCG@20 {:.4}  MAP@100 {:.4}  {}\n",
        value("mrr@20"),
        value("map@20"),
        value("ndcg@20"),
        value("map@100"),
        tried.name
    )
}

/// A bar of the trials and one of the steps within.
fn bars(trials: u64) -> Result<(ProgressBar, ProgressBar)> {
    let style = |template| ProgressStyle::with_template(template).context("a progress bar");
    let bars = MultiProgress::new();
    let trials = bars.add(ProgressBar::new(trials));
    let steps = bars.add(ProgressBar::new(0));
    trials.set_style(style("trials {bar:32} {pos}/{len} {eta}")?);
    steps.set_style(style("{prefix} {bar:32} {pos}/{len} {eta} {msg}")?);
    Ok((trials, steps))
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_prefix(progress.stage);
    bar.set_length(progress.steps as u64);
    bar.set_position(progress.step as u64);
    bar.set_message(format!("loss {:.3}", progress.loss));
}

fn name(changes: &BTreeMap<String, Value>) -> String {
    if changes.is_empty() {
        return "the settings that the others start from".to_owned();
    }
    let changes: Vec<String> = changes
        .iter()
        .map(|(path, value)| format!("{} {value}", path.replace('/', " ")))
        .collect();
    changes.join(", ")
}

fn changed(settings: &Value, changes: &BTreeMap<String, Value>) -> Result<Value> {
    let mut settings = settings.clone();
    for (path, value) in changes {
        let place = settings
            .pointer_mut(&format!("/{path}"))
            .with_context(|| format!("there is no setting `{path}`"))?;
        *place = value.clone();
    }
    Ok(settings)
}
