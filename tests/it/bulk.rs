//! Many entries at once: batches, streams and exports.

use crate::additions::NEW_CELL;
use crate::server::{Reply, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const NDJSON: &str = "content-type: application/x-ndjson\r\n";
const OPERATIONS: [&str; 5] = [
    "none",
    "skip_connect",
    "nor_conv_1x1",
    "nor_conv_3x3",
    "avg_pool_3x3",
];

/// 624 cells, all of which carry something from their input to their output. Some are one design.
pub(crate) fn cell(number: usize) -> String {
    // In the first of all nothing flows.
    let number = number % 624 + 1;
    let edge = |place: u32| OPERATIONS[number / 5usize.pow(place) % 5];
    let [a, b, c, d] = [0, 1, 2, 3].map(edge);
    format!("nas:nasbench201:|nor_conv_1x1~0|+|{a}~0|{b}~1|+|{c}~0|{d}~1|nor_conv_3x3~2|")
}

fn with_collections(names: &[&str]) -> Server {
    let server = Server::start(&[]);
    for name in names {
        server.json("PUT", &format!("/v1/collections/{name}"), "", &json!({}));
    }
    server
}

fn stream(server: &Server, collection: &str, lines: &str) -> Vec<Value> {
    let path = format!("/v1/architectures/import?collection={collection}");
    outcomes(&server.post(&path, NDJSON, lines.as_bytes()))
}

fn outcomes(reply: &Reply) -> Vec<Value> {
    assert_eq!(reply.status, 200, "{}", reply.body);
    // The body comes in chunks: their sizes stand on lines of their own.
    let lines = reply.body.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn count(server: &Server, collection: &str) -> usize {
    let path = format!("/v1/architectures?limit=500&collection={collection}");
    server.get(&path).json()["items"].as_array().unwrap().len()
}

#[test]
fn a_batch_is_added_whole_or_not_at_all() {
    let server = with_collections(&["team"]);
    let batch = |items: Value| {
        server.json(
            "POST",
            "/v1/architectures/batch?collection=team",
            "",
            &json!({"items": items}),
        )
    };
    let refused = batch(json!([{"id": cell(1)}, {"id": "nas:nonsense"}]));
    assert_eq!(refused.status, 422);
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .starts_with("In item 2"),
        "{}",
        refused.body
    );
    assert_eq!(count(&server, "team"), 0);
    let added =
        batch(json!([{"id": cell(1), "name": "one"}, {"id": cell(2)}, {"id": cell(1)}])).json();
    let new: Vec<&Value> = added["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["new"])
        .collect();
    assert_eq!(new, [true, true, false]);
    assert_eq!(count(&server, "team"), 2);
    let many: Vec<Value> = (0..101).map(|_| json!({"id": NEW_CELL})).collect();
    assert_eq!(batch(json!(many)).json()["code"], "batch_too_large");
}

#[test]
fn several_questions_have_an_answer_or_a_problem_each() {
    let server = Server::start(&[]);
    let queries = json!({"queries": [{"id": "nasbench201/plain", "k": 1}, {"id": "nowhere"}, {"id": NEW_CELL}]});
    let answers = server
        .json("POST", "/v1/search/batch?k=2", "", &queries)
        .json();
    let items = answers["items"].as_array().unwrap();
    assert_eq!(items[0]["answer"]["hits"].as_array().unwrap().len(), 1);
    assert_eq!(items[1]["problem"]["code"], "unknown_entry");
    assert_eq!(items[2]["answer"]["hits"].as_array().unwrap().len(), 2);
}

#[test]
fn a_stream_says_what_became_of_each_line_and_comes_back_from_an_export() {
    let server = with_collections(&["team", "copy"]);
    let mut lines: String = (0..20)
        .map(|number| json!({"id": cell(number)}).to_string() + "\n")
        .collect();
    lines.push_str("\nnot json\n");
    lines.push_str(&json!({"id": cell(0)}).to_string());
    let told = stream(&server, "team", &lines);
    let last = told.last().unwrap();
    let distinct = count(&server, "team");
    let expected = json!({"done": true, "added": distinct, "there": 21 - distinct, "refused": 1});
    assert_eq!(last, &expected);
    assert_eq!(told.len(), 23);
    let refused = told
        .iter()
        .find(|line| line.get("problem").is_some())
        .unwrap();
    assert_eq!(
        (&refused["line"], &refused["problem"]["code"]),
        (&json!(22), &json!("bad_query"))
    );

    let exported = server.get("/v1/export?collection=team");
    let exported: String = outcomes(&exported)
        .iter()
        .map(|line| format!("{line}\n"))
        .collect();
    let copied = stream(&server, "copy", &exported);
    assert_eq!(
        copied.last().unwrap(),
        &json!({"done": true, "added": distinct, "there": 0, "refused": 0})
    );
}

/// Waits until an index was built and no other one is.
fn settled(server: &Server) {
    let since = Instant::now();
    let counts = || {
        let log = server.log();
        let count = |text: &str| log.matches(text).count();
        (
            count("index is rebuilt vectors"),
            count("index is rebuilt and serves"),
        )
    };
    loop {
        let before = counts();
        // Longer than it takes to see that another one is due.
        std::thread::sleep(Duration::from_millis(800));
        if before.0 > 0 && before.0 == before.1 && before == counts() {
            return;
        }
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "{}",
            server.log()
        );
    }
}

fn search_in(server: &Server, id: &str) -> Value {
    let body = json!({"id": id, "collection": "team"});
    server.json("POST", "/v1/search", "", &body).json()
}

#[test]
fn many_entries_are_searched_in_a_graph_that_is_built_meanwhile() {
    let settings = [
        ("NETKIN_ENGINE_INDEX_EXACT_BELOW", "100"),
        ("NETKIN_LOG_FILTER", "info"),
    ];
    let server = Server::start(&settings);
    server.json("PUT", "/v1/collections/team", "", &json!({}));
    let lines: String = (0..400)
        .map(|number| json!({"id": cell(number)}).to_string() + "\n")
        .collect();
    let told = stream(&server, "team", &lines);
    let mut ids: Vec<&str> = told.iter().filter_map(|line| line["id"].as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    settled(&server);
    let search = |id: &str| search_in(&server, id);
    for id in &ids {
        assert_eq!(search(id)["hits"][0]["id"], *id);
    }
    // What is removed from a graph is gone, what is added to it is there.
    for id in &ids[..20] {
        server.json("DELETE", &format!("/v1/architectures/{id}"), "", &json!({}));
    }
    let all = search(ids[30]).to_string();
    assert!(ids[..20].iter().all(|id| !all.contains(id)));
    let fresh = server
        .json(
            "POST",
            "/v1/architectures?collection=team",
            "",
            &json!({"id": cell(500)}),
        )
        .json();
    assert_eq!(
        search(fresh["id"].as_str().unwrap())["hits"][0]["id"],
        fresh["id"]
    );
    let metrics = server.get("/metrics").body;
    let recall = metrics
        .lines()
        .find_map(|line| line.strip_prefix("netkin_index_recall "));
    assert!(recall.unwrap().parse::<f64>().unwrap() >= 0.99, "{metrics}");
    settled(&server);
    // The next start reads the graph; what happened to entries meanwhile is seen all the same.
    let server = Server::over(server.kill(), &settings);
    assert!(!search_in(&server, ids[30])["hits"][0].is_null());
    let path = format!("/v1/architectures/{}", ids[30]);
    assert_eq!(server.json("DELETE", &path, "", &json!({})).status, 204);
    let server = Server::over(server.kill(), &settings);
    let all = search_in(&server, ids[31]);
    assert_eq!(all["hits"][0]["id"], ids[31]);
    assert!(
        ids[..20]
            .iter()
            .chain(&ids[30..31])
            .all(|id| !all.to_string().contains(id))
    );
    assert_eq!(
        search_in(&server, fresh["id"].as_str().unwrap())["hits"][0]["id"],
        fresh["id"]
    );
    let log = server.log();
    assert!(
        !log.contains("index is rebuilt") && !log.contains("saved index not used"),
        "{log}"
    );
    // A damaged file is not used and costs nothing but time.
    let release = server.kill();
    let folder = std::fs::read_dir(release.path().join("state/indexes")).unwrap();
    let index = folder
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().unwrap() == "index");
    let mut bytes = std::fs::read(index.as_ref().unwrap()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(index.unwrap(), bytes).unwrap();
    let server = Server::over(release, &settings);
    assert_eq!(search_in(&server, ids[31])["hits"][0]["id"], ids[31]);
    assert!(server.log().contains("saved index not used"));
}

#[test]
fn a_stream_of_the_wrong_kind_or_to_nowhere_is_refused_as_a_whole() {
    let server = with_collections(&["team"]);
    let send = |collection: &str, headers: &str| {
        let path = format!("/v1/architectures/import?collection={collection}");
        server.post(&path, headers, b"{}").json()["code"].clone()
    };
    assert_eq!(send("none", NDJSON), "unknown_collection");
    assert_eq!(
        send("team", "content-type: text/html\r\n"),
        "unsupported_media_type"
    );
    assert_eq!(
        send("team", &format!("{NDJSON}content-encoding: gzip\r\n")),
        "unsupported_media_type"
    );
    let long = format!(
        "{}\n{}\n",
        "x".repeat((16 << 20) + 1),
        json!({"id": NEW_CELL})
    );
    let told = stream(&server, "team", &long);
    assert_eq!(told[0]["problem"]["code"], "line_too_long");
    // What comes after such a line is not read, so nothing says that all is done.
    assert_eq!(told.len(), 1);
}
