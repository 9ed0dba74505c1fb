//! Whose eyes a question is answered for.

use super::facts::PUBLIC;

/// Which collections somebody sees besides the shipped corpus. What is not seen is answered about as
/// if it were not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Viewer {
    /// All of them.
    #[default]
    All,
    /// One.
    Collection(String),
}

impl Viewer {
    /// Whether entries of `collection` exist for this viewer.
    pub fn sees(&self, collection: &str) -> bool {
        match self {
            Self::All => true,
            Self::Collection(own) => collection == PUBLIC || collection == own,
        }
    }
}
