//! Compares settings of a fit on validation families and keeps what was found.

use crate::files::{json, read, read_corpus, write};
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use netkin::eval::protocol;
use netkin::eval::report::Tried;
use netkin::train::{self, validate};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What to compare.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    /// Validation splits.
    folds: u64,
    /// Settings that every trial starts from; defaults where it says nothing.
    base: BTreeMap<String, Value>,
    /// What each trial changes: settings by path, such as `hashing/counts`.
    trials: Vec<BTreeMap<String, Value>>,
}

pub(crate) fn run(corpus: &Path, grid: &Path, out: &Path) -> Result<String> {
    let place = || format!("reading {}", grid.display());
    let grid: Grid = serde_json::from_slice(&read(grid)?).with_context(place)?;
    let entries = read_corpus(corpus)?;
    let base = changed(&serde_json::to_value(train::Config::default())?, &grid.base)?;
    let style = ProgressStyle::with_template("trials {bar:32} {pos}/{len} {eta}")
        .context("the template of the progress bar")?;
    let bar = ProgressBar::new(1 + grid.trials.len() as u64).with_style(style);
    let mut tried = Vec::new();
    let mut text = String::new();
    for changes in std::iter::once(&BTreeMap::new()).chain(&grid.trials) {
        let name = name(changes);
        let settings = changed(&base, changes)?;
        let config: train::Config =
            serde_json::from_value(settings.clone()).with_context(|| format!("trial: {name}"))?;
        let metrics = validate(&entries, &protocol::Config::default(), grid.folds, &config)
            .with_context(|| format!("trial: {name}"))?;
        let value = |metric: &str| metrics.get(metric).copied().unwrap_or_default();
        text.push_str(&format!(
            "MRR@20 {:.4}  MAP@20 {:.4}  NDCG@20 {:.4}  MAP@100 {:.4}  {name}\n",
            value("mrr@20"),
            value("map@20"),
            value("ndcg@20"),
            value("map@100"),
        ));
        tried.push(Tried {
            name,
            config: settings,
            folds: grid.folds,
            metrics,
        });
        // After every trial, so that an interrupted run keeps what it has found.
        write(out, &json(&tried)?)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(text)
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
            .with_context(|| format!("a fit has no setting `{path}`"))?;
        *place = value.clone();
    }
    Ok(settings)
}
