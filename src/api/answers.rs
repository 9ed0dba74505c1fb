//! Answers about entries of the corpus as they are sent. What was answered once is right until somebody
//! adds, changes or removes an entry, and costs neither a search nor serialising when it is asked again.

use super::error::Failure;
use crate::engine::{Engine, Query, SearchOptions};
use axum::body::Bytes;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The last field of an answer, and the only one that differs between two answers to one question.
const TIME: &[u8] = b"\"took_ms\":";

/// What one engine has answered about its entries under the default options: some two kilobytes for
/// each entry that was asked about.
pub(super) struct Answers(Box<[Place]>);

/// An answer up to its time, and the revision of the engine that gave it.
type Place = Mutex<Option<(u64, Bytes)>>;

impl Answers {
    /// Room for an answer about each entry of `engine`.
    pub(super) fn new(engine: &Engine) -> Self {
        let entries = engine.corpus().entries();
        Self(entries.iter().map(|_| Place::default()).collect())
    }

    /// The answer to a question that was asked before, as JSON.
    pub(super) fn kept(
        &self,
        engine: &Engine,
        query: &Query,
        options: &SearchOptions,
    ) -> Option<Bytes> {
        let started = Instant::now();
        let place = self.place(engine, query, options)?.lock();
        let kept = place.unwrap_or_else(PoisonError::into_inner).clone();
        let (_, head) = kept.filter(|(revision, _)| *revision == engine.revision())?;
        let mut body = Vec::with_capacity(head.len() + 32);
        body.extend_from_slice(&head);
        serde_json::to_writer(&mut body, &(started.elapsed().as_secs_f64() * 1e3)).ok()?;
        body.push(b'}');
        Some(body.into())
    }

    /// Searches, and keeps the answer when the question is likely to come again.
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub(super) fn make(
        &self,
        engine: &Engine,
        query: &Query,
        options: &SearchOptions,
    ) -> Result<Bytes, Failure> {
        // Before the search: what changes during it makes the answer an old one.
        let revision = engine.revision();
        let answer = engine.search(query, options)?;
        let body = serde_json::to_vec(&answer)
            .map_err(|error| Failure::internal(&format!("answer not written: {error}")))?;
        if let Some(place) = self.place(engine, query, options)
            && let Some(time) = body.windows(TIME.len()).rposition(|text| text == TIME)
        {
            let head = Bytes::copy_from_slice(&body[..time + TIME.len()]);
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some((revision, head));
        }
        Ok(body.into())
    }

    fn place(&self, engine: &Engine, query: &Query, options: &SearchOptions) -> Option<&Place> {
        let Query::Id(id) = query else {
            return None;
        };
        if *options != SearchOptions::default() {
            return None;
        }
        Some(&self.0[engine.position(id)?])
    }
}
