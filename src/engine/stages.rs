//! How long the stages of an answer take, as a metric.
//!
//! `prepare` holds `understand` (import and canonicalisation) and `encode`; `index` is the search itself.

use metrics::Histogram;
use std::sync::LazyLock;
use std::time::Instant;

/// Looked up once: looking a metric up costs as much as a short stage.
static PREPARE: LazyLock<Histogram> = LazyLock::new(|| of("prepare"));
static UNDERSTAND: LazyLock<Histogram> = LazyLock::new(|| of("understand"));
static ENCODE: LazyLock<Histogram> = LazyLock::new(|| of("encode"));
static INDEX: LazyLock<Histogram> = LazyLock::new(|| of("index"));

/// A stage of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// From what was asked to an embedding.
    Prepare,
    /// From bytes to an architecture.
    Understand,
    /// From an architecture to an embedding.
    Encode,
    /// From an embedding to its neighbours.
    Index,
}

fn of(stage: &'static str) -> Histogram {
    metrics::histogram!("netkin_stage_seconds", "stage" => stage)
}

/// Does `work` and notes how long it took.
pub(super) fn timed<T>(stage: Stage, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    let histogram = match stage {
        Stage::Prepare => &PREPARE,
        Stage::Understand => &UNDERSTAND,
        Stage::Encode => &ENCODE,
        Stage::Index => &INDEX,
    };
    histogram.record(started.elapsed().as_secs_f64());
    done
}
