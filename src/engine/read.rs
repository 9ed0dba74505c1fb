//! Raw graphs to architectures, with errors that name what was read.

use super::Error;
use crate::corpus::Corpus;
use crate::graph::Architecture;
use crate::import::{self, Format, Limits, RawGraph, canonical, nas};
use std::io::Read;

/// The architecture of a stored entry.
pub(super) fn stored(
    corpus: &Corpus,
    position: usize,
    limits: &Limits,
) -> Result<Architecture, Error> {
    let id = &corpus.entries()[position].id;
    canonicalised(id, &raw(corpus, position)?, limits)
}

/// The raw graph of a stored entry.
pub(super) fn raw(corpus: &Corpus, position: usize) -> Result<RawGraph, Error> {
    let graph = corpus.graph(position);
    graph.map_err(|error| unreadable(&corpus.entries()[position].id, &error))
}

/// Calls `visit` with each raw graph of a block of the corpus and the index of its entry.
pub(super) fn each_graph(
    corpus: &Corpus,
    block: usize,
    mut visit: impl FnMut(usize, &RawGraph) -> Result<(), Error>,
) -> Result<(), Error> {
    let malformed = |error| unreadable("the corpus", &error);
    let block = corpus.block(block).map_err(malformed)?;
    for graph in block.graphs().map_err(malformed)? {
        let (index, graph) = graph.map_err(malformed)?;
        visit(index, &graph)?;
    }
    Ok(())
}

/// The architecture in `bytes`, and the name of their format.
pub(super) fn bytes(
    name: &str,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(&'static str, Architecture), Error> {
    let (format, raw) = import::read(bytes, limits).map_err(|error| unreadable(name, &error))?;
    Ok((format_name(format), canonicalised(name, &raw, limits)?))
}

/// The raw graph that `reader` gives, of whatever size its file is.
pub(super) fn stream(
    name: &str,
    reader: impl Read,
    limits: &Limits,
) -> Result<(Format, RawGraph), Error> {
    import::read_from(reader, limits).map_err(|error| unreadable(name, &error))
}

/// The raw graph of a cell such as `nas:nb201:…`.
pub(super) fn raw_cell(text: &str, limits: &Limits) -> Result<RawGraph, Error> {
    nas::read(text, limits).map_err(|error| unreadable(text, &error))
}

/// `raw` as an architecture.
pub(super) fn canonicalised(
    name: &str,
    raw: &RawGraph,
    limits: &Limits,
) -> Result<Architecture, Error> {
    canonical::canonicalise(raw, limits).map_err(|error| Error::NoArchitecture {
        name: name.to_owned(),
        reason: error.to_string(),
    })
}

fn unreadable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Unreadable {
        name: name.to_owned(),
        reason: error.to_string(),
    }
}

pub(super) fn format_name(format: Format) -> &'static str {
    match format {
        Format::Onnx => "onnx",
        Format::NetkinGraph => "netkin-graph",
    }
}
