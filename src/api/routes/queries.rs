//! Searching and describing.

use super::super::access::{Caller, Reader};
use super::super::asked::{Options, Question, Text, check_batch, parse};
use super::super::body::{self, Framing, Sent};
use super::super::error::{Failure, Problem, Problems};
use super::super::extract::Parameters;
use crate::engine::{Description, Embedded, Query, SearchAnswer, SearchOptions, Viewer};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Options of a description, in the URL.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DescribeOptions {
    /// What to call the query when it states no name itself.
    #[param(value_type = Option<String>, max_length = 256)]
    name: Option<Text>,
}

/// The nearest entries of the corpus and of the collections that the caller sees.
///
/// The body is a model (ONNX, `netkin-graph` JSON or Keras), or JSON: `{"id": …}` for a stored
/// entry, `{"graph": {…}}` for a raw graph, `{"vector": […], "model_version": …}` for an embedding,
/// each with the options beside it if wanted. It may be compressed with gzip or zstd.
#[utoipa::path(
    post, path = "/v1/search", tag = "queries", params(Options),
    request_body(description = "A model, or JSON with an id or a graph", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (Question = "application/json", example = json!({"id": "timm/resnet18", "k": 3}))
    )),
    responses((status = 200, body = SearchAnswer), Problems)
)]
pub(super) async fn search(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Parameters(options): Parameters<Options>,
    framing: Framing,
    body: Body,
) -> Result<impl IntoResponse, Failure> {
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let is_light = framing.is_light(bytes.len());
    let largest = config.decompressed_bytes;
    let question = move || asked(framing, bytes, largest, &options, &caller.viewer);
    let answer = if is_light {
        let (query, options) = question()?;
        match state.kept(&query, &options) {
            Some(answer) => answer,
            None => state.search(move || Ok((query, options))).await?,
        }
    } else {
        state.search(question).await?
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], answer))
}

fn asked(
    framing: Framing,
    bytes: Vec<u8>,
    largest: usize,
    options: &Options,
    viewer: &Viewer,
) -> Result<(Query, SearchOptions), Failure> {
    match framing.open(bytes, largest)? {
        Sent::Wrapped(json) => parse::<Question>(&json)?.read(options, viewer),
        Sent::Model(bytes) => {
            let name = options.name.clone().map(|name| name.0);
            Ok((Query::Bytes { name, bytes }, options.read(viewer)?))
        }
    }
}

/// Several questions at once.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    /// At least one and at most 100, or what the server is set to.
    #[schema(min_items = 1)]
    queries: Vec<Question>,
}

/// An answer for each question, in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Outcomes {
    /// As many as questions.
    items: Vec<Outcome>,
}

/// What came of one question.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The nearest entries.
    Answer(SearchAnswer),
    /// Why there is no answer.
    Problem(Problem),
}

/// Several searches in one request.
///
/// A question that cannot be answered has a problem document in the place of its answer; the others are
/// answered. Options in the URL hold for each question that does not say otherwise.
#[utoipa::path(
    post, path = "/v1/search/batch", tag = "queries", params(Options), operation_id = "search_batch",
    request_body(content = Questions, example = json!({"queries": [{"id": "timm/resnet18", "k": 3}]})),
    responses((status = 200, body = Outcomes), Problems)
)]
pub(super) async fn search_batch(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Parameters(options): Parameters<Options>,
    framing: Framing,
    body: Body,
) -> Result<Json<Outcomes>, Failure> {
    options.check()?;
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let items = state.ask(move |engine| {
        let json = framing.json(bytes, config.decompressed_bytes)?;
        let questions = parse::<Questions>(&json)?.queries;
        check_batch(questions.len(), config.batch)?;
        let answers = questions.into_iter().map(|question| {
            let (query, options) = question.read(&options, &caller.viewer)?;
            Ok(engine.search(&query, &options)?)
        });
        Ok(answers.map(Outcome::from).collect())
    });
    items.await.map(|items| Json(Outcomes { items }))
}

impl From<Result<SearchAnswer, Failure>> for Outcome {
    fn from(outcome: Result<SearchAnswer, Failure>) -> Self {
        match outcome {
            Ok(answer) => Self::Answer(answer),
            Err(failure) => Self::Problem(failure.problem(None)),
        }
    }
}

/// The embedding of a model, to search with later or to compare elsewhere.
///
/// Its cosine with another embedding of the same `model_version` is what searches call similarity.
#[utoipa::path(
    post, path = "/v1/embed", tag = "queries", params(DescribeOptions),
    request_body(description = "A model, or JSON with an id or a graph", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (Question = "application/json", example = json!({"id": "timm/resnet18"}))
    )),
    responses((status = 200, body = Embedded), Problems)
)]
pub(super) async fn embed(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Parameters(options): Parameters<DescribeOptions>,
    framing: Framing,
    body: Body,
) -> Result<Json<Embedded>, Failure> {
    let query = read(&state, &caller, options, framing, body).await?;
    state
        .ask(move |engine| Ok(engine.embedded(&query)?))
        .await
        .map(Json)
}

/// One query that is no search; the graph of an added entry is fetched.
async fn read(
    state: &super::State,
    caller: &Caller,
    options: DescribeOptions,
    framing: Framing,
    body: Body,
) -> Result<Query, Failure> {
    let config = state.config();
    let bytes = body::collect(body, &config).await?;
    let options = Options {
        name: options.name,
        ..Options::default()
    };
    let viewer = caller.viewer.clone();
    let largest = config.decompressed_bytes;
    let (query, _) = state
        .ask(move |_| asked(framing, bytes, largest, &options, &viewer))
        .await?;
    state.with_graph(query, &caller.viewer).await
}

/// Size, digests and operators of a model.
#[utoipa::path(
    post, path = "/v1/describe", tag = "queries", params(DescribeOptions),
    request_body(description = "A model, or JSON with an id or a graph", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (Question = "application/json", example = json!({"id": "timm/resnet18", "k": 3}))
    )),
    responses((status = 200, body = Description), Problems)
)]
pub(super) async fn describe(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Parameters(options): Parameters<DescribeOptions>,
    framing: Framing,
    body: Body,
) -> Result<Json<Description>, Failure> {
    let query = read(&state, &caller, options, framing, body).await?;
    state
        .ask(move |engine| Ok(engine.describe(&query)?))
        .await
        .map(Json)
}
