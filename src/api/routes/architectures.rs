//! The stored entries: a page of them, or one.

use super::super::access::Reader;
use super::super::asked::{Count, Text};
use super::super::error::{Failure, Problems};
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
    /// Only this collection; `public` is the shipped corpus.
    #[param(value_type = Option<String>, max_length = 256)]
    collection: Option<Text>,
    /// Part of the name or id.
    #[param(value_type = Option<String>, max_length = 256)]
    name: Option<Text>,
    /// Only this family or coarse family.
    #[param(value_type = Option<String>, max_length = 256)]
    family: Option<Text>,
    /// Only this package.
    #[param(value_type = Option<String>, max_length = 256)]
    source: Option<Text>,
    /// Only this task.
    #[param(value_type = Option<String>, max_length = 256)]
    task: Option<Text>,
    /// Only published models, or only composed ones.
    published: Option<bool>,
    /// At least so many parameters.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    min_parameters: Option<Count>,
    /// At most so many parameters.
    #[param(value_type = Option<u64>, maximum = 9_007_199_254_740_991_i64)]
    max_parameters: Option<Count>,
    /// Entries in one page, 50 when left out, at most 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<usize>,
    /// Where the page before ended: its `next_cursor`.
    #[param(value_type = Option<String>, max_length = 256)]
    cursor: Option<Text>,
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
        let text = |text: &Option<Text>| text.clone().map(|text| text.0);
        Filter {
            collection: text(&self.collection),
            family: text(&self.family),
            source: text(&self.source),
            task: text(&self.task),
            name: text(&self.name),
            published: self.published,
            parameters: Range {
                min: self.min_parameters.map(|count| count.0),
                max: self.max_parameters.map(|count| count.0),
            },
            ..Filter::default()
        }
    }
}

/// Stored entries, page by page.
#[utoipa::path(
    get, path = "/v1/architectures", tag = "architectures", params(ListOptions), operation_id = "list",
    responses((status = 200, body = Page), Problems)
)]
pub(super) async fn list(
    State(state): State<super::State>,
    Reader(caller): Reader,
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
        let after = options.cursor.as_ref().map(|cursor| cursor.0.as_str());
        // One more than asked for tells whether there is a next page.
        let found = engine.list(&options.filter(), &caller.viewer, after, limit + 1);
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
        "The cursor leads nowhere; start again without it.",
    )
}

/// One stored entry. Ids contain slashes, which need no escaping here.
#[utoipa::path(
    get, path = "/v1/architectures/{*id}", tag = "architectures", operation_id = "get",
    params(("id" = String, Path, description = "Id of the entry, such as timm/resnet18")),
    responses((status = 200, body = EntrySummary), Problems)
)]
pub(super) async fn get(
    State(state): State<super::State>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<EntrySummary>, Failure> {
    let entry = state.opened()?.engine.entry(&id, &caller.viewer)?;
    Ok(Json(entry))
}
