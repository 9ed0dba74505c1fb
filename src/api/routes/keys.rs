//! API keys and the audit of what was done with them.

use super::super::access::{Admin, Caller};
use super::super::asked::{Text, parse};
use super::super::body::{self, Framing};
use super::super::error::{Failure, Problems};
use super::super::extract::Parameters;
use crate::engine::Viewer;
use crate::store::{ApiKey, NewKey, Scope, Secret};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How long the old key still opens after a rotation, in seconds, when nothing is said.
const GRACE_S: Seconds = Seconds(86_400);
const PAGE: u32 = 100;
const LONGEST_PAGE: u32 = 1_000;

/// At most 68 years.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(try_from = "i32", into = "i32")]
struct Seconds(i32);

impl TryFrom<i32> for Seconds {
    type Error = &'static str;

    fn try_from(seconds: i32) -> Result<Self, Self::Error> {
        if seconds < 0 {
            return Err("a time cannot be negative");
        }
        Ok(Self(seconds))
    }
}

impl From<Seconds> for i32 {
    fn from(seconds: Seconds) -> Self {
        seconds.0
    }
}

/// An API key without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Key {
    /// The part of it that is no secret.
    id: String,
    /// What its owner calls it.
    name: String,
    /// What it may do: read, write (includes read) or admin (includes both).
    #[schema(value_type = String, example = "write")]
    scope: Scope,
    /// The only collection besides `public` that it sees; all without one.
    collection: Option<String>,
    /// When it was made, in UTC.
    created: Option<String>,
    /// When it ends, in UTC.
    expires: Option<String>,
    /// When it was revoked, in UTC.
    revoked: Option<String>,
}

/// The keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct KeyList {
    /// By id.
    items: Vec<Key>,
}

/// A key with its secret, which is told once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct FreshKey {
    /// What is known of it.
    #[serde(flatten)]
    key: Key,
    /// What to send as `Authorization: Bearer …`. Only a hash of it is kept.
    secret: String,
}

/// A key to make.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// What its owner calls it.
    name: Text,
    /// What it may do: read, write or admin.
    #[schema(value_type = String, example = "write")]
    scope: Scope,
    /// The only collection besides `public` that it sees; all without one.
    #[serde(default)]
    collection: Option<Text>,
    /// Seconds until it ends; never without.
    #[serde(default)]
    #[schema(value_type = Option<i32>, minimum = 0)]
    expires_in_s: Option<Seconds>,
}

/// How to rotate a key.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rotation {
    /// Seconds for which the old key still opens; a day when left out.
    #[schema(value_type = Option<i32>, minimum = 0)]
    grace_s: Option<Seconds>,
}

/// The keys, revoked ones too; never a secret.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "list_keys",
    responses((status = 200, body = KeyList), Problems)
)]
pub(super) async fn list(
    State(state): State<super::State>,
    Admin(caller): Admin,
) -> Result<Json<KeyList>, Failure> {
    let keys = state.stored(state.store()?.keys()).await?;
    let seen = keys.into_iter().filter(|key| manages(&caller, key));
    Ok(Json(KeyList {
        items: seen.map(Key::from).collect(),
    }))
}

/// Makes a key. A key that is limited to a collection makes only keys of that collection.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "create_key",
    request_body(content = Wanted, example = json!({"name": "ci", "scope": "read", "expires_in_s": 2592000})),
    responses((status = 201, body = FreshKey), Problems)
)]
pub(super) async fn create(
    State(state): State<super::State>,
    Admin(caller): Admin,
    framing: Framing,
    body: Body,
) -> Result<(StatusCode, Json<FreshKey>), Failure> {
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let wanted: Wanted = parse(&framing.json(bytes, config.decompressed_bytes)?)?;
    let collection = match &caller.viewer {
        Viewer::All => wanted.collection.map(|collection| collection.0),
        Viewer::Collection(_) => Some(caller.target(wanted.collection)?),
    };
    let new = NewKey {
        name: wanted.name.0,
        scope: wanted.scope,
        collection,
        expires_ms: wanted.expires_in_s.map(in_seconds),
    };
    let fresh = make(&state, &caller, &new).await?;
    Ok((StatusCode::CREATED, Json(fresh)))
}

/// Makes a key that may do the same, and lets the old one end.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys", operation_id = "rotate_key",
    params(("id" = String, Path, description = "Id of the old key")),
    request_body(content = Rotation, example = json!({"grace_s": 3600})),
    responses((status = 201, body = FreshKey), Problems)
)]
pub(super) async fn rotate(
    State(state): State<super::State>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    framing: Framing,
    body: Body,
) -> Result<(StatusCode, Json<FreshKey>), Failure> {
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let rotation: Rotation = parse(&framing.json(bytes, config.decompressed_bytes)?)?;
    let old = managed(&state, &caller, &id).await?;
    let fresh = make(&state, &caller, &old.about).await?;
    let end = in_seconds(rotation.grace_s.unwrap_or(GRACE_S));
    state
        .stored(state.store()?.end_key(&caller.actor, &id, end))
        .await?;
    state.follow_keys().await;
    Ok((StatusCode::CREATED, Json(fresh)))
}

/// Ends a key at once on this server, and within a second on every other one.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "Id of the key")),
    responses((status = 204, description = "Done"), Problems)
)]
pub(super) async fn revoke(
    State(state): State<super::State>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    managed(&state, &caller, &id).await?;
    state
        .stored(state.store()?.revoke_key(&caller.actor, &id))
        .await?;
    state.follow_keys().await;
    Ok(StatusCode::NO_CONTENT)
}

async fn make(state: &super::State, caller: &Caller, new: &NewKey) -> Result<FreshKey, Failure> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Failure::internal(&error.to_string()))?;
    let made = state.store()?.create_key(&caller.actor, new, random);
    let (key, secret): (ApiKey, Secret) = state.stored(made).await?;
    state.follow_keys().await;
    Ok(FreshKey {
        key: key.into(),
        secret: secret.reveal().to_owned(),
    })
}

/// The key called `id`, where the caller manages it.
async fn managed(state: &super::State, caller: &Caller, id: &str) -> Result<ApiKey, Failure> {
    let keys = state.stored(state.store()?.keys()).await?;
    let key = keys
        .into_iter()
        .find(|key| key.id == id && manages(caller, key));
    key.filter(|key| key.revoked_ms.is_none()).ok_or_else(|| {
        Failure::new(
            StatusCode::NOT_FOUND,
            "unknown_key",
            "There is no such key, or it was revoked; GET /v1/keys lists them.",
        )
    })
}

fn manages(caller: &Caller, key: &ApiKey) -> bool {
    match &caller.viewer {
        Viewer::All => true,
        Viewer::Collection(own) => key.about.collection.as_ref() == Some(own),
    }
}

fn in_seconds(seconds: Seconds) -> i64 {
    Utc::now().timestamp_millis() + i64::from(seconds.0) * 1_000
}

fn time(ms: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(ms)?;
    Some(time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

impl From<ApiKey> for Key {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.about.name,
            scope: key.about.scope,
            collection: key.about.collection,
            created: time(key.created_ms),
            expires: key.about.expires_ms.and_then(time),
            revoked: key.revoked_ms.and_then(time),
        }
    }
}

/// Which part of the audit.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditOptions {
    /// Lines after the one with this number.
    after: Option<i64>,
    /// Lines at most, 100 when left out.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Part of the audit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Audit {
    /// Lines, the oldest first.
    items: Vec<AuditItem>,
}

/// Who did what.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AuditItem {
    /// Its number, ascending.
    seq: i64,
    /// When, in UTC.
    at: Option<String>,
    /// Id of the key, `local` without keys, or `command` for the command line.
    actor: String,
    /// What was done.
    action: String,
    /// To what.
    target: String,
}

/// Who wrote what, oldest first. Pass the last `seq` as `after` for the next part.
#[utoipa::path(
    get, path = "/v1/audit", tag = "keys", operation_id = "audit", params(AuditOptions),
    responses((status = 200, body = Audit), Problems)
)]
pub(super) async fn audit(
    State(state): State<super::State>,
    Admin(caller): Admin,
    Parameters(options): Parameters<AuditOptions>,
) -> Result<Json<Audit>, Failure> {
    caller.sees_all()?;
    let limit = options.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Failure::bad_request(
            "bad_parameter",
            format!("`limit` must lie between 1 and {LONGEST_PAGE}."),
        ));
    }
    let lines = state.store()?.audit(options.after.unwrap_or(0), limit);
    let items = state
        .stored(lines)
        .await?
        .into_iter()
        .map(|line| AuditItem {
            seq: line.seq,
            at: time(line.at_ms),
            actor: line.actor,
            action: line.action,
            target: line.target,
        });
    Ok(Json(Audit {
        items: items.collect(),
    }))
}
