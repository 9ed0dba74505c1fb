//! Three servers on one database: two on a Postgres and one on its standby, searched and written to at
//! once. How fast each answers, and how soon each sees what another wrote.

#![allow(missing_docs)]

#[path = "../http/load.rs"]
mod load;
#[path = "../../tests/it/postgres.rs"]
#[allow(clippy::unwrap_used, dead_code, reason = "shared with the tests")]
mod postgres;
#[path = "../http/server.rs"]
mod server;
#[path = "../sheet/mod.rs"]
mod sheet;

use hyper::body::Bytes;
use load::{Load, load};
use postgres::Postgres;
use serde_json::json;
use server::Server;
use sheet::{Sheet, Times, row};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ASSETS: &str = env!("CARGO_MANIFEST_DIR");
const STRETCH: Duration = Duration::from_secs(10);
const READERS: usize = 8;
const WRITERS: usize = 2;
/// Entries whose way to the other servers is timed.
const SEEN: usize = 100;
const SEARCH: &str = "/v1/search?min_parameters=0";
const ADD: &str = "/v1/architectures?collection=team";

struct Cluster {
    servers: [(&'static str, Server); 3],
}

impl Cluster {
    fn start(primary: &Postgres, standby: &Postgres, data: &Path) -> Self {
        let start = |name, url: &str| {
            let server = Server::with_database(Path::new(ASSETS), &data.join(name), url);
            server.time_to_ready();
            server
        };
        // The first makes the tables, which the standby must have before a server reads them.
        let first = start("first", &primary.url());
        ask(first.address, "PUT", "/v1/collections/team", "{}");
        let second = start("second", &primary.url());
        let third = start("third", &standby.url());
        Self {
            servers: [
                ("first", first),
                ("second", second),
                ("on the standby", third),
            ],
        }
    }
}

/// Cells of NAS-Bench-201 by number; of 15,625 about 6,000 are different designs.
fn cell(number: usize) -> String {
    const OPERATIONS: [&str; 5] = [
        "none",
        "skip_connect",
        "nor_conv_1x1",
        "nor_conv_3x3",
        "avg_pool_3x3",
    ];
    let edge = |place: u32| OPERATIONS[number / 5usize.pow(place) % 5];
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(edge);
    json!({"id": format!("nas:nasbench201:|nor_conv_3x3~0|+|{a}~0|{b}~1|+|{c}~0|{d}~1|{e}~2|")})
        .to_string()
}

/// Those in which the output reads the first node: in the others nothing may flow.
fn cells(start: usize, count: usize) -> Vec<String> {
    let numbers = (start..).filter(|number| !(number / 125).is_multiple_of(5));
    numbers.take(count).map(cell).collect()
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream
        .write_all(request.as_bytes())
        .expect("the server reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("the server answers");
    answer
}

fn searches() -> Arc<[Bytes]> {
    let ids = [
        "timm/resnet18",
        "timm/resnet50",
        "torchvision/vgg16",
        "torchvision/mobilenet_v3_small",
    ];
    ids.map(|id| Bytes::from(json!({"id": id}).to_string()))
        .into()
}

/// Searches on all servers at once, and writes on the first two where there are `writes`.
fn under_load(cluster: &Cluster, writes: Option<&Arc<[Bytes]>>) -> (Vec<Load>, Vec<Load>) {
    let bodies = searches();
    std::thread::scope(|scope| {
        let reading = cluster.servers.iter().map(|(_, server)| {
            let bodies = Arc::clone(&bodies);
            scope.spawn(move || load(server.address, SEARCH, &bodies, READERS, STRETCH))
        });
        let reading: Vec<_> = reading.collect();
        let writing = cluster.servers[..2].iter().zip(writes.into_iter().cycle());
        let writing = writing.map(|((_, server), bodies)| {
            scope.spawn(move || load(server.address, ADD, bodies, WRITERS, STRETCH))
        });
        let writing: Vec<_> = writing.collect();
        let loads = |threads: Vec<std::thread::ScopedJoinHandle<'_, Load>>| {
            let loads = threads.into_iter().map(|thread| thread.join());
            loads
                .map(|load| load.expect("every request is answered"))
                .collect()
        };
        (loads(reading), loads(writing))
    })
}

fn load_row(what: String, load: &Load) -> Vec<String> {
    let [_, p50, p99] = Times::of(load.latencies.iter().copied()).cells();
    row(what, [format!("{:.0}", load.per_second), p50, p99])
}

fn load_section(cluster: &Cluster) -> Sheet {
    let mut sheet = Sheet::new("Searches and writes on three servers at once");
    sheet.paragraph(&format!(
        "`cargo bench --bench cluster`: two servers on one Postgres and one on its standby, all with the shipped corpus,\n\
         clients and databases on one machine. {READERS} keep-alive connections to each search by id, made anew each\n\
         time, for {} s; then again while {WRITERS} connections to each of the first two add cells of NAS-Bench-201, of which\n\
         some are one design. Postgres writes without fsync, as the tests do.",
        STRETCH.as_secs()
    ));
    let (alone, _) = under_load(cluster, None);
    let cells: Vec<Bytes> = cells(10_000, 2_000).into_iter().map(Bytes::from).collect();
    let (beside, writes) = under_load(cluster, Some(&cells.into()));
    let mut rows = Vec::new();
    for (what, loads) in [
        ("searches", &alone),
        ("searches beside writes", &beside),
        ("writes", &writes),
    ] {
        for ((name, _), load) in cluster.servers.iter().zip(loads) {
            rows.push(load_row(format!("{what}, {name}"), load));
        }
    }
    sheet.table(&["what", "requests/s", "p50 ms", "p99 ms"], &rows);
    sheet
}

/// From the answer to a write on the first server until another one has it.
fn seen_section(cluster: &Cluster) -> Sheet {
    let mut seen = [Vec::new(), Vec::new()];
    for body in cells(0, SEEN) {
        let answer = ask(cluster.servers[0].1.address, "POST", ADD, &body);
        let Some(id) = answer
            .split("\"id\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
        else {
            panic!("not added: {answer}");
        };
        let path = format!("/v1/architectures/{id}");
        let written = Instant::now();
        for ((_, server), seen) in cluster.servers[1..].iter().zip(&mut seen) {
            while !ask(server.address, "GET", &path, "").starts_with("HTTP/1.1 200") {
                std::thread::sleep(Duration::from_micros(500));
            }
            seen.push(written.elapsed());
        }
    }
    let mut sheet = Sheet::new("When another server sees a write");
    sheet.paragraph(&format!(
        "{SEEN} entries added to the first server, one after another; time from its answer until the other has the entry.\n\
         The second hears of it by LISTEN/NOTIFY; a standby tells nobody, so its server asks twice a second."
    ));
    let rows = cluster.servers[1..]
        .iter()
        .zip(seen)
        .map(|((name, _), seen)| {
            let times = Times::of(seen);
            let cells = [0.5, 0.99, 1.0].map(|share| sheet::milliseconds(times.quantile(share)));
            row(*name, cells)
        });
    sheet.table(
        &["server", "p50 ms", "p99 ms", "longest ms"],
        &rows.collect::<Vec<_>>(),
    );
    sheet
}

fn main() {
    let data = tempfile::tempdir().expect("there is a temporary folder");
    let primary = Postgres::start_own();
    let standby = primary.standby();
    let cluster = Cluster::start(&primary, &standby, data.path());
    seen_section(&cluster).print();
    load_section(&cluster).print();
}
