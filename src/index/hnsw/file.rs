//! An index in one file, so that a start costs a read and not a build.
//!
//! The file names what it was built from, by a text of the caller and by the settings, and ends in
//! a checksum over everything before. The checksum is compared before anything is parsed, sizes are
//! compared with the length of the file before anything is allocated, and every number that leads
//! to another is bounded: a damaged or hostile file is an error that says what to do, and no more.

use super::graph::{Graph, Layer, Members};
use super::rows::Rows;
use super::{HnswConfig, HnswIndex};
use crate::embedding::dot;
use crate::index::{Error, Index};
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8; 8] = b"netkinH1";
const CHECKSUM_BYTES: usize = 32;
/// How far the square of a stored vector's length may be from one.
const LENGTH_TOLERANCE: f32 = 1e-3;

impl HnswIndex {
    /// Writes beside `path` and renames, so that a reader never sees half a file.
    ///
    /// `key` says what the index was built from: reading with another key finds nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, key: &str, config: &HnswConfig) -> Result<(), Error> {
        let mut content = Vec::new();
        content.extend_from_slice(MAGIC);
        content.extend_from_slice(&key_digest(key, config));
        self.write_content(&mut content);
        let checksum = *blake3::hash(&content).as_bytes();
        content.extend_from_slice(&checksum);
        write_at_once(path, &content).map_err(|error| Error::File {
            path: path.to_owned(),
            problem: error.to_string(),
        })
    }

    /// Reads what `save` wrote with the same key and settings, for vectors of `dim` components.
    /// `None` when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or belongs to other vectors or settings.
    pub fn open(
        path: &Path,
        key: &str,
        dim: usize,
        config: &HnswConfig,
    ) -> Result<Option<Self>, Error> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Error::File {
                    path: path.to_owned(),
                    problem: error.to_string(),
                });
            }
        };
        let read =
            content_of(&bytes, &key_digest(key, config)).and_then(|content| content.index(dim));
        read.map(Some).map_err(|problem| Error::Unusable {
            path: path.to_owned(),
            problem,
        })
    }

    fn write_content(&self, content: &mut Vec<u8>) {
        let Graph {
            rows,
            members,
            layers,
            ..
        } = &*self.graph;
        let removed = (0..self.next()).filter(|at| self.live(*at).is_none());
        let removed: Vec<u32> = removed.map(|position| position as u32).collect();
        write_count(content, self.dim);
        write_count(content, self.ef);
        content.extend_from_slice(&self.recall.to_le_bytes());
        for count in [rows.len(), members.len(), layers.len()] {
            write_count(content, count);
        }
        write_count(content, self.fresh.next());
        write_count(content, removed.len());
        for node in 0..rows.len() {
            write_floats(content, rows.vector(node));
        }
        write_numbers(content, &members.node_of);
        for layer in layers {
            write_count(content, layer.len());
            write_count(content, layer.links.len());
            write_numbers(content, &layer.starts);
            write_numbers(content, &layer.links);
        }
        for position in 0..self.fresh.next() {
            write_floats(content, self.fresh.vector(position));
        }
        write_numbers(content, &removed);
    }
}

fn key_digest(key: &str, config: &HnswConfig) -> [u8; 32] {
    let HnswConfig {
        connections,
        ef_construction,
        ef,
        probes: _,
        minimum_recall: _,
    } = config;
    let text = format!("{connections} {ef_construction} {ef} {key}");
    *blake3::hash(text.as_bytes()).as_bytes()
}

fn write_count(content: &mut Vec<u8>, count: usize) {
    content.extend_from_slice(&(count as u64).to_le_bytes());
}

fn write_floats(content: &mut Vec<u8>, floats: &[f32]) {
    content.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
}

fn write_numbers(content: &mut Vec<u8>, numbers: &[u32]) {
    content.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn write_at_once(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

/// What is wrong with a file.
type Problem = &'static str;

/// What follows the head of a whole file that belongs to `key`.
fn content_of<'a>(bytes: &'a [u8], key: &[u8]) -> Result<Content<'a>, Problem> {
    let content = bytes.len().checked_sub(CHECKSUM_BYTES);
    let (content, checksum) = bytes.split_at(content.ok_or("it is cut off")?);
    if blake3::hash(content).as_bytes() != checksum {
        return Err("its checksum is wrong");
    }
    let content = content
        .strip_prefix(MAGIC)
        .ok_or("it is of another version")?;
    let rest = content.strip_prefix(key);
    rest.map(Content)
        .ok_or("it belongs to other vectors or settings")
}

/// What is left to read.
struct Content<'a>(&'a [u8]);

impl<'a> Content<'a> {
    fn index(mut self, dim: usize) -> Result<HnswIndex, Problem> {
        if self.count()? != dim {
            return Err("its vectors are of another model");
        }
        let ef = self.count()?;
        let recall = f64::from_bits(self.count()? as u64);
        let [nodes, positions, layers] = [self.count()?, self.count()?, self.count()?];
        let [fresh, removed] = [self.count()?, self.count()?];
        let rows = self.rows(nodes, dim)?;
        let node_of = self.numbers(positions)?;
        let layers = self.layers(layers, nodes)?;
        check_members(&node_of, nodes)?;
        let graph = Graph::new(rows, Members::new(node_of, nodes), layers);
        let mut index = HnswIndex::of_graph(graph, ef, recall);
        for vector in self.vectors(fresh, dim)? {
            index.push(&vector?);
        }
        for position in self.numbers(removed)? {
            let is_new = (position as usize) < index.next() && index.remove(position as usize);
            is_new.then_some(()).ok_or("it removes what is not there")?;
        }
        self.0.is_empty().then_some(index).ok_or("it is too long")
    }

    fn take(&mut self, count: usize, size: usize) -> Result<&'a [u8], Problem> {
        let bytes = count.checked_mul(size).ok_or("a count is too large")?;
        let (taken, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or("a count is too large")?;
        self.0 = rest;
        Ok(taken)
    }

    fn count(&mut self) -> Result<usize, Problem> {
        let (bytes, _) = self.take(1, 8)?.as_chunks();
        usize::try_from(u64::from_le_bytes(bytes[0])).map_err(|_| "a count is too large")
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<u32>, Problem> {
        let (numbers, _) = self.take(count, 4)?.as_chunks();
        Ok(numbers
            .iter()
            .map(|bytes| u32::from_le_bytes(*bytes))
            .collect())
    }

    /// Vectors one after another, each checked when it is asked for.
    fn vectors(
        &mut self,
        count: usize,
        dim: usize,
    ) -> Result<impl Iterator<Item = Result<Vec<f32>, Problem>> + use<'a>, Problem> {
        let row = dim.checked_mul(4).ok_or("a count is too large")?;
        if row == 0 && count > 0 {
            return Err("its vectors have no components");
        }
        let bytes = self.take(count, row)?;
        Ok(bytes.chunks_exact(row.max(1)).map(vector))
    }

    fn rows(&mut self, nodes: usize, dim: usize) -> Result<Rows, Problem> {
        let vectors = self.vectors(nodes, dim)?;
        let mut rows = Rows::with_capacity(dim, nodes);
        for vector in vectors {
            rows.push(&vector?);
        }
        Ok(rows)
    }

    fn layers(&mut self, count: usize, nodes: usize) -> Result<Vec<Layer>, Problem> {
        if (count == 0) != (nodes == 0) {
            return Err("it has nodes without layers or layers without nodes");
        }
        let mut layers: Vec<Layer> = Vec::new();
        for _ in 0..count {
            let below = layers.last().map(Layer::len);
            let [nodes_here, links] = [self.count()?, self.count()?];
            let is_fit = below.map_or(nodes_here == nodes, |below| nodes_here <= below);
            if !is_fit || nodes_here == 0 {
                return Err("a layer has a wrong number of nodes");
            }
            let starts = self.numbers(nodes_here + 1)?;
            let links = self.numbers(links)?;
            layers.push(checked_layer(starts, links)?);
        }
        Ok(layers)
    }
}

fn vector(bytes: &[u8]) -> Result<Vec<f32>, Problem> {
    let (floats, _) = bytes.as_chunks();
    let vector: Vec<f32> = floats
        .iter()
        .map(|float| f32::from_le_bytes(*float))
        .collect();
    let is_unit = (dot(&vector, &vector) - 1.0).abs() < LENGTH_TOLERANCE; // false for NaN
    is_unit
        .then_some(vector)
        .ok_or("a vector is not of length one")
}

fn checked_layer(starts: Vec<u32>, links: Vec<u32>) -> Result<Layer, Problem> {
    let is_whole = starts.first() == Some(&0) && starts.last() == Some(&(links.len() as u32));
    if !is_whole || !starts.is_sorted() {
        return Err("the links of a layer do not follow each other");
    }
    let nodes = starts.len() - 1;
    let is_bounded = links.iter().all(|to| (*to as usize) < nodes);
    let layer = Layer { starts, links };
    is_bounded.then_some(layer).ok_or("a link leads nowhere")
}

fn check_members(node_of: &[u32], nodes: usize) -> Result<(), Problem> {
    let mut has_member = vec![false; nodes];
    for node in node_of {
        *has_member
            .get_mut(*node as usize)
            .ok_or("a position has no node")? = true;
    }
    let is_whole = has_member.into_iter().all(|has| has);
    is_whole.then_some(()).ok_or("a node has no position")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedding::Embedding;
    use crate::index::contract::clustered;

    /// A small index with something of everything, in a file.
    fn saved(path: &Path) -> (HnswIndex, Vec<Embedding>) {
        let mut all = clustered(120, 5, 1);
        all[7] = all[3].clone();
        let mut index = HnswIndex::build(5, &all[..100], &HnswConfig::default()).unwrap();
        for embedding in &all[100..] {
            index.insert(embedding).unwrap();
        }
        assert!(index.remove(4) && index.remove(110));
        index.save(path, "key", &HnswConfig::default()).unwrap();
        (index, all)
    }

    fn open(path: &Path) -> Result<Option<HnswIndex>, Error> {
        HnswIndex::open(path, "key", 5, &HnswConfig::default())
    }

    /// With a checksum that fits: as a hostile writer would.
    fn sealed(mut content: Vec<u8>) -> Vec<u8> {
        let checksum = *blake3::hash(&content).as_bytes();
        content.extend_from_slice(&checksum);
        content
    }

    #[test]
    fn an_index_comes_back_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/all.index");
        let (index, all) = saved(&path);
        let again = open(&path).unwrap().unwrap();
        assert_eq!(again.len(), index.len());
        assert_eq!(again.recall(), index.recall());
        for query in &all {
            let expected = index.search(query, 20, &|_| true);
            assert_eq!(again.search(query, 20, &|_| true), expected);
        }
        let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(files.count(), 1, "no unfinished file is left");
    }

    #[test]
    fn an_empty_index_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.index");
        let index = HnswIndex::build(5, &[], &HnswConfig::default()).unwrap();
        index.save(&path, "key", &HnswConfig::default()).unwrap();
        assert!(open(&path).unwrap().unwrap().is_empty());
    }

    #[test]
    fn no_file_is_no_error_and_a_foreign_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.index");
        assert!(open(&path).unwrap().is_none());
        saved(&path);
        let problem = HnswIndex::open(&path, "other", 5, &HnswConfig::default()).unwrap_err();
        assert!(
            problem
                .to_string()
                .ends_with("other vectors or settings; delete the file, it is rebuilt")
        );
        let config = HnswConfig {
            connections: 20,
            ..HnswConfig::default()
        };
        assert!(HnswIndex::open(&path, "key", 5, &config).is_err());
        assert!(HnswIndex::open(&path, "key", 6, &HnswConfig::default()).is_err());
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.index");
        saved(&path);
        let whole = std::fs::read(&path).unwrap();
        let digest = key_digest("key", &HnswConfig::default());
        let read = |bytes: &[u8]| content_of(bytes, &digest).and_then(|content| content.index(5));
        assert!(read(&whole).is_ok());
        for place in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[place] ^= 1 << (place % 8);
            assert!(read(&bytes).is_err(), "byte {place}");
        }
        for length in (0..whole.len()).step_by(13) {
            assert!(read(&whole[..length]).is_err(), "length {length}");
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let problem = open(&path).unwrap_err().to_string();
        assert!(problem.contains("delete the file"), "{problem}");
    }

    #[test]
    fn a_hostile_file_with_a_right_checksum_ends_in_an_error_or_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.index");
        let (_, all) = saved(&path);
        let mut whole = std::fs::read(&path).unwrap();
        whole.truncate(whole.len() - CHECKSUM_BYTES);
        let digest = key_digest("key", &HnswConfig::default());
        let mut refused = 0;
        for place in (MAGIC.len() + digest.len())..whole.len() {
            let mut content = whole.clone();
            content[place] = !content[place];
            match content_of(&sealed(content), &digest).and_then(|content| content.index(5)) {
                Err(_) => refused += 1,
                // What passes must be harmless: a search ends and finds what can be found.
                Ok(index) if place % 16 == 0 => {
                    let index = index.walking();
                    let found = index.search(&all[0], 10, &|_| true);
                    assert_eq!(found.len(), 10.min(index.len()));
                }
                Ok(_) => {}
            }
        }
        assert!(refused > whole.len() / 2);
        whole.push(0);
        let long = content_of(&sealed(whole), &digest).and_then(|content| content.index(5));
        assert_eq!(long.err(), Some("it is too long"));
    }

    #[test]
    fn counts_beyond_the_file_allocate_nothing() {
        let digest = key_digest("key", &HnswConfig::default());
        for counts in [[u64::MAX; 7], [1 << 40; 7], [1 << 62; 7]] {
            let mut content = MAGIC.to_vec();
            content.extend_from_slice(&digest);
            write_count(&mut content, 5);
            content.extend(counts.iter().flat_map(|count| count.to_le_bytes()));
            let read = content_of(&sealed(content), &digest).and_then(|content| content.index(5));
            assert_eq!(read.err(), Some("a count is too large"));
        }
    }
}
