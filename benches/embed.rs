//! Embedding by the motif GNN against candle's own operators and PyTorch Geometric: the same weights
//! over the same macro graphs.

#![allow(missing_docs)]

mod plain_candle;
mod sheet;
mod subjects;

use netkin::corpus::Corpus;
use netkin::embedding::dot;
use netkin::graph::Architecture;
use netkin::import::{Limits, RawGraph, canonical};
use netkin::model::motif_gnn::Sketch;
use netkin::model::{Encoder, MotifGnn};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sheet::{Sheet, Times, row, take_turns, verdict};
use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use subjects::{architecture_of, shipped, stacked};

/// Architectures of the corpus that are asked about, evenly spread.
const GRAPHS: usize = 64;
const ROUNDS: usize = 20;
/// Operators and budget in milliseconds.
const BUDGETS: [(usize, f64); 2] = [(600, 2.0), (20_000, 1_000.0)];
/// Budget for the whole corpus.
const CORPUS_SECONDS: f64 = 60.0;
/// What half precision and another order of sums may cost a similarity.
const ROUNDING: f32 = 1e-3;

struct Model {
    folder: PathBuf,
    encoder: MotifGnn,
    /// Rows of known motifs in the table.
    known: HashMap<u64, u32>,
    candle: plain_candle::Network,
}

impl Model {
    /// The newest motif GNN that ships.
    fn shipped() -> Self {
        let folders = std::fs::read_dir(shipped().join("models")).expect("models are shipped");
        let folders = folders.map(|folder| folder.expect("a folder can be listed").path());
        let is_motif_gnn = |folder: &PathBuf| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("motif-gnn"))
        };
        let folder = folders.filter(is_motif_gnn).max();
        let folder = folder.expect("a motif GNN is shipped");
        let read = |name| std::fs::read(folder.join(name)).expect("a model is whole");
        let weights = read("model.safetensors");
        let encoder = MotifGnn::load(&read("config.json"), &weights).expect("it can be loaded");
        let tensors = safetensors::SafeTensors::deserialize(&weights).expect("it was loaded");
        let hashes = tensors.tensor("table.hashes").expect("it has a table");
        let hashes = hashes.data().as_chunks::<8>().0.iter();
        let hashes = hashes.map(|hash| u64::from_le_bytes(*hash));
        let rounds = encoder.config().network.rounds;
        Self {
            known: hashes.zip(0..).collect(),
            candle: plain_candle::Network::read(&weights, rounds).expect("it was loaded"),
            encoder,
            folder,
        }
    }

    fn sketch(&self, architecture: &Architecture) -> Sketch {
        Sketch::new(architecture, self.encoder.config().network.splitter)
    }

    /// The part of an embedding that the network reads out, at length one.
    fn structure(&self, architecture: &Architecture) -> Vec<f32> {
        let embedding = self.encoder.encode(architecture).expect("it has operators");
        let before = embedding.dim() - self.encoder.config().network.outputs;
        let structure = &embedding.as_slice()[before..];
        let length = dot(structure, structure).sqrt();
        structure.iter().map(|value| value / length).collect()
    }
}

/// Architectures whose motifs are all known: the peer has no motif encoder.
fn architectures(model: &Model) -> Vec<Architecture> {
    let bytes = std::fs::read(shipped().join("corpus/netkin.corpus")).expect("it is shipped");
    let corpus = Corpus::read(bytes).expect("the shipped corpus is whole");
    let apart = corpus.entries().len() / GRAPHS;
    let is_known = |architecture: &Architecture| {
        let mut motifs = model.sketch(architecture).motifs.into_keys();
        motifs.all(|hash| model.known.contains_key(&hash))
    };
    let near = |place: usize| {
        let rows = place * apart..(place + 1) * apart;
        let graphs = rows.map(|row| corpus.graph(row).expect("the shipped corpus is whole"));
        let mut architectures = graphs.map(|graph| {
            canonical::canonicalise(&graph, &Limits::default()).expect("it is an architecture")
        });
        architectures.find(is_known)
    };
    (0..GRAPHS).filter_map(near).collect()
}

#[derive(Serialize)]
struct Question {
    rounds: usize,
    graphs: Vec<Graph>,
}

#[derive(Serialize)]
struct Graph {
    motifs: Vec<String>,
    inputs: Vec<Vec<u32>>,
}

#[derive(Deserialize)]
struct Answer {
    versions: String,
    /// Milliseconds of each graph by itself.
    alone: Vec<f64>,
    /// Milliseconds of all in one batch.
    together: f64,
    vectors: Vec<Vec<f32>>,
}

/// PyTorch Geometric's answer; none where Python or a package is missing.
fn ask_peer(model: &Model, architectures: &[Architecture]) -> Option<Answer> {
    let graphs = architectures.iter().map(|architecture| {
        let graph = model.sketch(architecture).graph;
        let motifs = graph.colours.iter().map(u64::to_string).collect();
        let inputs = graph.inputs;
        Graph { motifs, inputs }
    });
    let question = Question {
        rounds: model.encoder.config().network.rounds,
        graphs: graphs.collect(),
    };
    let folder = tempfile::tempdir().ok()?;
    let question = serde_json::to_vec(&question).ok()?;
    std::fs::write(folder.path().join("graphs.json"), question).ok()?;
    let weights = "model.safetensors";
    std::fs::copy(model.folder.join(weights), folder.path().join(weights)).ok()?;
    let python = std::env::var("NETKIN_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/pyg_peer.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .output()
        .ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

/// Both must come to the same vectors, or their times say nothing about each other.
fn hold_together(model: &Model, architectures: &[Architecture], theirs: &[Vec<f32>]) {
    for (architecture, theirs) in architectures.iter().zip(theirs) {
        let similarity = dot(&model.structure(architecture), theirs);
        assert!(
            similarity > 1.0 - ROUNDING,
            "the peer comes to another vector ({similarity})"
        );
    }
}

/// One thread: a turn of ours is every architecture once, as milliseconds an architecture.
fn ours(model: &Model, architectures: &[Architecture]) -> Times {
    let mut durations = Vec::new();
    for architecture in architectures {
        let mut once = |_| drop(black_box(model.encoder.encode(black_box(architecture))));
        let times = take_turns(ROUNDS, &mut [&mut once]);
        durations.extend(times.iter().map(Times::median));
    }
    Times::of_ms(durations)
}

/// One thread: candle's operators over macro graphs that are ready as tensors, and what they come to.
fn candle(model: &Model, architectures: &[Architecture]) -> (Times, Vec<Vec<f32>>) {
    let structure =
        |graph: &plain_candle::Graph| model.candle.structure(graph).expect("candle computes it");
    let (mut durations, mut vectors) = (Vec::new(), Vec::new());
    for architecture in architectures {
        let graph = model.sketch(architecture).graph;
        let rows = graph.colours.iter().map(|hash| model.known[hash]);
        let graph = model.candle.graph(&graph, &rows.collect::<Vec<_>>());
        let graph = graph.expect("candle holds it");
        let mut once = |_| drop(black_box(structure(black_box(&graph))));
        let times = take_turns(ROUNDS, &mut [&mut once]);
        durations.extend(times.iter().map(Times::median));
        vectors.push(structure(&graph));
    }
    (Times::of_ms(durations), vectors)
}

/// Entries of the shipped corpus, and the seconds in which all are decoded, canonicalised and embedded.
fn whole_corpus(model: &Model) -> (usize, f64) {
    let bytes = std::fs::read(shipped().join("corpus/netkin.corpus")).expect("it is shipped");
    let corpus = Corpus::read(bytes).expect("the shipped corpus is whole");
    let started = Instant::now();
    let embedded = (0..corpus.block_count()).into_par_iter().map(|block| {
        let block = corpus.block(block).expect("the shipped corpus is whole");
        let graphs = block.graphs().expect("the shipped corpus is whole");
        let embed = |graph: RawGraph| {
            let architecture = canonical::canonicalise(&graph, &Limits::default());
            let architecture = architecture.expect("it is an architecture");
            black_box(
                model
                    .encoder
                    .encode(&architecture)
                    .expect("it has operators"),
            );
        };
        graphs
            .map(|graph| embed(graph.expect("the shipped corpus is whole").1))
            .count()
    });
    let entries = embedded.sum();
    (entries, started.elapsed().as_secs_f64())
}

fn main() {
    let model = Model::shipped();
    let architectures = architectures(&model);
    let ours = ours(&model, &architectures);
    let mut sheet = Sheet::new("Embedding by the motif GNN");
    sheet.paragraph(&format!(
        "`cargo bench --bench embed`: {} architectures of the corpus, one thread. netkin goes from an architecture to\n\
         its embedding: cut, look-ups, message passing and token sets. candle's operators and PyTorch Geometric are given\n\
         the macro graph and the vectors of its motifs as tensors, and do the message passing alone, node by node, with\n\
         the same weights; before their times count, all must come to the same vectors.",
        architectures.len()
    ));
    let mut rows = vec![row(
        "netkin, from the architecture",
        ours.cells().into_iter().chain(["1.00".to_owned()]),
    )];
    let ratio = |times: &Times| format!("{:.2}", times.median() / ours.median());
    let (alone, vectors) = candle(&model, &architectures);
    hold_together(&model, &architectures, &vectors);
    let cells = alone.cells().into_iter().chain([ratio(&alone)]);
    rows.push(row("candle, one at a time", cells));
    let answer = ask_peer(&model, &architectures);
    if let Some(answer) = &answer {
        hold_together(&model, &architectures, &answer.vectors);
        let alone = Times::of_ms(answer.alone.iter().copied());
        let each = Times::of_ms([answer.together / architectures.len() as f64]);
        for (what, times) in [
            ("PyTorch Geometric, one at a time", alone),
            ("PyTorch Geometric, all in one batch, each", each),
        ] {
            let cells = times.cells().into_iter().chain([ratio(&times)]);
            rows.push(row(what, cells));
        }
    }
    let header = ["what", "fastest ms", "p50 ms", "p99 ms", "to netkin"];
    sheet.table(&header, &rows);
    sheet.paragraph(&answer.map_or_else(
        || "PyTorch Geometric is not installed here.".to_owned(),
        |answer| answer.versions,
    ));
    let one = architecture_of(0);
    for (operators, budget) in BUDGETS {
        let large = stacked(&one, operators);
        let mut once = |_| drop(black_box(model.encoder.encode(black_box(&large))));
        let times = take_turns(ROUNDS, &mut [&mut once]).remove(0);
        let p50 = times.median();
        sheet.paragraph(&format!(
            "{operators} operators: p50 {p50:.2} ms; budget {budget} ms ({}).",
            verdict(p50 <= budget)
        ));
    }
    let (entries, seconds) = whole_corpus(&model);
    sheet.paragraph(&format!(
        "The whole corpus, {entries} entries on {} threads, from stored graphs: {seconds:.1} s; budget {CORPUS_SECONDS} s ({}).",
        rayon::current_num_threads(),
        verdict(seconds <= CORPUS_SECONDS)
    ));
    sheet.print();
}
