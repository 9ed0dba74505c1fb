//! The graph of the index on disk: building it takes minutes, reading it a moment.
//!
//! Two files: the ids in the order of the graph, and the graph, whose key is their hash. Nothing depends on
//! them: files that do not match each other, are damaged or lack are left, and the graph is built again. Nor
//! is anything believed: an entry takes its place in the graph only when the database has it with the very
//! vector that is there.

use super::{Additions, Table};
use crate::embedding::Embedding;
use crate::index::{self, Index, Rebuilt, Segmented, SegmentedConfig};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Positions of the saved graph whose entries the database has not shown yet.
#[derive(Default)]
pub(super) struct Expected(HashMap<Box<str>, usize>);

/// Ids cannot hold it.
const SEPARATOR: &str = "\n";

impl Table {
    /// A table whose index is the one that was saved at `path`, without rows yet.
    pub(super) fn open(path: &Path, dim: usize, config: &SegmentedConfig) -> Option<Self> {
        let ids = std::fs::read_to_string(ids_path(path)).ok()?;
        let index = Segmented::open(path, &key(&ids), dim, config.clone());
        let index = index
            .inspect_err(|error| tracing::warn!(%error, "saved index not used"))
            .ok()??;
        let ids: Vec<&str> = ids.split(SEPARATOR).collect();
        if ids.len() != index.len() {
            return None;
        }
        let expected = ids.into_iter().zip(0..);
        Some(Self {
            rows: (0..index.len()).map(|_| None).collect(),
            expected: Expected(expected.map(|(id, place)| (id.into(), place)).collect()),
            index,
            ..Self::empty(dim, config).ok()?
        })
    }

    /// The place that the saved graph has for `id`, when its vector there is `embedding`.
    pub(super) fn saved_place(&mut self, id: &str, embedding: &Embedding) -> Option<usize> {
        let place = self.expected.0.remove(id)?;
        if self.index.vector(place) == Some(embedding.as_slice()) {
            return Some(place);
        }
        self.index.remove(place);
        None
    }

    fn ids_in_order(&self) -> String {
        let rows = self.rows.iter().flatten();
        let ids: Vec<&str> = rows.map(|row| &*row.id).collect();
        ids.join(SEPARATOR)
    }
}

impl Additions {
    /// Removes from the saved graph what the database does not have: it was read to its end.
    pub(super) fn settle(&self) {
        if self.read().expected.0.is_empty() {
            return;
        }
        let mut table = self.write();
        let gone = std::mem::take(&mut table.expected.0);
        for place in gone.into_values() {
            table.index.remove(place);
        }
    }

    /// A copy of the index to rebuild, and the ids of its vectors.
    pub(super) fn snapshot(&self) -> (Segmented, String) {
        let table = self.read();
        (table.index.clone(), table.ids_in_order())
    }

    /// Keeps what was rebuilt of a snapshot for the next start. Losing it costs time and nothing else.
    pub(super) fn save(&self, rebuilt: &Rebuilt, ids: &str) {
        let Some(path) = &self.path else { return };
        if let Err(error) = save(path, rebuilt, ids) {
            tracing::warn!(%error, "index not saved");
        }
    }
}

fn save(path: &Path, rebuilt: &Rebuilt, ids: &str) -> Result<(), index::Error> {
    let failed = |error: std::io::Error| index::Error::File {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    if rebuilt.save(path, &key(ids))? {
        // Until it is there, the graph has other ids than those that are read, and is not used.
        std::fs::write(ids_path(path), ids).map_err(failed)?;
    }
    Ok(())
}

fn ids_path(path: &Path) -> PathBuf {
    path.with_extension("ids")
}

fn key(ids: &str) -> String {
    blake3::hash(ids.as_bytes()).to_string()
}
