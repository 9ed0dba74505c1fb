//! Who did what to what: written with the change itself, never changed afterwards.

use super::{Error, Store};

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditLine {
    /// Its number, ascending.
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// Id of the API key, or how else somebody was known.
    pub actor: String,
    /// What was done, such as `insert`.
    pub action: String,
    /// To what: an id or a name.
    pub target: String,
}

impl Store {
    /// At most `limit` lines after the one with the number `after`, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audit(&self, after: i64, limit: u32) -> Result<Vec<AuditLine>, Error> {
        let lines = sqlx::query_as(
            "SELECT seq, at_ms, actor, action, target FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(lines)
    }
}
