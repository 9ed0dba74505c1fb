//! Compares an encoder with the baselines and writes the report.

use crate::files::{json, read, read_corpus, write};
use crate::provenance::{machine, today};
use anyhow::{Context, Result};
use netkin::eval::baselines::{Bm25, Chance, Size, TfIdf, Vectors, bags, latent_vectors};
use netkin::eval::protocol::{self, Outcome, Queries, Ranker, difference, estimate, evaluate};
use netkin::eval::report::{Report, Results, Row, Seeds, Spread, Tried, markdown};
use netkin::eval::{Labelled, data_hash};
use netkin::model::{Encoder, TokenSetEncoder};
use netkin::train::{self, model_card};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Seeds of the fits that are compared.
const SEEDS: u64 = 3;

pub(crate) fn run(corpus: &Path, model: &Path, out: &Path) -> Result<()> {
    let entries = read_corpus(corpus)?;
    let encoder = TokenSetEncoder::load(
        &read(&model.join("config.json"))?,
        &read(&model.join("model.safetensors"))?,
    )
    .with_context(|| format!("loading the model in {}", model.display()))?;
    let fitted: train::Config = serde_json::from_slice(&read(&model.join("fit.json"))?)
        .context("reading fit.json of the model")?;
    let tuning = model.join("tuning.json");
    let validation = if tuning.exists() {
        serde_json::from_slice(&read(&tuning)?).context("reading tuning.json of the model")?
    } else {
        Vec::new()
    };
    let report = report(&entries, &encoder, &fitted, validation)?;
    let page = markdown(&report);
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    write(&out.join("evaluation.md"), page.as_bytes())?;
    write(&out.join("evaluation.json"), &json(&report)?)?;
    let card = model_card(encoder.config(), &fitted, headline(&report).as_deref());
    write(&model.join("README.md"), card.as_bytes())
}

/// The shipped encoder's own numbers, for its card.
fn headline(report: &Report) -> Option<String> {
    let mut text = String::from("| queries | MRR@20 | MAP@20 | NDCG@20 |\n|---|---|---|---|\n");
    for results in &report.results {
        let ours = results.methods.first()?;
        let value = |metric| ours.metrics.get(metric).map(|estimate| estimate.mean);
        let name = match results.queries {
            Queries::HeldOutFamilies => "held-out families",
            Queries::HeldOutArchitectures => "all held-out architectures",
        };
        let (mrr, map, ndcg) = (value("mrr@20")?, value("map@20")?, value("ndcg@20")?);
        text.push_str(&format!("| {name} | {mrr:.3} | {map:.3} | {ndcg:.3} |\n"));
    }
    text.push_str("\nIntervals and baselines: `docs/evaluation.md`.");
    Some(text)
}

fn report(
    entries: &[Labelled],
    encoder: &TokenSetEncoder,
    fitted: &train::Config,
    validation: Vec<Tried>,
) -> Result<Report> {
    let config = protocol::Config::default();
    let families: BTreeSet<&str> = entries.iter().map(|entry| entry.family.as_str()).collect();
    let held_out = families
        .iter()
        .filter(|family| protocol::is_held_out(family, &config));
    let rankers = rankers(entries, encoder, &config)?;
    let refitted = refitted(entries, fitted, &config)?;
    let results = Queries::ALL
        .into_iter()
        .map(|queries| results(entries, &rankers, &refitted, queries, &config))
        .collect::<Result<_>>()?;
    Ok(Report {
        date: today()?,
        machine: machine(),
        model_version: encoder.version().into(),
        data_hash: data_hash(entries),
        entries: entries.len(),
        families: families.len(),
        held_out_families: held_out.count(),
        results,
        validation,
        protocol: config,
    })
}

fn results(
    entries: &[Labelled],
    rankers: &[(&str, Box<dyn Ranker>)],
    refitted: &[(u64, Vectors)],
    queries: Queries,
    config: &protocol::Config,
) -> Result<Results> {
    let outcomes: Vec<(&str, Outcome)> = rankers
        .iter()
        .map(|(name, ranker)| (*name, evaluate(entries, ranker.as_ref(), queries, config)))
        .collect();
    let (_, ours) = outcomes
        .first()
        .context("the shipped encoder was evaluated")?;
    let again: Vec<Outcome> = refitted
        .iter()
        .map(|(_, ranker)| evaluate(entries, ranker, queries, config))
        .collect();
    let spread = |metric: &String| {
        let values: Vec<f64> = again
            .iter()
            .filter_map(|outcome| Some(estimate(outcome, metric, config)?.mean))
            .collect();
        (metric.clone(), Spread::of(&values))
    };
    Ok(Results {
        queries,
        asked: ours.queries.len(),
        unanswerable: ours.unanswerable,
        methods: outcomes
            .iter()
            .map(|(name, outcome)| row(name, outcome, ours, config))
            .collect(),
        seeds: Seeds {
            seeds: refitted.iter().map(|(seed, _)| *seed).collect(),
            metrics: metric_names(ours).iter().map(spread).collect(),
        },
    })
}

/// The shipped settings fitted again with several seeds.
fn refitted(
    entries: &[Labelled],
    fitted: &train::Config,
    config: &protocol::Config,
) -> Result<Vec<(u64, Vectors)>> {
    (0..SEEDS)
        .map(|offset| {
            let seed = fitted.seed + offset;
            let settings = train::Config {
                seed,
                ..fitted.clone()
            };
            let encoder = train::fit("refitted", entries, config, &settings)?;
            Ok((seed, Vectors::encoded(entries, &encoder)?))
        })
        .collect()
}

fn rankers(
    entries: &[Labelled],
    encoder: &TokenSetEncoder,
    config: &protocol::Config,
) -> Result<Vec<(&'static str, Box<dyn Ranker>)>> {
    let seen: BTreeSet<&str> = protocol::training(entries, config)
        .into_iter()
        .map(|entry| entry.id.as_str())
        .collect();
    let train: Vec<usize> = (0..entries.len())
        .filter(|at| seen.contains(entries[*at].id.as_str()))
        .collect();
    let bags = bags(entries);
    let unfitted = TokenSetEncoder::unfitted(encoder.config().hashing.clone())?;
    let latent = Vectors::new(latent_vectors(&bags, &train, 256, config.seed));
    let chance = Chance {
        entries: entries.len(),
        seed: config.seed,
    };
    Ok(vec![
        (
            "token sets, whitened",
            Box::new(Vectors::encoded(entries, encoder)?),
        ),
        (
            "token sets, not whitened",
            Box::new(Vectors::encoded(entries, &unfitted)?),
        ),
        ("LSA-256 of all tokens", Box::new(latent)),
        ("tf-idf of all tokens", Box::new(TfIdf::new(&bags, &train))),
        (
            "WL-1 tf-idf",
            Box::new(TfIdf::of_neighbourhoods(&bags, &train)),
        ),
        (
            "BM25 of operator n-grams",
            Box::new(Bm25::new(&bags, &train)),
        ),
        (
            "operator histogram",
            Box::new(Vectors::operator_histogram(entries)),
        ),
        ("size only", Box::new(Size::new(entries))),
        ("random", Box::new(chance)),
    ])
}

fn metric_names(outcome: &Outcome) -> Vec<String> {
    let first = outcome.queries.first();
    first
        .map(|query| query.metrics.keys().cloned().collect())
        .unwrap_or_default()
}

fn row(name: &str, outcome: &Outcome, ours: &Outcome, config: &protocol::Config) -> Row {
    let mut metrics = BTreeMap::new();
    let mut gain = BTreeMap::new();
    for metric in metric_names(outcome) {
        if let Some(gained) = difference(ours, outcome, &metric, config) {
            gain.insert(metric.clone(), gained);
        }
        if let Some(value) = estimate(outcome, &metric, config) {
            metrics.insert(metric, value);
        }
    }
    Row {
        name: name.into(),
        metrics,
        gain,
    }
}
