//! What clients were promised: nothing in the specification of the last release may go or get stricter.
//!
//! `golden/openapi.json` is what `/openapi.json` said then. It changes with a release, by
//! `NETKIN_NEW_GOLDEN=1 cargo test openapi`, and a change that breaks clients belongs under another `/v2`.

use crate::server::Server;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What stands in `promised` must stand in `current`.
struct Check<'a> {
    promised: &'a Value,
    current: &'a Value,
    broken: Vec<String>,
}

#[test]
fn nothing_that_was_promised_to_clients_is_gone_or_stricter() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/openapi.json");
    let current = Server::start(&[]).get("/openapi.json").json();
    if std::env::var_os("NETKIN_NEW_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&current).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    let promised: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(broken(&promised, &current), Vec::<String>::new());
}

#[test]
fn what_breaks_clients_is_told() {
    let promised: Value = serde_json::json!({
        "paths": {"/a": {"get": {
            "parameters": [{"name": "k", "in": "query", "required": false}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Q"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}}
        }}},
        "components": {"schemas": {
            "Q": {"properties": {"id": {"type": "string"}}, "required": []},
            "A": {"properties": {"hits": {"type": "array"}}, "required": ["hits"]}
        }}
    });
    assert!(broken(&promised, &promised).is_empty());
    let changed = |pointer: &str, value: Value| {
        let mut current = promised.clone();
        *current.pointer_mut(pointer).unwrap() = value;
        broken(&promised, &current).len()
    };
    let operation = "/paths/~1a/get";
    assert_eq!(changed("/paths", serde_json::json!({})), 1);
    assert_eq!(
        changed(&format!("{operation}/parameters"), serde_json::json!([])),
        1
    );
    assert_eq!(
        changed(&format!("{operation}/parameters/0/required"), true.into()),
        1
    );
    assert_eq!(
        changed(&format!("{operation}/responses"), serde_json::json!({})),
        1
    );
    assert_eq!(
        changed("/components/schemas/A/properties", serde_json::json!({})),
        1
    );
    assert_eq!(
        changed(
            "/components/schemas/A/properties/hits/type",
            "string".into()
        ),
        1
    );
    assert_eq!(
        changed("/components/schemas/Q/required", serde_json::json!(["id"])),
        1
    );
    let more = serde_json::json!([{"name": "k", "in": "query"}, {"name": "x", "in": "query", "required": true}]);
    assert_eq!(changed(&format!("{operation}/parameters"), more), 1);
    let more = serde_json::json!({"hits": {"type": "array"}, "more": {"type": "string"}});
    assert_eq!(changed("/components/schemas/A/properties", more), 0);
}

fn broken(promised: &Value, current: &Value) -> Vec<String> {
    let mut check = Check {
        promised,
        current,
        broken: Vec::new(),
    };
    check.operations();
    check.broken
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn names(value: &Value) -> BTreeSet<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Required query parameters and all of them, by name.
fn parameters(operation: &Value) -> Map<String, Value> {
    let list = operation["parameters"].as_array().into_iter().flatten();
    list.map(|one| {
        (
            one["name"].as_str().unwrap().to_owned(),
            (one["required"] == true).into(),
        )
    })
    .collect()
}

impl Check<'_> {
    fn operations(&mut self) {
        for (path, methods) in object(&self.promised["paths"]) {
            for (method, promised) in object(methods) {
                let place = format!("{method} {path}");
                match self.current["paths"]
                    .get(path)
                    .and_then(|methods| methods.get(method))
                {
                    Some(current) => self.operation(&place, promised, current),
                    None => self.broken.push(format!("{place} is gone")),
                }
            }
        }
    }

    fn operation(&mut self, place: &str, promised: &Value, current: &Value) {
        let (old, new) = (parameters(promised), parameters(current));
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.broken
                .push(format!("{place}: the parameter {name} is gone"));
        }
        for (name, _) in new
            .iter()
            .filter(|(name, required)| **required == true && old.get(*name) != Some(&true.into()))
        {
            self.broken
                .push(format!("{place}: the parameter {name} is required now"));
        }
        for (media, body) in object(&promised["requestBody"]["content"]) {
            let now = &current["requestBody"]["content"][media]["schema"];
            self.schema(&format!("{place} body"), &body["schema"], now, true);
        }
        for (status, response) in object(&promised["responses"]) {
            let Some(now) = current["responses"].get(status) else {
                self.broken
                    .push(format!("{place}: the answer {status} is gone"));
                continue;
            };
            for (media, content) in object(&response["content"]) {
                let now = &now["content"][media]["schema"];
                self.schema(&format!("{place} {status}"), &content["schema"], now, false);
            }
        }
    }

    /// Fields stay, with their types; a request may not need more than before, an answer may not have less.
    fn schema(&mut self, place: &str, promised: &Value, current: &Value, is_request: bool) {
        let (old, new) = (
            resolved(self.promised, promised),
            resolved(self.current, current),
        );
        if new.is_null() {
            return self.broken.push(format!("{place} is gone"));
        }
        if old["type"] != new["type"] {
            self.broken.push(format!("{place} is of another type"));
        }
        let (before, now) = (names(&old["required"]), names(&new["required"]));
        let wrong: Vec<&str> = if is_request {
            now.difference(&before).copied().collect()
        } else {
            before.difference(&now).copied().collect()
        };
        if !wrong.is_empty() {
            self.broken
                .push(format!("{place}: what is required differs: {wrong:?}"));
        }
        for (field, value) in object(&old["properties"]) {
            self.schema(
                &format!("{place}.{field}"),
                value,
                &new["properties"][field],
                is_request,
            );
        }
        if old.get("items").is_some() {
            self.schema(
                &format!("{place}[]"),
                &old["items"],
                &new["items"],
                is_request,
            );
        }
    }
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema["$ref"].as_str() else {
        return schema;
    };
    document
        .pointer(reference.trim_start_matches('#'))
        .unwrap_or(&Value::Null)
}
