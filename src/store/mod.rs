//! What must survive: collections, entries with their graphs and embeddings, API keys and who did what.
//!
//! One implementation speaks to SQLite and to Postgres through statements that both understand; the
//! same tests run against either. Every change takes the next number of one clock as its first
//! step, so changes become visible in the order of their numbers and a reader that asks for what came
//! after the last number it has seen misses nothing.

mod audit;
mod changes;
mod collections;
mod embeddings;
mod entries;
mod error;
mod keys;
mod write;

pub use audit::AuditLine;
pub use changes::{Change, ChangeKind, Listener};
pub use collections::Collection;
pub use entries::{Description, Edit, Entry, Inserted, NewEntry, Page};
pub use error::Error;
pub use keys::{Access, ApiKey, Keyring, NewKey, Scope, Secret};

use serde::{Deserialize, Serialize};
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::Migrator;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// How to reach the database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `postgres://…`, or `sqlite://PATH?mode=rwc` for a local file.
    pub url: String,
    /// Connections held at most.
    pub max_connections: u32,
    /// Milliseconds that a request waits for a connection before it is told that there is none.
    pub acquire_timeout_ms: u64,
    /// Milliseconds that Postgres may take for one statement.
    pub statement_timeout_ms: u64,
}

/// The URL may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            max_connections,
            acquire_timeout_ms,
            statement_timeout_ms,
        } = self;
        to.debug_struct("Config")
            .field("max_connections", max_connections)
            .field("acquire_timeout_ms", acquire_timeout_ms)
            .field("statement_timeout_ms", statement_timeout_ms)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Sqlite,
    Postgres,
}

/// A database of entries.
#[derive(Clone, Debug)]
pub struct Store {
    pool: AnyPool,
    backend: Backend,
}

impl Store {
    /// Connects and applies the migrations that are missing, one server at a time.
    ///
    /// # Errors
    /// When the database cannot be reached, or was made by another version of netkin.
    pub async fn open(config: &Config) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let backend = backend(&config.url)?;
        let statement_timeout_ms = config.statement_timeout_ms;
        // By itself first: a pool goes on trying, and never says why it has no connection.
        let mut first = AnyConnection::connect(&config.url).await?;
        prepare(&mut first, backend, statement_timeout_ms).await?;
        first.close().await?;
        let pool = AnyPoolOptions::new()
            .max_connections(config.max_connections.max(1))
            .acquire_timeout(Duration::from_millis(config.acquire_timeout_ms))
            .after_connect(move |connection, _| {
                Box::pin(prepare(connection, backend, statement_timeout_ms))
            })
            .connect_lazy(&config.url)?;
        let store = Self { pool, backend };
        store.migrate(&config.url).await?;
        Ok(store)
    }

    async fn migrate(&self, url: &str) -> Result<(), Error> {
        match self.backend {
            // A standby has the tables of its primary.
            Backend::Postgres if self.is_standby().await? => self.ping().await?,
            // Postgres is locked by sqlx itself.
            Backend::Postgres => POSTGRES.run(&self.pool).await?,
            Backend::Sqlite => {
                let _lock = locked(url).await?;
                SQLITE.run(&self.pool).await?;
            }
        }
        Ok(())
    }

    /// Whether this is a Postgres that follows another one and cannot be written to.
    async fn is_standby(&self) -> Result<bool, Error> {
        let (is_standby,): (bool,) = sqlx::query_as("SELECT pg_is_in_recovery()")
            .fetch_one(&self.pool)
            .await?;
        Ok(is_standby)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT seq FROM clock")
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Waits until every connection is given back, and closes them.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn backend(url: &str) -> Result<Backend, Error> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        Ok(Backend::Postgres)
    } else if url.starts_with("sqlite:") {
        Ok(Backend::Sqlite)
    } else {
        Err(Error::Url)
    }
}

/// Settings of a new connection. In SQLite a commit reaches the disk before it is acknowledged, and a
/// writer waits for another one.
async fn prepare(
    connection: &mut AnyConnection,
    backend: Backend,
    statement_timeout_ms: u64,
) -> Result<(), sqlx::Error> {
    let settings = match backend {
        Backend::Sqlite => {
            "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             PRAGMA foreign_keys = ON"
                .to_owned()
        }
        Backend::Postgres => format!("SET statement_timeout = {statement_timeout_ms}"),
    };
    connection.execute(AssertSqlSafe(settings)).await?;
    Ok(())
}

/// Holds other servers on the same file back while the migrations run. The lock goes with the file.
async fn locked(url: &str) -> Result<Option<File>, Error> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path == ":memory:" {
        return Ok(None);
    }
    let path = Path::new(path).with_added_extension("lock");
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    });
    let locked = locked
        .await
        .map_err(|_| std::io::Error::other("the lock was given up"));
    Ok(Some(locked.and_then(|locked| locked)?))
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
