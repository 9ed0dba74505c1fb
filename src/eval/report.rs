//! Evaluation as Markdown for people and JSON for programs.
//!
//! Holds what was measured, on what, by which model; decides nothing.

use super::protocol::{Config, Estimate, Queries};
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
    /// Settings that were compared on validation families, before the evaluation.
    pub validation: Vec<Tried>,
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
    /// The token sets' settings fitted again with several seeds, where that was done.
    pub seeds: Option<Seeds>,
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
    /// What the queries are called.
    pub fn title(&self) -> String {
        title(&self.queries)
    }

    /// File name of its picture.
    pub fn picture(&self) -> String {
        picture(&self.title())
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
    /// What the shipped encoder gains over it, by metric: paired, over families.
    pub gain: BTreeMap<String, Estimate>,
}

/// How much a metric depends on the seed of a fit.
#[derive(Clone, Debug, Serialize)]
pub struct Seeds {
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

/// Settings and what they earned on validation families.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// What was changed against the settings it was compared with.
    pub name: String,
    /// All settings.
    pub config: serde_json::Value,
    /// Number of folds.
    pub folds: u64,
    /// Metrics by name, means over the folds.
    pub metrics: BTreeMap<String, f64>,
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
         Means over queries with 95 % bootstrap intervals over families; gains are paired. Relevant: \
         same family. NDCG grades 3 same model at another scale, 2 same family, 1 same coarse \
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
    for results in &report.results {
        section(&mut page, results, &report.protocol.cuts);
    }
    for trial in &report.trials {
        self::trial(&mut page, trial);
    }
    validation(&mut page, &report.validation);
    page
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
    let title = results.title();
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
    if let Some(seeds) = &results.seeds {
        spread(page, seeds, cuts);
    }
}

fn title(queries: &Queries) -> String {
    match queries {
        Queries::HeldOutFamilies => "Held-out families".into(),
        Queries::HeldOutArchitectures => "All held-out architectures".into(),
        Queries::HeldOutFamiliesByModule => {
            "Held-out families, judged by the packages' own modules".into()
        }
        Queries::HeldOutPackage(package) => format!("Held-out package: {package}"),
    }
}

fn spread(page: &mut String, seeds: &Seeds, cuts: &[usize]) {
    let names: Vec<String> = seeds.seeds.iter().map(u64::to_string).collect();
    let _ = writeln!(
        page,
        "Token sets of these settings fitted with the seeds {}, mean ± standard deviation:\n\n\
         | at | MRR | MAP | NDCG | recall |\n|---|---|---|---|---|",
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
        "### At {cut}\n\n| method | MRR | MAP | NDCG | recall | gain of the first row in MAP |\n|---|---|---|---|---|---|"
    );
    for row in &results.methods {
        let cells = METRICS.map(|metric| cell(row.metrics.get(&format!("{metric}@{cut}"))));
        let gain = cell(row.gain.get(&format!("map@{cut}")));
        let _ = writeln!(page, "| {} | {} | {gain} |", row.name, cells.join(" | "));
    }
    page.push('\n');
}

fn validation(page: &mut String, tried: &[Tried]) {
    let Some(first) = tried.first() else {
        return;
    };
    let _ = writeln!(
        page,
        "## What was tried on validation families\n\n\
         Settings were compared by `netkin-train tune` on {} splits of the training data alone: \
         no held-out family or architecture of the tables above was a query, a candidate or a \
         training example. Each row changes the settings of the first, but for what it names.\n\n\
         | settings | MRR@20 | MAP@20 | NDCG@20 | MAP@100 |\n|---|---|---|---|---|",
        first.folds
    );
    for tried in tried {
        let cells = ["mrr@20", "map@20", "ndcg@20", "map@100"].map(|metric| {
            let value = tried.metrics.get(metric);
            value.map_or_else(String::new, |value| format!("{value:.4}"))
        });
        let _ = writeln!(page, "| {} | {} |", tried.name, cells.join(" | "));
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
                    gain: BTreeMap::new(),
                }],
                kinds: vec![OfKind {
                    kind: Kind::Composed,
                    asked: 2,
                    methods: vec![],
                }],
                seeds: Some(Seeds {
                    seeds: vec![0, 1],
                    metrics: BTreeMap::from([("map@20".into(), Spread::of(&[0.25, 0.75]))]),
                }),
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
            validation: vec![],
        });
        assert!(page.contains("hash `abc`"));
        assert!(page.contains("| token sets |  | 0.500 (0.400 to 0.600) |  |  |  |"));
        assert!(page.contains("| 20 |  | 0.500 ± 0.354 |  |  |"));
        assert!(page.contains("The 2 composed queries alone"));
        assert!(page.contains("| token sets | 0.500 (0.400 to 0.600) |"));
        assert!(page.contains("![Held-out families](evaluation/held-out-families.svg)"));
        assert!(page.contains("![Edits](evaluation/edits.svg)"));
        assert!(!page.contains("validation"));
    }
}
