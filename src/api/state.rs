//! What every handler shares.

use super::answers::Answers;
use super::error::Failure;
use super::work::Work;
use super::{Config, Error};
use crate::engine::{Engine, Query, SearchOptions};
use axum::body::Bytes;
use std::sync::{Arc, OnceLock};

/// An engine, and what it has answered.
struct Opened {
    engine: Engine,
    answers: Answers,
}

struct Inner {
    opened: OnceLock<Opened>,
    work: Work,
    config: Config,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The engine once it is open, the pool and the settings. Cheap to clone.
#[derive(Clone)]
pub struct State(Arc<Inner>);

impl State {
    /// A state without an engine yet; `metrics` renders the metrics page.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(
        config: Config,
        metrics: impl Fn() -> String + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Ok(Self(Arc::new(Inner {
            opened: OnceLock::new(),
            work: Work::new(&config).map_err(|error| Error::Threads(error.to_string()))?,
            config,
            metrics: Box::new(metrics),
        })))
    }

    /// From now on queries are answered by `engine`; the first one stays.
    pub fn set_engine(&self, engine: Engine) {
        let answers = Answers::new(&engine);
        let _ = self.0.opened.set(Opened { engine, answers });
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn metrics(&self) -> String {
        (self.0.metrics)()
    }

    pub(super) fn engine(&self) -> Result<&Engine, Failure> {
        self.opened().map(|opened| &opened.engine)
    }

    fn opened(&self) -> Result<&Opened, Failure> {
        self.0.opened.get().ok_or_else(|| {
            Failure::busy(
                "starting",
                "The server is still loading its corpus; try again after Retry-After seconds.",
            )
        })
    }

    /// Asks the engine on the pool.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        self.engine()?;
        let state = self.clone();
        self.0.work.run(move || question(state.engine()?)).await
    }

    /// The answer to a search that was asked before; it takes a microsecond.
    pub(super) fn kept(&self, query: &Query, options: &SearchOptions) -> Option<Bytes> {
        let opened = self.opened().ok()?;
        opened.answers.kept(&opened.engine, query, options)
    }

    /// Searches on the pool for what `question` asks.
    pub(super) async fn search(
        &self,
        question: impl FnOnce() -> Result<(Query, SearchOptions), Failure> + Send + 'static,
    ) -> Result<Bytes, Failure> {
        let state = self.clone();
        let answer = move |engine: &Engine| {
            let (query, options) = question()?;
            state.opened()?.answers.make(engine, &query, &options)
        };
        self.ask(answer).await
    }
}
