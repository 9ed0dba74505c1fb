//! What every handler shares.

use super::error::Failure;
use super::work::Work;
use super::{Config, Error};
use crate::engine::{Engine, Query, SearchAnswer, SearchOptions};
use std::sync::{Arc, OnceLock};

struct Inner {
    engine: OnceLock<Engine>,
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
            engine: OnceLock::new(),
            work: Work::new(&config).map_err(|error| Error::Threads(error.to_string()))?,
            config,
            metrics: Box::new(metrics),
        })))
    }

    /// From now on queries are answered by `engine`; the first one stays.
    pub fn set_engine(&self, engine: Engine) {
        let _ = self.0.engine.set(engine);
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn metrics(&self) -> String {
        (self.0.metrics)()
    }

    pub(super) fn engine(&self) -> Result<&Engine, Failure> {
        self.0.engine.get().ok_or_else(|| {
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

    /// Searches here when the answer is at hand, else on the pool.
    pub(super) async fn search(
        &self,
        query: Query,
        options: SearchOptions,
    ) -> Result<SearchAnswer, Failure> {
        let engine = self.engine()?;
        if engine.is_at_hand(&query, &options) {
            return Work::run_here(|| Ok(engine.search(&query, &options)?));
        }
        self.ask(move |engine| Ok(engine.search(&query, &options)?))
            .await
    }
}
