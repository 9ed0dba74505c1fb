//! A transaction that writes.

use super::{Backend, ChangeKind, Error, Store, now_ms};
use sqlx::{Any, Transaction};

/// Channel on which Postgres tells other servers that there are changes.
pub(super) const CHANNEL: &str = "netkin_changes";

/// Changes that become visible together or not at all.
pub(super) struct Write {
    pub(super) transaction: Transaction<'static, Any>,
    backend: Backend,
    /// When it began.
    pub(super) at_ms: i64,
    has_changes: bool,
}

impl Store {
    /// Begins to write: waits until nobody else does, by taking the row of the clock.
    pub(super) async fn write(&self) -> Result<Write, Error> {
        let mut transaction = self.pool.begin().await?;
        // In SQLite this makes the transaction a writer before it has read anything.
        sqlx::query("UPDATE clock SET seq = seq WHERE id = 1")
            .execute(&mut *transaction)
            .await?;
        Ok(Write {
            transaction,
            backend: self.backend,
            at_ms: now_ms(),
            has_changes: false,
        })
    }
}

impl Write {
    async fn tick(&mut self) -> Result<i64, Error> {
        let (seq,): (i64,) =
            sqlx::query_as("UPDATE clock SET seq = seq + 1 WHERE id = 1 RETURNING seq")
                .fetch_one(&mut *self.transaction)
                .await?;
        Ok(seq)
    }

    /// Notes that an entry is another one now; only its last change is kept.
    pub(super) async fn changed(&mut self, entry: &str, kind: ChangeKind) -> Result<(), Error> {
        let seq = self.tick().await?;
        sqlx::query(
            "INSERT INTO changes (seq, entry, kind) VALUES ($1, $2, $3) \
             ON CONFLICT (entry) DO UPDATE SET seq = excluded.seq, kind = excluded.kind",
        )
        .bind(seq)
        .bind(entry)
        .bind(kind.name())
        .execute(&mut *self.transaction)
        .await?;
        self.has_changes = true;
        Ok(())
    }

    /// Notes who did what to what.
    pub(super) async fn audit(
        &mut self,
        actor: &str,
        action: &str,
        target: &str,
    ) -> Result<(), Error> {
        let seq = self.tick().await?;
        sqlx::query(
            "INSERT INTO audit (seq, at_ms, actor, action, target) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(seq)
        .bind(self.at_ms)
        .bind(actor)
        .bind(action)
        .bind(target)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    pub(super) async fn commit(mut self) -> Result<(), Error> {
        if self.has_changes && self.backend == Backend::Postgres {
            sqlx::query("SELECT pg_notify($1, '')")
                .bind(CHANNEL)
                .execute(&mut *self.transaction)
                .await?;
        }
        self.transaction.commit().await?;
        Ok(())
    }
}
