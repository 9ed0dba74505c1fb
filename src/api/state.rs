//! What every handler shares.

use super::access::Guard;
use super::answers::Answers;
use super::error::Failure;
use super::work::Work;
use super::{Config, Error};
use crate::engine::{self, Engine, ModelState, ModelSummary, Query, SearchOptions, Viewer};
use crate::store::{self, Store};
use axum::body::Bytes;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Imports and exports at once: each may hold a hundred megabytes.
const STREAMS: usize = 4;
/// How often a stream asks again for a thread while there is none.
const PATIENCE: Duration = Duration::from_millis(50);

/// An engine, and what it has answered. Whoever answers a request takes both at once and keeps
/// them to the end, so that no answer is made by two models.
pub(super) struct Opened {
    pub(super) engine: Arc<Engine>,
    answers: Answers,
}

struct Inner {
    /// The lock is held while a pointer is copied, never while anything is answered.
    opened: RwLock<Option<Arc<Opened>>>,
    models: RwLock<Vec<ModelSummary>>,
    work: Work,
    guard: Guard,
    streams: Arc<Semaphore>,
    store: OnceLock<Store>,
    /// Read anew when it is told to.
    config: RwLock<Arc<Config>>,
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
            guard: Guard::new(&config),
            streams: Arc::new(Semaphore::new(STREAMS)),
            store: OnceLock::new(),
            config: RwLock::new(Arc::new(config)),
            metrics: Box::new(metrics),
        })))
    }

    /// From now on requests are answered by `engine`; those under way end with the engine that
    /// they began with, and the last of them frees it.
    pub fn set_engine(&self, engine: Arc<Engine>) {
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

    pub(super) fn config(&self) -> Arc<Config> {
        let config = self.0.config.read();
        Arc::clone(&config.unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the limits of `new`: what a request may ask, and how often. What is decided at the start,
    /// such as the address and the threads, stays.
    pub(super) fn set_limits(&self, new: &Config) {
        let config = Config {
            body_bytes: new.body_bytes,
            decompressed_bytes: new.decompressed_bytes,
            read_timeout_ms: new.read_timeout_ms,
            batch: new.batch,
            requests_per_second: new.requests_per_second,
            burst: new.burst,
            drain_ms: new.drain_ms,
            ..Config::clone(&self.config())
        };
        self.0.guard.set_limits(&config);
        let place = self.0.config.write();
        *place.unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
    }

    pub(super) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    /// From now on entries are kept in `store`.
    pub(super) fn set_store(&self, store: Store) {
        // Opened once, at the start.
        let _ = self.0.store.set(store);
    }

    /// The database.
    pub(super) fn store(&self) -> Result<&Store, Failure> {
        self.0.store.get().ok_or_else(starting)
    }

    /// What the database does or says, within the time that an answer may take.
    pub(super) async fn stored<T>(
        &self,
        work: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, Failure> {
        let longest = Duration::from_millis(self.config().timeout_ms);
        match tokio::time::timeout(longest, work).await {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(store::Error::Unavailable("it takes too long".to_owned()).into()),
        }
    }

    /// Changes what is stored; once this returns, searches on this server see it.
    pub(super) async fn write<T>(
        &self,
        work: impl Future<Output = Result<T, store::Error>>,
    ) -> Result<T, Failure> {
        let done = self.stored(work).await?;
        // It is stored and will be followed: that it cannot be read back now is no failure of the write.
        if let Ok(opened) = self.opened() {
            let store = self.store()?;
            let followed = self.in_time(opened.engine.catch_up(store)).await;
            followed.unwrap_or_else(|error| tracing::warn!(%error, "write not followed"));
        }
        Ok(done)
    }

    /// Takes over the keys at once, after one was made or ended here; the follower does it otherwise.
    pub(super) async fn follow_keys(&self) {
        if let Some(store) = self.0.store.get()
            && let Err(error) = self.follow(store).await
        {
            tracing::warn!(%error, "keys not followed");
        }
    }

    /// A place for one more stream; kept until it ends.
    pub(super) fn stream_place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let place = Arc::clone(&self.0.streams).try_acquire_owned();
        place.map_err(|_| {
            Failure::busy(
                "too_many_streams",
                "The server has as many imports and exports as it bears; try again after Retry-After seconds.",
            )
        })
    }

    /// Takes over what was written to `store`, and its keys.
    pub(super) async fn follow(&self, store: &Store) -> Result<(), engine::Error> {
        let keyring = self.in_time(async { Ok(store.keyring().await?) }).await?;
        self.0.guard.set_keyring(keyring);
        match self.opened() {
            Ok(opened) => self.in_time(opened.engine.catch_up(store)).await,
            Err(_) => Ok(()),
        }
    }

    /// A database that stands still is one that does not answer.
    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, engine::Error>>,
    ) -> Result<T, engine::Error> {
        let longest = Duration::from_millis(self.config().timeout_ms);
        let late = |_| store::Error::Unavailable("it takes too long".to_owned());
        tokio::time::timeout(longest, work).await.map_err(late)?
    }

    /// `query`, with its graph where it names an entry that somebody added.
    pub(super) async fn with_graph(&self, query: Query, viewer: &Viewer) -> Result<Query, Failure> {
        let Query::Id(id) = &query else {
            return Ok(query);
        };
        if !self.opened()?.engine.is_addition(id, viewer) {
            return Ok(query);
        }
        let store = self.store()?;
        let graph = self.stored(store.graph(id)).await?;
        let id = id.clone();
        Ok(match graph {
            Some(graph) => Query::Stored { id, graph },
            None => query,
        })
    }

    /// The metrics page, with what is measured when somebody looks.
    pub(super) fn metrics(&self) -> String {
        metrics::gauge!("netkin_work_waiting_or_running").set(self.0.work.held() as f64);
        if let Ok(opened) = self.opened() {
            let engine = &opened.engine;
            let corpus = engine.corpus().entries().len() as f64;
            metrics::gauge!("netkin_entries", "kind" => "corpus").set(corpus);
            metrics::gauge!("netkin_entries", "kind" => "added")
                .set(engine.addition_count() as f64);
            metrics::gauge!("netkin_index_recall").set(engine.recall());
        }
        for model in self.models() {
            let serves = matches!(model.state, ModelState::Serving { .. });
            metrics::gauge!("netkin_model_serves", "folder" => model.folder)
                .set(f64::from(u8::from(serves)));
        }
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
        opened.ok_or_else(starting)
    }

    /// Asks the engine on the pool.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let opened = self.opened()?;
        self.0.work.run(move || question(&opened.engine)).await
    }

    /// The same for work that need not be done at once: waits for a thread instead of being refused.
    pub(super) async fn ask_patiently<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let opened = self.opened()?;
        let longest = Duration::from_millis(self.config().timeout_ms);
        let started = Instant::now();
        let permit = loop {
            match self.0.work.permit() {
                Err(_) if started.elapsed() < longest => tokio::time::sleep(PATIENCE).await,
                outcome => break outcome?,
            }
        };
        let job = move || question(&opened.engine);
        self.0.work.run_with(permit, job).await
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

fn starting() -> Failure {
    Failure::busy(
        "starting",
        "The server is still loading its corpus or waiting for its database; try again after Retry-After seconds.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{self, Corpus};
    use crate::engine::{self, Parts};
    use crate::import::Limits;
    use crate::model::{TokenSetEncoder, hashing};

    fn engine() -> Arc<Engine> {
        let corpus = corpus::write("test", &[], |_| unreachable!("there are no entries"));
        let parts = Parts {
            corpus: Arc::new(Corpus::read(corpus.unwrap()).unwrap()),
            encoder: Box::new(TokenSetEncoder::unfitted(hashing::Config::default()).unwrap()),
            embeddings: vec![],
            index: None,
        };
        let config = engine::Config {
            assets_dir: "".into(),
            model: String::new(),
            variant_similarity: 0.8,
            max_k: 10,
            index: crate::index::SegmentedConfig::default(),
        };
        Engine::from_parts(parts, config, Limits::default(), &|_, _| {})
            .unwrap()
            .into()
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
