//! Raw graphs as the database keeps them: `netkin-graph` JSON, compressed with zstd.

use super::Error;
use crate::import::{Limits, RawGraph, json};
use std::io::Read;

/// Compresses fast and to about a twentieth.
const LEVEL: i32 = 3;

/// What to store of `graph`.
pub(super) fn encode(graph: &RawGraph) -> Vec<u8> {
    // Writing to memory cannot fail.
    zstd::encode_all(json::write(graph).as_bytes(), LEVEL).unwrap_or_default()
}

/// The JSON that was stored.
///
/// # Errors
/// When the bytes are damaged or larger than `limits` admit.
pub fn graph_json(id: &str, stored: &[u8], limits: &Limits) -> Result<String, Error> {
    let damaged = |reason: &dyn std::fmt::Display| Error::Unreadable {
        name: id.to_owned(),
        reason: format!("the stored graph is damaged ({reason}); restore a backup"),
    };
    let decoder = zstd::Decoder::with_buffer(stored).map_err(|error| damaged(&error))?;
    let mut text = String::new();
    let most = limits.memory_bytes as u64 + 1;
    let read = decoder.take(most).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() <= limits.memory_bytes => Ok(text),
        Ok(_) => Err(damaged(&"it is larger than the limits")),
        Err(error) => Err(damaged(&error)),
    }
}

/// The graph that was stored.
pub(super) fn decode(id: &str, stored: &[u8], limits: &Limits) -> Result<RawGraph, Error> {
    let text = graph_json(id, stored, limits)?;
    json::read(text.as_bytes(), limits).map_err(|error| Error::Unreadable {
        name: id.to_owned(),
        reason: error.to_string(),
    })
}
