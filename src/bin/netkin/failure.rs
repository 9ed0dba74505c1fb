//! Errors as users meet them: one sentence on standard error, a problem document for scripts.

use netkin::api::Problem;
use netkin::engine;

/// What stopped a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Settings(#[from] netkin::settings::Error),
    #[error(transparent)]
    Telemetry(#[from] netkin::telemetry::Error),
    #[error(transparent)]
    Server(#[from] netkin::api::Error),
    #[error("cannot read {path}: {reason}")]
    File { path: String, reason: String },
    #[error("cannot write {path}: {reason}")]
    Unwritable { path: String, reason: String },
    #[error("cannot write the answer: {0}")]
    Output(#[from] std::io::Error),
    #[error("cannot use the database: {0}")]
    Store(#[from] netkin::store::Error),
    #[error("there is no key `{0}` that opens; `netkin keys list` shows them")]
    UnknownKey(String),
    #[error("the server at {address} is not ready: {reason}")]
    Unhealthy { address: String, reason: String },
    #[error("the corpus is damaged: {0}")]
    Damaged(String),
}

impl Failure {
    pub(crate) fn problem(&self) -> Problem {
        let detail = self.to_string();
        match self {
            Self::Engine(error) => Problem::of_command(error),
            Self::Server(netkin::api::Error::Engine(error)) => Problem::of_command(error),
            Self::Settings(_) | Self::Telemetry(_) => Problem::bad_request("bad_settings", detail),
            Self::Server(_) => Problem::bad_request("cannot_serve", detail),
            Self::File { .. } => Problem::bad_request("unreadable_file", detail),
            Self::Unwritable { .. } => Problem::bad_request("cannot_write", detail),
            Self::Output(_) => Problem::bad_request("cannot_write", detail),
            Self::Store(_) => Problem::bad_request("unusable_database", detail),
            Self::UnknownKey(_) => Problem::bad_request("unknown_key", detail),
            Self::Unhealthy { .. } => Problem::bad_request("unhealthy", detail),
            Self::Damaged(_) => Problem::bad_request("damaged_corpus", detail),
        }
    }
}
