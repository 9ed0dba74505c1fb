//! Many entries at once: a batch that is added whole or not at all, a stream of any length, and a
//! collection as such a stream.

use super::super::access::{Caller, Reader, Writer};
use super::super::asked::{Item, Said, Text, check_batch, parse};
use super::super::body::{self, Framing};
use super::super::error::{Failure, Problem, Problems};
use super::super::extract::Parameters;
use super::additions::Added;
use crate::engine;
use crate::store::{Entry, NewEntry, Store};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;
use utoipa::{IntoParams, ToSchema};

/// Longest line of a stream, in bytes.
const LONGEST_LINE: usize = 16 << 20;
/// Lines that are stored in one transaction; with their length, what bounds the memory of a stream.
const LINES_AT_ONCE: usize = 8;
/// Entries that an export reads at a time.
const PAGE: u32 = 50;
const NDJSON: &str = "application/x-ndjson";

/// The collection to add to.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Target {
    /// The collection; that of the key when it is limited to one.
    #[param(value_type = Option<String>, max_length = 256)]
    collection: Option<Text>,
}

/// Several models at once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// At least one and at most 100, or what the server is set to.
    #[schema(min_items = 1)]
    items: Vec<Item>,
}

/// What was added, in the order of the batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AddedBatch {
    /// As many as models.
    items: Vec<Added>,
}

/// Adds several models, all or none.
#[utoipa::path(
    post, path = "/v1/architectures/batch", tag = "architectures", params(Target), operation_id = "add_batch",
    request_body(content = Batch),
    responses((status = 200, body = AddedBatch), Problems)
)]
pub(super) async fn add_batch(
    State(state): State<super::State>,
    Writer(caller): Writer,
    Parameters(target): Parameters<Target>,
    framing: Framing,
    body: Body,
) -> Result<Json<AddedBatch>, Failure> {
    let collection = caller.target(target.collection)?;
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let entries = state.ask(move |engine| {
        let json = framing.json(bytes, config.decompressed_bytes)?;
        let items = parse::<Batch>(&json)?.items;
        check_batch(items.len(), config.batch)?;
        let items = items.into_iter().zip(1..);
        let entries = items.map(|(item, number)| {
            let entry = ingested(engine, item, &collection);
            entry.map_err(|failure| failure.at(&format!("item {number}")))
        });
        entries.collect::<Result<Vec<NewEntry>, Failure>>()
    });
    let entries = entries.await?;
    let inserted = state
        .write(state.store()?.insert(&caller.actor, &entries))
        .await?;
    let added = inserted.into_iter().map(|one| Added {
        id: one.id,
        new: one.is_new,
    });
    Ok(Json(AddedBatch {
        items: added.collect(),
    }))
}

fn ingested(engine: &engine::Engine, item: Item, collection: &str) -> Result<NewEntry, Failure> {
    let (query, edit) = item.read(Said::default())?;
    Ok(engine.ingest(&query, collection, edit)?)
}

/// What became of a line of a stream.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct LineOutcome {
    /// Its number, from 1; empty lines count.
    line: usize,
    /// Id of the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Whether the design is new to the collection.
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<bool>,
    /// Why it was not added.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Adds models from a stream of lines, each the JSON of one model (`graph` or a NAS cell as `id`, and what
/// is said of it).
///
/// The answer is a stream, too: a line for each line, once its entry is stored, and a last one
/// `{"done": true, …}` with counts. A line that is refused stops nothing; one of more than 16 MiB, or that
/// does not arrive in time, ends the stream. What has no answer yet when the connection ends may be sent
/// again: a design is in a collection once.
#[utoipa::path(
    post, path = "/v1/architectures/import", tag = "architectures", params(Target), operation_id = "import",
    request_body(content_type = "application/x-ndjson", content = Item),
    responses((status = 200, content_type = "application/x-ndjson", body = LineOutcome), Problems)
)]
pub(super) async fn import(
    State(state): State<super::State>,
    Writer(caller): Writer,
    Parameters(target): Parameters<Target>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Failure> {
    let collection = caller.target(target.collection)?;
    check_media(&headers)?;
    // Refused as a whole rather than line by line.
    require_collection(&state, &collection).await?;
    let place = state.stream_place()?;
    let (sender, receiver) = mpsc::channel(4);
    let import = Import {
        state,
        caller,
        collection,
        sender,
        added: 0,
        there: 0,
        refused: 0,
    };
    tokio::spawn(async move {
        import.run(body).await;
        drop(place);
    });
    let lines = ReceiverStream::new(receiver).map(Ok::<Bytes, std::convert::Infallible>);
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)))
}

fn check_media(headers: &HeaderMap) -> Result<(), Failure> {
    let essence = |name| {
        let value = headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        value.map(|text| {
            text.split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
    };
    let is_lines = essence(header::CONTENT_TYPE).is_none_or(|kind| kind == NDJSON);
    let is_plain = essence(header::CONTENT_ENCODING).is_none_or(|kind| kind == "identity");
    if is_lines && is_plain {
        return Ok(());
    }
    Err(Failure::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send lines of JSON as they are, with Content-Type: application/x-ndjson.",
    ))
}

async fn require_collection(state: &super::State, name: &str) -> Result<(), Failure> {
    let found = state.stored(state.store()?.collection(name)).await?;
    found
        .map(|_| ())
        .ok_or_else(|| Failure::no_collection(name))
}

struct Import {
    state: super::State,
    caller: Caller,
    collection: String,
    sender: mpsc::Sender<Bytes>,
    added: usize,
    there: usize,
    refused: usize,
}

type Line = (usize, Result<String, Failure>);

impl Import {
    async fn run(mut self, body: Body) {
        let idle = Duration::from_millis(self.state.config().read_timeout_ms);
        let bytes = StreamReader::new(body.into_data_stream().map_err(std::io::Error::other));
        let lines = FramedRead::new(bytes, LinesCodec::new_with_max_length(LONGEST_LINE));
        let lines = tokio_stream::StreamExt::timeout(lines, idle);
        let mut number = 0;
        let lines = lines.map(move |line| {
            number += 1;
            (
                number,
                line.map_err(|_| idle_too_long())
                    .and_then(|line| line.map_err(|error| unread(&error))),
            )
        });
        let mut chunks = std::pin::pin!(lines.ready_chunks(LINES_AT_ONCE));
        while let Some(lines) = chunks.next().await {
            // After a line that could not be read, nothing more can be.
            let is_last = lines.iter().any(|(_, line)| line.is_err());
            let outcomes = self.store(lines).await;
            if self.tell(outcomes).await.is_err() || is_last {
                return;
            }
        }
        let counts = serde_json::json!({
            "done": true, "added": self.added, "there": self.there, "refused": self.refused
        });
        let _ = self.sender.send(format!("{counts}\n").into()).await;
    }

    /// Stores what can be stored in one transaction.
    async fn store(&mut self, lines: Vec<Line>) -> Vec<LineOutcome> {
        let lines = lines.into_iter().filter(|(_, line)| {
            line.as_ref().is_ok_and(|line| !line.trim().is_empty()) || line.is_err()
        });
        let lines: Vec<Line> = lines.collect();
        let numbers: Vec<usize> = lines.iter().map(|(number, _)| *number).collect();
        let parsed = match self.parsed(lines).await {
            Ok(parsed) => parsed,
            Err(failure) => numbers.iter().map(|_| Err(failure.clone())).collect(),
        };
        let mut entries = Vec::new();
        let parsed: Vec<Result<(), Failure>> = parsed
            .into_iter()
            .map(|entry| entry.map(|entry| entries.push(entry)))
            .collect();
        let stored = self.inserted(&entries).await;
        let mut stored = match stored {
            Ok(added) => added.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure); entries.len()],
        }
        .into_iter();
        let outcomes = numbers.into_iter().zip(parsed).map(|(line, parsed)| {
            // As many outcomes as entries: those of the lines that were parsed.
            let outcome = parsed.and_then(|()| {
                stored
                    .next()
                    .unwrap_or_else(|| Err(Failure::internal("no outcome")))
            });
            self.counted(line, outcome)
        });
        outcomes.collect()
    }

    async fn inserted(&self, entries: &[NewEntry]) -> Result<Vec<Added>, Failure> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let store = self.state.store()?;
        let inserted = self
            .state
            .write(store.insert(&self.caller.actor, entries))
            .await?;
        Ok(inserted
            .into_iter()
            .map(|one| Added {
                id: one.id,
                new: one.is_new,
            })
            .collect())
    }

    async fn parsed(&self, lines: Vec<Line>) -> Result<Vec<Result<NewEntry, Failure>>, Failure> {
        let collection = self.collection.clone();
        self.state
            .ask_patiently(move |engine| {
                let entries = lines.into_iter().map(|(_, line)| {
                    let line = line?;
                    ingested(engine, parse(line.as_bytes())?, &collection)
                });
                Ok(entries.collect())
            })
            .await
    }

    fn counted(&mut self, line: usize, outcome: Result<Added, Failure>) -> LineOutcome {
        match &outcome {
            Ok(added) if added.new => self.added += 1,
            Ok(_) => self.there += 1,
            Err(_) => self.refused += 1,
        }
        let (added, problem) = match outcome {
            Ok(added) => (Some(added), None),
            Err(failure) => (None, Some(failure.problem(None))),
        };
        LineOutcome {
            line,
            new: added.as_ref().map(|added| added.new),
            id: added.map(|added| added.id),
            problem,
        }
    }

    async fn tell(&self, outcomes: Vec<LineOutcome>) -> Result<(), ()> {
        let mut lines = Vec::new();
        for outcome in outcomes {
            // Plain data: writing it to memory cannot fail.
            serde_json::to_writer(&mut lines, &outcome).map_err(|_| ())?;
            lines.push(b'\n');
        }
        // Nobody reads any more: the rest is not added either.
        self.sender.send(lines.into()).await.map_err(|_| ())
    }
}

fn idle_too_long() -> Failure {
    Failure::new(
        StatusCode::REQUEST_TIMEOUT,
        "slow_body",
        "The next line did not arrive in time; send the rest again.",
    )
}

fn unread(error: &LinesCodecError) -> Failure {
    match error {
        LinesCodecError::MaxLineLengthExceeded => Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "line_too_long",
            format!(
                "A line may have at most {LONGEST_LINE} bytes; add this model by itself and send the lines after it again."
            ),
        ),
        LinesCodecError::Io(_) => Failure::bad_request(
            "broken_body",
            "The stream broke off or is no UTF-8; send the rest again.",
        ),
    }
}

/// An entry as a stream takes it.
#[derive(Serialize)]
struct Exported<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coarse_family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    metadata: &'a RawValue,
    graph: &'a RawValue,
}

/// A collection as lines of JSON, each as the import takes it.
#[utoipa::path(
    get, path = "/v1/export", tag = "architectures", params(Target), operation_id = "export",
    responses((status = 200, content_type = "application/x-ndjson", body = Item), Problems)
)]
pub(super) async fn export(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Parameters(target): Parameters<Target>,
) -> Result<impl IntoResponse, Failure> {
    let collection = caller.target(target.collection)?;
    require_collection(&state, &collection).await?;
    let place = state.stream_place()?;
    let store = state.store()?.clone();
    let limits = state.opened()?.engine.limits().clone();
    let start = Some(String::new());
    let pages = stream::try_unfold(start, move |after| {
        let (store, collection, limits) = (store.clone(), collection.clone(), limits.clone());
        let _place = &place;
        async move {
            let Some(after) = after else { return Ok(None) };
            let page = page(&store, &collection, &after, &limits).await;
            if let Err(error) = &page {
                tracing::warn!(%error, "export broke off");
            }
            page.map(Some)
        }
    });
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(pages)))
}

async fn page(
    store: &Store,
    collection: &str,
    after: &str,
    limits: &crate::import::Limits,
) -> Result<(Bytes, Option<String>), engine::Error> {
    let page = store.list(collection, after, PAGE).await?;
    let ids: Vec<String> = page.entries.iter().map(|entry| entry.id.clone()).collect();
    let graphs: std::collections::HashMap<String, Vec<u8>> =
        store.graphs(&ids).await?.into_iter().collect();
    let mut lines = Vec::new();
    for entry in &page.entries {
        // One that was removed meanwhile is left out.
        if let Some(graph) = graphs.get(&entry.id) {
            let text = engine::graph_json(&entry.id, graph, limits)?;
            write_line(&mut lines, entry, &text)?;
        }
    }
    Ok((lines.into(), page.next))
}

fn write_line(lines: &mut Vec<u8>, entry: &Entry, graph: &str) -> Result<(), engine::Error> {
    let damaged = |error: serde_json::Error| engine::Error::Unreadable {
        name: entry.id.clone(),
        reason: error.to_string(),
    };
    let said = &entry.description.edit;
    let line = Exported {
        name: &said.name,
        family: said.family.as_deref(),
        coarse_family: said.coarse_family.as_deref(),
        task: said.task.as_deref(),
        source: said.source.as_deref(),
        metadata: serde_json::from_str(&said.metadata).map_err(damaged)?,
        graph: serde_json::from_str(graph).map_err(damaged)?,
    };
    serde_json::to_writer(&mut *lines, &line).map_err(damaged)?;
    lines.push(b'\n');
    Ok(())
}
