//! API keys: who may do what, what one tenant sees of another, and how soon a key ends.

use crate::additions::NEW_CELL;
use crate::postgres;
use crate::release::Release;
use crate::server::{Reply, Server};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const REQUIRED: (&str, &str) = ("NETKIN_SERVER_KEYS", "required");

/// A release with a key in its database, made as whoever runs a server makes the first one.
fn with_key(settings: &[(&str, &str)]) -> (Release, String) {
    let release = Release::new();
    let made = release
        .netkin()
        .args([
            "keys", "create", "--name", "root", "--scope", "admin", "--format", "json",
        ])
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    (release, made["secret"].as_str().unwrap().to_owned())
}

fn start() -> (Server, String) {
    let (release, root) = with_key(&[]);
    (Server::over(release, &[REQUIRED]), root)
}

fn key(server: &Server, by: &str, about: Value) -> (String, String) {
    let made = server.json("POST", "/v1/keys", by, &about);
    assert_eq!(made.status, 201, "{}", made.body);
    let text = |field: &str| made.json()[field].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn get(server: &Server, path: &str, key: &str) -> Reply {
    server.request(
        "GET",
        path,
        &format!("authorization: Bearer {key}\r\n"),
        b"",
    )
}

#[test]
fn without_a_key_nothing_but_health_and_documentation_is_answered() {
    let (server, root) = start();
    for path in ["/health/live", "/health/ready", "/docs/", "/openapi.json"] {
        assert!(server.get(path).status < 300, "{path}");
    }
    let paths = [
        "/v1/architectures",
        "/v1/models",
        "/v1/collections",
        "/v1/keys",
        "/v1/audit",
        "/v1/export",
    ];
    for path in paths {
        let reply = server.get(path);
        assert_eq!(
            (reply.status, reply.json()["code"].as_str()),
            (401, Some("no_key")),
            "{path}"
        );
        assert!(reply.head.contains("www-authenticate: bearer"));
    }
    for wrong in ["x", "netkin_", "netkin_a_b", &root[..root.len() - 1]] {
        assert_eq!(
            get(&server, "/v1/models", wrong).json()["code"],
            "bad_key",
            "{wrong}"
        );
    }
    assert_eq!(get(&server, "/v1/models", &root).status, 200);
    let log = server.log();
    assert!(!log.contains(&root[20..]), "the key is in the log: {log}");
}

#[test]
fn a_key_does_what_its_scope_allows_and_no_more() {
    let (server, root) = start();
    server.json("PUT", "/v1/collections/team", &root, &json!({}));
    let scoped = |scope: &str| key(&server, &root, json!({"name": scope, "scope": scope})).1;
    let (reader, writer) = (scoped("read"), scoped("write"));
    let item = json!({"id": NEW_CELL});
    let statuses = |key: &str| {
        [
            server.json("POST", "/v1/search", key, &item).status,
            server
                .json("POST", "/v1/architectures?collection=team", key, &item)
                .status,
            get(&server, "/v1/keys", key).status,
            server
                .json("PUT", "/v1/collections/other", key, &json!({}))
                .status,
        ]
    };
    assert_eq!(statuses(&reader), [200, 403, 403, 403]);
    assert_eq!(statuses(&writer), [200, 201, 403, 403]);
    assert_eq!(statuses(&root), [200, 200, 200, 201]);
    let listed = get(&server, "/v1/keys", &root).body;
    for secret in [&reader, &writer, &root] {
        assert!(!listed.contains(&secret[20..]));
    }
}

/// Everything that a tenant could ask about an entry of another one gets the answer that it would get if
/// the entry were not there.
#[test]
fn a_tenant_sees_nothing_of_another() {
    let (server, root) = start();
    for collection in ["a", "b"] {
        server.json(
            "PUT",
            &format!("/v1/collections/{collection}"),
            &root,
            &json!({}),
        );
    }
    let tenant = |collection: &str| {
        let about = json!({"name": collection, "scope": "admin", "collection": collection});
        key(&server, &root, about).1
    };
    let (a, b) = (tenant("a"), tenant("b"));
    let secret = json!({"id": NEW_CELL, "name": "secret", "family": "hidden"});
    let added = server.json("POST", "/v1/architectures", &b, &secret);
    assert_eq!(added.status, 201, "{}", added.body);
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let digest = id.split_once('/').unwrap().1;

    let search = |key: &str, body: Value| server.json("POST", "/v1/search", key, &body);
    assert_eq!(
        search(&b, json!({"id": id})).json()["hits"][0]["id"],
        id.as_str()
    );
    let neighbours = search(&a, json!({"id": NEW_CELL})).body;
    assert!(!neighbours.contains(&id) && !neighbours.contains("hidden"));
    assert_eq!(
        search(&a, json!({"id": NEW_CELL, "collection": "b"})).json()["hits"],
        json!([])
    );
    assert_eq!(
        search(&a, json!({"id": NEW_CELL, "family": "hidden"})).json()["hits"],
        json!([])
    );

    let same_as_nothing = |path: &str, absent: &str| {
        let (there, absent) = (get(&server, path, &a), get(&server, absent, &a));
        let code = |reply: &Reply| (reply.status, reply.json()["code"].clone());
        assert_eq!(code(&there), code(&absent), "{path}");
        assert_eq!(there.status, 404);
    };
    same_as_nothing(
        &format!("/v1/architectures/{id}"),
        "/v1/architectures/b/00000000000000000000000000000000",
    );
    same_as_nothing(
        &format!("/v1/graphs/{id}"),
        "/v1/graphs/b/00000000000000000000000000000000",
    );
    same_as_nothing("/v1/export?collection=b", "/v1/export?collection=none");
    for (method, body) in [("PATCH", json!({"name": "x"})), ("DELETE", json!({}))] {
        let path = format!("/v1/architectures/{id}");
        assert_eq!(
            server.json(method, &path, &a, &body).json()["code"],
            "unknown_entry"
        );
    }
    let into_b = server.json("POST", "/v1/architectures?collection=b", &a, &secret);
    assert_eq!(into_b.json()["code"], "unknown_collection");
    // The same design of one's own is another entry.
    let own = server.json("POST", "/v1/architectures", &a, &secret).json();
    assert_eq!(own, json!({"id": format!("a/{digest}"), "new": true}));

    let listed = get(&server, "/v1/architectures?limit=500", &a).body;
    assert!(!listed.contains(&id));
    let collections = get(&server, "/v1/collections", &a).json();
    let names: Vec<&Value> = collections["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(names, ["public", "a"]);
    let keys = get(&server, "/v1/keys", &a).json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    // Such an administrator makes keys of its own collection alone.
    let wide = server.json(
        "POST",
        "/v1/keys",
        &a,
        &json!({"name": "x", "scope": "read", "collection": "b"}),
    );
    assert_eq!(wide.json()["code"], "unknown_collection");
    let narrow = server.json(
        "POST",
        "/v1/keys",
        &a,
        &json!({"name": "x", "scope": "read"}),
    );
    assert_eq!(narrow.json()["collection"], "a");
    assert_eq!(get(&server, "/v1/audit", &a).json()["code"], "limited_key");
}

#[test]
fn a_key_that_is_revoked_ends_everywhere_within_a_second() {
    let url = postgres::database();
    let settings = [("DATABASE_URL", url.as_str())];
    let (release, root) = with_key(&settings);
    let settings = [settings[0], REQUIRED];
    let one = Server::over(release, &settings);
    let other = Server::start(&settings);
    let (id, secret) = key(&one, &root, json!({"name": "ci", "scope": "read"}));
    let within_a_second = |status: u16| {
        let since = Instant::now();
        while get(&other, "/v1/models", &secret).status != status {
            assert!(since.elapsed() < Duration::from_secs(1), "{status}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    within_a_second(200);
    let revoked = one.json("DELETE", &format!("/v1/keys/{id}"), &root, &json!({}));
    assert_eq!(revoked.status, 204, "{}", revoked.body);
    assert_eq!(get(&one, "/v1/models", &secret).status, 401);
    within_a_second(401);
}

#[test]
fn a_rotated_key_opens_for_a_while_and_then_no_more() {
    let (server, root) = start();
    let (id, old) = key(&server, &root, json!({"name": "ci", "scope": "read"}));
    let rotate = |grace_s: u32| {
        let path = format!("/v1/keys/{id}/rotate");
        server.json("POST", &path, &root, &json!({"grace_s": grace_s}))
    };
    let fresh = rotate(3600).json();
    let opens = |key: &str| get(&server, "/v1/models", key).status == 200;
    assert!(opens(&old) && opens(fresh["secret"].as_str().unwrap()));
    assert_eq!(rotate(0).status, 201);
    assert!(!opens(&old));
    let (_, short) = key(
        &server,
        &root,
        json!({"name": "short", "scope": "read", "expires_in_s": 0}),
    );
    assert!(!opens(&short));
}

#[test]
fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let (release, root) = with_key(&[]);
    let limits = [
        REQUIRED,
        ("NETKIN_SERVER_REQUESTS_PER_SECOND", "1"),
        ("NETKIN_SERVER_BURST", "3"),
    ];
    let server = Server::over(release, &limits);
    let (_, other) = key(&server, &root, json!({"name": "other", "scope": "read"}));
    let replies: Vec<Reply> = (0..5).map(|_| get(&server, "/v1/models", &root)).collect();
    let refused = replies
        .iter()
        .find(|reply| reply.status == 429)
        .expect("five in a row are too many");
    assert!(refused.head.contains("retry-after: 1"));
    assert_eq!(refused.json()["code"], "rate_limited");
    // The limit of one key is not that of another.
    assert_eq!(get(&server, "/v1/models", &other).status, 200);
}
