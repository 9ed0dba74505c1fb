//! A block in memory: unpacked, its graphs decoded one at a time.

use super::{Error, columns};
use crate::corpus::Entry;
use crate::import::RawGraph;

/// Some dozens of graphs that are packed together. Decode one while the one before is dropped:
/// all of them together can take a hundred megabytes.
pub struct Block<'a> {
    number: usize,
    first: usize,
    entries: &'a [Entry],
    bytes: Vec<u8>,
}

impl<'a> Block<'a> {
    /// `entries` are those of its graphs, of which the first is entry `first` of the corpus.
    pub(super) fn new(number: usize, first: usize, entries: &'a [Entry], bytes: Vec<u8>) -> Self {
        Self {
            number,
            first,
            entries,
            bytes,
        }
    }

    /// Its graphs, each with the index of its entry in the corpus.
    ///
    /// # Errors
    /// When the block is malformed; so may be each graph.
    pub fn graphs(&self) -> Result<impl Iterator<Item = Result<(usize, RawGraph), Error>>, Error> {
        let graphs = columns::decode(&self.bytes).map_err(|problem| self.malformed(problem))?;
        if graphs.left() != self.entries.len() as u64 {
            return Err(self.malformed("it holds another number of graphs"));
        }
        let numbered = (self.first..).zip(self.entries).zip(graphs);
        Ok(numbered.map(|((index, entry), graph)| {
            let mut graph = graph.map_err(|problem| self.malformed(problem))?;
            graph.name = Some(entry.name.clone());
            Ok((index, graph))
        }))
    }

    fn malformed(&self, problem: &str) -> Error {
        Error::Block {
            block: self.number,
            problem: problem.to_owned(),
        }
    }
}
