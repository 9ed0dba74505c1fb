//! Following the database: what was written since the last time, by this server or by another.

use super::{Row, Step};
use crate::embedding::Embedding;
use crate::engine::{Engine, Error, graphs, saved};
use crate::store::{ChangeKind, Store};
use std::collections::HashMap;
use std::sync::Arc;

/// Changes taken at a time: what bounds memory while a large database is read.
const BATCH: u32 = 500;

impl Engine {
    /// Takes over what was written to `store` since the last time; afterwards every write that was
    /// acknowledged before the call is seen by searches.
    ///
    /// # Errors
    /// When the database does not answer; what was taken over stays.
    pub async fn catch_up(self: &Arc<Self>, store: &Store) -> Result<(), Error> {
        let mut cursor = self.additions.cursor.lock().await;
        loop {
            let changes = store.changes(*cursor, BATCH).await?;
            let Some(last) = changes.last() else {
                self.additions.settle();
                return Ok(());
            };
            let seq = last.seq;
            let (mut written, mut steps) = (Vec::new(), Vec::new());
            for change in changes {
                match change.kind {
                    ChangeKind::Written => written.push(change.entry),
                    ChangeKind::Deleted => steps.push(Step::Remove(change.entry)),
                }
            }
            steps.extend(self.written(store, &written).await?);
            self.additions.apply(steps)?;
            *cursor = seq;
        }
    }

    /// What to do about entries that were written; those that are gone again are passed over.
    async fn written(self: &Arc<Self>, store: &Store, ids: &[String]) -> Result<Vec<Step>, Error> {
        let rows: Vec<Row> = store
            .entries(ids)
            .await?
            .into_iter()
            .map(Row::from)
            .collect();
        let new: Vec<String> = {
            let table = self.additions.read();
            let new = rows
                .iter()
                .filter(|row| !table.places.contains_key(&row.id));
            new.map(|row| row.id.to_string()).collect()
        };
        let mut embeddings = self.embeddings_of(store, &new).await?;
        let is_new: std::collections::HashSet<String> = new.into_iter().collect();
        let steps = rows.into_iter().filter_map(|row| {
            if !is_new.contains(&*row.id) {
                return Some(Step::Describe(Box::new(row)));
            }
            let embedding = embeddings.remove(&*row.id)?;
            Some(Step::Put(Box::new(row), embedding))
        });
        Ok(steps.collect())
    }

    /// The stored embeddings, and those that this model has to make first.
    async fn embeddings_of(
        self: &Arc<Self>,
        store: &Store,
        ids: &[String],
    ) -> Result<HashMap<String, Embedding>, Error> {
        let version = self.model_version().to_owned();
        let stored = store.embeddings(&version, ids).await?;
        let mut embeddings: HashMap<String, Embedding> = stored
            .into_iter()
            .filter(|(_, embedding)| embedding.dim() == self.encoder.dim())
            .collect();
        let lacking: Vec<String> = ids
            .iter()
            .filter(|id| !embeddings.contains_key(*id))
            .cloned()
            .collect();
        if lacking.is_empty() {
            return Ok(embeddings);
        }
        let graphs = store.graphs(&lacking).await?;
        let engine = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || engine.embed_stored(graphs)).await;
        let made = made.map_err(|error| Error::Encode {
            name: "an added entry".to_owned(),
            reason: error.to_string(),
        })?;
        // A standby cannot keep them, and makes them again at its next start.
        if let Err(error) = store.put_embeddings(&version, &made).await {
            tracing::warn!(%error, count = made.len(), "embeddings not kept");
        }
        embeddings.extend(made);
        Ok(embeddings)
    }

    /// Embeds stored graphs. One that cannot be embedded is logged and cannot be found, but stays in
    /// the database.
    fn embed_stored(&self, graphs: Vec<(String, Vec<u8>)>) -> Vec<(String, Embedding)> {
        let embedded = graphs.into_iter().filter_map(|(id, graph)| {
            let embedding = graphs::decode(&id, &graph, &self.limits)
                .and_then(|raw| super::super::read::canonicalised(&id, &raw, &self.limits))
                .and_then(|architecture| self.embed(&id, &architecture));
            match embedding {
                Ok(embedding) => Some((id, saved::rounded(&embedding))),
                Err(error) => {
                    tracing::error!(entry.id = id, %error, "added entry cannot be embedded");
                    None
                }
            }
        });
        embedded.collect()
    }
}
