//! Exact search in 12,000 clustered vectors, as a corpus of families gives them: the index, which
//! passes over most vectors by a bound from eight bits, against scans in full precision, our own
//! and that of faiss.

#![allow(missing_docs)]

mod sheet;
mod subjects;

use netkin::embedding::{Embedding, dot};
use netkin::index::{ExactIndex, Index};
use netkin::random::Random;
use sheet::{Sheet, Times, row, verdict};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use subjects::newest_model;

const VECTORS: usize = 12_000;
const FAMILIES: usize = 300;
const K: usize = 10;
const DIMS: [usize; 3] = [256, 384, 512];
const ROUNDS: usize = 25;
/// Queries of one turn: in one by one turns, a scan would find its vectors pushed out of the
/// processor's cache by the scan before, which holds four times as much.
const BURST: usize = 20;
const BUDGET_MS: f64 = 0.35;
/// Between queries that are asked: a prime, so that they come from different families.
const STRIDE: usize = 97;

/// Members around the centre of their family, family by family, at similarities from .5 to .99.
fn clustered(dim: usize) -> Vec<Embedding> {
    let mut random = Random::new(1);
    let mut embeddings = Vec::with_capacity(VECTORS);
    for _ in 0..FAMILIES {
        let centre: Vec<f64> = (0..dim).map(|_| random.signed()).collect();
        let spread = 0.1 + 0.9 * random.unit();
        for _ in 0..VECTORS / FAMILIES {
            let member = centre.iter().map(|value| value + spread * random.signed());
            let member = member.map(|value| value as f32).collect();
            embeddings.push(Embedding::normalised(member).expect("random values are not all zero"));
        }
    }
    embeddings
}

/// What each way searches.
struct Corpus {
    dim: usize,
    embeddings: Vec<Embedding>,
    flat: Vec<f32>, // [vectors, dim]
    index: ExactIndex,
}

impl Corpus {
    fn new(dim: usize) -> Self {
        let embeddings = clustered(dim);
        let flat = embeddings.iter().flat_map(Embedding::as_slice);
        Self {
            dim,
            flat: flat.copied().collect(),
            index: ExactIndex::build(dim, &embeddings).expect("one dim"),
            embeddings,
        }
    }

    fn query(&self, round: usize) -> &Embedding {
        &self.embeddings[round * STRIDE % VECTORS]
    }

    fn ours(&self, round: usize, keep: &dyn Fn(usize) -> bool) -> Vec<usize> {
        let found = self.index.search(self.query(round), K, keep);
        found.iter().map(|hit| hit.position).collect()
    }

    /// Every vector in full precision, the best in a heap.
    #[inline(always)]
    fn plain(&self, round: usize) -> Vec<usize> {
        let query = self.query(round).as_slice();
        let mut best = BinaryHeap::with_capacity(K + 1);
        let mut threshold = f32::NEG_INFINITY;
        for (position, vector) in self.flat.chunks_exact(self.dim).enumerate() {
            let similarity = dot(query, vector);
            if similarity <= threshold {
                continue;
            }
            best.push(Reverse((Ordered(similarity), Reverse(position))));
            if best.len() > K {
                best.pop();
                threshold = best.peek().map_or(threshold, |worst| worst.0.0.0);
            }
        }
        let nearest = best.into_sorted_vec();
        nearest.into_iter().map(|Reverse(hit)| hit.1.0).collect()
    }

    /// The same, compiled for wide registers as the index is.
    fn plain_wide(&self, round: usize) -> Vec<usize> {
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || self.plain(round),
        )
    }
}

#[derive(PartialEq)]
struct Ordered(f32);

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// faiss's IndexFlatIP in a Python process that times each search itself.
struct Faiss {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    version: String,
    _vectors: tempfile::NamedTempFile,
}

impl Faiss {
    /// `None` where Python, numpy or faiss is missing.
    fn start(corpus: &Corpus) -> Option<Self> {
        let mut vectors = tempfile::NamedTempFile::new().ok()?;
        let bytes = corpus.flat.iter().flat_map(|value| value.to_le_bytes());
        vectors.write_all(&bytes.collect::<Vec<u8>>()).ok()?;
        let python = std::env::var("NETKIN_BENCH_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/faiss_flat.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(vectors.path())
            .args([corpus.dim.to_string(), K.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut started = Self {
            questions: child.stdin.take()?,
            answers: BufReader::new(child.stdout.take()?),
            child,
            version: String::new(),
            _vectors: vectors,
        };
        started.version = started.line()?;
        Some(started)
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.answers.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim().to_owned())
    }

    /// Milliseconds, then the positions found.
    fn search(&mut self, query: usize) -> Option<(f64, Vec<usize>)> {
        writeln!(self.questions, "{query}").ok()?;
        let line = self.line()?;
        let mut words = line.split(' ');
        let time = words.next()?.parse().ok()?;
        let found = words.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some((time, found))
    }
}

impl Drop for Faiss {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The share of `truth` in `found`.
fn recall(truth: &[usize], found: &[usize]) -> f64 {
    let common = truth.iter().filter(|hit| found.contains(hit)).count();
    common as f64 / truth.len() as f64
}

/// Recall of the index, and of faiss if it runs, over a hundred queries.
fn recalls(corpus: &Corpus, mut faiss: Option<&mut Faiss>) -> (f64, Option<f64>) {
    const QUERIES: usize = 100;
    let (mut ours, mut theirs) = (0.0, faiss.is_some().then_some(0.0));
    for round in 0..QUERIES {
        let truth = corpus.plain(round);
        let found = corpus.ours(round, &|_| true);
        assert_eq!(truth, found, "the index is not exact");
        assert_eq!(truth, corpus.plain_wide(round), "wide registers differ");
        ours += recall(&truth, &found) / QUERIES as f64;
        let asked = faiss
            .as_mut()
            .map(|faiss| faiss.search(round * STRIDE % VECTORS));
        if let (Some(sum), Some(Some((_, found)))) = (&mut theirs, asked) {
            *sum += recall(&truth, &found) / QUERIES as f64;
        }
    }
    (ours, theirs)
}

/// Each way times itself, in milliseconds. They take turns, after one turn that does not count.
fn take_bursts(ways: &mut [&mut dyn FnMut(usize) -> Option<f64>]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); ways.len()];
    for round in 0..=ROUNDS {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let burst: Vec<f64> = (0..BURST)
                .filter_map(|place| way(round * BURST + place))
                .collect();
            if round > 0 {
                times.extend(burst);
            }
        }
    }
    times
}

fn timed<T>(search: impl FnOnce() -> T) -> Option<f64> {
    let started = Instant::now();
    black_box(search());
    Some(started.elapsed().as_secs_f64() * 1e3)
}

fn measure(corpus: &Corpus, mut faiss: Option<&mut Faiss>) -> (Vec<Times>, Option<Times>) {
    let rare = |position: usize| position.is_multiple_of(100);
    let mut times = take_bursts(&mut [
        &mut |round| timed(|| corpus.ours(round, &|_| true)),
        &mut |round| timed(|| corpus.ours(round, &rare)),
        &mut |round| timed(|| corpus.plain(round)),
        &mut |round| timed(|| corpus.plain_wide(round)),
        &mut |round| {
            let faiss = faiss.as_mut()?;
            let (time, _) = faiss.search(round * STRIDE % VECTORS)?;
            Some(time)
        },
    ]);
    let theirs = times.pop().filter(|times| !times.is_empty());
    let ours = times.into_iter().map(Times::of_ms).collect();
    (ours, theirs.map(Times::of_ms))
}

/// The rows of one table, each with its time relative to the index's.
fn rows(corpus: &Corpus, faiss: Option<&mut Faiss>) -> (Vec<Vec<String>>, f64) {
    let mut faiss = faiss;
    let (ours, theirs) = recalls(corpus, faiss.as_deref_mut());
    let (times, faiss_times) = measure(corpus, faiss);
    let index = times[0].median();
    let filled = |what: &str, times: &Times, recall: Option<f64>| {
        let ratio = format!("{:.2}", times.median() / index);
        let recall = recall.map_or_else(String::new, |recall| format!("{recall:.3}"));
        row(what, times.cells().into_iter().chain([ratio, recall]))
    };
    let theirs = match &faiss_times {
        Some(times) => filled("faiss IndexFlatIP, one thread", times, theirs),
        None => {
            let cells = std::iter::once("not installed".into());
            let none = std::iter::repeat_n(String::new(), 4);
            row("faiss IndexFlatIP, one thread", cells.chain(none))
        }
    };
    let rows = vec![
        filled("index", &times[0], Some(ours)),
        filled(
            "index, one vector in 100 passes the filter",
            &times[1],
            None,
        ),
        filled("plain f32 loop", &times[2], Some(1.0)),
        filled("plain f32 loop, wide registers", &times[3], Some(1.0)),
        theirs,
    ];
    (rows, index)
}

/// Components of the model that serves.
fn shipped_dim() -> usize {
    let config = std::fs::read(newest_model().join("config.json"));
    let config = config.expect("a model has a configuration");
    netkin::model::manifest(&config).expect("it is JSON").dim
}

fn main() {
    let shipped = shipped_dim();
    let mut dims = DIMS.to_vec();
    if !dims.contains(&shipped) {
        dims.push(shipped);
    }
    let mut sheet = Sheet::new("Exact search in 12,000 vectors");
    sheet.paragraph(&format!(
        "`cargo bench --bench search`: {FAMILIES} clusters, k = {K}, one thread, {ROUNDS} turns of {BURST} queries. The index passes over a vector\n\
         when a bound from its eight-bit copy already rules it out, and compares the rest in full. Every scan keeps\n\
         the {K} best. Recall is against the plain loop; before timing, the answers of the index must be the very same.\n\
         The model that ships has {shipped} components."
    ));
    let mut reached = f64::NAN;
    for dim in dims {
        let corpus = Corpus::new(dim);
        let mut faiss = Faiss::start(&corpus);
        let version = faiss
            .as_ref()
            .map(|faiss| format!(" faiss {}.", faiss.version));
        let (rows, index) = rows(&corpus, faiss.as_mut());
        if dim == shipped {
            reached = index;
        }
        sheet.paragraph(&format!("{dim} components.{}", version.unwrap_or_default()));
        let header = [
            "what",
            "fastest ms",
            "p50 ms",
            "p99 ms",
            "to the index",
            "recall",
        ];
        sheet.table(&header, &rows);
    }
    sheet.paragraph(&format!(
        "Budget: p50 ≤ {BUDGET_MS} ms at recall 1 ({}), for the width that ships. A filter that few vectors pass leaves the\n\
         bound little to rule out.",
        verdict(reached <= BUDGET_MS)
    ));
    sheet.print();
}
