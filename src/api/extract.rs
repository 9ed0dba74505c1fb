//! Extractors whose refusals are problem documents.

use super::error::Failure;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Query parameters; an unknown or malformed one is refused by name.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(refusal(&rejection)),
        }
    }
}

fn refusal(rejection: &dyn std::error::Error) -> Failure {
    let text = deepest(rejection);
    let code = if text.contains("unknown field") {
        "unknown_parameter"
    } else {
        "bad_parameter"
    };
    let text = text.replace("unknown field", "unknown query parameter");
    Failure::bad_request(code, super::error::sentence(&text))
}

/// The innermost cause with the name of the parameter, when serde states one.
fn deepest(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}
