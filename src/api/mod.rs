//! HTTP: routes, problem documents, limits. Handlers extract, call one engine function, convert.
//!
//! CPU work runs on the bounded pool of `work`; nothing here blocks the async runtime. Only an answer
//! that was made before is sent from where it is asked for.

mod access;
mod answers;
mod asked;
mod body;
mod envelope;
mod error;
mod extract;
mod follow;
mod meters;
mod refresh;
mod routes;
mod serve;
mod state;
mod work;

pub use access::Keys;
pub use error::Problem;
pub use routes::{openapi_yaml, router};
pub use serve::{Error, Sources, serve};
pub use state::State;

use serde::{Deserialize, Serialize};

/// How the server listens and what it bears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on; port 0 lets the system choose.
    pub listen: String,
    /// Threads for engine work; 0 for one a core.
    pub workers: usize,
    /// Queries that may wait for a thread; more are answered 503.
    pub queue: usize,
    /// Longest time for one answer, waiting included.
    pub timeout_ms: u64,
    /// Longest time for a client to send its headers, and again its body.
    pub read_timeout_ms: u64,
    /// Largest body as sent.
    pub body_bytes: usize,
    /// Largest body after decompression.
    pub decompressed_bytes: usize,
    /// Time that running requests have to finish after SIGTERM.
    pub drain_ms: u64,
    /// How often the folder of models is looked at; 0 for once, at the start.
    pub refresh_ms: u64,
    /// Threads that load a new model.
    pub refresh_threads: usize,
    /// Origins of web pages that may call the server.
    pub cors_origins: Vec<String>,
    /// When a request needs a key.
    pub keys: Keys,
    /// Requests that one key may send in a second, over some time; 0 for any number.
    pub requests_per_second: u32,
    /// Requests that one key may send at once.
    pub burst: u32,
    /// Connections that may be open at once; more wait to be accepted.
    pub connections: usize,
    /// Models or queries in one batch.
    pub batch: usize,
    /// Longest time in which a write of another server is seen, where it is not heard of at once.
    pub follow_ms: u64,
}

#[cfg(test)]
impl Config {
    /// Small, and nothing is waited for.
    fn for_tests() -> Self {
        Self {
            listen: String::new(),
            workers: 1,
            queue: 0,
            timeout_ms: 10_000,
            read_timeout_ms: 1,
            body_bytes: 1,
            decompressed_bytes: 1,
            drain_ms: 1,
            refresh_ms: 0,
            refresh_threads: 1,
            cors_origins: vec![],
            keys: Keys::Auto,
            requests_per_second: 0,
            burst: 0,
            connections: 1,
            batch: 1,
            follow_ms: 1,
        }
    }
}
