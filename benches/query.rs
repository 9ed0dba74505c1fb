//! From an ONNX file of about 600 nodes to a ranked list: percentiles, which criterion does not
//! report. Its stages are in `pipeline`.

#![allow(missing_docs)]

mod sheet;
mod subjects;

use netkin::engine::{Engine, Query, SearchOptions};
use netkin::import::{self, Limits, canonical};
use sheet::{Sheet, Times, row, take_turns, verdict};
use std::hint::black_box;
use subjects::{FILES, export};

/// As in the programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 200;
const P50_BUDGET_MS: f64 = 4.0;
const P99_BUDGET_MS: f64 = 15.0;

/// A file with its size in KB, nodes and operators.
fn subject(model: &str, file: &str) -> (Query, [String; 3]) {
    let bytes = export(model, file);
    let raw = import::onnx::read(&bytes, &Limits::default()).expect("it is a model");
    let architecture =
        canonical::canonicalise(&raw, &Limits::default()).expect("it is an architecture");
    let size = [
        bytes.len() / 1000,
        raw.nodes.len(),
        architecture.operator_count(),
    ];
    (
        Query::Bytes { name: None, bytes },
        size.map(|size| size.to_string()),
    )
}

/// The files take turns.
fn measure(engine: &Engine, queries: &[Query]) -> Vec<Times> {
    let options = &SearchOptions::default();
    let mut ways: Vec<_> = queries
        .iter()
        .map(|query| {
            move |_: usize| {
                drop(black_box(
                    engine.search(query, options).expect("it is a model"),
                ))
            }
        })
        .collect();
    let mut turns: Vec<&mut dyn FnMut(usize)> = Vec::new();
    for way in &mut ways {
        turns.push(way);
    }
    take_turns(ROUNDS, &mut turns)
}

fn main() {
    let engine = subjects::open();
    let (queries, sizes): (Vec<_>, Vec<_>) = FILES
        .iter()
        .map(|(model, file)| subject(model, file))
        .unzip();
    let times = measure(&engine, &queries);
    let mut sheet = Sheet::new("Query: a file of about 600 nodes to a ranked list");
    sheet.paragraph(&format!(
        "`cargo bench --bench query`: in one process and on one thread, among {} entries, the ten best, {ROUNDS} rounds in\n\
         which the files take turns. Operators are those of the architecture, nodes those of the file with its\n\
         initialisers.",
        engine.corpus().entries().len()
    ));
    let rows: Vec<_> = FILES
        .iter()
        .zip(sizes)
        .zip(&times)
        .map(|(((model, file), size), times)| {
            row(
                format!("{model}/{file}"),
                size.into_iter().chain(times.cells()),
            )
        })
        .collect();
    let header = [
        "file",
        "KB",
        "nodes",
        "operators",
        "fastest ms",
        "p50 ms",
        "p99 ms",
    ];
    sheet.table(&header, &rows);
    let worst = |share| {
        times
            .iter()
            .map(|times| times.quantile(share))
            .fold(0.0, f64::max)
    };
    sheet.paragraph(&format!(
        "Budget: p50 ≤ {P50_BUDGET_MS} ms ({}) and p99 ≤ {P99_BUDGET_MS} ms ({}), for the slowest of the files.",
        verdict(worst(0.5) <= P50_BUDGET_MS),
        verdict(worst(0.99) <= P99_BUDGET_MS)
    ));
    sheet.print();
}
