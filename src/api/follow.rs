//! Keeps the engine and the keys in step with the database, whoever writes to it.
//!
//! Postgres tells of writes; besides, the database is asked every now and then. While it does not
//! answer, what is in memory goes on answering.

use super::State;
use crate::store::{self, Listener, Store};
use std::time::Duration;

/// Longest wait between two attempts to reach a database.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Opens the database, however long it takes to come up; only what waiting cannot mend is an error.
pub(super) async fn open(config: &store::Config) -> Result<Store, store::Error> {
    let mut wait = Duration::from_millis(100);
    loop {
        match Store::open(config).await {
            Err(store::Error::Unavailable(reason)) => {
                tracing::warn!(reason, "database not available; trying again");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            outcome => return outcome,
        }
    }
}

/// Follows until the process ends.
pub(super) async fn follow(state: State, store: Store, url: String) {
    let period = Duration::from_millis(state.config().follow_ms.max(1));
    let mut listener = None;
    let mut is_reached = true;
    loop {
        if listener.is_none() {
            listener = store.listen(&url).await.ok();
        }
        if !is_told(listener.as_mut(), period).await {
            listener = None;
        }
        let followed = state.follow(&store).await;
        if let (Err(error), true) = (&followed, is_reached) {
            tracing::warn!(%error, "database not followed; answers come from memory");
        }
        is_reached = followed.is_ok();
        if let Ok(opened) = state.opened() {
            opened.engine.rebuild_if_due();
        }
        metrics::gauge!("netkin_store_up").set(f64::from(u8::from(is_reached)));
    }
}

/// Waits for news, or until it is time to ask; false when there will be no more news.
async fn is_told(listener: Option<&mut Listener>, period: Duration) -> bool {
    let Some(listener) = listener else {
        tokio::time::sleep(period).await;
        return true;
    };
    match tokio::time::timeout(period, listener.heard()).await {
        Ok(heard) => heard.is_ok(),
        Err(_) => true,
    }
}
