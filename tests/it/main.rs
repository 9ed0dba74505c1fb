//! Tests of netkin as users meet it: over HTTP, on the command line, and in its own source.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop with what it met"
)]

mod access;
mod additions;
mod agreement;
mod bulk;
mod command_line;
mod damage;
mod disguise;
mod export;
mod exports;
mod faults;
mod fixtures;
mod floors;
mod http;
mod invariants;
mod models;
mod motifs;
mod openapi;
mod postgres;
mod quantised;
mod refresh;
mod release;
mod server;
mod shipped;
mod store;
