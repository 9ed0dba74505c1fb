//! For the machinery around the server: is it alive, is it ready, what has it done.

use super::super::error::{Failure, Problems};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

/// The process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 204)))]
pub(super) async fn live() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// Queries are answered.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses(
    (status = 204, description = "Queries are answered"), Problems
))]
pub(super) async fn ready(State(state): State<super::State>) -> Result<StatusCode, Failure> {
    state.opened().map(|_| StatusCode::NO_CONTENT)
}

/// Counters in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses(
    (status = 200, body = String, content_type = "text/plain")
))]
pub(super) async fn metrics(State(state): State<super::State>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, state.metrics())
}
