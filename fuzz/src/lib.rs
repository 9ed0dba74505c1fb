//! The two lowest floors of netkin and what every target does with them.
//!
//! They are compiled from their sources: nothing above them is fuzzed, and a dependency on the
//! package would instrument the HTTP server as well.

#![allow(missing_docs, dead_code)]

#[path = "../../src/graph/mod.rs"]
pub mod graph;
#[path = "../../src/import/mod.rs"]
pub mod import;

use import::canonical::canonicalise;
use import::{Limits, RawGraph};

/// Limits that keep one execution short.
pub fn limits() -> Limits {
    Limits {
        nodes: 2_000,
        memory_bytes: 16 << 20,
        ..Limits::default()
    }
}

/// Canonicalises, twice, and compares; what comes out is a valid architecture.
pub fn check(raw: &RawGraph) {
    let limits = limits();
    assert!(raw.nodes.len() <= limits.nodes);
    if let Ok(architecture) = canonicalise(raw, &limits) {
        let again = canonicalise(raw, &limits).expect("it worked a moment ago");
        assert_eq!(architecture.digests(), again.digests());
        architecture.flops();
    }
}
