//! Searching and describing.

use super::super::body::{self, Framing};
use super::super::error::{Failure, Problem};
use super::super::extract::Parameters;
use crate::engine::{Description, Filter, Query, Range, SearchAnswer, SearchOptions};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::IntoParams;

/// Options of a search, in the URL.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in super::super) struct Options {
    /// Number of hits; 10 when left out.
    pub(in super::super) k: Option<usize>,
    /// Only this family or coarse family.
    pub(in super::super) family: Option<String>,
    /// Only this package.
    pub(in super::super) source: Option<String>,
    /// Only this task.
    pub(in super::super) task: Option<String>,
    /// Only published models, or only composed ones.
    pub(in super::super) published: Option<bool>,
    /// At least so many parameters.
    pub(in super::super) min_parameters: Option<u64>,
    /// At most so many parameters.
    pub(in super::super) max_parameters: Option<u64>,
    /// At least so many floating-point operations.
    pub(in super::super) min_flops: Option<u64>,
    /// At most so many floating-point operations.
    pub(in super::super) max_flops: Option<u64>,
    /// What to call the query when it states no name itself.
    pub(in super::super) name: Option<String>,
}

impl From<Options> for SearchOptions {
    fn from(options: Options) -> Self {
        Self {
            k: options.k.unwrap_or(Self::default().k),
            filter: Filter {
                family: options.family,
                source: options.source,
                task: options.task,
                name: None,
                published: options.published,
                parameters: Range {
                    min: options.min_parameters,
                    max: options.max_parameters,
                },
                flops: Range {
                    min: options.min_flops,
                    max: options.max_flops,
                },
            },
        }
    }
}

/// Options of a description, in the URL.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DescribeOptions {
    /// What to call the query when it states no name itself.
    name: Option<String>,
}

/// The nearest entries of the corpus.
///
/// The body is a model (ONNX, `netkin-graph` JSON or Keras), or JSON: `{"id": …}` for a stored
/// entry, `{"graph": {…}}` for a raw graph, each with `k`, `family`, `source`, `task` and
/// `published` beside it if wanted. It may be compressed with gzip or zstd.
#[utoipa::path(
    post, path = "/v1/search", tag = "queries", params(Options),
    request_body(description = "A model, or JSON with an id or a graph", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (serde_json::Value = "application/json")
    )),
    responses(
        (status = 200, body = SearchAnswer),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 408, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn search(
    State(state): State<super::State>,
    Parameters(options): Parameters<Options>,
    framing: Framing,
    body: Body,
) -> Result<impl IntoResponse, Failure> {
    let bytes = body::collect(body, state.config()).await?;
    let largest = state.config().decompressed_bytes;
    let is_light = framing.is_light(bytes.len());
    let question = move || {
        let (query, options) = framing.query(bytes, options, largest)?;
        Ok((query, SearchOptions::from(options)))
    };
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

/// Size, digests and operators of a model.
#[utoipa::path(
    post, path = "/v1/describe", tag = "queries", params(DescribeOptions),
    request_body(description = "A model, or JSON with an id or a graph", content(
        (Vec<u8> = "application/octet-stream"),
        (Vec<u8> = "application/vnd.onnx"),
        (serde_json::Value = "application/json")
    )),
    responses(
        (status = 200, body = Description),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 415, body = Problem, content_type = "application/problem+json"),
        (status = 422, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn describe(
    State(state): State<super::State>,
    Parameters(options): Parameters<DescribeOptions>,
    framing: Framing,
    body: Body,
) -> Result<Json<Description>, Failure> {
    let bytes = body::collect(body, state.config()).await?;
    let largest = state.config().decompressed_bytes;
    let options = Options {
        name: options.name,
        ..Options::default()
    };
    let answer = state.ask(move |engine| {
        let (query, _): (Query, _) = framing.query(bytes, options, largest)?;
        Ok(engine.describe(&query)?)
    });
    answer.await.map(Json)
}
