//! Entries that users add, over HTTP and against both databases.

use crate::postgres;
use crate::release::{Release, plain_graph};
use crate::server::{JSON, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A cell that the corpus of the tests does not have.
pub(crate) const NEW_CELL: &str = "nas:nasbench201:|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|";

/// Settings for each database, with a name for messages.
fn databases() -> [(&'static str, Vec<(&'static str, String)>); 2] {
    let postgres = postgres::database();
    [
        ("sqlite", vec![]),
        ("postgres", vec![("DATABASE_URL", postgres)]),
    ]
}

fn start(settings: &[(&str, String)]) -> Server {
    over(Release::new(), settings)
}

fn over(release: Release, settings: &[(&str, String)]) -> Server {
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    Server::over(release, &settings)
}

fn with_collection(server: &Server) {
    let made = server.json(
        "PUT",
        "/v1/collections/team",
        "",
        &json!({"description": "ours"}),
    );
    assert!(matches!(made.status, 200 | 201), "{}", made.body);
}

fn add(server: &Server, item: &Value) -> (u16, Value) {
    let reply = server.json("POST", "/v1/architectures?collection=team", "", item);
    (reply.status, reply.json())
}

fn ids(answer: &Value) -> Vec<&str> {
    let hits = answer["hits"].as_array().unwrap().iter();
    hits.map(|hit| hit["id"].as_str().unwrap()).collect()
}

#[test]
fn what_was_added_is_found_changed_and_removed() {
    for (name, settings) in databases() {
        let server = start(&settings);
        with_collection(&server);
        let item =
            json!({"id": NEW_CELL, "name": "mine", "family": "plain", "metadata": {"team": "a"}});
        let (status, added) = add(&server, &item);
        assert_eq!(status, 201, "{name}: {added}");
        let id = added["id"].as_str().unwrap().to_owned();
        assert_eq!(add(&server, &item), (200, json!({"id": id, "new": false})));

        let search = |body: Value| server.json("POST", "/v1/search", "", &body).json();
        let found = search(json!({"id": NEW_CELL}));
        assert_eq!(ids(&found)[0], id);
        assert_eq!(found["hits"][0]["similarity"], 1.0);
        assert_eq!(found["hits"][0]["relation"], "duplicate");
        assert_eq!(ids(&search(json!({"id": id})))[0], id);
        assert_eq!(
            ids(&search(json!({"id": NEW_CELL, "metadata": {"team": "a"}}))),
            [id.as_str()]
        );
        assert_eq!(
            ids(&search(json!({"id": NEW_CELL, "collection": "team"}))),
            [id.as_str()]
        );
        assert!(
            !ids(&search(json!({"id": NEW_CELL, "collection": "public"}))).contains(&id.as_str())
        );
        // Under its family, it is a kin of the entries of the corpus.
        let of_family = search(json!({"id": "nasbench201/plain", "family": "plain"}));
        assert!(ids(&of_family).contains(&id.as_str()));

        let path = format!("/v1/architectures/{id}");
        let changed = server.json("PATCH", &path, "", &json!({"family": null, "task": "x"}));
        assert_eq!(changed.status, 204, "{}", changed.body);
        let entry = server.get(&path).json();
        assert_eq!(
            (
                &entry["family"],
                &entry["task"],
                &entry["name"],
                &entry["metadata"]
            ),
            (
                &json!(""),
                &json!("x"),
                &json!("mine"),
                &json!({"team": "a"})
            )
        );
        let listed = server.get("/v1/architectures?collection=team").json();
        assert_eq!(listed["items"], json!([entry]));

        let described = server
            .json("POST", "/v1/describe", "", &json!({"id": id}))
            .json();
        assert_eq!(described["query"]["digest"], entry["digest"]);
        let graph = server.get(&format!("/v1/graphs/{id}"));
        let by_graph = server
            .post("/v1/search", JSON, graph.body.as_bytes())
            .json();
        assert_eq!(ids(&by_graph)[0], id);

        assert_eq!(server.json("DELETE", &path, "", &json!({})).status, 204);
        assert_eq!(server.json("DELETE", &path, "", &json!({})).status, 404);
        assert_eq!(server.get(&path).status, 404);
        assert!(!ids(&search(json!({"id": NEW_CELL}))).contains(&id.as_str()));
        let audit = server.get("/v1/audit").json();
        let actions = audit["items"].as_array().unwrap().iter();
        let actions: Vec<&Value> = actions.map(|line| &line["action"]).collect();
        assert_eq!(
            actions,
            ["create collection", "insert", "edit", "delete"],
            "{name}"
        );
    }
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    for (_, settings) in databases() {
        let server = start(&settings);
        with_collection(&server);
        let (_, added) = add(&server, &json!({"id": NEW_CELL}));
        let server = over(server.kill(), &settings);
        let path = format!("/v1/architectures/{}", added["id"].as_str().unwrap());
        assert_eq!(server.get(&path).json()["id"], added["id"]);
        let found = server
            .json("POST", "/v1/search", "", &json!({"id": NEW_CELL}))
            .json();
        assert_eq!(found["hits"][0]["id"], added["id"]);
    }
}

#[test]
fn a_kept_answer_is_made_anew_when_an_entry_is_added() {
    let server = Server::start(&[]);
    let ask = || {
        server
            .json(
                "POST",
                "/v1/search",
                "",
                &json!({"id": "nasbench201/plain"}),
            )
            .json()
    };
    let before = ask();
    assert_eq!(ask()["hits"], before["hits"]);
    with_collection(&server);
    let (_, added) = add(&server, &json!({"id": NEW_CELL}));
    let id = added["id"].as_str().unwrap().to_owned();
    assert!(ids(&ask()).contains(&id.as_str()));
    server.json("DELETE", &format!("/v1/architectures/{id}"), "", &json!({}));
    assert_eq!(ask()["hits"], before["hits"]);
}

#[test]
fn another_server_on_one_database_sees_a_write_within_a_second() {
    let settings = [("DATABASE_URL", postgres::database())];
    let (one, other) = (start(&settings), start(&settings));
    with_collection(&one);
    let (_, added) = add(&one, &json!({"id": NEW_CELL}));
    let path = format!("/v1/architectures/{}", added["id"].as_str().unwrap());
    let seen_within_a_second = |status: u16| {
        let written = Instant::now();
        while other.get(&path).status != status {
            assert!(written.elapsed() < Duration::from_secs(1), "{status}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    seen_within_a_second(200);
    assert_eq!(one.json("DELETE", &path, "", &json!({})).status, 204);
    seen_within_a_second(404);
}

#[test]
fn two_servers_that_add_one_design_at_once_store_it_once() {
    let settings = [("DATABASE_URL", postgres::database())];
    let servers = [start(&settings), start(&settings)];
    with_collection(&servers[0]);
    let outcomes: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let adds = servers.iter().cycle().take(8);
        let adds: Vec<_> = adds
            .map(|server| scope.spawn(|| add(server, &json!({"id": NEW_CELL}))))
            .collect();
        adds.into_iter().map(|add| add.join().unwrap()).collect()
    });
    assert_eq!(
        outcomes.iter().filter(|(status, _)| *status == 201).count(),
        1,
        "{outcomes:?}"
    );
    assert!(
        outcomes
            .iter()
            .all(|(_, added)| added["id"] == outcomes[0].1["id"])
    );
}

#[test]
fn a_vector_is_compared_with_those_of_its_model_alone() {
    let server = Server::start(&[]);
    let embedded = server.post("/v1/embed", JSON, &plain_graph()).json();
    let search = |version: &Value, vector: &Value| {
        let body = json!({"vector": vector, "model_version": version, "k": 3});
        server.json("POST", "/v1/search", "", &body)
    };
    let by_vector = search(&embedded["model_version"], &embedded["vector"]).json();
    let by_graph = server.post("/v1/search?k=3", JSON, &plain_graph()).json();
    assert_eq!(
        by_vector["hits"][0]["similarity"],
        by_graph["hits"][0]["similarity"]
    );
    assert_eq!(by_vector["query"]["format"], "vector");
    let cases = [
        (
            json!("test-0"),
            embedded["vector"].clone(),
            409,
            "other_model",
        ),
        (json!("test-1"), json!([1.0]), 422, "bad_vector"),
        (json!("test-1"), json!(vec![0.0; 64]), 422, "bad_vector"),
        (Value::Null, json!([1.0]), 400, "bad_query"),
    ];
    for (version, vector, status, code) in cases {
        let reply = search(&version, &vector);
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (status, Some(code))
        );
    }
}

#[test]
fn what_cannot_be_added_is_refused_and_nothing_is_stored() {
    let server = Server::start(&[]);
    with_collection(&server);
    let long = "x".repeat(257);
    let add = |path: &str, body: Value| server.json("POST", path, "", &body);
    let to_team = "/v1/architectures?collection=team";
    let cases = [
        (
            add("/v1/architectures", json!({"id": NEW_CELL})),
            400,
            "no_collection",
        ),
        (
            add("/v1/architectures?collection=none", json!({"id": NEW_CELL})),
            404,
            "unknown_collection",
        ),
        (
            add(
                "/v1/architectures?collection=public",
                json!({"id": NEW_CELL}),
            ),
            403,
            "public_collection",
        ),
        (
            add(to_team, json!({"id": "nasbench201/plain"})),
            400,
            "stored_entry",
        ),
        (
            add(to_team, json!({"id": "nas:nonsense"})),
            422,
            "unreadable_model",
        ),
        (
            add(to_team, json!({"graph": {}, "id": NEW_CELL})),
            400,
            "bad_query",
        ),
        (
            add(to_team, json!({"id": NEW_CELL, "colour": 1})),
            400,
            "bad_query",
        ),
        (
            add(to_team, json!({"id": NEW_CELL, "family": long})),
            400,
            "bad_query",
        ),
        (
            add(to_team, json!({"id": NEW_CELL, "metadata": [1]})),
            400,
            "bad_query",
        ),
        (
            server.json(
                "DELETE",
                "/v1/architectures/nasbench201/plain",
                "",
                &json!({}),
            ),
            403,
            "public_collection",
        ),
        (
            server.json("PATCH", "/v1/architectures/team/none", "", &json!({})),
            404,
            "unknown_entry",
        ),
        (
            server.json(
                "PATCH",
                "/v1/architectures/team/none",
                "",
                &json!({"digest": 1}),
            ),
            400,
            "bad_query",
        ),
        (
            server.json("PUT", "/v1/collections/Big", "", &json!({})),
            400,
            "bad_name",
        ),
        (
            server.json("PUT", "/v1/collections/public", "", &json!({})),
            400,
            "bad_name",
        ),
        (
            server.json("DELETE", "/v1/collections/none", "", &json!({})),
            404,
            "unknown_collection",
        ),
    ];
    for (reply, status, code) in cases {
        let problem = reply.json();
        assert_eq!(
            (reply.status, problem["code"].as_str()),
            (status, Some(code)),
            "{problem}"
        );
    }
    assert_eq!(
        server.get("/v1/architectures?collection=team").json()["items"],
        json!([])
    );
}

#[test]
fn a_collection_with_entries_is_not_deleted() {
    let server = Server::start(&[]);
    with_collection(&server);
    let (_, added) = add(&server, &json!({"id": NEW_CELL}));
    let remove = || {
        server
            .json("DELETE", "/v1/collections/team", "", &json!({}))
            .status
    };
    assert_eq!(remove(), 409);
    let listed = server.get("/v1/collections").json();
    assert_eq!(
        listed["items"][1],
        json!({"name": "team", "description": "ours", "entries": 1})
    );
    server.json(
        "DELETE",
        &format!("/v1/architectures/{}", added["id"].as_str().unwrap()),
        "",
        &json!({}),
    );
    assert_eq!(remove(), 204);
    assert_eq!(
        server.get("/v1/collections").json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
