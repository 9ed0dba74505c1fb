//! Adding an entry, changing what is said of it, removing it, and its graph.

use super::super::access::{Reader, Writer};
use super::super::asked::{Item, Said, Text, bounded, parse};
use super::super::body::{self, Framing, Sent};
use super::super::error::{Failure, Problems};
use super::super::extract::Parameters;
use crate::engine::{self, Query};
use crate::import::json;
use crate::store::Edit;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An entry that was added, or was there.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Added {
    /// Its id: the collection and the digest, so the same design has the same id.
    pub(super) id: String,
    /// False when the collection had this design already; then what is said of it is as it was.
    pub(super) new: bool,
}

/// Adds a model to a collection.
///
/// The body is a model (ONNX, `netkin-graph` JSON or Keras), or JSON with `graph` or a NAS cell as `id`
/// and what is said of it. A design is in a collection once: adding it again answers 200 with the id that
/// it has, so a request may be repeated. Once this answers, the entry survives a crash of the server and
/// is found by searches.
#[utoipa::path(
    post, path = "/v1/architectures", tag = "architectures", params(Said), operation_id = "add",
    request_body(description = "A model, or JSON that wraps one", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (Item = "application/json", example = json!({
            "id": "nas:nasbench201:|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|",
            "name": "three convolutions", "metadata": {"team": "vision"}
        }))
    )),
    responses(
        (status = 201, body = Added, headers(("location" = String, description = "Where the entry is"))),
        (status = 200, body = Added, description = "The collection had this design already"),
        Problems
    )
)]
pub(super) async fn add(
    State(state): State<super::State>,
    Writer(caller): Writer,
    Parameters(mut said): Parameters<Said>,
    framing: Framing,
    body: Body,
) -> Result<impl IntoResponse, Failure> {
    let collection = caller.target(said.collection.take())?;
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let entry = state.ask(move |engine| {
        let (query, edit) = read(framing, bytes, config.decompressed_bytes, said)?;
        Ok(engine.ingest(&query, &collection, edit)?)
    });
    let entry = [entry.await?];
    let inserted = state
        .write(state.store()?.insert(&caller.actor, &entry))
        .await?;
    // One entry was sent, so one outcome comes back.
    let inserted = inserted
        .into_iter()
        .next()
        .ok_or_else(|| Failure::internal("no outcome"))?;
    let status = if inserted.is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let location = HeaderValue::from_str(&format!("/v1/architectures/{}", inserted.id));
    let location = location.map_err(|error| Failure::internal(&error.to_string()))?;
    let added = Added {
        id: inserted.id,
        new: inserted.is_new,
    };
    Ok((status, [(header::LOCATION, location)], Json(added)))
}

fn read(
    framing: Framing,
    bytes: Vec<u8>,
    largest: usize,
    said: Said,
) -> Result<(Query, Edit), Failure> {
    match framing.open(bytes, largest)? {
        Sent::Wrapped(json) => parse::<Item>(&json)?.read(said),
        Sent::Model(bytes) => Ok((Query::Bytes { name: None, bytes }, said.read(Map::new())?)),
    }
}

/// What is to be said of an entry from now on. A field that is left out stays, `null` clears it.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Changes {
    /// Its name.
    name: Option<Text>,
    /// Its family.
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>, max_length = 256)]
    family: Option<Option<Text>>,
    /// Its coarse family.
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>, max_length = 256)]
    coarse_family: Option<Option<Text>>,
    /// What it is for.
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>, max_length = 256)]
    task: Option<Option<Text>>,
    /// Where it comes from.
    #[serde(deserialize_with = "stated")]
    #[schema(value_type = Option<String>, max_length = 256)]
    source: Option<Option<Text>>,
    /// The whole metadata: an object of at most 16 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

/// `null` is a value here, unlike a field that is left out.
fn stated<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Text>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Changes {
    fn checked(self) -> Result<impl FnOnce(&mut Edit) + Send, Failure> {
        let metadata = self.metadata.map(bounded).transpose()?;
        Ok(move |edit: &mut Edit| {
            if let Some(name) = self.name {
                edit.name = name.0;
            }
            for (place, change) in [
                (&mut edit.family, self.family),
                (&mut edit.coarse_family, self.coarse_family),
                (&mut edit.task, self.task),
                (&mut edit.source, self.source),
            ] {
                if let Some(change) = change {
                    *place = change.map(|text| text.0);
                }
            }
            if let Some(metadata) = metadata {
                edit.metadata = Value::Object(metadata).to_string();
            }
        })
    }
}

/// Changes what is said of an added entry. Its graph cannot change: that would be another entry.
#[utoipa::path(
    patch, path = "/v1/architectures/{*id}", tag = "architectures", operation_id = "edit",
    params(("id" = String, Path, description = "Id of the entry")),
    request_body(content = Changes, example = json!({"family": "resnet", "task": null})),
    responses((status = 204, description = "Done"), Problems)
)]
pub(super) async fn edit(
    State(state): State<super::State>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    framing: Framing,
    body: Body,
) -> Result<StatusCode, Failure> {
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let json = framing.json(bytes, config.decompressed_bytes)?;
    let changes = parse::<Changes>(&json)?.checked()?;
    may_change(&state, &caller, &id)?;
    let edited = state
        .write(state.store()?.edit(&caller.actor, &id, changes))
        .await?;
    if edited {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::no_entry(&id))
    }
}

/// Removes an added entry with its embeddings.
#[utoipa::path(
    delete, path = "/v1/architectures/{*id}", tag = "architectures", operation_id = "remove",
    params(("id" = String, Path, description = "Id of the entry")),
    responses((status = 204, description = "Done"), Problems)
)]
pub(super) async fn remove(
    State(state): State<super::State>,
    Writer(caller): Writer,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    may_change(&state, &caller, &id)?;
    let removed = state
        .write(state.store()?.delete(&caller.actor, &id))
        .await?;
    if removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Failure::no_entry(&id))
    }
}

/// Refused for entries of the corpus, and for those that the caller does not see.
fn may_change(state: &super::State, caller: &super::Caller, id: &str) -> Result<(), Failure> {
    if state.opened()?.engine.position(id).is_some() {
        return caller.may_change(engine::PUBLIC);
    }
    let collection = id.split_once('/').map_or("", |(collection, _)| collection);
    caller
        .may_change(collection)
        .map_err(|_| Failure::no_entry(id))
}

/// The raw graph of an entry, as `netkin-graph` JSON.
#[utoipa::path(
    get, path = "/v1/graphs/{*id}", tag = "architectures", operation_id = "graph",
    params(("id" = String, Path, description = "Id of the entry, such as timm/resnet18")),
    responses((status = 200, content_type = "application/json", body = Object), Problems)
)]
pub(super) async fn graph(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let query = state
        .with_graph(Query::Id(id.clone()), &caller.viewer)
        .await?;
    let text = state.ask(move |engine| match query {
        Query::Stored { id, graph } => Ok(engine::graph_json(&id, &graph, engine.limits())?),
        _ => Ok(json::write(&engine.graph(&id)?)),
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], text.await?))
}
