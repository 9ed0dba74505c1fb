//! The entries that users added, in memory: what the database holds, as far as it was followed.
//!
//! Every engine has its own, since embeddings belong to a model. The invariant: a row has a position in
//! the index for as long as it is there, and rows are put and removed with their vectors in one step.

mod follow;
mod rebuild;
mod row;
mod saved;

pub(super) use row::Row;

use super::{Error, Viewer};
use crate::embedding::Embedding;
use crate::index::{self, Index, Neighbour, Segmented, SegmentedConfig};
use rebuild::Rebuilding;
use saved::Expected;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// What was added, for one model.
pub(super) struct Additions {
    table: RwLock<Table>,
    /// How far the changes of the database were followed.
    cursor: tokio::sync::Mutex<i64>,
    /// Grows whenever an answer may have become another one.
    revision: AtomicU64,
    rebuilding: Rebuilding,
    /// Where the graph of the index is kept; nowhere without one.
    path: Option<PathBuf>,
}

/// Rows by position, and where each id is.
pub(super) struct Table {
    rows: Vec<Option<Box<Row>>>,
    places: BTreeMap<Box<str>, usize>,
    index: Segmented,
    expected: Expected,
}

/// What became of an entry.
enum Step {
    Put(Box<Row>, Embedding),
    /// Its description is another one, its graph is the same.
    Describe(Box<Row>),
    Remove(String),
}

impl Additions {
    /// None yet, of embeddings of `dim` components; the graph of the index may be at `path` from before.
    ///
    /// # Errors
    /// When a setting of the index is out of its range.
    pub(super) fn new(
        dim: usize,
        config: &SegmentedConfig,
        path: Option<PathBuf>,
    ) -> Result<Self, index::Error> {
        let saved = path
            .as_ref()
            .and_then(|path| Table::open(path, dim, config));
        let table = match saved {
            Some(table) => table,
            None => Table::empty(dim, config)?,
        };
        Ok(Self {
            table: RwLock::new(table),
            cursor: tokio::sync::Mutex::new(0),
            revision: AtomicU64::new(0),
            rebuilding: Rebuilding::default(),
            path,
        })
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Differs from every number that it had before anything changed.
    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    fn apply(&self, steps: Vec<Step>) -> Result<(), Error> {
        if steps.is_empty() {
            return Ok(());
        }
        let mut table = self.write();
        // Within the lock: an answer under the old number was made of what was there before.
        self.revision.fetch_add(1, Ordering::AcqRel);
        steps.into_iter().try_for_each(|step| table.apply(step))
    }
}

impl Table {
    fn empty(dim: usize, config: &SegmentedConfig) -> Result<Self, index::Error> {
        Ok(Self {
            rows: Vec::new(),
            places: BTreeMap::new(),
            index: Segmented::new(dim, config.clone())?,
            expected: Expected::default(),
        })
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The entry called `id`, where `viewer` sees it.
    pub(super) fn find(&self, id: &str, viewer: &Viewer) -> Option<usize> {
        let place = *self.places.get(id)?;
        viewer
            .sees(&self.rows[place].as_ref()?.collection)
            .then_some(place)
    }

    /// The row at a position that `find`, `search` or `after` gave.
    pub(super) fn row(&self, position: usize) -> &Row {
        self.rows[position].as_deref().expect("its id leads here")
    }

    /// The embedding of the row at such a position.
    pub(super) fn embedding(&self, position: usize) -> Embedding {
        let vector = self.index.vector(position);
        Embedding::of_unit(vector.expect("a row has a vector"))
    }

    /// Rows whose ids come after `id`, by id.
    pub(super) fn after<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Row> {
        use std::ops::Bound::{Excluded, Unbounded};
        let places = self.places.range::<str, _>((Excluded(id), Unbounded));
        places.map(|(_, place)| self.row(*place))
    }

    /// The `k` rows that are nearest to `query` among those that `keep` accepts.
    pub(super) fn search(
        &self,
        query: &Embedding,
        k: usize,
        keep: &dyn Fn(&Row) -> bool,
    ) -> Vec<Neighbour> {
        let admits = |position: usize| self.rows[position].as_deref().is_some_and(keep);
        self.index.search(query, k, &admits)
    }

    fn apply(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Put(row, embedding) => self.put(row, &embedding)?,
            Step::Describe(row) => {
                if let Some(place) = self.places.get(&row.id) {
                    self.rows[*place] = Some(row);
                }
            }
            Step::Remove(id) => {
                if let Some(place) = self.places.remove(id.as_str()) {
                    self.rows[place] = None;
                    self.index.remove(place);
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, row: Box<Row>, embedding: &Embedding) -> Result<(), Error> {
        if let Some(place) = self.places.get(&row.id) {
            self.rows[*place] = Some(row);
            return Ok(());
        }
        if let Some(place) = self.saved_place(&row.id, embedding) {
            self.places.insert(row.id.clone(), place);
            self.rows[place] = Some(row);
            return Ok(());
        }
        let place = self
            .index
            .insert(embedding)
            .map_err(|error| Error::Encode {
                name: row.id.to_string(),
                reason: error.to_string(),
            })?;
        self.places.insert(row.id.clone(), place);
        self.rows.push(Some(row));
        Ok(())
    }
}
