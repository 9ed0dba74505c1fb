//! Answers as tables for people. Scripts get the engine's objects as JSON, unchanged.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use netkin::engine::{
    Comparison, Description, Equality, Motifs, QuerySummary, Relation, SearchAnswer,
};
use std::fmt::Write;

/// Rows of motifs in a table.
const MOTIFS_SHOWN: usize = 24;

pub(crate) fn search(answer: &SearchAnswer) -> String {
    let mut table = table(&["#", "similarity", "relation", "id", "family", "source"]);
    for hit in &answer.hits {
        table.add_row([
            hit.rank.to_string(),
            format!("{:.3}", hit.similarity),
            relation(hit.relation).to_owned(),
            hit.id.clone(),
            hit.family.clone(),
            hit.source.clone(),
        ]);
    }
    right(&mut table, &[0, 1]);
    format!(
        "{}\n{table}\n{} in {:.1} ms, model {}",
        summary(&answer.query),
        counted(answer.hits.len(), "hit"),
        answer.took_ms,
        answer.model_version
    )
}

pub(crate) fn describe(description: &Description) -> String {
    let query = &description.query;
    let mut table = table(&["operator", "count"]);
    for operator in &description.operators {
        table.add_row([operator.operator.clone(), operator.count.to_string()]);
    }
    right(&mut table, &[1]);
    let mut text = format!(
        "{}\nflops          {}\ndepth          {}\ndigest         {}\ncoarse digest  {}\n{table}",
        summary(query),
        thousands(description.flops),
        description.depth,
        query.digest,
        query.coarse_digest,
    );
    let _ = write!(text, "\n{}", motifs(&description.motifs));
    if !description.unknown_operators.is_empty() {
        let unknown = description.unknown_operators.join(", ");
        let _ = write!(text, "\nnot understood: {unknown}");
    }
    text
}

/// The most frequent motifs; of a model with hundreds of distinct ones the rest is only counted.
fn motifs(motifs: &[Motifs]) -> String {
    let mut table = table(&["motif", "operators", "count"]);
    for motif in motifs.iter().take(MOTIFS_SHOWN) {
        table.add_row([
            motif.name.clone(),
            motif.operators.to_string(),
            motif.count.to_string(),
        ]);
    }
    right(&mut table, &[1, 2]);
    match motifs.len().saturating_sub(MOTIFS_SHOWN) {
        0 => table.to_string(),
        left => format!("{table}\nand {} more", counted(left, "motif")),
    }
}

pub(crate) fn compare(comparison: &Comparison) -> String {
    let equal = match comparison.equal {
        Equality::Exact => "the same design",
        Equality::Coarse => "the same design at another width",
        Equality::None => "different designs",
    };
    let mut text = format!(
        "a  {}\nb  {}\n{equal}, similarity {:.3}, {} in common",
        summary(&comparison.a),
        summary(&comparison.b),
        comparison.similarity,
        counted(comparison.shared_operators, "operator")
    );
    if comparison.differing.is_empty() {
        return text;
    }
    let mut table = table(&["operator", "in a", "in b"]);
    for difference in &comparison.differing {
        table.add_row([
            difference.operator.clone(),
            difference.in_a.to_string(),
            difference.in_b.to_string(),
        ]);
    }
    right(&mut table, &[1, 2]);
    let _ = write!(text, "\n{table}");
    text
}

/// Two columns: what the stored statistics say, one line a number.
pub(crate) fn fields(value: &serde_json::Value) -> String {
    let mut table = table(&["what", "value"]);
    for (name, value) in leaves("", value) {
        table.add_row([name, value]);
    }
    table.to_string()
}

/// Everything in `value` that holds nothing further: the way there, and what it is.
fn leaves(path: &str, value: &serde_json::Value) -> Vec<(String, String)> {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| {
                let path = format!("{path} {}", key.replace('_', " "));
                leaves(path.trim_start(), value)
            })
            .collect(),
        Value::String(text) => vec![(path.to_owned(), text.clone())],
        other => vec![(path.to_owned(), other.to_string())],
    }
}

fn summary(query: &QuerySummary) -> String {
    format!(
        "{} ({}): {}, {}, {} parameters",
        query.name.as_deref().unwrap_or("unnamed"),
        query.format,
        counted(query.operators, "operator"),
        counted(query.edges, "edge"),
        thousands(query.parameters)
    )
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Duplicate => "duplicate",
        Relation::SameStructure => "same structure",
        Relation::Variant => "variant",
        Relation::Relative => "relative",
    }
}

fn counted(count: usize, thing: &str) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{end}")
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.iter().copied());
    table
}

fn right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(thousands(11_689_512), "11,689,512");
        assert_eq!(thousands(7), "7");
    }

    #[test]
    fn statistics_within_statistics_are_named_by_the_way_there() {
        let statistics = serde_json::json!({"nas": {"darts": {"cells": 7}}, "corpus_version": "a"});
        let expected = [("corpus version", "a"), ("nas darts cells", "7")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(leaves("", &statistics), expected);
    }
}
