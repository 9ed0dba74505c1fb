//! Counts and durations of requests by method, route and status.
//!
//! Looking a metric up by its labels writes them down first; so each is looked up once and kept.
//! Methods that nobody serves share one label: a client must not be able to add labels.

use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};
use std::collections::HashMap;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

#[derive(Clone)]
struct Meters {
    requests: Counter,
    seconds: Histogram,
}

type ByOutcome = HashMap<(&'static str, u16), Meters>;

static KEPT: LazyLock<RwLock<HashMap<String, ByOutcome>>> = LazyLock::new(RwLock::default);

/// Counts one request.
pub(super) fn record(method: &Method, route: &str, status: StatusCode, duration: Duration) {
    let outcome = (label(method), status.as_u16());
    let meters = kept(route, outcome).unwrap_or_else(|| keep(route, outcome));
    meters.requests.increment(1);
    meters.seconds.record(duration.as_secs_f64());
}

fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn kept(route: &str, outcome: (&'static str, u16)) -> Option<Meters> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    kept.get(route)?.get(&outcome).cloned()
}

fn keep(route: &str, outcome: (&'static str, u16)) -> Meters {
    let labels = [
        ("method", outcome.0.to_owned()),
        ("route", route.to_owned()),
        ("status", outcome.1.to_string()),
    ];
    let meters = Meters {
        requests: metrics::counter!("netkin_http_requests_total", &labels),
        seconds: metrics::histogram!("netkin_http_request_seconds", &labels),
    };
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    let outcomes = kept.entry(route.to_owned()).or_default();
    outcomes.insert(outcome, meters.clone());
    meters
}
