//! From an ONNX file of about 600 nodes to a ranked list, and the stages on the way.

#![allow(missing_docs)]

mod padded;
mod sheet;

use netkin::corpus::Corpus;
use netkin::engine::{Config, Engine, Query, SearchOptions};
use netkin::graph::Architecture;
use netkin::import::{self, Limits, RawGraph, canonical};
use netkin::model::{Encoder, TokenSetEncoder};
use sheet::{Sheet, Times, row, take_turns, verdict};
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

/// Exports of about 600 nodes each: a model, and the file in its archive.
const FILES: [(&str, &str); 3] = [
    ("swin_tiny_patch4_window7_224", "dyn20.onnx"),
    ("segformer", "ts11.onnx"),
    ("efficientnet_v2_s", "bn.onnx"),
];
const ROUNDS: usize = 200;
const P50_BUDGET_MS: f64 = 4.0;
const P99_BUDGET_MS: f64 = 15.0;
const STAGES: [&str; 5] = [
    "parse",
    "canonicalise",
    "digests",
    "embed",
    "search, by id of an entry",
];

fn export(model: &str, file: &str) -> Vec<u8> {
    let folder = padded::shipped().join("tests/data/exports");
    let archive = std::fs::read(folder.join(format!("{model}.tar.zst")));
    let archive = archive.expect("the exports are part of the repository");
    let unpacked = zstd::decode_all(&archive[..]).expect("it is a zstd archive");
    let mut archive = tar::Archive::new(&unpacked[..]);
    for entry in archive.entries().expect("it is a tar archive") {
        let mut entry = entry.expect("it is whole");
        if entry.path().is_ok_and(|path| path.ends_with(file)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("it is whole");
            return bytes;
        }
    }
    panic!("{model} has no {file}");
}

fn shipped_encoder() -> TokenSetEncoder {
    let models = std::fs::read_dir(padded::shipped().join("models")).expect("models are shipped");
    let folders = models.map(|model| model.expect("a folder can be listed").path());
    let newest = folders.max().expect("there is a model");
    let read = |name| std::fs::read(newest.join(name)).expect("a model has both files");
    TokenSetEncoder::load(&read("config.json"), &read("model.safetensors"))
        .expect("the shipped model is whole")
}

fn open(assets: &Path) -> Engine {
    let config = Config {
        assets_dir: assets.to_owned(),
        variant_similarity: 0.8,
        max_k: 1000,
    };
    let data = assets.join("data");
    Engine::open(config, Limits::default(), &data, &|_, _| {}).expect("the assets are whole")
}

/// A stored entry whose summary is known after the first question.
fn stored(assets: &Path) -> Query {
    let bytes = std::fs::read(assets.join("corpus/netkin.corpus")).expect("it was just written");
    let corpus = Corpus::read(bytes).expect("it was just written");
    Query::Id(corpus.entries()[padded::ENTRIES / 2].id.clone())
}

struct Subject {
    bytes: Vec<u8>,
    raw: RawGraph,
    architecture: Architecture,
    query: Query,
}

impl Subject {
    fn new(model: &str, file: &str) -> Self {
        let bytes = export(model, file);
        let raw = import::onnx::read(&bytes, &Limits::default()).expect("it is a model");
        Self {
            architecture: canonical::canonicalise(&raw, &Limits::default())
                .expect("it is an architecture"),
            raw,
            query: Query::Bytes {
                name: None,
                bytes: bytes.clone(),
            },
            bytes,
        }
    }
}

/// The whole way, then its stages.
fn measure(
    subject: &Subject,
    engine: &Engine,
    encoder: &TokenSetEncoder,
    entry: &Query,
) -> Vec<Times> {
    let limits = Limits::default();
    let options = SearchOptions::default();
    let search = |query| black_box(engine.search(query, &options).expect("it is a model"));
    take_turns(
        ROUNDS,
        &mut [
            &mut |_| drop(search(&subject.query)),
            &mut |_| drop(black_box(import::onnx::read(&subject.bytes, &limits))),
            &mut |_| drop(black_box(canonical::canonicalise(&subject.raw, &limits))),
            &mut |_| {
                black_box(subject.architecture.digests());
            },
            &mut |_| drop(black_box(encoder.encode(&subject.architecture))),
            &mut |_| drop(search(entry)),
        ],
    )
}

fn main() {
    let assets = padded::padded_assets();
    let engine = open(assets.path());
    let encoder = shipped_encoder();
    let entry = stored(assets.path());
    let mut sheet = Sheet::new("Query: a file of about 600 nodes to a ranked list");
    sheet.paragraph(&format!(
        "`cargo bench --bench query`: in one process and on one thread, among {} entries, the ten best, {ROUNDS} rounds.\n\
         Operators are those of the architecture, nodes those of the file with its initialisers.",
        padded::ENTRIES
    ));
    let mut worst = (0f64, 0f64);
    for (model, file) in FILES {
        let subject = Subject::new(model, file);
        let times = measure(&subject, &engine, &encoder, &entry);
        worst.0 = worst.0.max(times[0].median());
        worst.1 = worst.1.max(times[0].quantile(0.99));
        sheet.paragraph(&format!(
            "{model}/{file}: {} KB, {} nodes, {} operators.",
            subject.bytes.len() / 1000,
            subject.raw.nodes.len(),
            subject.architecture.operator_count()
        ));
        let names = std::iter::once("whole").chain(STAGES);
        let rows: Vec<_> = names
            .zip(&times)
            .map(|(name, times)| row(name, times.cells()))
            .collect();
        sheet.table(&["stage", "fastest ms", "p50 ms", "p99 ms"], &rows);
    }
    sheet.paragraph(&format!(
        "Budget: p50 ≤ {P50_BUDGET_MS} ms ({}) and p99 ≤ {P99_BUDGET_MS} ms ({}), for the slowest of the files.",
        verdict(worst.0 <= P50_BUDGET_MS),
        verdict(worst.1 <= P99_BUDGET_MS)
    ));
    sheet.print();
}
