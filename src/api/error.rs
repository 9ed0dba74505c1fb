//! From errors to problem documents (RFC 9457): the only place that knows statuses.
//!
//! `code` is stable and for programs; `detail` is for people and says what to do. Private causes
//! are logged here once and never sent.

use crate::engine;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank#` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: String,
    /// What went wrong and what to do about it.
    pub detail: String,
    /// The id of the request, to quote when asking for help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Why a request gets no answer.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) detail: String,
    retry_after_s: Option<u32>,
}

impl Problem {
    fn of(error: &engine::Error) -> Self {
        Failure::of(error).problem(None)
    }

    /// The same for whoever runs the program: nothing is private to them.
    pub fn of_command(error: &engine::Error) -> Self {
        let detail = sentence(&error.to_string());
        let code = match error {
            engine::Error::Asset { .. } | engine::Error::SelfCheck { .. } => "unusable_asset",
            engine::Error::Encode { .. } => "cannot_embed",
            _ => return Self::of(error),
        };
        Self::bad_request(code, detail)
    }

    /// A problem that is the caller's: a bad argument or file.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Failure::new(StatusCode::BAD_REQUEST, code, detail).problem(None)
    }
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    pub(super) fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// The server cannot answer now but soon will.
    pub(super) fn busy(code: &'static str, detail: &str) -> Self {
        Self {
            retry_after_s: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail)
        }
    }

    /// Our fault; the cause is logged, not sent.
    pub(super) fn internal(cause: &str) -> Self {
        tracing::error!(cause, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "The server failed on this request; report it with its request id.",
        )
    }

    fn of(error: &engine::Error) -> Self {
        use engine::Error;
        let (status, code) = match error {
            Error::UnknownEntry { .. } => (StatusCode::NOT_FOUND, "unknown_entry"),
            Error::Unreadable { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "unreadable_model"),
            Error::NoArchitecture { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no_architecture"),
            Error::OutOfRange { .. } => (StatusCode::BAD_REQUEST, "k_out_of_range"),
            Error::EmptyRange { .. } => (StatusCode::BAD_REQUEST, "empty_range"),
            Error::Asset { .. }
            | Error::SelfCheck { .. }
            | Error::Version { .. }
            | Error::Encode { .. } => {
                return Self::internal(&error.to_string());
            }
        };
        Self::new(status, code, sentence(&error.to_string()))
    }

    pub(super) fn problem(&self, request_id: Option<String>) -> Problem {
        Problem {
            kind: format!("about:blank#{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail.clone(),
            request_id,
        }
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::of(&error)
    }
}

/// Only the status and the headers: `envelope` writes the body, since it knows the request id.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Error texts start small and end bare, so that they can be joined; a sentence does neither.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else {
        return String::new();
    };
    let end = if text.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}
