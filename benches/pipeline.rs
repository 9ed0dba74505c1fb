//! The stages from a file to a ranked list, one at a time, with criterion: it tells whether a change
//! made a stage faster, which is what it is good at; percentiles, sides that take turns, memory and
//! HTTP it does not measure, so those have programs of their own beside this one.

#![allow(missing_docs)]

mod padded;
mod subjects;

use criterion::{Criterion, criterion_group, criterion_main};
use netkin::corpus::Corpus;
use netkin::engine::{Query, SearchOptions};
use netkin::import::{self, Limits, canonical};
use netkin::model::{Encoder, TokenSetEncoder};
use std::hint::black_box;
use std::path::Path;
use std::time::Duration;
use subjects::{FILES, export};

/// As in the programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn shipped_encoder() -> TokenSetEncoder {
    let models = std::fs::read_dir(padded::shipped().join("models")).expect("models are shipped");
    let folders = models.map(|model| model.expect("a folder can be listed").path());
    let newest = folders.max().expect("there is a model");
    let read = |name| std::fs::read(newest.join(name)).expect("a model has both files");
    TokenSetEncoder::load(&read("config.json"), &read("model.safetensors"))
        .expect("the shipped model is whole")
}

/// Stages of reading one file.
fn reading(criterion: &mut Criterion) {
    let limits = Limits::default();
    let encoder = shipped_encoder();
    for (model, file) in FILES {
        let bytes = export(model, file);
        let raw = import::onnx::read(&bytes, &limits).expect("it is a model");
        let architecture = canonical::canonicalise(&raw, &limits).expect("it is an architecture");
        let mut group = criterion.benchmark_group(model);
        group.bench_function("parse", |bencher| {
            bencher.iter(|| import::onnx::read(black_box(&bytes), &limits));
        });
        group.bench_function("canonicalise", |bencher| {
            bencher.iter(|| canonical::canonicalise(black_box(&raw), &limits));
        });
        group.bench_function("digests", |bencher| {
            bencher.iter(|| black_box(&architecture).digests());
        });
        group.bench_function("embed", |bencher| {
            bencher.iter(|| encoder.encode(black_box(&architecture)));
        });
        group.finish();
    }
}

fn stored(assets: &Path) -> Query {
    let bytes = std::fs::read(assets.join("corpus/netkin.corpus")).expect("it was just written");
    let corpus = Corpus::read(bytes).expect("it was just written");
    Query::Id(corpus.entries()[padded::ENTRIES / 2].id.clone())
}

fn searching(criterion: &mut Criterion) {
    let assets = padded::padded_assets();
    let engine = subjects::open(assets.path());
    let entry = stored(assets.path());
    let options = SearchOptions::default();
    criterion.bench_function("search by id", |bencher| {
        bencher.iter(|| engine.search(black_box(&entry), &options));
    });
}

criterion_group! {
    name = stages;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = reading, searching
}
criterion_main!(stages);
