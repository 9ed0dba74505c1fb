//! What every request passes through, outermost first: a request id, a log line, metrics, security
//! headers, and the body of a problem document.

use super::error::Failure;
use super::meters;
use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LONGEST_REQUEST_ID: usize = 64;

pub(super) async fn envelope(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = request_id(request.headers());
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions_mut().remove::<Failure>() {
        write_problem(&mut response, &failure, &request_id);
    }
    write_headers(&mut response, &request_id, route);
    let status = response.status();
    let duration = started.elapsed();
    log(&request_id, &method, route, status, duration);
    meters::record(&method, route, status, duration);
    response
}

/// A line a request; one that was answered is counted anyway, and hidden at the level that ships.
fn log(request_id: &str, method: &Method, route: &str, status: StatusCode, duration: Duration) {
    let (status, duration_ms) = (status.as_u16(), duration.as_secs_f64() * 1e3);
    if status >= 400 {
        tracing::info!(request.id = request_id, %method, route, status, duration_ms, "request");
    } else {
        tracing::debug!(request.id = request_id, %method, route, status, duration_ms, "request");
    }
}

/// The client's id when it is short and printable, else one of our own.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_fit = |id: &&str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    given
        .filter(is_fit)
        .map_or_else(fresh_request_id, str::to_owned)
}

/// Unique, not secret: the start of the process and a count.
fn fresh_request_id() -> String {
    static START: LazyLock<u128> = LazyLock::new(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_nanos()) ^ u128::from(std::process::id())
    });
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&START.to_le_bytes());
    hasher.update(&count.to_le_bytes());
    hasher.finalize().to_hex()[..16].to_owned()
}

fn write_problem(response: &mut Response, failure: &Failure, request_id: &str) {
    let problem = failure.problem(Some(request_id.to_owned()));
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
}

fn write_headers(response: &mut Response, request_id: &str, route: &str) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    // The documentation page is the only one that runs scripts, all of them its own.
    let policy = if route.starts_with("/docs") {
        "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
    } else {
        "default-src 'none'; frame-ancestors 'none'"
    };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
