//! From bytes to an architecture: importers read a format into a [`RawGraph`] in its own dialect.
//!
//! Never touches the disk: callers bring bytes. Every importer is bounded by [`Limits`].

pub mod canonical;
mod limits;
mod raw;

pub use limits::Limits;
pub use raw::{Dialect, Map, RawGraph, RawNode, RawValue};
