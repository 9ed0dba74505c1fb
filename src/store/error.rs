//! Why the database did not do what it was asked.

use sqlx::migrate::MigrateError;

/// Something went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The setting names no database that netkin knows.
    #[error("the URL of the store must begin with `postgres://` or `sqlite:`")]
    Url,
    /// It cannot be reached or refuses to write for now: the same request may succeed later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// There is no such collection.
    #[error("there is no collection `{0}`")]
    NoCollection(String),
    /// The collection cannot be deleted while it has entries.
    #[error("the collection `{0}` is not empty")]
    NotEmpty(String),
    /// Another version of netkin made the tables.
    #[error("the tables are those of another version of netkin: {0}")]
    Migrations(String),
    /// What is stored is not what was written.
    #[error("the database is damaged: {0}; restore a backup")]
    Damaged(String),
    /// A statement failed: a defect of netkin.
    #[error("a statement failed: {0}")]
    Statement(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            sqlx::Error::Database(database) => match database.code().as_deref() {
                Some(code) if is_transient(code) => Self::Unavailable(database.message().into()),
                Some(code) if is_damage(code) => Self::Damaged(database.message().into()),
                _ => Self::Statement(error),
            },
            _ => Self::Statement(error),
        }
    }
}

/// Codes of SQLite (<https://www.sqlite.org/rescode.html>) and classes of Postgres
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>) that pass.
fn is_transient(code: &str) -> bool {
    // Connections, resources, operators' intervention, deadlocks, read-only transactions.
    let classes = ["08", "53", "57", "40", "58", "25006", "55P03"];
    let is_postgres = code.len() == 5 && classes.iter().any(|class| code.starts_with(class));
    // Busy, locked, read-only, input and output, full, cannot open; extended codes keep the low byte.
    let sqlite = code.parse::<u32>().ok().filter(|_| code.len() != 5);
    is_postgres || sqlite.is_some_and(|code| [5, 6, 8, 10, 13, 14].contains(&(code & 0xff)))
}

/// Corrupt, no database; index or data corrupted.
fn is_damage(code: &str) -> bool {
    ["11", "26", "XX001", "XX002"].contains(&code)
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Migrations(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        // 5 digits of SQLite's extended codes do not occur: they go up to four.
        for code in [
            "5", "261", "8", "13", "778", "08006", "53100", "57P01", "40P01", "25006",
        ] {
            assert!(is_transient(code), "{code}");
        }
        for code in ["1", "19", "2067", "11", "23505", "42P01", "XX001"] {
            assert!(!is_transient(code), "{code}");
        }
        assert!(is_damage("11") && is_damage("XX001") && !is_damage("1"));
    }
}
