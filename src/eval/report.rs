//! Evaluation as Markdown for people and JSON for programs.
//!
//! Holds what was measured, on what, by which model; decides nothing.

use super::protocol::{Config, Estimate, Gain, Queries};
use crate::corpus::Kind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// One evaluation.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Day of the run, `YYYY-MM-DD`.
    pub date: String,
    /// Processor and number of threads.
    pub machine: String,
    /// Version of the evaluated model.
    pub model_version: String,
    /// Hash of the evaluated data.
    pub data_hash: String,
    /// Number of entries, all of them candidates.
    pub entries: usize,
    /// Number of families.
    pub families: usize,
    /// Number of held-out families.
    pub held_out_families: usize,
    /// The rules.
    pub protocol: Config,
    /// One for each set of queries.
    pub results: Vec<Results>,
    /// Further tests, each with metrics of its own.
    pub trials: Vec<Trial>,
    /// Families of which the evaluated model missed most, the worst first.
    pub confusions: Vec<Confusion>,
    /// What was compared on validation families, before the evaluation.
    pub tuned: Vec<Tuned>,
}

/// What every method earned on one set of queries.
#[derive(Clone, Debug, Serialize)]
pub struct Results {
    /// Who was asked.
    pub queries: Queries,
    /// Number of queries with a relevant candidate.
    pub asked: usize,
    /// Queries without one, left out.
    pub unanswerable: usize,
    /// One row a method, the shipped encoder first.
    pub methods: Vec<Row>,
    /// The same for published and for composed queries alone.
    pub kinds: Vec<OfKind>,
    /// One more method against all others, where one was named.
    pub against: Option<Against>,
    /// Methods that were trained with several seeds.
    pub seeds: Vec<Seeds>,
}

/// What one method gains over the others.
#[derive(Clone, Debug, Serialize)]
pub struct Against {
    /// The method.
    pub method: String,
    /// Other methods, and for each what is gained over it by metric: paired, over families.
    pub others: Vec<(String, BTreeMap<String, Gain>)>,
}

/// What every method earned on queries of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct OfKind {
    /// The kind.
    pub kind: Kind,
    /// Number of queries with a relevant candidate.
    pub asked: usize,
    /// One row a method, the shipped encoder first.
    pub methods: Vec<Row>,
}

/// What every method earned in a test beside the sets of queries.
#[derive(Clone, Debug, Serialize)]
pub struct Trial {
    /// What it is called.
    pub title: String,
    /// What was asked, and what the metrics mean.
    pub about: String,
    /// Number of queries with an answer.
    pub asked: usize,
    /// Metrics that the page shows, in this order.
    pub columns: Vec<String>,
    /// Whether the page shows a picture too.
    pub is_drawn: bool,
    /// One row a method, the shipped encoder first.
    pub methods: Vec<Row>,
}

/// Folder of the pictures beside the page.
pub const PICTURES: &str = "evaluation";

impl Results {
    /// File name of its picture.
    pub fn picture(&self) -> String {
        picture(&self.queries.to_string())
    }
}

impl Trial {
    /// File name of its picture.
    pub fn picture(&self) -> String {
        picture(&self.title)
    }
}

/// `title` in lower case, with hyphens between its words.
fn picture(title: &str) -> String {
    let words: Vec<String> = title
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    format!("{}.svg", words.join("-"))
}

/// The results of one method.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Metrics by name, such as `map@20`.
    pub metrics: BTreeMap<String, Estimate>,
    /// What the first method gains over it, by metric: paired, over families.
    pub gain: BTreeMap<String, Gain>,
}

/// How much a metric depends on the seed of a training.
#[derive(Clone, Debug, Serialize)]
pub struct Seeds {
    /// The method that was trained again.
    pub method: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Mean and standard deviation by metric.
    pub metrics: BTreeMap<String, Spread>,
}

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample.
    pub deviation: f64,
}

impl Spread {
    /// Of a few values; no deviation from a single one.
    pub fn of(values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self {
            mean,
            deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
        }
    }
}

/// What was tried for a model before it was evaluated.
#[derive(Clone, Debug, Serialize)]
pub struct Tuned {
    /// Version of the model.
    pub model: String,
    /// What was tried; the others start from the first.
    pub trials: Vec<Tried>,
}

impl Tuned {
    /// How the training went, by the first settings whose training looked at validation families.
    pub fn curve(&self) -> Option<&[Point]> {
        let curves = self.trials.iter().map(|tried| &tried.curve[..]);
        curves.into_iter().find(|curve| !curve.is_empty())
    }

    /// File name of the picture of its curve.
    pub fn picture(&self) -> String {
        picture(&format!("training of {}", self.model))
    }
}

/// A family, and what was found in place of its members.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    /// The family.
    pub family: String,
    /// Queries of the family with a relevant candidate.
    pub queries: usize,
    /// Their mean average precision among the first 20.
    pub map: f64,
    /// What the family takes from the MAP@20 of all queries.
    pub lost: f64,
    /// Families of the irrelevant among the first 20 with their shares of those, most frequent first.
    pub instead: Vec<(String, f64)>,
}

/// Settings and what they earned on validation families.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was changed against the settings it was compared with.
    pub name: String,
    /// All settings.
    pub config: serde_json::Value,
    /// Number of folds.
    pub folds: u64,
    /// Hash of the data that the folds were made of.
    pub data_hash: String,
    /// Metrics by name, means over the folds.
    pub metrics: BTreeMap<String, f64>,
    /// How the training went, for encoders that look at validation families while they learn.
    pub curve: Vec<Point>,
}

/// How far a training had come at one of its looks at the validation families.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Number of the fold, from 1.
    pub fold: u64,
    /// The stage: `motif` or `graph`.
    pub stage: String,
    /// Steps done.
    pub step: usize,
    /// The loss of that step.
    pub loss: f64,
    /// MAP@20 of the fold's validation families.
    pub map: f64,
}

/// The report as a Markdown page.
pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "# Evaluation\n\n\
         Written by `netkin-train eval`; do not edit.\n\n\
         - Date: {}\n- Machine: {}\n- Model: {}\n\
         - Data: {} entries of {} families, hash `{}`\n\
         - Never trained on: {} families, and {:.0} % of the members of each other family\n\
         - Candidates: every entry that is no exact duplicate of the query\n\n\
         Means over queries with 95 % bootstrap intervals over families; gains are paired, and p is that of \
         a two-sided test that there is none. Relevant: same family. NDCG grades 3 same model at another scale, 2 same family, 1 same coarse \
         family. Baselines take document frequencies and directions from the training entries \
         alone. Models are called by their versions; `config/training/` has the settings of those \
         called as its files.\n",
        report.date,
        report.machine,
        report.model_version,
        report.entries,
        report.families,
        report.data_hash,
        report.held_out_families,
        100.0 * report.protocol.held_out_members,
    );
    aims(&mut page, report);
    for results in &report.results {
        section(&mut page, results, &report.protocol.cuts);
    }
    for trial in &report.trials {
        self::trial(&mut page, trial);
    }
    confusions(&mut page, &report.confusions);
    for tuned in &report.tuned {
        self::tuned(&mut page, tuned);
    }
    page
}

/// What we aim at: the beginning of a section's title, a metric, and what it should reach.
const AIMS: [(&str, &str, f64); 14] = [
    ("Held-out families", "mrr@20", 0.985),
    ("Held-out families", "map@20", 0.90),
    ("Held-out families", "ndcg@20", 0.94),
    ("All held-out architectures", "mrr@20", 0.995),
    ("All held-out architectures", "map@20", 0.93),
    ("All held-out architectures", "ndcg@20", 0.96),
    ("Held-out package", "map@20", 0.90),
    ("Other exporters", "recall@1", 0.995),
    ("Chains of edits", "spearman", 0.99),
    ("Cells among real architectures", "mrr@20", 1.0),
    ("Cells among real architectures", "map@20", 0.99),
    ("Cells among real architectures", "ndcg@20", 0.99),
    ("Cells of", "map@20", 0.99),
    ("Cells of", "ndcg@20", 0.99),
];

impl Report {
    /// The titles of all sections with their tables.
    fn sections(&self) -> impl Iterator<Item = (String, &[Row])> {
        let results = self.results.iter();
        let results = results.map(|of| (of.queries.to_string(), &of.methods[..]));
        let trials = self.trials.iter();
        results.chain(trials.map(|of| (of.title.clone(), &of.methods[..])))
    }
}

fn aims(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "## Aims, and what {} reaches\n\n| | metric | aim | reached | |\n|---|---|---|---|---|",
        report.model_version
    );
    for (begin, metric, aim) in AIMS {
        // By the packages' own modules nothing was aimed at.
        let sections = report
            .sections()
            .filter(|(title, _)| title.starts_with(begin) && !title.contains(','));
        for (title, methods) in sections {
            let reached = methods.first().and_then(|row| row.metrics.get(metric));
            let Some(estimate) = reached else { continue };
            let is_met = if estimate.mean >= aim {
                "met"
            } else {
                "missed"
            };
            let reached = cell(Some(estimate));
            let _ = writeln!(
                page,
                "| {title} | {metric} | {aim} | {reached} | {is_met} |"
            );
        }
    }
    page.push('\n');
}

fn trial(page: &mut String, trial: &Trial) {
    let _ = writeln!(
        page,
        "## {}\n\n{} {} queries.\n",
        trial.title, trial.about, trial.asked
    );
    let columns: Vec<&str> = trial.columns.iter().map(String::as_str).collect();
    rows(page, &columns, &trial.methods);
    if trial.is_drawn {
        show(page, &trial.title, &trial.picture());
    }
}

fn show(page: &mut String, title: &str, picture: &str) {
    let _ = writeln!(page, "![{title}]({PICTURES}/{picture})\n");
}

/// A table of some metrics, one row a method.
fn rows(page: &mut String, columns: &[&str], methods: &[Row]) {
    let _ = writeln!(
        page,
        "| method | {} |\n|---|{}",
        columns.join(" | "),
        "---|".repeat(columns.len())
    );
    for row in methods {
        let cells = columns.iter().map(|column| cell(row.metrics.get(*column)));
        let cells: Vec<String> = cells.collect();
        let _ = writeln!(page, "| {} | {} |", row.name, cells.join(" | "));
    }
    page.push('\n');
}

fn section(page: &mut String, results: &Results, cuts: &[usize]) {
    let title = results.queries.to_string();
    let _ = writeln!(
        page,
        "## {title}\n\n{} queries; {} more had nothing relevant to find.\n",
        results.asked, results.unanswerable
    );
    show(page, &title, &results.picture());
    for cut in cuts {
        table(page, results, *cut);
    }
    for OfKind {
        kind,
        asked,
        methods,
    } in &results.kinds
    {
        let kind = kind.name();
        let _ = writeln!(page, "### The {asked} {kind} queries alone, at 20\n");
        rows(page, &["mrr@20", "map@20", "ndcg@20", "recall@20"], methods);
    }
    if let Some(against) = &results.against {
        self::against(page, against);
    }
    for seeds in &results.seeds {
        spread(page, seeds, cuts);
    }
}

fn spread(page: &mut String, seeds: &Seeds, cuts: &[usize]) {
    let names: Vec<String> = seeds.seeds.iter().map(u64::to_string).collect();
    let _ = writeln!(
        page,
        "{}, trained with the seeds {}, mean ± standard deviation:\n\n\
         | at | MRR | MAP | NDCG | recall |\n|---|---|---|---|---|",
        seeds.method,
        names.join(", ")
    );
    for cut in cuts {
        let cells = METRICS.map(|metric| {
            let spread = seeds.metrics.get(&format!("{metric}@{cut}"));
            spread.map_or_else(String::new, |Spread { mean, deviation }| {
                format!("{mean:.3} ± {deviation:.3}")
            })
        });
        let _ = writeln!(page, "| {cut} | {} |", cells.join(" | "));
    }
    page.push('\n');
}

const METRICS: [&str; 4] = ["mrr", "map", "ndcg", "recall"];

fn table(page: &mut String, results: &Results, cut: usize) {
    let _ = writeln!(
        page,
        "### At {cut}\n\n| method | MRR | MAP | NDCG | recall | gain of the first row in MAP | p |\n|---|---|---|---|---|---|---|"
    );
    for row in &results.methods {
        let cells = METRICS.map(|metric| cell(row.metrics.get(&format!("{metric}@{cut}"))));
        let gain = row.gain.get(&format!("map@{cut}"));
        let p = gain.map_or_else(String::new, |gain| format!("{:.3}", gain.p));
        let gain = cell(gain.map(|gain| &gain.estimate));
        let _ = writeln!(
            page,
            "| {} | {} | {gain} | {p} |",
            row.name,
            cells.join(" | ")
        );
    }
    page.push('\n');
}

fn against(page: &mut String, against: &Against) {
    let _ = writeln!(
        page,
        "### What {} gains over the others, at 20\n\n\
         | over | MRR | p | MAP | p | NDCG | p |\n|---|---|---|---|---|---|---|",
        against.method
    );
    for (other, gains) in &against.others {
        let cells = ["mrr@20", "map@20", "ndcg@20"].map(|metric| match gains.get(metric) {
            Some(gain) => format!("{} | {:.3}", cell(Some(&gain.estimate)), gain.p),
            None => " | ".to_owned(),
        });
        let _ = writeln!(page, "| {other} | {} |", cells.join(" | "));
    }
    page.push('\n');
}

/// Families of the page's table of what was missed.
const WORST: usize = 20;

fn confusions(page: &mut String, confusions: &[Confusion]) {
    let _ = writeln!(
        page,
        "## What the first row misses\n\n\
         Held-out families by what they take from its MAP@20, and the families that come in their \
         members' place with their shares of all that is irrelevant among the first 20.\n\n\
         | family | queries | MAP@20 | taken from the whole | in place of it |\n|---|---|---|---|---|"
    );
    for confusion in confusions.iter().take(WORST) {
        let instead = confusion.instead.iter().take(3);
        let instead: Vec<String> = instead
            .map(|(family, share)| format!("{family} {:.0} %", 100.0 * share))
            .collect();
        let _ = writeln!(
            page,
            "| {} | {} | {:.3} | {:.3} | {} |",
            confusion.family,
            confusion.queries,
            confusion.map,
            confusion.lost,
            instead.join(", ")
        );
    }
    page.push('\n');
}

fn tuned(page: &mut String, tuned: &Tuned) {
    let folds = tuned.trials.first().map_or(0, |tried| tried.folds);
    let _ = writeln!(
        page,
        "## What was tried on validation families for {}\n\n\
         Settings were compared by `netkin-train tune` on {folds} splits of the training data alone: \
         no held-out family or architecture of the tables above was a query, a candidate or a \
         training example. Each row changes the settings of the first, but for what it names.\n\n\
         | settings | MRR@20 | MAP@20 | NDCG@20 | MAP@100 |\n|---|---|---|---|---|",
        tuned.model
    );
    for tried in &tuned.trials {
        let cells = ["mrr@20", "map@20", "ndcg@20", "map@100"].map(|metric| {
            let value = tried.metrics.get(metric);
            value.map_or_else(String::new, |value| format!("{value:.4}"))
        });
        let _ = writeln!(page, "| {} | {} |", tried.name, cells.join(" | "));
    }
    page.push('\n');
    if tuned.curve().is_some() {
        show(
            page,
            &format!("Training of {}", tuned.model),
            &tuned.picture(),
        );
    }
}

fn cell(estimate: Option<&Estimate>) -> String {
    estimate.map_or_else(String::new, |estimate| {
        let Estimate { mean, low, high } = estimate;
        format!("{mean:.3} ({low:.3} to {high:.3})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_model_data_and_numbers() {
        let estimate = Estimate {
            mean: 0.5,
            low: 0.4,
            high: 0.6,
        };
        let gain = Gain { estimate, p: 0.002 };
        let page = markdown(&Report {
            date: "2026-01-01".into(),
            machine: "a machine".into(),
            model_version: "v1".into(),
            data_hash: "abc".into(),
            entries: 10,
            families: 4,
            held_out_families: 2,
            protocol: Config {
                cuts: vec![20],
                ..Config::default()
            },
            results: vec![Results {
                queries: Queries::HeldOutFamilies,
                asked: 3,
                unanswerable: 1,
                methods: vec![Row {
                    name: "token sets".into(),
                    metrics: BTreeMap::from([("map@20".into(), estimate)]),
                    gain: BTreeMap::from([("map@20".into(), gain)]),
                }],
                against: Some(Against {
                    method: "network".into(),
                    others: vec![("gcn".into(), BTreeMap::from([("map@20".into(), gain)]))],
                }),
                kinds: vec![OfKind {
                    kind: Kind::Composed,
                    asked: 2,
                    methods: vec![],
                }],
                seeds: vec![Seeds {
                    method: "token sets".into(),
                    seeds: vec![0, 1],
                    metrics: BTreeMap::from([("map@20".into(), Spread::of(&[0.25, 0.75]))]),
                }],
            }],
            trials: vec![Trial {
                title: "Edits".into(),
                about: "Edited.".into(),
                asked: 7,
                columns: vec!["spearman".into()],
                is_drawn: true,
                methods: vec![Row {
                    name: "token sets".into(),
                    metrics: BTreeMap::from([("spearman".into(), estimate)]),
                    gain: BTreeMap::new(),
                }],
            }],
            confusions: vec![Confusion {
                family: "wav2vec2".into(),
                queries: 3,
                map: 0.25,
                lost: 0.125,
                instead: vec![("wavlm".into(), 0.75)],
            }],
            tuned: vec![Tuned {
                model: "v1".into(),
                trials: vec![Tried {
                    name: "more steps".into(),
                    config: serde_json::Value::Null,
                    folds: 2,
                    data_hash: "abc".into(),
                    metrics: BTreeMap::from([("map@20".into(), 0.5)]),
                    curve: vec![Point {
                        fold: 1,
                        stage: "graph".into(),
                        step: 100,
                        loss: 2.0,
                        map: 0.5,
                    }],
                }],
            }],
        });
        assert!(page.contains("hash `abc`"));
        let missed = "| Held-out families | map@20 | 0.9 | 0.500 (0.400 to 0.600) | missed |";
        assert!(page.contains(missed));
        assert!(page.contains(
            "| token sets |  | 0.500 (0.400 to 0.600) |  |  | 0.500 (0.400 to 0.600) | 0.002 |"
        ));
        assert!(page.contains("| gcn |  |  | 0.500 (0.400 to 0.600) | 0.002 |  |  |"));
        assert!(page.contains("| 20 |  | 0.500 ± 0.354 |  |  |"));
        assert!(page.contains("The 2 composed queries alone"));
        assert!(page.contains("| token sets | 0.500 (0.400 to 0.600) |"));
        assert!(page.contains("![Held-out families](evaluation/held-out-families.svg)"));
        assert!(page.contains("![Edits](evaluation/edits.svg)"));
        assert!(page.contains("| wav2vec2 | 3 | 0.250 | 0.125 | wavlm 75 % |"));
        assert!(page.contains("| more steps |  | 0.5000 |  |  |"));
        assert!(page.contains("(evaluation/training-of-v1.svg)"));
    }
}
