//! What changed since when: how indexes of several servers follow one database.

use super::write::CHANNEL;
use super::{Backend, Error, Store};
use sqlx::postgres::PgListener;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is there, new or with other metadata.
    Written,
    /// It is gone.
    Deleted,
}

impl ChangeKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Deleted => "deleted",
        }
    }
}

/// The last change of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number: changes become visible in ascending order.
    pub seq: i64,
    /// Id of the entry.
    pub entry: String,
    /// What became of it.
    pub kind: ChangeKind,
}

/// Hears of changes by other servers.
pub struct Listener(Option<PgListener>);

impl Store {
    /// At most `limit` changes after the one with the number `after`, in their order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changes(&self, after: i64, limit: u32) -> Result<Vec<Change>, Error> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT seq, entry, kind FROM changes WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|(seq, entry, kind)| {
                let kind = match kind.as_str() {
                    "written" => ChangeKind::Written,
                    "deleted" => ChangeKind::Deleted,
                    other => return Err(Error::Damaged(format!("a change of kind `{other}`"))),
                };
                Ok(Change { seq, entry, kind })
            })
            .collect()
    }

    /// Starts to listen for changes. In SQLite there is nobody to hear of, and a standby hears nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn listen(&self, url: &str) -> Result<Listener, Error> {
        if self.backend == Backend::Sqlite || self.is_standby().await? {
            return Ok(Listener(None));
        }
        let mut listener = PgListener::connect(url).await?;
        listener.listen(CHANNEL).await?;
        Ok(Listener(Some(listener)))
    }
}

impl Listener {
    /// Returns when there are changes, or after a lost connection was made anew.
    ///
    /// # Errors
    /// When the connection is lost and cannot be made anew.
    pub async fn heard(&mut self) -> Result<(), Error> {
        match &mut self.0 {
            Some(listener) => {
                listener.try_recv().await?;
                Ok(())
            }
            None => std::future::pending().await,
        }
    }
}
