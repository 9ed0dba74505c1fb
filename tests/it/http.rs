//! The built server over real HTTP, on a port of the system's choice.

use crate::release::plain_graph;
use crate::server::{JSON, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

#[test]
fn a_raw_graph_and_an_id_find_the_same_entries() {
    let server = Server::start(&[]);
    let by_graph = server.post("/v1/search?k=3", JSON, &plain_graph());
    assert_eq!(by_graph.status, 200, "{}", by_graph.body);
    let by_id = server
        .post(
            "/v1/search",
            JSON,
            br#"{"id": "nasbench201/plain", "k": 3}"#,
        )
        .json();
    assert_eq!(by_graph.json()["hits"], by_id["hits"]);
    assert!(by_graph.head.contains("x-content-type-options: nosniff"));
    let described = server.post("/v1/describe", JSON, &plain_graph());
    assert_eq!(
        described.json()["query"]["digest"],
        by_id["query"]["digest"]
    );
}

#[test]
fn a_question_asked_again_has_the_same_answer_with_a_time_of_its_own() {
    let server = Server::start(&[]);
    let ask = |body: &[u8]| server.post("/v1/search", JSON, body);
    let first = ask(br#"{"id": "nasbench201/plain"}"#);
    let mut again = ask(br#"{"id": "nasbench201/plain", "k": 10}"#).json();
    assert!(again["took_ms"].is_number());
    again["took_ms"] = first.json()["took_ms"].clone();
    assert_eq!(again, first.json());
    assert_eq!(again.as_object().unwrap().len(), 4);
    let one = ask(br#"{"id": "nasbench201/plain", "k": 1}"#).json();
    assert_eq!(one["hits"].as_array().unwrap().len(), 1);
    let filtered = ask(br#"{"id": "nasbench201/plain", "family": "nowhere"}"#).json();
    assert_eq!(filtered["hits"].as_array().unwrap().len(), 0);
}

#[test]
fn compressed_bodies_are_read() {
    let server = Server::start(&[]);
    let body = zstd::encode_all(&*plain_graph(), 1).unwrap();
    let reply = server.post(
        "/v1/search",
        &format!("{JSON}content-encoding: zstd\r\n"),
        &body,
    );
    assert_eq!(reply.status, 200, "{}", reply.body);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bombs_are_refused_and_the_next_request_is_answered() {
    let server = Server::start(&[("NETKIN_SERVER_DECOMPRESSED_BYTES", "100000")]);
    let before = server.post("/v1/search", JSON, &plain_graph()).json();
    let zeros = vec![0; 10 << 20];
    let bombs = [
        ("gzip", gzip(&zeros), 413, "body_too_large"),
        (
            "zstd",
            zstd::encode_all(&*zeros, 19).unwrap(),
            413,
            "body_too_large",
        ),
        // One bomb in another is unpacked once.
        ("gzip", gzip(&gzip(&zeros)), 422, "unreadable_model"),
        (
            "gzip, gzip",
            gzip(&gzip(&zeros)),
            415,
            "unsupported_encoding",
        ),
        ("deflate", vec![0x78, 0x9c], 415, "unsupported_encoding"),
        ("zstd", gzip(b"{}"), 400, "bad_compression"),
    ];
    for (encoding, bomb, status, code) in bombs {
        assert!(bomb.len() < 100_000);
        let reply = server.post(
            "/v1/search",
            &format!("content-encoding: {encoding}\r\n"),
            &bomb,
        );
        let problem = reply.json();
        assert_eq!(
            (reply.status, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
    }
    let after = server.post("/v1/search", JSON, &plain_graph()).json();
    assert_eq!(before["hits"], after["hits"]);
}

#[test]
fn hostile_bodies_are_refused_and_the_next_request_is_answered() {
    let server = Server::start(&[]);
    let before = server.post("/v1/search", JSON, &plain_graph()).json();
    let deep = |open: &str, close: &str| [open.repeat(1 << 18), close.repeat(1 << 18)].concat();
    let wrapped = format!(r#"{{"graph": {}}}"#, deep("[", "]"));
    let plain = String::from_utf8(plain_graph()).unwrap();
    let bodies: [(&str, Vec<u8>); 8] = [
        ("", b"\x80\x04\x95\0\0cposix\nsystem\n".to_vec()),
        ("", b"PK\x03\x04\x14\0\0\0../../x".to_vec()),
        (
            "",
            [&(1u64 << 39).to_le_bytes()[..], b"{\"a\":{}}"].concat(),
        ),
        ("", vec![0x0b; 1 << 20]),
        (JSON, deep("[", "]").into()),
        (JSON, deep("{\"a\":", "}").into()),
        (JSON, wrapped.into()),
        (JSON, plain.replacen('{', r#"{"version":1,"#, 1).into()),
    ];
    for (headers, body) in bodies {
        let reply = server.post("/v1/search", headers, &body);
        let problem = reply.json();
        assert!(matches!(reply.status, 400 | 422), "{problem}");
        assert!(problem["code"].is_string());
    }
    let after = server.post("/v1/search", JSON, &plain_graph()).json();
    assert_eq!(before["hits"], after["hits"]);
}

#[test]
fn refusals_are_problem_documents_with_a_stable_code() {
    let server = Server::start(&[("NETKIN_SERVER_BODY_BYTES", "10000")]);
    let cases = [
        (
            server.post("/v1/search?colour=red", JSON, b"{}"),
            400,
            "unknown_parameter",
        ),
        (
            server.post("/v1/search?k=0", JSON, br#"{"id": "nasbench201/pool"}"#),
            400,
            "k_out_of_range",
        ),
        (
            server.post("/v1/search", JSON, br#"{"id": "nowhere"}"#),
            404,
            "unknown_entry",
        ),
        (
            server.post("/v1/search", "content-type: text/html\r\n", b"a"),
            415,
            "unsupported_media_type",
        ),
        (
            server.post("/v1/search", JSON, &[b' '; 20000]),
            413,
            "body_too_large",
        ),
        (
            server.post("/v1/search", "", b"not a model"),
            422,
            "unreadable_model",
        ),
        (server.get("/v1/architectures?cursor=x"), 400, "bad_cursor"),
        (server.get("/nothing"), 404, "no_route"),
        (server.get("/v1/search"), 405, "no_method"),
    ];
    for (reply, status, code) in cases {
        let problem = reply.json();
        assert_eq!(
            (reply.status, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
        assert!(
            reply
                .head
                .contains("content-type: application/problem+json")
        );
        let request_id = problem["request_id"].as_str().unwrap();
        assert!(reply.head.contains(&format!("x-request-id: {request_id}")));
    }
}

#[test]
fn entries_are_listed_in_pages_and_found_by_ids_with_slashes() {
    let server = Server::start(&[]);
    let mut ids = Vec::new();
    let mut path = "/v1/architectures?limit=2".to_owned();
    loop {
        let page = server.get(&path).json();
        let items = page["items"].as_array().unwrap();
        ids.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            break;
        };
        path = format!("/v1/architectures?limit=2&cursor={cursor}");
    }
    assert_eq!(ids.len(), 5);
    for id in ids {
        assert_eq!(
            server.get(&format!("/v1/architectures/{id}")).json()["id"],
            id.as_str()
        );
    }
}

#[test]
fn health_metrics_and_documentation_answer() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/health/live").status, 204);
    assert!(
        server
            .get("/metrics")
            .body
            .contains("netkin_http_requests_total")
    );
    assert_eq!(server.get("/docs/").status, 200);
}

#[cfg(unix)]
#[test]
fn a_signal_drains_and_ends_the_server_with_success() {
    let mut server = Server::start(&[]);
    assert!(server.terminate().success());
}

#[test]
fn slow_headers_are_cut_off() {
    let server = Server::start(&[("NETKIN_SERVER_READ_TIMEOUT_MS", "200")]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply);
    assert!(!reply.starts_with(b"HTTP/1.1 2"));
}
