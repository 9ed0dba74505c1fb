//! Collections: what entries belong to, and what a key may be limited to.

use super::super::access::{Admin, Reader};
use super::super::asked::{Text, parse};
use super::super::body::{self, Framing};
use super::super::error::{Failure, Problems};
use crate::engine::PUBLIC;
use crate::store;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest name of a collection, in bytes.
const LONGEST_NAME: usize = 64;

/// A collection.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Collection {
    /// Its name.
    name: String,
    /// What it is for.
    description: String,
    /// Number of entries that searches find.
    entries: usize,
}

/// The collections that the caller sees.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Collections {
    /// The shipped corpus first, the others by name.
    items: Vec<Collection>,
}

/// What is said of a collection.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct About {
    /// What it is for.
    description: Text,
}

/// The collections.
#[utoipa::path(
    get, path = "/v1/collections", tag = "collections", operation_id = "list_collections",
    responses((status = 200, body = Collections), Problems)
)]
pub(super) async fn list(
    State(state): State<super::State>,
    Reader(caller): Reader,
) -> Result<Json<Collections>, Failure> {
    let stored = state.stored(state.store()?.collections()).await?;
    let seen: Vec<store::Collection> = stored
        .into_iter()
        .filter(|one| caller.viewer.sees(&one.name))
        .collect();
    let items = state.ask(move |engine| {
        let public = Collection {
            name: PUBLIC.to_owned(),
            description: "The shipped corpus.".to_owned(),
            entries: engine.corpus().entries().len(),
        };
        let counts = engine.addition_counts();
        let stored = seen.into_iter().map(|one| Collection {
            entries: counts.get(one.name.as_str()).copied().unwrap_or(0),
            name: one.name,
            description: one.description,
        });
        Ok(std::iter::once(public).chain(stored).collect())
    });
    items.await.map(|items| Json(Collections { items }))
}

/// Makes a collection; one that is there stays as it is.
#[utoipa::path(
    put, path = "/v1/collections/{name}", tag = "collections", operation_id = "create_collection",
    params(("name" = String, Path, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$",
        description = "Small letters, digits, `.`, `_` and `-`")),
    request_body(content = About, example = json!({"description": "models of the vision team"})),
    responses(
        (status = 201, description = "It is new"),
        (status = 200, description = "It was there"),
        Problems
    )
)]
pub(super) async fn create(
    State(state): State<super::State>,
    Admin(caller): Admin,
    Path(name): Path<String>,
    framing: Framing,
    body: Body,
) -> Result<StatusCode, Failure> {
    caller.sees_all()?;
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let about: About = parse(&framing.json(bytes, config.decompressed_bytes)?)?;
    check_name(&name)?;
    let store = state.store()?;
    let made = store.create_collection(&caller.actor, &name, &about.description.0);
    let is_new = state.stored(made).await?;
    Ok(if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    })
}

/// Removes a collection that has no entries.
#[utoipa::path(
    delete, path = "/v1/collections/{name}", tag = "collections", operation_id = "delete_collection",
    params(("name" = String, Path, description = "Its name")),
    responses((status = 204, description = "Done"), Problems)
)]
pub(super) async fn remove(
    State(state): State<super::State>,
    Admin(caller): Admin,
    Path(name): Path<String>,
) -> Result<StatusCode, Failure> {
    caller.sees_all()?;
    caller.may_change(&name)?;
    let store = state.store()?;
    state
        .stored(store.delete_collection(&caller.actor, &name))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

fn check_name(name: &str) -> Result<(), Failure> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_fit = name
        .bytes()
        .all(|byte| is_letter(byte) || b"._-".contains(&byte))
        && name.bytes().next().is_some_and(is_letter)
        && name.len() <= LONGEST_NAME
        && name != PUBLIC;
    if is_fit {
        return Ok(());
    }
    Err(Failure::bad_request(
        "bad_name",
        "The name of a collection has small letters, digits, `.`, `_` and `-`, begins with a letter or a digit, \
         has at most 64 bytes, and is not `public`.",
    ))
}
