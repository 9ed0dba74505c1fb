//! Evaluation as Markdown for people and JSON for programs.
//!
//! Holds what was measured, on what, by which model; decides nothing.

use super::protocol::{Config, Estimate};
use serde::Serialize;
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
    /// Number of held-out families.
    pub held_out_families: usize,
    /// Number of queries with a relevant candidate.
    pub queries: usize,
    /// Queries without one, left out.
    pub unanswerable: usize,
    /// The rules.
    pub protocol: Config,
    /// One row a method, the shipped encoder first.
    pub methods: Vec<Row>,
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

/// The report as a Markdown page.
pub fn markdown(report: &Report) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "# Evaluation\n\n\
         Written by `netkin-train eval`; do not edit.\n\n\
         - Date: {}\n- Machine: {}\n- Model: {}\n- Data: {} entries, hash `{}`\n\
         - Queries: {} from {} held-out families ({} more had nothing relevant to find)\n\
         - Candidates: every entry that is no exact duplicate of the query\n\n\
         Means over queries with 95 % bootstrap intervals over families. Relevant: same family. \
         NDCG grades 3 same model at another scale, 2 same family, 1 same coarse family.\n",
        report.date,
        report.machine,
        report.model_version,
        report.entries,
        report.data_hash,
        report.queries,
        report.held_out_families,
        report.unanswerable,
    );
    for cut in &report.protocol.cuts {
        table(&mut page, report, *cut);
    }
    page
}

fn table(page: &mut String, report: &Report, cut: usize) {
    let _ = writeln!(
        page,
        "## At {cut}\n\n| method | MRR | MAP | NDCG | recall | gain of the first row in MAP |\n|---|---|---|---|---|---|"
    );
    for row in &report.methods {
        let cells: Vec<String> = ["mrr", "map", "ndcg", "recall"]
            .iter()
            .map(|metric| cell(row.metrics.get(&format!("{metric}@{cut}"))))
            .collect();
        let gain = cell(row.gain.get(&format!("map@{cut}")));
        let _ = writeln!(page, "| {} | {} | {gain} |", row.name, cells.join(" | "));
    }
    page.push('\n');
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
            held_out_families: 2,
            queries: 3,
            unanswerable: 1,
            protocol: Config {
                cuts: vec![20],
                ..Config::default()
            },
            methods: vec![Row {
                name: "token sets".into(),
                metrics: BTreeMap::from([("map@20".into(), estimate)]),
                gain: BTreeMap::new(),
            }],
        });
        assert!(page.contains("hash `abc`"));
        assert!(page.contains("| token sets |  | 0.500 (0.400 to 0.600) |  |  |  |"));
    }
}
