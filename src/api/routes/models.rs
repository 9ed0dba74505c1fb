//! The models: which one makes the answers, which is on its way, which was refused and why.

use super::super::access::Reader;
use super::super::error::Problems;
use crate::engine::ModelSummary;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Every model of the server.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Models {
    /// The models, the newest first.
    items: Vec<ModelSummary>,
}

/// The models that the server has, the newest first.
///
/// A model that was published while the server runs is loaded beside the one that serves, which
/// answers until the new one has passed its self-check. Searches name the version that answered.
#[utoipa::path(
    get, path = "/v1/models", tag = "models", operation_id = "list_models",
    responses((status = 200, body = Models), Problems)
)]
pub(super) async fn list(State(state): State<super::State>, _: Reader) -> Json<Models> {
    let items = state.models();
    Json(Models { items })
}
