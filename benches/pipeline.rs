//! The stages from a file to a ranked list, one at a time, with criterion: it tells whether a change
//! made a stage faster, which is what it is good at; percentiles, sides that take turns, memory and
//! HTTP it does not measure, so those have programs of their own beside this one.

#![allow(missing_docs)]

mod subjects;

use criterion::{Criterion, criterion_group, criterion_main};
use netkin::corpus::Corpus;
use netkin::engine::{Query, SearchOptions};
use netkin::import::{self, Limits, canonical};
use netkin::model::Encoder;
use netkin::motif::{ByCount, BySize, Paper, RandomSizes, Splitter, Waists, macro_graph};
use rayon::prelude::*;
use std::hint::black_box;
use std::time::Duration;
use subjects::{FILES, architecture_of, export, newest_model, shipped, stacked};

/// As in the programs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn shipped_encoder() -> Box<dyn Encoder> {
    let folder = newest_model();
    let read = |name| std::fs::read(folder.join(name)).expect("a model has both files");
    netkin::model::load(&read("config.json"), &read("model.safetensors"))
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

/// Every splitter, and the macro graph, on 10,000 nodes.
fn splitting(criterion: &mut Criterion) {
    let large = stacked(&architecture_of(0), 10_000);
    let splitters: [&dyn Splitter; 5] = [
        &Waists,
        &Paper,
        &BySize::default(),
        &ByCount::default(),
        &RandomSizes::default(),
    ];
    let mut group = criterion.benchmark_group("10,000 nodes");
    for splitter in splitters {
        group.bench_function(format!("split: {}", splitter.name()), |bencher| {
            bencher.iter(|| splitter.split(black_box(&large)));
        });
    }
    let cut = Waists.split(&large);
    group.bench_function("macro graph", |bencher| {
        bencher.iter(|| macro_graph(black_box(&large), &cut));
    });
    group.finish();
}

/// Reading the shipped corpus: what a start needs, and every graph on all cores.
fn corpus(criterion: &mut Criterion) {
    let path = shipped().join("corpus/netkin.corpus");
    let bytes = std::fs::read(path).expect("the corpus is part of the repository");
    let read = || Corpus::read(bytes.clone()).expect("the shipped corpus is whole");
    let mut group = criterion.benchmark_group("corpus");
    group.sample_size(10);
    group.bench_function("metadata", |bencher| bencher.iter(read));
    let corpus = read();
    let block = |block| {
        let block = corpus.block(block).expect("it is whole");
        block.graphs().expect("it is whole").count()
    };
    group.bench_function("all graphs", |bencher| {
        bencher.iter(|| {
            (0..corpus.block_count())
                .into_par_iter()
                .map(block)
                .sum::<usize>()
        });
    });
    group.finish();
}

fn searching(criterion: &mut Criterion) {
    let engine = subjects::open();
    let entries = engine.corpus().entries();
    let entry = Query::Id(entries[entries.len() / 2].id.clone());
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
    targets = reading, splitting, corpus, searching
}
criterion_main!(stages);
