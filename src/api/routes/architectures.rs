//! The stored entries: a page of them, or one.

use super::super::error::{Failure, Problem};
use super::super::extract::Parameters;
use crate::engine::{self, EntrySummary, Filter, Range};
use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;

/// Which entries to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListOptions {
    /// Part of the name or id.
    name: Option<String>,
    /// Only this family or coarse family.
    family: Option<String>,
    /// Only this package.
    source: Option<String>,
    /// Only this task.
    task: Option<String>,
    /// Only published models, or only composed ones.
    published: Option<bool>,
    /// At least so many parameters.
    min_parameters: Option<u64>,
    /// At most so many parameters.
    max_parameters: Option<u64>,
    /// Entries in one page, 50 when left out, at most 500.
    limit: Option<usize>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// A page of entries.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(super) struct Page {
    /// The entries.
    items: Vec<EntrySummary>,
    /// Pass it as `cursor` for the next page; none on the last one.
    next_cursor: Option<String>,
}

impl ListOptions {
    fn filter(&self) -> Filter {
        Filter {
            family: self.family.clone(),
            source: self.source.clone(),
            task: self.task.clone(),
            name: self.name.clone(),
            published: self.published,
            parameters: Range {
                min: self.min_parameters,
                max: self.max_parameters,
            },
            flops: Range::default(),
        }
    }
}

/// Stored entries, page by page.
#[utoipa::path(
    get, path = "/v1/architectures", tag = "architectures", params(ListOptions),
    responses(
        (status = 200, body = Page),
        (status = 400, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn list(
    State(state): State<super::State>,
    Parameters(options): Parameters<ListOptions>,
) -> Result<Json<Page>, Failure> {
    let limit = options.limit.unwrap_or(PAGE);
    if !(1..=LONGEST_PAGE).contains(&limit) {
        return Err(Failure::bad_request(
            "bad_parameter",
            format!("`limit` must lie between 1 and {LONGEST_PAGE}."),
        ));
    }
    let page = state.ask(move |engine| {
        let after = options.cursor.as_deref();
        // One more than asked for tells whether there is a next page.
        let found = engine.list(&options.filter(), after, limit + 1);
        let mut items = found.map_err(refused)?;
        let is_last = items.len() <= limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| !is_last)
            .map(|entry| entry.id.clone());
        Ok(Page { items, next_cursor })
    });
    page.await.map(Json)
}

fn refused(error: engine::Error) -> Failure {
    if !matches!(error, engine::Error::UnknownEntry { .. }) {
        return error.into();
    }
    Failure::bad_request(
        "bad_cursor",
        "The cursor is none of this corpus; start again without it.",
    )
}

/// One stored entry. Ids contain slashes, which need no escaping here.
#[utoipa::path(
    get, path = "/v1/architectures/{*id}", tag = "architectures",
    params(("id" = String, Path, description = "Id of the entry, such as timm/resnet18")),
    responses(
        (status = 200, body = EntrySummary),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub(super) async fn get(
    State(state): State<super::State>,
    Path(id): Path<String>,
) -> Result<Json<EntrySummary>, Failure> {
    let entry = state.opened()?.engine.entry(&id)?;
    Ok(Json(entry))
}
