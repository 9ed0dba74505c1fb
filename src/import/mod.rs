//! From bytes to an architecture: importers read a format into a [`RawGraph`] in its own dialect.
//!
//! Never touches the disk: callers bring bytes or a reader. Every importer is bounded by
//! [`Limits`]. The format is told by content, never by a file's suffix.

pub mod canonical;
mod format;
pub mod json;
mod limits;
pub mod nas;
pub mod onnx;
mod raw;

pub use format::{Error, Format, read, read_from};
pub use limits::Limits;
pub use raw::{Dialect, Map, RawGraph, RawNode, RawValue};
