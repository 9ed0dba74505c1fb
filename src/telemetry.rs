//! Logs and metrics: switched on once, by a program, before anything else.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Upper bounds of the duration buckets, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// How often recorded durations are counted into their buckets; until then each takes memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// A level, or `target=level`, separated by commas.
    pub filter: String,
    /// For people or for machines.
    pub format: Format,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter is not in the syntax of tracing.
    #[error("the log filter `{filter}` is wrong: {reason}")]
    Filter {
        /// The filter.
        filter: String,
        /// Why.
        reason: String,
    },
    /// The metrics cannot be collected.
    #[error("cannot collect metrics: {0}")]
    Metrics(String),
}

/// Sends logs to standard error from now on.
///
/// # Errors
/// When the filter is wrong.
pub fn start_logs(config: &Config) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&config.filter).map_err(|error| Error::Filter {
        filter: config.filter.clone(),
        reason: error.to_string(),
    })?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    // A second start, as in tests, keeps the first one's settings.
    let _ = match config.format {
        Format::Text => logs.try_init(),
        Format::Json => logs.json().try_init(),
    };
    Ok(())
}

/// Collects metrics from now on; the returned function renders them for Prometheus.
///
/// # Errors
/// When a recorder is already there.
pub fn start_metrics() -> Result<impl Fn() -> String + Send + Sync + 'static, Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Metrics(error.to_string());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .map_err(|error| failed(&error))?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| failed(&error))?;
    let upkeep = handle.clone();
    std::thread::Builder::new()
        .name("netkin-metrics".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        })
        .map_err(|error| failed(&error))?;
    Ok(move || {
        handle.run_upkeep();
        handle.render()
    })
}
