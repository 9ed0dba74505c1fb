//! Holds a corpus against the canonical rules of this program.

use super::{Corpus, Entry, Error, Failure};
use crate::graph::Architecture;
use crate::import::{Limits, RawGraph};
use rayon::prelude::*;

/// Canonicalises every graph again and returns the ids of entries whose digests differ from the
/// stored ones, with the reason.
///
/// # Errors
/// When a block of graphs is malformed.
pub fn verify<E: std::fmt::Display>(
    corpus: &Corpus,
    limits: &Limits,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E> + Sync,
) -> Result<Vec<Failure>, Error> {
    let blocks: Vec<Vec<Failure>> = (0..corpus.block_count())
        .into_par_iter()
        .map(|block| {
            let block = corpus.block(block)?;
            let mut failures = Vec::new();
            for graph in block.graphs()? {
                let (index, graph) = graph?;
                let entry = &corpus.entries()[index];
                if let Some(problem) = problem(entry, canonicalise(&graph, limits)) {
                    let id = entry.id.clone();
                    failures.push(Failure { id, problem });
                }
            }
            Ok(failures)
        })
        .collect::<Result<_, Error>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

fn problem<E: std::fmt::Display>(
    entry: &Entry,
    canonicalised: Result<Architecture, E>,
) -> Option<String> {
    match canonicalised {
        Err(error) => Some(error.to_string()),
        Ok(architecture) => {
            let digests = architecture.digests();
            let is_same = digests.exact == entry.exact && digests.coarse == entry.coarse;
            (!is_same).then(|| {
                "canonicalises to other digests than stored; pack the corpus again".to_owned()
            })
        }
    }
}
