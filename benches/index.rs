//! Approximate search: our frozen graph, the graph of hnsw_rs as it is, exact search, and the peers
//! hnswlib, faiss and usearch, on the same clustered vectors and with the same settings.
//!
//! Sizes are asked for by `NETKIN_BENCH_SIZES`, such as `12000x384,100000x128`. What takes memory is
//! measured in a process of its own, which this program starts as itself.

#![allow(missing_docs)]

mod sheet;

use hnsw_rs::prelude::{DistL2, Hnsw};
use netkin::embedding::Embedding;
use netkin::index::{ExactIndex, HnswConfig, HnswIndex, Index};
use netkin::random::Random;
use serde::Deserialize;
use sheet::{Sheet, Times, process_mb, row, verdict};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

const SIZES: &str = "12000x384,100000x128";
const MEMBERS: usize = 40;
const QUERIES: usize = 1_000;
const K: usize = 10;
const ROUNDS: usize = 3;
const WIDTHS: [usize; 6] = [16, 24, 32, 48, 64, 128];
/// Length of what is added to a stored vector to make a query of it.
const NOISE: f64 = 0.2;
/// One vector in so many passes the filter.
const FILTERS: [usize; 6] = [2, 5, 10, 20, 100, 1_000];
const KEY: &str = "benchmark";
/// Recall from which a width counts for the budget.
const LEAST_RECALL: f64 = 0.999;

fn config() -> HnswConfig {
    HnswConfig::default()
}

/// Members around the centre of their family at similarities from .5 to .99, in random order.
fn clustered(count: usize, dim: usize) -> Vec<Embedding> {
    let mut random = Random::new(1);
    let mut embeddings = Vec::with_capacity(count);
    while embeddings.len() < count {
        let centre: Vec<f64> = (0..dim).map(|_| random.signed()).collect();
        let spread = 0.1 + 0.9 * random.unit();
        for _ in 0..MEMBERS.min(count - embeddings.len()) {
            let member = centre.iter().map(|value| value + spread * random.signed());
            let member = member.map(|value| value as f32).collect();
            embeddings.push(Embedding::normalised(member).expect("random values are not all zero"));
        }
    }
    for place in (1..count).rev() {
        embeddings.swap(place, random.below(place + 1));
    }
    embeddings
}

/// Vectors near stored ones.
fn queries(embeddings: &[Embedding]) -> Vec<Embedding> {
    let mut random = Random::new(2);
    let query = |_| {
        let near = &embeddings[random.below(embeddings.len())];
        let size = NOISE * (3.0 / near.dim() as f64).sqrt();
        let moved = near.as_slice().iter();
        let moved = moved.map(|value| value + (size * random.signed()) as f32);
        Embedding::normalised(moved.collect()).expect("near a vector of length one")
    };
    (0..QUERIES).map(query).collect()
}

struct Corpus {
    embeddings: Vec<Embedding>,
    queries: Vec<Embedding>,
    truth: Vec<Vec<usize>>,
}

/// How one way searched at one width.
struct Searched {
    recall: f64,
    queries_per_second: f64,
    times: Times,
}

impl Searched {
    fn new(recall: f64, times: Vec<f64>) -> Self {
        Self {
            recall,
            queries_per_second: 1e3 * times.len() as f64 / times.iter().sum::<f64>(),
            times: Times::of_ms(times),
        }
    }
}

impl Corpus {
    fn search(&self, find: impl Fn(&Embedding) -> Vec<usize>) -> Searched {
        let (mut times, mut found) = (Vec::new(), 0);
        for round in 0..ROUNDS {
            for (query, truth) in self.queries.iter().zip(&self.truth) {
                let started = Instant::now();
                let answer = black_box(find(query));
                times.push(started.elapsed().as_secs_f64() * 1e3);
                if round == 0 {
                    found += answer.iter().filter(|hit| truth.contains(hit)).count();
                }
            }
        }
        let there_is: usize = self.truth.iter().map(Vec::len).sum();
        Searched::new(found as f64 / there_is as f64, times)
    }
}

fn positions(index: &dyn Index, query: &Embedding, keep: &dyn Fn(usize) -> bool) -> Vec<usize> {
    let found = index.search(query, K, keep);
    found.iter().map(|hit| hit.position).collect()
}

/// What an index costs.
#[derive(Deserialize)]
struct Cost {
    seconds: f64,
    bytes: f64,
}

#[derive(Deserialize)]
struct PeerSearched {
    recall: f64,
    times: Vec<f64>,
}

/// The peers, in one Python process that times every search itself.
struct Peers {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peers {
    /// `None` where Python or numpy is missing; else with the names of those installed.
    fn start(folder: &Path, dim: usize) -> Option<(Self, Vec<String>)> {
        let python = std::env::var("NETKIN_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/index_peers.py");
        let config = config();
        let mut child = Command::new(python)
            .arg(script)
            .arg(folder)
            .args([dim, config.connections, config.ef_construction].map(|n| n.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let mut peers = Self {
            questions: child.stdin.take()?,
            answers: BufReader::new(child.stdout.take()?),
            child,
        };
        let names = peers.answer()?;
        Some((peers, names))
    }

    fn ask<T: for<'de> Deserialize<'de>>(&mut self, name: &str, what: &str) -> Option<T> {
        writeln!(self.questions, "{name} {what}").ok()?;
        self.answer()
    }

    fn answer<T: for<'de> Deserialize<'de>>(&mut self) -> Option<T> {
        let mut line = String::new();
        self.answers.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resident_bytes() -> f64 {
    process_mb("self", "VmRSS").unwrap_or(f64::NAN) * 1e6
}

/// Builds and says what it cost.
fn costed<T>(count: usize, build: impl FnOnce() -> T) -> (T, Cost) {
    let (before, started) = (resident_bytes(), Instant::now());
    let built = build();
    let cost = Cost {
        seconds: started.elapsed().as_secs_f64(),
        bytes: (resident_bytes() - before) / count as f64,
    };
    (built, cost)
}

/// hnsw_rs as its documentation shows it, but for one thread.
fn plain_hnsw(embeddings: &[Embedding]) -> Hnsw<'static, f32, DistL2> {
    let config = config();
    let hnsw = Hnsw::new(
        config.connections,
        embeddings.len(),
        16,
        config.ef_construction,
        DistL2,
    );
    for (position, embedding) in embeddings.iter().enumerate() {
        hnsw.insert((embedding.as_slice(), position));
    }
    hnsw
}

/// In a process of its own: the time and memory of opening a file.
fn open_alone(path: &Path, dim: usize) -> Option<Cost> {
    let program = std::env::current_exe().ok()?;
    let mut command = Command::new(program);
    command.arg("open").arg(path).arg(dim.to_string());
    let output = command.output().ok()?;
    serde_json::from_slice(&output.stdout).ok()
}

#[allow(clippy::print_stdout)]
fn open_and_report(path: &Path, dim: usize) {
    let opened = costed(1, || HnswIndex::open(path, KEY, dim, &config()));
    let (Ok(Some(index)), cost) = opened else {
        return;
    };
    let bytes = cost.bytes / index.len() as f64;
    println!("{{\"seconds\": {}, \"bytes\": {bytes}}}", cost.seconds);
}

fn write_files(folder: &Path, corpus: &Corpus) -> std::io::Result<()> {
    let floats = |all: &[Embedding]| -> Vec<u8> {
        let all = all.iter().flat_map(Embedding::as_slice);
        all.flat_map(|value| value.to_le_bytes()).collect()
    };
    let truth = corpus.truth.iter().flatten();
    let truth = truth.flat_map(|hit| (*hit as u32).to_le_bytes());
    std::fs::write(folder.join("vectors"), floats(&corpus.embeddings))?;
    std::fs::write(folder.join("queries"), floats(&corpus.queries))?;
    std::fs::write(folder.join("truth"), truth.collect::<Vec<u8>>())
}

fn searched_row(
    what: &str,
    width: &str,
    searched: &Searched,
    reference: Option<f64>,
) -> Vec<String> {
    let [_, p50, p99] = searched.times.cells();
    let ratio = reference.map(|reference| format!("{:.2}", searched.times.median() / reference));
    let recall = format!("{:.4}", searched.recall);
    let rate = format!("{:.0}", searched.queries_per_second);
    let cells = [
        width.to_owned(),
        recall,
        rate,
        p50,
        p99,
        ratio.unwrap_or_default(),
    ];
    row(what, cells)
}

fn cost_row(what: &str, count: usize, cost: Option<&Cost>, opened: Option<&Cost>) -> Vec<String> {
    let cells = cost.map_or([String::new(), String::new(), String::new()], |cost| {
        let rate = count as f64 / cost.seconds;
        [
            format!("{:.1}", cost.seconds),
            format!("{rate:.0}"),
            format!("{:.0}", cost.bytes),
        ]
    });
    let opened = opened.map_or_else(String::new, |cost| format!("{:.3}", cost.seconds));
    row(what, cells.into_iter().chain([opened]))
}

/// One size. Returns the fastest median of our graph at a recall that counts, and its start.
fn measure(sheet: &mut Sheet, count: usize, dim: usize) -> (Option<f64>, Option<f64>) {
    let embeddings = clustered(count, dim);
    let (exact, exact_cost) = costed(count, || ExactIndex::build(dim, &embeddings));
    let exact = exact.expect("one dim");
    let queries = queries(&embeddings);
    let truth = queries
        .iter()
        .map(|query| positions(&exact, query, &|_| true));
    let corpus = Corpus {
        truth: truth.collect(),
        queries,
        embeddings,
    };
    let (plain, plain_cost) = costed(count, || plain_hnsw(&corpus.embeddings));
    let (built, mut cost) = costed(count, || {
        HnswIndex::build(dim, &corpus.embeddings, &config())
    });
    let mut frozen = built.expect("the probes are content");
    let folder = tempfile::tempdir().expect("a folder for the vectors");
    let path = folder.path().join("frozen");
    frozen
        .save(&path, KEY, &config())
        .expect("the folder takes files");
    let opened = open_alone(&path, dim);
    cost.bytes = opened.as_ref().map_or(f64::NAN, |cost| cost.bytes);
    write_files(folder.path(), &corpus).expect("the folder takes files");
    let started = Peers::start(folder.path(), dim);
    let (mut peers, names) =
        started.map_or((None, Vec::new()), |(peers, names)| (Some(peers), names));
    let mut costs = vec![
        cost_row("exact", count, Some(&exact_cost), None),
        cost_row("hnsw_rs", count, Some(&plain_cost), None),
        cost_row("frozen", count, Some(&cost), opened.as_ref()),
    ];
    for name in &names {
        let cost: Option<Cost> = peers.as_mut().and_then(|peers| peers.ask(name, "build"));
        costs.push(cost_row(name, count, cost.as_ref(), None));
    }

    let mut rows = Vec::new();
    let all_exact = corpus.search(|query| positions(&exact, query, &|_| true));
    rows.push(searched_row("exact", "", &all_exact, None));
    let mut reached: Option<f64> = None;
    for width in WIDTHS {
        frozen.set_ef(width);
        let mut ways = vec![
            (
                "hnsw_rs",
                corpus.search(|query| {
                    let found = plain.search(query.as_slice(), K, width);
                    found.iter().map(|hit| hit.d_id).collect()
                }),
            ),
            (
                "frozen",
                corpus.search(|query| positions(&frozen, query, &|_| true)),
            ),
        ];
        if ways[1].1.recall >= LEAST_RECALL {
            let median = ways[1].1.times.median();
            reached = Some(reached.map_or(median, |reached| reached.min(median)));
        }
        for name in &names {
            let asked = peers
                .as_mut()
                .and_then(|peers| peers.ask(name, &width.to_string()));
            let searched = asked.map(|PeerSearched { recall, times }| Searched::new(recall, times));
            ways.extend(searched.map(|searched| (name.as_str(), searched)));
        }
        let reference = ways.iter().find(|(name, _)| *name == "hnswlib");
        let reference = reference.map(|(_, searched)| searched.times.median());
        let filled = |(name, searched): &(&str, Searched)| {
            searched_row(name, &width.to_string(), searched, reference)
        };
        rows.extend(ways.iter().map(filled));
    }
    sheet.paragraph(&format!("### {count} vectors of {dim} components"));
    let header = [
        "what",
        "ef",
        "recall@10",
        "queries/s",
        "p50 ms",
        "p99 ms",
        "p50 to hnswlib",
    ];
    sheet.table(&header, &rows);
    let header = [
        "what",
        "build s",
        "vectors/s",
        "bytes a vector",
        "start from disk s",
    ];
    sheet.table(&header, &costs);
    frozen.set_ef(config().ef);
    sheet.table(
        &[
            "one vector in",
            "frozen p50 ms",
            "frozen p99 ms",
            "recall@10",
            "exact p50 ms",
        ],
        &filtered(&corpus, &frozen, &exact),
    );
    (reached, opened.map(|cost| cost.seconds))
}

/// Under filters, at the width that is the default.
fn filtered(corpus: &Corpus, frozen: &HnswIndex, exact: &ExactIndex) -> Vec<Vec<String>> {
    let filled = |every: usize| {
        let keep = |position: usize| position.is_multiple_of(every);
        let truth = corpus
            .queries
            .iter()
            .map(|query| positions(exact, query, &keep));
        let corpus = Corpus {
            truth: truth.collect(),
            queries: corpus.queries.clone(),
            embeddings: Vec::new(),
        };
        let ours = corpus.search(|query| positions(frozen, query, &keep));
        let exact = corpus.search(|query| positions(exact, query, &keep));
        let [_, p50, p99] = ours.times.cells();
        let recall = format!("{:.4}", ours.recall);
        row(
            every.to_string(),
            [p50, p99, recall, exact.times.cells()[1].clone()],
        )
    };
    FILTERS.into_iter().map(filled).collect()
}

fn sizes() -> Vec<(usize, usize)> {
    let text = std::env::var("NETKIN_BENCH_SIZES").unwrap_or_else(|_| SIZES.into());
    let sizes = text.split(',').map(|size| {
        let (count, dim) = size.split_once('x')?;
        Some((count.parse().ok()?, dim.parse().ok()?))
    });
    sizes
        .map(|size| size.expect("a size is COUNTxDIM"))
        .collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(place) = arguments.iter().position(|argument| argument == "open") {
        let dim = arguments[place + 2]
            .parse()
            .expect("the number of components");
        return open_and_report(Path::new(&arguments[place + 1]), dim);
    }
    let config = config();
    let mut sheet = Sheet::new("Approximate search");
    sheet.paragraph(&format!(
        "`cargo bench --bench index`: families of {MEMBERS}, in random order, {QUERIES} queries at a distance of about {NOISE} from a\n\
         stored vector, k = {K}, one thread, {ROUNDS} rounds. M = {}, ef_construction = {} for all. `frozen` is the graph\n\
         that the index serves: drawn by hnsw_rs and copied into flat arrays; `hnsw_rs` is searched as it is. All take\n\
         turns at each ef. The peers are called from Python, which adds some microseconds to each of their searches.\n\
         Filters are asked at ef = {}; a bare modulo is the filter.",
        config.connections, config.ef_construction, config.ef
    ));
    let mut budgets = Vec::new();
    for (count, dim) in sizes() {
        let (median, start) = measure(&mut sheet, count, dim);
        let (median, start) = (median.unwrap_or(f64::NAN), start.unwrap_or(f64::NAN));
        let start_budget = if count > 100_000 { 30.0 } else { 1.0 };
        budgets.push(format!(
            "{count} x {dim}: p50 {median:.3} ms at recall ≥ {LEAST_RECALL} (budget 0.1 ms for 100,000: {}), start from\n\
             disk {start:.3} s (budget {start_budget} s: {}).",
            verdict(median <= 0.1),
            verdict(start <= start_budget)
        ));
    }
    sheet.paragraph(&budgets.join("\n\n"));
    sheet.print();
}
