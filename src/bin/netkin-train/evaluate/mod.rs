//! Compares an encoder with others and the baselines on every split and writes the report.

mod models;
mod pictures;
mod rankers;
mod tables;
pub(crate) mod trials;

use crate::files::{json, read_corpus, write};
use crate::model::Model;
use crate::provenance::{machine, today};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use models::Models;
use netkin::eval::protocol::{self, Queries};
use netkin::eval::report::{Report, Results, markdown};
use netkin::eval::{Labelled, cells, confusions, data_hash, split};
use netkin::import::Limits;
use netkin::model::TokenSetEncoder;
use netkin::train;
use rankers::{Named, Rankers};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tables::{Again, results};

/// Seeds of the fits of token sets that are compared.
const SEEDS: usize = 3;
/// How often the clock of the progress moves.
const TICK: Duration = Duration::from_millis(200);

/// What every part of an evaluation is told.
struct Session<'a> {
    protocol: &'a protocol::Config,
    /// The fit of token sets whose parts the baselines are.
    token_sets: &'a train::Config,
    /// Hash of the evaluated data.
    data_hash: &'a str,
    /// A method beside the first that is held against all others.
    against: Option<&'a str>,
    progress: &'a ProgressBar,
}

impl Session<'_> {
    /// Shows what is going on.
    fn say(&self, part: &str, what: &str) {
        self.progress.set_prefix(part.to_owned());
        self.progress.set_message(what.to_owned());
    }
}

pub(crate) fn run(
    corpus: &Path,
    model: &Path,
    beside: &[PathBuf],
    against: Option<&str>,
    exports: &Path,
    out: &Path,
) -> Result<()> {
    let entries = read_corpus(corpus)?;
    let models = Models::read(model, beside)?;
    let progress = progress()?;
    let session = Session {
        protocol: &protocol::Config::default(),
        token_sets: &models.evaluated().token_sets(),
        data_hash: &data_hash(&entries),
        against,
        progress: &progress,
    };
    let report = session.report(entries, &models, exports)?;
    progress.finish_and_clear();
    pictures::draw(&report, out)?;
    write(&out.join("evaluation.md"), markdown(&report).as_bytes())?;
    write(&out.join("evaluation.json"), &json(&report)?)?;
    let card = models.evaluated().card(headline(&report).as_deref());
    write(&model.join("README.md"), card.as_bytes())
}

fn progress() -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{elapsed_precise} {prefix}: {msg}")
        .context("the template of the progress")?;
    let progress = ProgressBar::new_spinner().with_style(style);
    progress.enable_steady_tick(TICK);
    Ok(progress)
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

impl Session<'_> {
    fn report(&self, entries: Vec<Labelled>, models: &Models, exports: &Path) -> Result<Report> {
        let config = self.protocol;
        let families: BTreeSet<&str> = entries.iter().map(|entry| entry.family.as_str()).collect();
        let families = families.len();
        let held_out: BTreeSet<&str> = entries
            .iter()
            .map(|entry| entry.family.as_str())
            .filter(|family| split::is_held_out(family, config))
            .collect();
        let held_out_families = held_out.len();
        let count = entries.len();
        let without_packages = self.packages(&entries, models)?;
        let again = self.again(&entries, models)?;
        self.say("other tests", "making their graphs");
        let tests = trials::Tests::new(entries, exports, config)?;
        let entries = &tests.entries()[..count];
        let training = split::training(entries, config);
        self.say("token sets", "fitting on cells");
        let of_cells = self.of_cells()?;
        let mut encoders: Vec<Named<'_>> = models.everywhere.iter().map(named).collect();
        encoders.push(("token sets, refined on cells alone", &of_cells));
        let rankers = Rankers::new(self, tests.entries(), &encoders, &training)?;
        let methods = rankers.methods();
        if let Some(name) = self
            .against
            .filter(|name| methods.iter().all(|(of, _)| of != name))
        {
            bail!("there is no method `{name}` to hold against the others");
        }
        let asked = [
            (Queries::HeldOutFamilies, &again[..]),
            (Queries::HeldOutArchitectures, &again),
            (Queries::HeldOutFamiliesByModule, &[]),
        ];
        let mut results = asked
            .into_iter()
            .map(|(queries, again)| tables::results(self, entries, methods, again, queries))
            .collect::<Result<Vec<_>>>()?;
        results.extend(without_packages);
        let (_, ours) = methods.first().context("the evaluated encoder is there")?;
        Ok(Report {
            date: today()?,
            machine: machine(),
            model_version: models.evaluated().encoder().version().into(),
            data_hash: self.data_hash.into(),
            entries: count,
            families,
            held_out_families,
            confusions: confusions::confusions(entries, &**ours, config),
            results,
            trials: tests.run(self, methods)?,
            tuned: models.tuned.clone(),
            protocol: config.clone(),
        })
    }

    /// An encoder that has seen cells of NAS spaces only: how far what it learns carries over to
    /// real architectures, and what cells gain from being learned from.
    fn of_cells(&self) -> Result<TokenSetEncoder> {
        let cells = cells::families(self.protocol.seed, &Limits::default());
        let training: Vec<&Labelled> = cells.iter().collect();
        let hash = data_hash(&cells);
        Ok(train::fit("cells", &training, hash, self.token_sets)?)
    }

    /// Each package in its turn held out, by encoders that were trained without it.
    fn packages(&self, entries: &[Labelled], models: &Models) -> Result<Vec<Results>> {
        let packages = self.protocol.held_out_packages.iter();
        packages
            .map(|package| {
                let queries = Queries::HeldOutPackage(package.clone());
                self.say(&queries.to_string(), "fitting token sets without it");
                let training = split::training_without(entries, package);
                let hash = self.data_hash.to_owned();
                let encoder = train::fit("without a package", &training, hash, self.token_sets)?;
                let others = models.without.get(package).into_iter().flatten();
                let mut encoders: Vec<Named<'_>> = others.map(named).collect();
                // First the kind that is evaluated.
                let place = match models.evaluated() {
                    Model::TokenSets(_) => 0,
                    Model::MotifGnn(_) => encoders.len(),
                };
                encoders.insert(place, ("token sets, refined", &encoder));
                let rankers = Rankers::new(self, entries, &encoders, &training)?;
                results(self, entries, rankers.methods(), &[], queries)
            })
            .collect()
    }

    /// What was trained with several seeds: the token sets, here, and models that were given so.
    fn again(&self, entries: &[Labelled], models: &Models) -> Result<Vec<Again>> {
        let mut token_sets = Again {
            method: "token sets, refined".into(),
            seeds: Vec::new(),
        };
        if let Model::TokenSets(evaluated) = models.evaluated() {
            token_sets.add(self.token_sets.seed, entries, &evaluated.0)?;
        }
        let training = split::training(entries, self.protocol);
        for seed in (self.token_sets.seed..).skip(token_sets.seeds.len()) {
            if token_sets.seeds.len() == SEEDS {
                break;
            }
            self.say("token sets", &format!("fitting with seed {seed}"));
            let settings = train::Config {
                seed,
                ..self.token_sets.clone()
            };
            let hash = self.data_hash.to_owned();
            let encoder = train::fit("refitted", &training, hash, &settings)?;
            token_sets.add(seed, entries, &encoder)?;
        }
        let mut all = vec![token_sets];
        for (place, others) in &models.again {
            let first = &models.everywhere[*place];
            let mut again = Again {
                method: first.encoder().version().into(),
                seeds: Vec::new(),
            };
            for model in std::iter::once(first).chain(others) {
                again.add(model.seed(), entries, model.encoder())?;
            }
            all.push(again);
        }
        Ok(all)
    }
}

/// A model as it is called in tables.
fn named(model: &Model) -> Named<'_> {
    (model.encoder().version(), model.encoder())
}
