//! A new model in a running server, over real HTTP: nobody notices but by the version.

use crate::release::{DIM, Model, Release, plain_graph};
use crate::server::{JSON, Server};
use half::f16;
use serde_json::Value;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Looks at its models all the time.
const EAGER: (&str, &str) = ("NETKIN_SERVER_REFRESH_MS", "5");

/// A state that never comes fails the test.
const PATIENCE: Duration = Duration::from_secs(120);

fn models(server: &Server) -> Vec<Value> {
    let reply = server.get("/v1/models");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["items"].as_array().unwrap().clone()
}

/// The model in `folder` once it is in `state`.
fn reached(server: &Server, folder: &str, state: &str) -> Value {
    let started = Instant::now();
    loop {
        let models = models(server);
        let model = models.iter().find(|model| model["folder"] == folder);
        if let Some(model) = model.filter(|model| model["state"] == state) {
            return model.clone();
        }
        assert!(started.elapsed() < PATIENCE, "{models:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `text` is in the log `count` times.
fn logged(server: &Server, text: &str, count: usize) {
    let started = Instant::now();
    while server.log().matches(text).count() != count {
        assert!(started.elapsed() < PATIENCE, "{}", server.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An answer by the model that serves, its time left out.
fn asked(server: &Server, body: &[u8]) -> Value {
    let reply = server.post("/v1/search", JSON, body);
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut answer = reply.json();
    answer["took_ms"].take();
    answer
}

const BY_ID: &[u8] = br#"{"id": "nasbench201/plain"}"#;

/// Asks `question` until `stop`, at least once after it, and returns the answers of each version.
fn ask_on(server: &Server, question: &[u8], stop: &AtomicBool) -> BTreeMap<String, Value> {
    let mut answers: BTreeMap<String, Value> = BTreeMap::new();
    loop {
        let is_last = stop.load(Ordering::SeqCst);
        let answer = asked(server, question);
        let version = answer["model_version"].as_str().unwrap().to_owned();
        let first = answers.entry(version).or_insert_with(|| answer.clone());
        assert_eq!(*first, answer, "one version, one answer");
        if is_last {
            return answers;
        }
    }
}

/// Asks in two ways while `change` happens; no request may fail.
fn ask_during(server: &Server, change: impl FnOnce()) -> [BTreeMap<String, Value>; 2] {
    let stop = AtomicBool::new(false);
    let graph = plain_graph();
    std::thread::scope(|scope| {
        let by_id = scope.spawn(|| ask_on(server, BY_ID, &stop));
        let by_graph = scope.spawn(|| ask_on(server, &graph, &stop));
        // Whoever asks must be stopped after a failure too, or the test never ends.
        let changed = catch_unwind(AssertUnwindSafe(change));
        stop.store(true, Ordering::SeqCst);
        let answers = [by_id.join().unwrap(), by_graph.join().unwrap()];
        changed.unwrap_or_else(|failure| resume_unwind(failure));
        answers
    })
}

/// `netkin-train publish` of a model that was fitted elsewhere.
fn publish(release: &Release, model: &Model) -> Output {
    let fitted = tempfile::tempdir().unwrap();
    model.write(fitted.path());
    Command::new(env!("CARGO_BIN_EXE_netkin-train"))
        .arg("publish")
        .arg("--model")
        .arg(fitted.path())
        .arg("--assets")
        .arg(release.path())
        .output()
        .unwrap()
}

#[test]
fn a_published_model_takes_over_without_a_failed_request() {
    let server = Server::start(&[EAGER]);
    let old = asked(&server, BY_ID);
    assert_eq!(old["model_version"], "test-1");
    let answers = ask_during(&server, || {
        let published = publish(server.release(), &Model::new("test-2", 32));
        assert!(published.status.success(), "{published:?}");
        reached(&server, "test-2", "serving");
    });
    for answers in &answers {
        // Which hits a version gives tells which model made them.
        let versions: Vec<&str> = answers.keys().map(String::as_str).collect();
        assert_eq!(versions, ["test-1", "test-2"]);
        assert_ne!(answers["test-1"]["hits"], answers["test-2"]["hits"]);
    }
    assert_eq!(answers[0]["test-1"], old);
    insta::assert_json_snapshot!("models", server.get("/v1/models").json(), {
        ".items[].since" => "[time]"
    });
    let answers = ask_during(&server, || {
        std::fs::remove_dir_all(server.release().model_folder("test-2")).unwrap();
        reached(&server, "test-1", "serving");
    });
    assert_eq!(answers[0]["test-1"], old);
    assert_eq!(asked(&server, BY_ID), old);
}

/// Models that must not serve, and what is said of each.
fn bad_models() -> Vec<(Model, &'static str)> {
    let good = || Model::new("bad", 32);
    let with = |field: &str, value: Value| {
        let mut model = good();
        model.config[field] = value;
        model
    };
    let mut truncated = good();
    truncated.weights.truncate(1000);
    let mut poisoned = good();
    let last = poisoned.weights.len() - 2;
    poisoned.weights[last..].copy_from_slice(&f16::NAN.to_le_bytes());
    vec![
        (truncated, "the weights of the model are corrupt"),
        (
            poisoned,
            "tensor `projection` holds a weight that is not finite",
        ),
        (
            with("dim", 33.into()),
            "tensor `projection` has shape [32, 64], but config.json asks for [33, 64]",
        ),
        (with("vocabulary", "tokens-0".into()), "`vocabulary` is not"),
        (with("encoder", "graph".into()), "`encoder` is `graph`"),
        (with("colour", "red".into()), "unknown field `colour`"),
        (
            Model::with_projection("bad", 1, &[1.0; DIM]),
            "model bad fails its self-check: it tells only",
        ),
    ]
}

#[test]
fn a_bad_model_is_refused_by_name_and_the_old_one_goes_on_serving() {
    let server = Server::start(&[EAGER]);
    let old = asked(&server, BY_ID);
    for (number, (model, reason)) in bad_models().into_iter().enumerate() {
        let folder = format!("test-2-bad-{number}");
        let answers = ask_during(&server, || {
            server.release().publish(&folder, &model);
            let problem = reached(&server, &folder, "failed")["problem"].clone();
            let problem = problem.as_str().unwrap();
            assert!(problem.contains(reason), "{problem}");
            let private = server.release().path().to_str().unwrap();
            assert!(!problem.contains(private), "{problem}");
        });
        assert_eq!(answers[0], BTreeMap::from([("test-1".into(), old.clone())]));
        reached(&server, "test-1", "serving");
    }
    logged(&server, "ERROR", bad_models().len());
    server
        .release()
        .publish("test-3", &Model::new("test-3", 32));
    reached(&server, "test-3", "serving");
    assert_eq!(asked(&server, BY_ID)["model_version"], "test-3");
}

#[test]
fn a_server_starts_with_the_newest_model_that_can_be_used() {
    let release = Release::new();
    let mut bad = Model::new("test-2", 32);
    bad.weights.truncate(1000);
    release.publish("test-2", &bad);
    let server = Server::over(release, &[]);
    assert_eq!(asked(&server, BY_ID)["model_version"], "test-1");
    reached(&server, "test-2", "failed");
}

#[test]
fn a_server_without_a_model_that_can_be_used_does_not_start() {
    let release = Release::new();
    let mut bad = Model::new("test-1", 32);
    bad.weights.truncate(1000);
    bad.write(&release.model_folder("test-1"));
    let mut serve = release.netkin();
    let output = serve.args(["serve", "--listen", "127.0.0.1:0"]).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("the weights of the model are corrupt"),
        "{said}"
    );
}

#[test]
fn publishing_writes_a_whole_folder_or_nothing() {
    let release = Release::new();
    let names = || {
        let folders = std::fs::read_dir(release.path().join("models")).unwrap();
        let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    for (model, reason) in bad_models() {
        let published = publish(&release, &model);
        assert!(!published.status.success());
        let said = String::from_utf8(published.stderr).unwrap();
        assert!(said.contains(reason), "{said}");
        assert_eq!(names(), ["test-1"]);
    }
    assert!(
        publish(&release, &Model::new("test-2", 32))
            .status
            .success()
    );
    let again = publish(&release, &Model::new("test-2", 32));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("it is there already"), "{said}");
    let outside = publish(&release, &Model::new("../test-3", 32));
    let said = String::from_utf8(outside.stderr).unwrap();
    assert!(said.contains("it cannot name a folder"), "{said}");
    assert_eq!(names(), ["test-1", "test-2"]);
    let embeddings = release.model_folder("test-2").join("corpus.embeddings");
    assert!(embeddings.is_file());
}
