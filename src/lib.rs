//! netkin finds a neural network's nearest kin.
//!
//! A model becomes a canonical [`graph::Architecture`]: operators without weights, the same one
//! whichever exporter wrote the file. Folders are floors: a module may use its own children and
//! lower floors, never a neighbour or a floor above (`tests/it/floors.rs` holds the table).

pub mod api;
pub mod corpus;
pub mod embedding;
pub mod engine;
pub mod eval;
pub mod export;
pub mod graph;
pub mod import;
pub mod index;
pub mod matrix;
pub mod model;
pub mod motif;
pub mod random;
pub mod settings;
pub mod store;
pub mod telemetry;
pub mod train;
