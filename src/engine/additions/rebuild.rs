//! Building the graph of the index anew, away from every lock, once there are enough new vectors.

use super::Additions;
use crate::engine::Engine;
use crate::index::Index;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Whether a rebuild runs, and where the last one failed.
#[derive(Default)]
pub(super) struct Rebuilding {
    runs: AtomicBool,
    /// Number of vectors of which no good graph could be made; 0 for none.
    failed_at: AtomicUsize,
}

impl Engine {
    /// Starts to rebuild the index of added entries where that is due and nobody does it yet. Searches go
    /// on in the old one meanwhile.
    pub fn rebuild_if_due(self: &Arc<Self>) {
        let additions = &self.additions;
        if !additions.is_rebuild_due() || additions.rebuilding.runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let engine = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            engine.additions.rebuild();
            let runs = &engine.additions.rebuilding.runs;
            runs.store(false, Ordering::Release);
        });
    }

    /// Share of the true nearest that the index of added entries found when it was built.
    pub fn recall(&self) -> f64 {
        self.additions.read().index.recall()
    }
}

impl Additions {
    fn is_rebuild_due(&self) -> bool {
        let table = self.read();
        let failed_at = self.rebuilding.failed_at.load(Ordering::Relaxed);
        // What failed is not tried again before there is something else to try it with.
        table.index.due().is_some() && table.index.len() > failed_at + failed_at / 10
    }

    fn rebuild(&self) {
        let (old, ids) = self.snapshot();
        tracing::info!(vectors = old.len(), "index is rebuilt");
        match old.rebuild() {
            Ok(rebuilt) => {
                self.save(&rebuilt, &ids);
                // Within the lock only what came meanwhile is carried over.
                self.write().index.adopt(rebuilt);
                self.rebuilding.failed_at.store(0, Ordering::Relaxed);
                tracing::info!("index is rebuilt and serves");
            }
            Err(error) => {
                tracing::error!(%error, "index not rebuilt");
                self.rebuilding
                    .failed_at
                    .store(old.len(), Ordering::Relaxed);
            }
        }
    }
}
