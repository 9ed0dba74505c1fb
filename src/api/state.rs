//! What every handler shares.

use super::answers::Answers;
use super::error::Failure;
use super::work::Work;
use super::{Config, Error};
use crate::engine::{Engine, ModelSummary, Query, SearchOptions};
use axum::body::Bytes;
use std::sync::{Arc, PoisonError, RwLock};

/// An engine, and what it has answered. Whoever answers a request takes both at once and keeps
/// them to the end, so that no answer is made by two models.
pub(super) struct Opened {
    pub(super) engine: Engine,
    answers: Answers,
}

struct Inner {
    /// The lock is held while a pointer is copied, never while anything is answered.
    opened: RwLock<Option<Arc<Opened>>>,
    models: RwLock<Vec<ModelSummary>>,
    work: Work,
    config: Config,
    metrics: Box<dyn Fn() -> String + Send + Sync>,
}

/// The engine that serves, the models, the pool and the settings. Cheap to clone.
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
            opened: RwLock::new(None),
            models: RwLock::new(Vec::new()),
            work: Work::new(&config).map_err(|error| Error::Threads(error.to_string()))?,
            config,
            metrics: Box::new(metrics),
        })))
    }

    /// From now on requests are answered by `engine`; those under way end with the engine that
    /// they began with, and the last of them frees it.
    pub fn set_engine(&self, engine: Engine) {
        let answers = Answers::new(&engine);
        let opened = Some(Arc::new(Opened { engine, answers }));
        let mut place = self
            .0
            .opened
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *place, opened);
        // Freeing an engine takes longer than anybody should wait for the lock.
        drop(place);
        drop(old);
    }

    pub(super) fn config(&self) -> &Config {
        &self.0.config
    }

    pub(super) fn metrics(&self) -> String {
        (self.0.metrics)()
    }

    /// The models as they were last looked at.
    pub(super) fn models(&self) -> Vec<ModelSummary> {
        let models = self.0.models.read();
        models.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_models(&self, models: Vec<ModelSummary>) {
        let place = self.0.models.write();
        *place.unwrap_or_else(PoisonError::into_inner) = models;
    }

    pub(super) fn opened(&self) -> Result<Arc<Opened>, Failure> {
        let opened = self.0.opened.read();
        let opened = opened.unwrap_or_else(PoisonError::into_inner).clone();
        opened.ok_or_else(|| {
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
        let opened = self.opened()?;
        self.0.work.run(move || question(&opened.engine)).await
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
        let opened = self.opened()?;
        let answer = move || {
            let (query, options) = question()?;
            opened.answers.make(&opened.engine, &query, &options)
        };
        self.0.work.run(answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{self, Corpus};
    use crate::engine::{self, Parts};
    use crate::import::Limits;
    use crate::model::{TokenSetEncoder, hashing};

    fn engine() -> Engine {
        let corpus = corpus::write("test", &[], |_| unreachable!("there are no entries"));
        let parts = Parts {
            corpus: Arc::new(Corpus::read(corpus.unwrap()).unwrap()),
            encoder: Box::new(TokenSetEncoder::unfitted(hashing::Config::default()).unwrap()),
            embeddings: vec![],
        };
        let config = engine::Config {
            assets_dir: "".into(),
            model: String::new(),
            variant_similarity: 0.8,
            max_k: 10,
        };
        Engine::from_parts(parts, config, Limits::default(), &|_, _| {}).unwrap()
    }

    #[test]
    fn an_old_engine_is_freed_with_the_last_request_that_it_answers() {
        let state = State::new(Config::for_tests(), String::new).unwrap();
        assert_eq!(state.opened().err().unwrap().code, "starting");
        state.set_engine(engine());
        let under_way = state.opened().unwrap();
        let old = Arc::downgrade(&under_way);
        state.set_engine(engine());
        assert!(!Arc::ptr_eq(&under_way, &state.opened().unwrap()));
        assert!(old.upgrade().is_some());
        drop(under_way);
        assert!(old.upgrade().is_none());
    }
}
