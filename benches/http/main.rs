//! What `netkin serve` costs: its start, its memory, and searches by id over HTTP against an empty
//! route, each server a process of its own.

#![allow(missing_docs, clippy::print_stderr)]

mod load;
mod server;
#[path = "../sheet/mod.rs"]
mod sheet;

use hyper::body::Bytes;
use load::{Load, load};
use server::Server;
use sheet::{Sheet, Times, row, verdict};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const STARTS: usize = 5;
/// What the others are compared with.
const EMPTY: &str = "empty route";
/// Connections at once.
const CONNECTIONS: [usize; 2] = [32, 256];
const ROUNDS: usize = 5;
const STRETCH: Duration = Duration::from_millis(700);
/// Entries that are asked about in turn.
const IDS: usize = 64;
const READY_BUDGET_MS: f64 = 1_000.0;
const MEMORY_BUDGET_MB: f64 = 200.0;
const SHARE_BUDGET: f64 = 0.5;

/// Where the shipped corpus and models are.
const ASSETS: &str = env!("CARGO_MANIFEST_DIR");

/// Searches by id: an answer about an entry is kept, one under a filter is made anew.
const REMEMBERED: &str = "/v1/search";
const ANEW: &str = "/v1/search?min_parameters=0";

/// The shipped corpus, and where the server keeps its state.
struct Served<'a> {
    what: String,
    data: &'a Path,
    bodies: Arc<[Bytes]>,
}

impl<'a> Served<'a> {
    fn new(data: &'a Path) -> Self {
        let bytes = std::fs::read(Path::new(ASSETS).join("corpus/netkin.corpus"));
        let bytes = bytes.expect("the corpus is part of the repository");
        let corpus = netkin::corpus::Corpus::read(bytes).expect("it is whole");
        let entries = corpus.entries();
        let asked = entries.iter().step_by(entries.len() / IDS).take(IDS);
        Self {
            what: format!("{} entries", entries.len()),
            bodies: asked
                .map(|entry| Bytes::from(serde_json::json!({ "id": entry.id }).to_string()))
                .collect(),
            data,
        }
    }

    fn start(&self) -> Server {
        Server::netkin(Path::new(ASSETS), self.data)
    }
}

/// Time to ready, and memory a moment later, over several starts.
fn starts(served: &Served<'_>) -> (Times, Times) {
    let measured = (0..STARTS).map(|_| {
        let server = served.start();
        let ready = server.time_to_ready();
        std::thread::sleep(Duration::from_millis(300));
        (ready, server.resident_mb())
    });
    let (ready, memory): (Vec<_>, Vec<_>) = measured.unzip();
    (Times::of(ready), Times::of_ms(memory))
}

fn start_section(served: &Served<'_>) -> Sheet {
    let mut sheet = Sheet::new("Start and memory of the server");
    sheet.paragraph(&format!(
        "`cargo bench --bench http`: `netkin serve` with the shipped corpus, from the start of the process until\n\
         `/health/ready` says so, and its resident memory 0.3 s later, before any query; {STARTS} starts."
    ));
    let (ready, memory) = starts(served);
    let largest = memory.quantile(1.0);
    let memory = format!("{largest:.0} MB");
    let rows = [row(&served.what, ready.cells().into_iter().chain([memory]))];
    let header = [
        "corpus",
        "fastest ms",
        "p50 ms",
        "p99 ms",
        "most resident memory",
    ];
    sheet.table(&header, &rows);
    sheet.paragraph(&format!(
        "Budget: ready in ≤ 1 s ({}) and ≤ {MEMORY_BUDGET_MB} MB ({}).",
        verdict(ready.median() <= READY_BUDGET_MS),
        verdict(largest <= MEMORY_BUDGET_MB)
    ));
    sheet
}

/// Whom to ask, for what.
struct Asked<'s> {
    what: String,
    server: &'s Server,
    path: &'static str,
    bodies: Arc<[Bytes]>,
}

/// One stretch after another for each, after one that does not count.
fn take_turns(asked: &[Asked<'_>], connections: usize) -> Vec<Vec<Load>> {
    let mut loads: Vec<Vec<Load>> = asked.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (asked, loads) in asked.iter().zip(&mut loads) {
            let Asked {
                server,
                path,
                bodies,
                ..
            } = asked;
            let load = load(server.address, path, bodies, connections, STRETCH);
            if round > 0 {
                loads.push(load);
            }
        }
    }
    loads
}

fn load_row(what: &str, loads: &[Load], empty: &[Load]) -> (Vec<String>, f64) {
    let per_second = Times::of_ms(loads.iter().map(|load| load.per_second)).median();
    let shares = loads.iter().zip(empty);
    let shares = shares.map(|(load, empty)| load.per_second / empty.per_second);
    let share = Times::of_ms(shares).median();
    let latencies = loads.iter().flat_map(|load| load.latencies.iter().copied());
    let [_, p50, p99] = Times::of(latencies).cells();
    let cells = [
        format!("{per_second:.0}"),
        format!("{:.0} %", share * 100.0),
        p50,
        p99,
    ];
    (row(what, cells), share)
}

fn load_section(served: &Served<'_>) -> Sheet {
    let empty = Server::empty();
    let server = served.start();
    server.time_to_ready();
    let asked = [
        (EMPTY, &empty, REMEMBERED),
        ("asked before", &server, REMEMBERED),
        ("searched anew", &server, ANEW),
    ];
    let asked = asked.map(|(what, server, path)| Asked {
        what: what.into(),
        server,
        path,
        bodies: Arc::clone(&served.bodies),
    });
    let mut sheet = Sheet::new("HTTP: search by id");
    sheet.paragraph(&format!(
        "`cargo bench --bench http`: keep-alive connections of a client on the same machine send\n\
         `POST /v1/search` with the ids of {IDS} entries in turn, k = 10. The server keeps its\n\
         answer about a stored entry, so all but the first question about it cost no search; a filter that every entry\n\
         passes makes it search anew each time. The servers take turns, {ROUNDS} times {} ms each; the share is the median over the\n\
         rounds. netkin runs with the settings it ships with, its log written to a file; the empty route is axum's\n\
         `Json({{}})` under `axum::serve`.",
        STRETCH.as_millis()
    ));
    let mut rows = Vec::new();
    let mut verdicts = Vec::new();
    for connections in CONNECTIONS {
        let loads = take_turns(&asked, connections);
        for (asked, measured) in asked.iter().zip(&loads) {
            let what = format!("{}, {connections} connections", asked.what);
            let (cells, share) = load_row(&what, measured, &loads[0]);
            rows.push(cells);
            if asked.what != EMPTY {
                verdicts.push(format!("{} for {what}", verdict(share >= SHARE_BUDGET)));
            }
        }
    }
    let header = [
        "what",
        "requests/s",
        "of the empty route",
        "p50 ms",
        "p99 ms",
    ];
    sheet.table(&header, &rows);
    sheet.paragraph(&format!(
        "Budget: at least half of what the empty route answers ({}).",
        verdicts.join(", ")
    ));
    sheet
}

fn main() {
    if std::env::args().any(|argument| argument == server::EMPTY_ROUTE) {
        return server::serve_empty_route();
    }
    let data = tempfile::tempdir().expect("there is a temporary folder");
    let served = Served::new(data.path());
    start_section(&served).print();
    load_section(&served).print();
}
