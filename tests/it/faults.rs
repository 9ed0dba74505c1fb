//! What breaks around a server, and what must hold all the same.

use crate::additions::NEW_CELL;
use crate::bulk::cell;
use crate::postgres::Postgres;
use crate::release::{DIM, Model, Release, plain_graph};
use crate::server::{JSON, Reply, Server};
use netkin::random::Random;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Crashes of one run. `NETKIN_CRASH_ROUNDS` asks for another number.
const ROUNDS: usize = 200;

fn with_collection(server: &Server) {
    let made = server.json("PUT", "/v1/collections/team", "", &json!({}));
    assert!(made.status < 300, "{}", made.body);
}

fn add(server: &Server, cell: &str) -> Reply {
    server.json(
        "POST",
        "/v1/architectures?collection=team",
        "",
        &json!({"id": cell}),
    )
}

fn stored(server: &Server) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut path = "/v1/architectures?limit=500&collection=team".to_owned();
    loop {
        let page = server.get(&path).json();
        let items = page["items"].as_array().unwrap().iter();
        ids.extend(items.map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else {
            return ids;
        };
        path = format!("/v1/architectures?limit=500&collection=team&cursor={cursor}");
    }
}

/// Adds until the server is gone; ids of what was acknowledged.
fn add_until_gone(address: &str, first: usize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in first.. {
        let body = json!({"id": cell(number)}).to_string();
        let head = format!(
            "POST /v1/architectures?collection=team HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{JSON}content-length: {}\r\n\r\n",
            body.len()
        );
        let mut reply = String::new();
        let sent = TcpStream::connect(address).and_then(|mut stream| {
            stream.write_all((head + &body).as_bytes())?;
            stream.read_to_string(&mut reply)
        });
        let acknowledgement = reply
            .split_once("\r\n\r\n")
            .filter(|(head, _)| head.starts_with("HTTP/1.1 20"));
        // A reply that was cut off is no acknowledgement.
        let added = acknowledgement.and_then(|(_, body)| serde_json::from_str::<Value>(body).ok());
        match added {
            Some(added) => acknowledged.push(added["id"].as_str().unwrap().to_owned()),
            None if sent.is_err() || reply.is_empty() => break,
            None => break,
        }
    }
    acknowledged
}

#[test]
fn no_acknowledged_write_is_lost_when_the_server_is_killed_at_any_moment() {
    let rounds = std::env::var("NETKIN_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let mut random = Random::new(1);
    let mut server = Server::start(&[]);
    with_collection(&server);
    let mut acknowledged = BTreeSet::new();
    for round in 0..rounds {
        let address = server.address().to_owned();
        let adding = std::thread::spawn(move || add_until_gone(&address, 3 * round));
        std::thread::sleep(Duration::from_micros(random.below(150_000) as u64));
        let release = server.kill();
        acknowledged.extend(adding.join().unwrap());
        server = Server::over(release, &[]);
    }
    let stored = stored(&server);
    let lost: Vec<&String> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(
        acknowledged.len() > rounds / 2,
        "{} writes are too few to tell",
        acknowledged.len()
    );
}

fn search(server: &Server) -> Reply {
    server.json("POST", "/v1/search", "", &json!({"id": NEW_CELL, "k": 3}))
}

fn is_unavailable(reply: &Reply) {
    let problem = reply.json();
    assert_eq!(
        (reply.status, problem["code"].as_str()),
        (503, Some("store_unavailable")),
        "{problem}"
    );
    assert!(reply.head.contains("retry-after: "));
}

/// Asks until a write succeeds again.
fn recovers(server: &Server, cell: &str) {
    let since = Instant::now();
    while add(server, cell).status >= 300 {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{}",
            add(server, cell).body
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_its_database_a_server_answers_searches_and_refuses_writes() {
    let postgres = Postgres::start_own();
    let url = postgres.url();
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("NETKIN_SERVER_TIMEOUT_MS", "1000"),
    ];
    let server = Server::start(&settings);
    with_collection(&server);
    assert_eq!(add(&server, NEW_CELL).status, 201);
    let before = search(&server).json();
    let answers_as_before = || assert_eq!(search(&server).json()["hits"], before["hits"]);

    // Gone, as after a crash; it comes back by itself.
    postgres.stop();
    answers_as_before();
    is_unavailable(&add(&server, &cell(1)));
    postgres.start();
    recovers(&server, &cell(1));

    // It stands still: nobody waits longer than an answer may take.
    postgres.signal("STOP");
    let asked = Instant::now();
    is_unavailable(&add(&server, &cell(2)));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert_eq!(search(&server).status, 200);
    postgres.signal("CONT");
    recovers(&server, &cell(2));

    // It can be read alone, as a standby.
    postgres.execute("ALTER DATABASE postgres SET default_transaction_read_only = on");
    postgres.stop();
    postgres.start();
    let since = Instant::now();
    while server.get("/v1/collections").status != 200 {
        assert!(since.elapsed() < Duration::from_secs(20));
    }
    is_unavailable(&add(&server, &cell(3)));
    assert_eq!(search(&server).status, 200);
    postgres.execute(
        "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT",
    );
    postgres.stop();
    postgres.start();
    recovers(&server, &cell(3));

    // Its disk is full: Postgres says so by this code.
    postgres.execute(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$",
    );
    postgres
        .execute("CREATE TRIGGER full_disk BEFORE INSERT ON entries EXECUTE FUNCTION full_disk()");
    is_unavailable(&add(&server, &cell(4)));
    assert_eq!(search(&server).status, 200);
    postgres.execute("DROP TRIGGER full_disk ON entries");
    recovers(&server, &cell(4));
}

#[test]
fn a_server_on_a_standby_answers_searches_and_refuses_writes() {
    let postgres = Postgres::start_own();
    let url = postgres.url();
    let primary = Server::start(&[("DATABASE_URL", url.as_str())]);
    with_collection(&primary);
    let before = add(&primary, NEW_CELL).json();
    let standby = postgres.standby();
    let url = standby.url();
    let reader = Server::start(&[("DATABASE_URL", url.as_str())]);
    assert_eq!(search(&reader).json()["hits"][0]["id"], before["id"]);
    is_unavailable(&add(&reader, &cell(1)));
    // What is written to the primary comes by itself.
    let added = add(&primary, &cell(1)).json();
    let path = format!("/v1/architectures/{}", added["id"].as_str().unwrap());
    let since = Instant::now();
    while reader.get(&path).status != 200 {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_waits_for_a_database_that_is_not_there_yet() {
    let postgres = Postgres::start_own();
    postgres.stop();
    let url = postgres.url();
    let later = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(500));
        postgres.start();
        postgres
    });
    let server = Server::start(&[("DATABASE_URL", url.as_str())]);
    with_collection(&server);
    drop(later.join().unwrap());
}

#[test]
fn a_database_that_is_none_is_named_and_the_server_does_not_start() {
    let release = Release::new();
    let state = release.path().join("state");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(
        state.join("netkin.db"),
        b"this is no database, whatever its name says",
    )
    .unwrap();
    let output = release
        .netkin()
        .args(["serve", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("restore a backup"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_signal_under_load_fails_no_request() {
    let mut server = Server::start(&[]);
    let address = server.address().to_owned();
    let body = plain_graph();
    let head = format!(
        "POST /v1/search HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{JSON}content-length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), &body].concat();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (address, request) = (address.clone(), request.clone());
            std::thread::spawn(move || {
                let mut answered = 0;
                // Until there is nobody to connect to.
                while let Ok(mut stream) = TcpStream::connect(&address) {
                    stream.write_all(&request).unwrap();
                    let mut reply = String::new();
                    stream.read_to_string(&mut reply).unwrap();
                    assert!(reply.starts_with("HTTP/1.1 200"), "{reply:?}");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    assert!(server.terminate().success());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    let answered: usize = clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .sum();
    assert!(answered > 8);
}

#[test]
fn more_work_than_a_server_bears_is_refused_at_once_and_the_rest_is_answered() {
    let server = Server::start(&[("NETKIN_SERVER_WORKERS", "1"), ("NETKIN_SERVER_QUEUE", "2")]);
    let body = plain_graph();
    let replies: Vec<(Reply, Duration)> = std::thread::scope(|scope| {
        let asks = (0..64).map(|_| {
            scope.spawn(|| {
                let asked = Instant::now();
                (server.post("/v1/search", JSON, &body), asked.elapsed())
            })
        });
        let asks: Vec<_> = asks.collect();
        asks.into_iter().map(|ask| ask.join().unwrap()).collect()
    });
    let (answered, refused): (Vec<_>, Vec<_>) =
        replies.iter().partition(|(reply, _)| reply.status == 200);
    assert!(
        !answered.is_empty() && !refused.is_empty(),
        "{} answered",
        answered.len()
    );
    for (reply, _) in &refused {
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (503, Some("overloaded"))
        );
        assert!(reply.head.contains("retry-after: "));
    }
    // Three are worked on or wait: nobody waits for sixty others.
    let slowest = answered.iter().map(|(_, took)| *took).max().unwrap();
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

#[test]
fn slow_bodies_are_cut_off_and_idle_connections_do_not_lock_others_out() {
    let settings = [
        ("NETKIN_SERVER_READ_TIMEOUT_MS", "300"),
        ("NETKIN_SERVER_CONNECTIONS", "4"),
    ];
    let server = Server::start(&settings);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let head =
        format!("POST /v1/search HTTP/1.1\r\nhost: a\r\n{JSON}content-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = [0; 12];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"HTTP/1.1 408");
    drop(stream);
    // As many as there is room for, and none of them says anything.
    let idle: Vec<TcpStream> = (0..4)
        .map(|_| TcpStream::connect(server.address()).unwrap())
        .collect();
    let asked = Instant::now();
    assert_eq!(search(&server).status, 200);
    assert!(asked.elapsed() < Duration::from_secs(5));
    drop(idle);
}

#[test]
fn a_new_model_embeds_what_was_added_before_it_answers() {
    let server = Server::start(&[("NETKIN_SERVER_REFRESH_MS", "50")]);
    with_collection(&server);
    let added = add(&server, NEW_CELL).json();
    let old = search(&server).json();
    assert_eq!(old["model_version"], "test-1");
    let vector = server
        .json("POST", "/v1/embed", "", &json!({"id": NEW_CELL}))
        .json();
    server
        .release()
        .publish("test-2", &Model::new("test-2", DIM / 2));
    let since = Instant::now();
    let new = loop {
        let answer = search(&server).json();
        // Whichever model answers, the entry is there and equal to itself.
        assert_eq!(
            (&answer["hits"][0]["id"], &answer["hits"][0]["similarity"]),
            (&added["id"], &json!(1.0))
        );
        if answer["model_version"] == "test-2" {
            break answer;
        }
        assert!(since.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(new["hits"][0]["relation"], "duplicate");
    // A vector of the old model is not compared with those of the new one.
    let body = json!({"vector": vector["vector"], "model_version": "test-1"});
    assert_eq!(
        server.json("POST", "/v1/search", "", &body).json()["code"],
        "other_model"
    );
}
