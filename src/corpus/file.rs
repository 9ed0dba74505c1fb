//! The file: magic, version, checksum over the rest, then the entries, then blocks of graphs.
//!
//! All numbers are little-endian. `write` and `Corpus::read` change together, and with them
//! [`VERSION`].

use super::{Entry, Stats, columns};
use crate::import::RawGraph;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::ops::Range;

mod block;
mod damage;

pub use block::Block;

const MAGIC: [u8; 8] = *b"netkin\0c";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 32;
/// Magic, version and checksum; the checksum covers what follows.
const HEADER_BYTES: usize = MAGIC.len() + 4 + CHECKSUM_BYTES;
/// Graphs of one block: enough for kin to share bytes, few enough to decode one quickly.
const GRAPHS_PER_BLOCK: usize = 64;
/// Unpacked bytes at which a block is closed early.
const FULL_BLOCK_BYTES: usize = 4 << 20;
/// Unpacked bytes of one block beyond which it is refused.
const MOST_BLOCK_BYTES: u64 = 32 << 20;
/// Unpacked bytes of the entries beyond which they are refused.
const MOST_METADATA_BYTES: u64 = 256 << 20;
const LEVEL: i32 = 19;
/// 128 MiB: every block lies within the window.
const WINDOW_LOG: u32 = 27;

/// Why a corpus cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another kind of file.
    #[error("this is no netkin corpus; build one with `netkin-train corpus pack`")]
    Magic,
    /// A version this program does not know.
    #[error(
        "corpus format {0} is not supported, only format {VERSION}; use the corpus of this release"
    )]
    Version(u32),
    /// Bytes are missing.
    #[error("the corpus ends at byte {at}, within {part}; fetch the file again")]
    Truncated {
        /// What is incomplete.
        part: String,
        /// Where the file ends.
        at: u64,
    },
    /// Bytes have changed.
    #[error("the corpus is damaged in {part}, bytes {start} to {end}; fetch the file again")]
    Damaged {
        /// What cannot be read.
        part: String,
        /// Its first byte.
        start: u64,
        /// The byte behind it.
        end: u64,
    },
    /// A length that no real corpus has.
    #[error("the corpus states {bytes} bytes for {part}, more than the limit of {limit}")]
    TooLarge {
        /// What is too large.
        part: String,
        /// What it states.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The entries cannot be understood.
    #[error("the corpus's entries are malformed: {0}")]
    Entries(String),
    /// A block of graphs cannot be understood.
    #[error("block {block} of the corpus is malformed: {problem}")]
    Block {
        /// Its number, from 0.
        block: usize,
        /// What is wrong.
        problem: String,
    },
    /// A graph that cannot be stored.
    #[error("graph {index} cannot be stored: {problem}")]
    Graph {
        /// The index of its entry.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// No such entry.
    #[error("the corpus has {entries} entries, so there is no graph {index}")]
    Missing {
        /// The index asked for.
        index: usize,
        /// How many there are.
        entries: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    corpus_version: String,
    entries: Vec<Entry>,
    blocks: Vec<Place>,
}

/// Where a block of graphs lies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Place {
    /// Graphs in it.
    graphs: usize,
    /// Its first byte, counted from the end of the entries.
    start: u64,
    /// Its bytes in the file.
    packed: u64,
    /// Its bytes after decompression.
    unpacked: u64,
}

/// Writes a corpus: `graph(i)` is the raw graph of `entries[i]`.
///
/// Entries stay in the order given; kin beside one another compress best. The same arguments
/// give the same bytes.
///
/// # Errors
/// When `graph` fails or gives a graph whose edges point forwards, or a graph is too large.
pub fn write(
    corpus_version: &str,
    entries: &[Entry],
    graph: impl Fn(usize) -> Result<RawGraph, Error> + Sync,
) -> Result<Vec<u8>, Error> {
    let size = |index: usize| {
        let encoded = columns::encode(&[graph(index)?]);
        let bytes = encoded.map_err(|problem| Error::Graph {
            index,
            problem: problem.into(),
        })?;
        Ok(bytes.len())
    };
    let sizes: Vec<usize> = (0..entries.len())
        .into_par_iter()
        .map(size)
        .collect::<Result<_, Error>>()?;
    write_sized(corpus_version, entries, &sizes, graph)
}

/// [`write`] for graphs whose encoded sizes, each alone, are known.
pub(super) fn write_sized(
    corpus_version: &str,
    entries: &[Entry],
    sizes: &[usize],
    graph: impl Fn(usize) -> Result<RawGraph, Error> + Sync,
) -> Result<Vec<u8>, Error> {
    let packed: Vec<(Place, Vec<u8>)> = block_ranges(sizes)
        .into_par_iter()
        .enumerate()
        .map(|(block, range)| {
            let graphs: Vec<RawGraph> = range.map(&graph).collect::<Result<_, Error>>()?;
            close(block, &graphs)
        })
        .collect::<Result<_, Error>>()?;
    let mut start = 0;
    let mut places = Vec::new();
    let mut bytes = Vec::new();
    for (place, packed) in packed {
        places.push(Place { start, ..place });
        start += place.packed;
        bytes.extend_from_slice(&packed);
    }
    let metadata = Metadata {
        corpus_version: corpus_version.to_owned(),
        entries: entries.to_vec(),
        blocks: places,
    };
    let json = serde_json::to_vec(&metadata).map_err(|error| Error::Entries(error.to_string()))?;
    let packed = compress(&json).map_err(Error::Entries)?;
    let mut rest = Vec::new();
    rest.extend_from_slice(&(packed.len() as u64).to_le_bytes());
    rest.extend_from_slice(&(json.len() as u64).to_le_bytes());
    rest.extend_from_slice(&packed);
    rest.extend_from_slice(&bytes);
    let mut file = Vec::with_capacity(HEADER_BYTES + rest.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(blake3::hash(&rest).as_bytes());
    file.extend_from_slice(&rest);
    Ok(file)
}

/// Which graphs share a block: neighbours, until one of the two bounds is reached.
fn block_ranges(sizes: &[usize]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for (index, size) in sizes.iter().enumerate() {
        bytes += size;
        let end = index + 1;
        if end - start == GRAPHS_PER_BLOCK || bytes >= FULL_BLOCK_BYTES || end == sizes.len() {
            ranges.push(start..end);
            start = end;
            bytes = 0;
        }
    }
    ranges
}

/// A block of graphs, its place in the file still to be found.
fn close(block: usize, graphs: &[RawGraph]) -> Result<(Place, Vec<u8>), Error> {
    let malformed = |problem| Error::Block { block, problem };
    let unpacked = columns::encode(graphs).map_err(|problem| malformed(problem.into()))?;
    bound(
        || format!("block {block}"),
        unpacked.len() as u64,
        MOST_BLOCK_BYTES,
    )?;
    let packed = compress(&unpacked).map_err(malformed)?;
    let place = Place {
        graphs: graphs.len(),
        start: 0,
        packed: packed.len() as u64,
        unpacked: unpacked.len() as u64,
    };
    Ok((place, packed))
}

fn bound(part: impl FnOnce() -> String, bytes: u64, limit: u64) -> Result<(), Error> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::TooLarge {
        part: part(),
        bytes,
        limit,
    })
}

fn compress(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut compressor = zstd::bulk::Compressor::new(LEVEL).map_err(text)?;
    compressor.long_distance_matching(true).map_err(text)?;
    compressor.window_log(WINDOW_LOG).map_err(text)?;
    // So that a damaged block is known from the others.
    compressor.include_checksum(true).map_err(text)?;
    compressor.compress(bytes).map_err(text)
}

/// `unpacked` must already be bounded: that much memory is taken at once.
fn decompress(packed: &[u8], unpacked: u64) -> Result<Vec<u8>, String> {
    let bytes = zstd::bulk::decompress(packed, unpacked as usize)
        .map_err(|error| format!("it does not decompress: {error}"))?;
    if bytes.len() as u64 != unpacked {
        return Err("it decompresses to another length than stated".into());
    }
    Ok(bytes)
}

/// A corpus in memory: entries decoded, graphs still compressed.
#[derive(Debug)]
pub struct Corpus {
    corpus_version: String,
    entries: Vec<Entry>,
    blocks: Vec<Place>,
    /// For each block, the index of its first graph.
    firsts: Vec<usize>,
    bytes: Vec<u8>,
    /// Where the first block lies in `bytes`.
    graphs_start: usize,
}

impl Corpus {
    /// Reads a corpus file: checks it as a whole and decodes its entries.
    ///
    /// # Errors
    /// When the bytes are no corpus, or one of another version, truncated or damaged.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Error> {
        let rest = checked(&bytes)?;
        let header = || truncated("the header", &bytes);
        let (packed, rest) = number(rest).ok_or_else(header)?;
        let (unpacked, rest) = number(rest).ok_or_else(header)?;
        bound(|| "the entries".into(), unpacked, MOST_METADATA_BYTES)?;
        let (metadata, graphs) = usize::try_from(packed)
            .ok()
            .and_then(|packed| rest.split_at_checked(packed))
            .ok_or_else(|| truncated("the list of entries", &bytes))?;
        let json = decompress(metadata, unpacked).map_err(Error::Entries)?;
        let metadata: Metadata =
            serde_json::from_slice(&json).map_err(|error| Error::Entries(error.to_string()))?;
        let firsts = check_blocks(&metadata, graphs.len() as u64, bytes.len() as u64)?;
        Ok(Self {
            corpus_version: metadata.corpus_version,
            entries: metadata.entries,
            blocks: metadata.blocks,
            firsts,
            graphs_start: bytes.len() - graphs.len(),
            bytes,
        })
    }

    /// The corpus's own version.
    pub fn version(&self) -> &str {
        &self.corpus_version
    }

    /// The checksum of the file, in hexadecimal: names this very corpus.
    pub fn checksum(&self) -> String {
        let start = MAGIC.len() + 4;
        self.bytes[start..start + CHECKSUM_BYTES]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Every entry; a graph's index is its entry's.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Counts over the entries.
    pub fn stats(&self) -> Stats {
        Stats::of(&self.corpus_version, &self.entries)
    }

    /// The raw graph of `entries()[index]`. Decodes those before it in its block too; to visit many
    /// graphs, use [`Corpus::block`].
    ///
    /// # Errors
    /// When there is no such entry or its block is malformed.
    pub fn graph(&self, index: usize) -> Result<RawGraph, Error> {
        let missing = || Error::Missing {
            index,
            entries: self.entries.len(),
        };
        if index >= self.entries.len() {
            return Err(missing());
        }
        let number = self.firsts.partition_point(|first| *first <= index) - 1;
        let block = self.block(number)?;
        let graph = block.graphs()?.nth(index - self.firsts[number]);
        graph.ok_or_else(missing)?.map(|(_, graph)| graph)
    }

    /// Unpacks a block of graphs.
    ///
    /// # Errors
    /// When there is no such block, or it does not unpack.
    pub fn block(&self, number: usize) -> Result<Block<'_>, Error> {
        let malformed = |problem: String| Error::Block {
            block: number,
            problem,
        };
        let place = self.blocks.get(number);
        let place = place.ok_or_else(|| malformed("there is no such block".into()))?;
        // `check_blocks` has placed it inside the file.
        let start = self.graphs_start + place.start as usize;
        let packed = &self.bytes[start..start + place.packed as usize];
        let bytes = decompress(packed, place.unpacked).map_err(malformed)?;
        let first = self.firsts[number];
        let entries = &self.entries[first..first + place.graphs];
        Ok(Block::new(number, first, entries, bytes))
    }

    /// The indices of the entries whose graphs lie in `blocks`, which must exist.
    pub(crate) fn block_rows(&self, blocks: Range<usize>) -> Range<usize> {
        let first = |block| self.firsts.get(block).copied();
        let end = self.entries.len();
        first(blocks.start).unwrap_or(end)..first(blocks.end).unwrap_or(end)
    }

    /// Number of blocks.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }
}

/// What follows the header, once the header holds.
fn checked(bytes: &[u8]) -> Result<&[u8], Error> {
    if !bytes.starts_with(&MAGIC) {
        return Err(Error::Magic);
    }
    let (header, rest) = bytes
        .split_at_checked(HEADER_BYTES)
        .ok_or_else(|| truncated("the header", bytes))?;
    let (version, checksum) = header[MAGIC.len()..].split_at(4);
    let version = version
        .iter()
        .rev()
        .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    if version != VERSION {
        return Err(Error::Version(version));
    }
    if blake3::hash(rest).as_bytes() != checksum {
        return Err(damage::located(bytes));
    }
    Ok(rest)
}

fn truncated(part: &str, bytes: &[u8]) -> Error {
    Error::Truncated {
        part: part.into(),
        at: bytes.len() as u64,
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// The index of each block's first graph. Every block must lie inside the file, and together they
/// must hold one graph for each entry. `bytes` are those behind the entries, `at` is the end of the file.
fn check_blocks(metadata: &Metadata, bytes: u64, at: u64) -> Result<Vec<usize>, Error> {
    let mut firsts = Vec::with_capacity(metadata.blocks.len());
    let mut first = 0usize;
    for (block, place) in metadata.blocks.iter().enumerate() {
        bound(
            || format!("block {block}"),
            place.unpacked,
            MOST_BLOCK_BYTES,
        )?;
        if place
            .start
            .checked_add(place.packed)
            .is_none_or(|end| end > bytes)
        {
            let part = format!("block {block} of graphs");
            return Err(Error::Truncated { part, at });
        }
        firsts.push(first);
        first = first
            .checked_add(place.graphs)
            .filter(|end| *end <= metadata.entries.len() && place.graphs > 0)
            .ok_or_else(|| Error::Block {
                block,
                problem: "it states an impossible number of graphs".into(),
            })?;
    }
    if first != metadata.entries.len() {
        return Err(Error::Entries(format!(
            "there are {} entries but {first} graphs",
            metadata.entries.len()
        )));
    }
    Ok(firsts)
}

#[cfg(test)]
mod tests;
