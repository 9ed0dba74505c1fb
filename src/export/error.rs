//! Why an export stopped.

use crate::corpus;
use parquet::errors::ParquetError;
use std::io;

/// One variant for each thing a caller could do differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stored graph cannot be read.
    #[error(transparent)]
    Corpus(#[from] corpus::Error),
    /// The writer failed.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The format cannot hold the data.
    #[error("the format cannot hold the data: {0}")]
    Format(String),
}

impl From<ParquetError> for Error {
    /// Finds the writer's own error again, which the table's writer wraps.
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => match cause.downcast::<io::Error>() {
                Ok(error) => Self::Write(*error),
                Err(other) => Self::Format(other.to_string()),
            },
            other => Self::Format(other.to_string()),
        }
    }
}
