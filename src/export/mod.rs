//! The data set itself, for those who use it without netkin: entries, raw graphs and embeddings
//! in the formats that other tools read (`docs/data-card.md`).
//!
//! Writes what is stored and computes nothing anew. Any writer will do: never touches the disk.

mod arrays;
mod error;
mod lines;
mod table;

pub use arrays::write_npz;
pub use error::Error;
pub use lines::write_jsonl;
pub use table::write_parquet;

use crate::corpus::Corpus;
use crate::embedding::Embedding;

/// A corpus and what one model makes of it.
#[derive(Clone, Copy, Debug)]
pub struct Embedded<'a> {
    /// The entries and their graphs.
    pub corpus: &'a Corpus,
    /// One for each entry, in the order of the corpus.
    pub embeddings: &'a [Embedding],
    /// The model that made the embeddings.
    pub model_version: &'a str,
}

impl Embedded<'_> {
    /// Components of an embedding; 0 of an empty corpus.
    fn dim(&self) -> usize {
        self.embeddings.first().map_or(0, Embedding::dim)
    }
}
