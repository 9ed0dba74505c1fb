//! JSON lines: one entry with its raw graph a line, in the form of a builder's line.

use super::Error;
use crate::corpus::{Corpus, Entry};
use crate::import::json;
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Line<'a, G> {
    entry: &'a Entry,
    graph: G,
}

/// Writes `{"entry": {…}, "graph": netkin-graph}` for each entry, in the order of the corpus.
/// Holds one graph at a time; `progress` follows as (done, all) entries.
///
/// # Errors
/// When a block of graphs is malformed or `out` fails.
pub fn write_jsonl(
    corpus: &Corpus,
    mut out: impl Write,
    progress: &dyn Fn(usize, usize),
) -> Result<(), Error> {
    let entries = corpus.entries();
    for block in 0..corpus.block_count() {
        for graph in corpus.block(block)?.graphs()? {
            let (index, graph) = graph?;
            let (entry, graph) = (&entries[index], json::part(&graph));
            serde_json::to_writer(&mut out, &Line { entry, graph }).map_err(io::Error::from)?;
            out.write_all(b"\n")?;
            progress(index + 1, entries.len());
        }
    }
    Ok(out.flush()?)
}
