//! Why the engine cannot answer.

use std::path::PathBuf;

/// One variant for each thing a caller could do differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No entry has this id.
    #[error("there is no entry `{id}`{}", hint(near))]
    UnknownEntry {
        /// The id asked for.
        id: String,
        /// Ids that look like it.
        near: Vec<String>,
    },
    /// What is to be added is an entry already.
    #[error("`{id}` is an entry already; send the model itself")]
    Stored {
        /// Its id.
        id: String,
    },
    /// A vector that another model made: such vectors cannot be compared.
    #[error("the vector was made by {asked}, and {serving} serves; embed the model again")]
    OtherModel {
        /// The version that the caller named.
        asked: String,
        /// The version that answers.
        serving: String,
    },
    /// No vector that can be compared.
    #[error("the vector cannot be used: {reason}")]
    Vector {
        /// Why.
        reason: String,
    },
    /// The database did not do what it was asked.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// The query is no model that netkin can read.
    #[error("cannot read {name}: {reason}")]
    Unreadable {
        /// What was read.
        name: String,
        /// Why it failed.
        reason: String,
    },
    /// The query was read but has no architecture.
    #[error("{name} has no architecture netkin can use: {reason}")]
    NoArchitecture {
        /// What was read.
        name: String,
        /// Why it failed.
        reason: String,
    },
    /// More or fewer hits than a search gives.
    #[error("k must lie between 1 and {max}, not {k}")]
    OutOfRange {
        /// The number asked for.
        k: usize,
        /// The most.
        max: usize,
    },
    /// A filter whose lower bound is above its upper bound.
    #[error("the range of {field} is empty: {min} is more than {max}")]
    EmptyRange {
        /// Which filter.
        field: &'static str,
        /// Lower bound.
        min: u64,
        /// Upper bound.
        max: u64,
    },
    /// A file of the corpus or of the model is missing or damaged.
    #[error("cannot use {}: {reason}", path.display())]
    Asset {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A model that can be read but not be relied on.
    #[error("model {version} fails its self-check: {reason}")]
    SelfCheck {
        /// The model.
        version: String,
        /// What it got wrong.
        reason: String,
    },
    /// A model of this version is there already, or its version names no folder.
    #[error("cannot publish version `{version}`: {reason}")]
    Version {
        /// The version.
        version: String,
        /// Why.
        reason: &'static str,
    },
    /// The encoder failed on an architecture that is valid.
    #[error("cannot embed {name}: {reason}")]
    Encode {
        /// The architecture.
        name: String,
        /// Why.
        reason: String,
    },
}

fn hint(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!("; did you mean {}?", near.join(" or "))
}
