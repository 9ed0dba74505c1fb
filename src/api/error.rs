//! From errors to problem documents (RFC 9457): the only place that knows statuses.
//!
//! `code` is stable and for programs; `detail` is for people and says what to do. Private causes
//! are logged here once and never sent.

use crate::{engine, store};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{Content, Header, Ref, RefOr, Response, ResponseBuilder};

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

/// Every problem that a route may answer with, for the specification: status, name and meaning.
const PROBLEMS: [(StatusCode, &str, &str); 12] = [
    (
        StatusCode::BAD_REQUEST,
        "BadRequest",
        "A parameter, a field or the body is wrong; `code` and `detail` say which.",
    ),
    (
        StatusCode::UNAUTHORIZED,
        "Unauthorized",
        "There is no API key, or it has ended.",
    ),
    (
        StatusCode::FORBIDDEN,
        "Forbidden",
        "The API key may not do that.",
    ),
    (
        StatusCode::NOT_FOUND,
        "NotFound",
        "There is no such thing, or the API key does not see it.",
    ),
    (
        StatusCode::REQUEST_TIMEOUT,
        "Timeout",
        "The body did not arrive in time.",
    ),
    (
        StatusCode::CONFLICT,
        "Conflict",
        "What is there stands against it.",
    ),
    (
        StatusCode::PAYLOAD_TOO_LARGE,
        "TooLarge",
        "The body is too large.",
    ),
    (
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UnsupportedMediaType",
        "The body is of a kind that is not read here.",
    ),
    (
        StatusCode::UNPROCESSABLE_ENTITY,
        "Unprocessable",
        "The body is no model that can be read, or no vector that can be compared.",
    ),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "TooManyRequests",
        "The API key asks too often; Retry-After says when to come back.",
    ),
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "Internal",
        "A defect of the server.",
    ),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "The server is starting, overloaded or without its database; Retry-After says when to come back.",
    ),
];

/// The problems as responses of a route.
pub(super) struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let named = PROBLEMS.iter().map(|(status, name, _)| {
            let name = Ref::from_response_name(*name);
            (status.as_str().to_owned(), RefOr::Ref(name))
        });
        named.collect()
    }
}

impl Problems {
    /// The responses that routes refer to, by name.
    pub(super) fn described() -> impl Iterator<Item = (&'static str, Response)> {
        PROBLEMS.iter().map(|(status, name, meaning)| {
            let content = Content::new(Some(Ref::from_schema_name("Problem")));
            let mut response = ResponseBuilder::new()
                .description(*meaning)
                .content("application/problem+json", content);
            if [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::SERVICE_UNAVAILABLE,
            ]
            .contains(status)
            {
                let seconds = Object::builder().schema_type(Type::Integer).build();
                response = response.header("Retry-After", Header::new(seconds));
            }
            (*name, response.build())
        })
    }
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

    /// Who asks is not known.
    pub(super) fn unauthorised(code: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
    }

    /// A key has asked more than it may.
    pub(super) fn too_many(wait: Duration) -> Self {
        Self {
            retry_after_s: Some(u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "This key asks more often than it may; try again after Retry-After seconds.",
            )
        }
    }

    /// The same failure, saying where.
    pub(super) fn at(self, place: &str) -> Self {
        Self {
            detail: format!("In {place}: {}", self.detail),
            ..self
        }
    }

    /// There is no such entry, as far as the caller may know.
    pub(super) fn no_entry(id: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_entry",
            format!("There is no entry `{id}`."),
        )
    }

    pub(super) fn batch_too_large(most: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "batch_too_large",
            format!("A batch may have at most {most} items; send several."),
        )
    }

    /// There is no such collection, as far as the caller may know.
    pub(super) fn no_collection(name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown_collection",
            format!("There is no collection `{name}`; make it with PUT /v1/collections/{name}."),
        )
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
            Error::Store(error) => return Self::of_store(error),
            Error::Stored { .. } => (StatusCode::BAD_REQUEST, "stored_entry"),
            Error::Vector { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "bad_vector"),
            Error::OtherModel { .. } => (StatusCode::CONFLICT, "other_model"),
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

    fn of_store(error: &store::Error) -> Self {
        use store::Error;
        match error {
            Error::Unavailable(cause) => {
                tracing::warn!(cause, "database not available");
                Self::busy(
                    "store_unavailable",
                    "The database does not answer or refuses to write; nothing was changed. Try again after \
                     Retry-After seconds.",
                )
            }
            Error::NoCollection(name) => Self::no_collection(name),
            Error::NotEmpty(name) => Self::new(
                StatusCode::CONFLICT,
                "collection_not_empty",
                format!("The collection `{name}` has entries; delete them first."),
            ),
            Error::Url | Error::Migrations(_) | Error::Damaged(_) | Error::Statement(_) => {
                Self::internal(&error.to_string())
            }
        }
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

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::of_store(&error)
    }
}

impl From<engine::Error> for Failure {
    fn from(error: engine::Error) -> Self {
        Self::of(&error)
    }
}

/// Only the status and the headers: `envelope` writes the body, since it knows the request id.
impl IntoResponse for Failure {
    fn into_response(self) -> axum::response::Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let headers = response.headers_mut();
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
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
