//! Compares an encoder with the baselines on every split and writes the report.

use crate::files::{json, read, read_corpus, write};
use crate::model::Model;
use crate::provenance::{machine, today};
use crate::rankers::{Method, Named, Rankers};
use crate::trials;
use anyhow::{Context, Result, bail};
use netkin::corpus::Kind;
use netkin::eval::baselines::Vectors;
use netkin::eval::protocol::{self, Outcome, Queries, difference, estimate, evaluate};
use netkin::eval::report::{self, OfKind, Report, Results, Row, Seeds, Spread, Tried, markdown};
use netkin::eval::{Labelled, cells, data_hash, plot, split};
use netkin::import::Limits;
use netkin::model::TokenSetEncoder;
use netkin::train;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Seeds of the fits that are compared.
const SEEDS: u64 = 3;

pub(crate) fn run(
    corpus: &Path,
    model: &Path,
    beside: &[PathBuf],
    exports: &Path,
    out: &Path,
) -> Result<()> {
    let entries = read_corpus(corpus)?;
    let evaluated = Model::read(model)?;
    let tuning = model.join("tuning.json");
    let validation = if tuning.exists() {
        serde_json::from_slice(&read(&tuning)?).context("reading tuning.json of the model")?
    } else {
        Vec::new()
    };
    let beside = beside
        .iter()
        .map(|folder| beside_of(folder, evaluated.data_hash()))
        .collect::<Result<Vec<_>>>()?;
    let report = report(entries, &evaluated, &beside, exports, validation)?;
    let page = markdown(&report);
    let pictures = out.join(report::PICTURES);
    fs::create_dir_all(&pictures).with_context(|| format!("creating {}", pictures.display()))?;
    draw(&report, &pictures)?;
    write(&out.join("evaluation.md"), page.as_bytes())?;
    write(&out.join("evaluation.json"), &json(&report)?)?;
    let card = evaluated.card(headline(&report).as_deref());
    write(&model.join("README.md"), card.as_bytes())
}

/// The model in `folder`, which must have learned from the data that the evaluated one did.
fn beside_of(folder: &Path, data_hash: &str) -> Result<Model> {
    let model = Model::read(folder)?;
    if model.data_hash() != data_hash {
        bail!("the model in {} learned from other data", folder.display());
    }
    Ok(model)
}

/// The pictures that the page shows, under the names it has for them.
fn draw(report: &Report, folder: &Path) -> Result<()> {
    for results in &report.results {
        let title = format!("{}: MAP@20", results.title());
        let svg = plot::intervals(&title, &results.methods, "map@20")?;
        write(&folder.join(results.picture()), svg.as_bytes())?;
    }
    for trial in report.trials.iter().filter(|trial| trial.is_drawn) {
        let Some(evaluated) = trial.methods.first() else {
            continue;
        };
        let svg = plot::falling(&trial.title, evaluated)?;
        write(&folder.join(trial.picture()), svg.as_bytes())?;
    }
    Ok(())
}

/// The shipped encoder's own numbers, for its card.
fn headline(report: &Report) -> Option<String> {
    let mut text = String::from("| queries | MRR@20 | MAP@20 | NDCG@20 |\n|---|---|---|---|\n");
    for results in &report.results {
        let name = match results.queries {
            Queries::HeldOutFamilies => "held-out families",
            Queries::HeldOutArchitectures => "all held-out architectures",
            _ => continue,
        };
        let ours = results.methods.first()?;
        let value = |metric| ours.metrics.get(metric).map(|estimate| estimate.mean);
        let (mrr, map, ndcg) = (value("mrr@20")?, value("map@20")?, value("ndcg@20")?);
        text.push_str(&format!("| {name} | {mrr:.3} | {map:.3} | {ndcg:.3} |\n"));
    }
    text.push_str("\nIntervals and baselines: `docs/evaluation.md`.");
    Some(text)
}

fn report(
    entries: Vec<Labelled>,
    evaluated: &Model,
    beside: &[Model],
    exports: &Path,
    validation: Vec<Tried>,
) -> Result<Report> {
    let config = protocol::Config::default();
    let fitted = &evaluated.token_sets();
    let families: BTreeSet<&str> = entries.iter().map(|entry| entry.family.as_str()).collect();
    let families = families.len();
    let held_out: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.family.as_str())
        .filter(|family| split::is_held_out(family, &config))
        .collect();
    let held_out_families = held_out.len();
    let data_hash = data_hash(&entries);
    let count = entries.len();
    let without_packages = packages(&entries, fitted, &config)?;
    let refitted = refitted(&entries, fitted, &config)?;
    let tests = trials::Tests::new(entries, exports, &config)?;
    let entries = &tests.entries()[..count];
    let training = split::training(entries, &config);
    let of_cells = of_cells(fitted, &config)?;
    let mut encoders = vec![named(evaluated)];
    encoders.extend(beside.iter().map(named));
    encoders.push(("token sets, refined on cells alone", &of_cells));
    let rankers = Rankers::new(tests.entries(), &encoders, &training, fitted, config.seed)?;
    let shared = [
        (Queries::HeldOutFamilies, &refitted[..]),
        (Queries::HeldOutArchitectures, &refitted),
        (Queries::HeldOutFamiliesByModule, &[]),
    ];
    let mut results = shared
        .into_iter()
        .map(|(queries, refitted)| {
            self::results(entries, rankers.methods(), refitted, queries, &config)
        })
        .collect::<Result<Vec<_>>>()?;
    results.extend(without_packages);
    Ok(Report {
        date: today()?,
        machine: machine(),
        model_version: evaluated.encoder().version().into(),
        data_hash,
        entries: count,
        families,
        held_out_families,
        results,
        trials: tests.run(rankers.methods(), &config)?,
        validation,
        protocol: config,
    })
}

/// A model as it is called in tables.
fn named(model: &Model) -> Named<'_> {
    (model.encoder().version(), model.encoder())
}

/// An encoder that has seen cells of NAS spaces only: how far what it learns carries over to real
/// architectures, and what cells gain from being learned from.
fn of_cells(fitted: &train::Config, config: &protocol::Config) -> Result<TokenSetEncoder> {
    let cells = cells::families(config.seed, &Limits::default());
    let training: Vec<&Labelled> = cells.iter().collect();
    Ok(train::fit("cells", &training, data_hash(&cells), fitted)?)
}

/// Each package in its turn held out, by encoders that were fitted without it.
fn packages(
    entries: &[Labelled],
    fitted: &train::Config,
    config: &protocol::Config,
) -> Result<Vec<Results>> {
    let packages = config.held_out_packages.iter();
    packages
        .map(|package| {
            let training = split::training_without(entries, package);
            let encoder = train::fit("without a package", &training, data_hash(entries), fitted)?;
            let encoders: [Named<'_>; 1] = [("token sets, refined", &encoder)];
            let rankers = Rankers::new(entries, &encoders, &training, fitted, config.seed)?;
            let queries = Queries::HeldOutPackage(package.clone());
            results(entries, rankers.methods(), &[], queries, config)
        })
        .collect()
}

fn results(
    entries: &[Labelled],
    methods: &[Method],
    refitted: &[(u64, Vectors)],
    queries: Queries,
    config: &protocol::Config,
) -> Result<Results> {
    let outcomes: Vec<(&str, Outcome)> = methods
        .iter()
        .map(|(name, ranker)| {
            let outcome = evaluate(entries, ranker.as_ref(), &queries, config);
            (name.as_str(), outcome)
        })
        .collect();
    let (_, ours) = outcomes
        .first()
        .context("the shipped encoder was evaluated")?;
    Ok(Results {
        asked: ours.queries.len(),
        unanswerable: ours.unanswerable,
        methods: rows(&outcomes, config),
        kinds: kinds(&outcomes, config),
        seeds: seeds(entries, refitted, &queries, config),
        queries,
    })
}

/// Rows for published and for composed queries, where there are both.
fn kinds(outcomes: &[(&str, Outcome)], config: &protocol::Config) -> Vec<OfKind> {
    let of = |kind| {
        let outcomes: Vec<(&str, Outcome)> = outcomes
            .iter()
            .map(|(name, outcome)| (*name, outcome.of_kind(kind)))
            .collect();
        OfKind {
            kind,
            asked: outcomes.first().map_or(0, |(_, ours)| ours.queries.len()),
            methods: rows(&outcomes, config),
        }
    };
    let kinds = [of(Kind::Published), of(Kind::Composed)];
    if kinds.iter().any(|kind| kind.asked == 0) {
        return Vec::new();
    }
    kinds.into()
}

fn seeds(
    entries: &[Labelled],
    refitted: &[(u64, Vectors)],
    queries: &Queries,
    config: &protocol::Config,
) -> Option<Seeds> {
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
    Some(Seeds {
        metrics: metric_names(again.first()?).iter().map(spread).collect(),
        seeds: refitted.iter().map(|(seed, _)| *seed).collect(),
    })
}

/// The shipped settings fitted again with several seeds.
fn refitted(
    entries: &[Labelled],
    fitted: &train::Config,
    config: &protocol::Config,
) -> Result<Vec<(u64, Vectors)>> {
    let training = split::training(entries, config);
    (0..SEEDS)
        .map(|offset| {
            let seed = fitted.seed + offset;
            let settings = train::Config {
                seed,
                ..fitted.clone()
            };
            let encoder = train::fit("refitted", &training, data_hash(entries), &settings)?;
            Ok((seed, Vectors::encoded(entries, &encoder)?))
        })
        .collect()
}

fn metric_names(outcome: &Outcome) -> Vec<String> {
    let first = outcome.queries.first();
    first
        .map(|query| query.metrics.keys().cloned().collect())
        .unwrap_or_default()
}

/// One row a method, with what the first gains over each.
pub(crate) fn rows(outcomes: &[(&str, Outcome)], config: &protocol::Config) -> Vec<Row> {
    let Some((_, ours)) = outcomes.first() else {
        return Vec::new();
    };
    let rows = outcomes.iter();
    rows.map(|(name, outcome)| row(name, outcome, ours, config))
        .collect()
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
