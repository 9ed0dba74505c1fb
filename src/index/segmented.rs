//! A live index: exact while it is small, then a frozen graph with fresh vectors beside it.
//!
//! Positions are one rising order over all parts and survive rebuilding: no position is ever used
//! again. Rebuilding is slow and happens away from the live index, on a clone: the owner decides
//! when, on which thread and behind which lock, for there are none in here.
//!
//! ```text
//! if live.due().is_some() {            // under the owner's lock
//!     let snapshot = live.clone();     // the graph is shared, fresh vectors are copied
//!     let rebuilt = snapshot.rebuild()?;  // without the lock: minutes
//!     live.adopt(rebuilt);             // under it again: what came meanwhile is kept
//! }
//! ```

use super::{Error, ExactIndex, HnswConfig, HnswIndex, Index, Neighbour, check_dim};
use crate::embedding::Embedding;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// When an index in memory is exact, and when it is rebuilt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentedConfig {
    /// Fewer vectors than these are searched exactly.
    pub exact_below: usize,
    /// Vectors beside the graph, as a share of all, beyond which a rebuild is due.
    pub fresh_share: f64,
    /// Removed vectors that still take memory, as a share of all, beyond which a rebuild is due.
    pub removed_share: f64,
    /// How the graph is drawn and walked.
    pub hnsw: HnswConfig,
}

impl Default for SegmentedConfig {
    fn default() -> Self {
        Self {
            exact_below: 50_000,
            fresh_share: 0.1,
            removed_share: 0.2,
            hnsw: HnswConfig::default(),
        }
    }
}

/// Why a rebuild is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// There are enough vectors for a graph and none has been built.
    Grown,
    /// Too many vectors are outside of the graph.
    Fresh,
    /// Too many removed vectors take memory and time.
    Removed,
}

/// Nearest neighbours among vectors that come and go.
#[derive(Clone, Debug)]
pub struct Segmented {
    config: SegmentedConfig,
    part: Part,
    /// For each vector of the part its position, rising.
    positions: Vec<usize>,
    next: usize,
}

#[derive(Clone, Debug)]
enum Part {
    Exact(ExactIndex),
    Hnsw(HnswIndex),
}

/// What `Segmented::rebuild` made, for `Segmented::adopt`.
#[derive(Debug)]
pub struct Rebuilt(Segmented);

impl Segmented {
    /// An empty index for vectors of `dim` components.
    ///
    /// # Errors
    /// When a setting is out of its range.
    pub fn new(dim: usize, config: SegmentedConfig) -> Result<Self, Error> {
        config.hnsw.check()?;
        Ok(Self {
            config,
            part: Part::Exact(ExactIndex::new(dim)),
            positions: Vec::new(),
            next: 0,
        })
    }

    /// An index of `embeddings`, in their order; with a graph when there are enough of them.
    ///
    /// # Errors
    /// When one has another number of components than `dim`, when a setting is out of range, or when
    /// the graph does not find what it must.
    pub fn build<'a>(
        dim: usize,
        embeddings: impl IntoIterator<Item = &'a Embedding>,
        config: SegmentedConfig,
    ) -> Result<Self, Error> {
        let mut index = Self::new(dim, config)?;
        for embedding in embeddings {
            index.insert(embedding)?;
        }
        if index.due() == Some(Due::Grown) {
            index = index.rebuild()?.0;
        }
        Ok(index)
    }

    /// Whether to rebuild, and why.
    pub fn due(&self) -> Option<Due> {
        let live = self.len();
        let removed = self.positions.len() - live;
        let exceeds = |count: usize, share: f64| count as f64 > share * live as f64;
        match &self.part {
            Part::Exact(_) if live >= self.config.exact_below.max(1) => Some(Due::Grown),
            Part::Hnsw(part) if exceeds(part.fresh(), self.config.fresh_share) => Some(Due::Fresh),
            _ if exceeds(removed, self.config.removed_share) => Some(Due::Removed),
            _ => None,
        }
    }

    /// The live vectors in a new part, with a graph when there are enough of them.
    ///
    /// # Errors
    /// When the graph does not find what it must: the index goes on as it is.
    pub fn rebuild(&self) -> Result<Rebuilt, Error> {
        let (positions, vectors): (Vec<usize>, Vec<&[f32]>) = self.live_from(0).unzip();
        let part = if vectors.len() < self.config.exact_below.max(1) {
            let mut part = ExactIndex::new(self.dim());
            vectors.into_iter().for_each(|vector| part.push(vector));
            Part::Exact(part)
        } else {
            let config = &self.config.hnsw;
            Part::Hnsw(HnswIndex::of_vectors(self.dim(), &vectors, config)?)
        };
        Ok(Rebuilt(Self {
            config: self.config.clone(),
            part,
            positions,
            next: self.next,
        }))
    }

    /// Goes on with what `rebuild` made of a clone of this index; what was inserted or removed since
    /// then stays so.
    ///
    /// # Panics
    /// When it was made of an index for vectors of another model.
    pub fn adopt(&mut self, rebuilt: Rebuilt) {
        let Rebuilt(mut new) = rebuilt;
        assert_eq!(new.dim(), self.dim(), "rebuilt from another model's index");
        self.remove_the_gone_from(&mut new);
        for (position, vector) in self.live_from(new.next) {
            new.part.push(vector);
            new.positions.push(position);
        }
        new.next = self.next;
        *self = new;
    }

    /// Both list their positions in rising order, so one pass over both tells who is gone.
    fn remove_the_gone_from(&self, new: &mut Self) {
        let live = self.live_from(0).map(|(position, _)| position);
        let mut live = live.peekable();
        for (place, position) in new.positions.iter().enumerate() {
            while live.next_if(|at| at < position).is_some() {}
            if live.peek() != Some(position) {
                new.part.index_mut().remove(place);
            }
        }
    }

    /// Share of the true ten nearest that the graph found after it was built; 1 while all is exact.
    pub fn recall(&self) -> f64 {
        match &self.part {
            Part::Exact(_) => 1.0,
            Part::Hnsw(part) => part.recall(),
        }
    }

    /// True while every vector is compared.
    pub fn is_exact(&self) -> bool {
        matches!(self.part, Part::Exact(_))
    }

    /// The vector at `position`, unless it was removed.
    pub fn vector(&self, position: usize) -> Option<&[f32]> {
        let place = self.positions.binary_search(&position).ok()?;
        self.part.live(place)
    }

    /// An index from a file that `Rebuilt::save` wrote with the same key and settings; its positions
    /// count from 0. `None` when there is no file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or belongs to other vectors or settings.
    pub fn open(
        path: &Path,
        key: &str,
        dim: usize,
        config: SegmentedConfig,
    ) -> Result<Option<Self>, Error> {
        let part = HnswIndex::open(path, key, dim, &config.hnsw)?;
        Ok(part.map(|part| Self {
            config,
            positions: (0..part.next()).collect(),
            next: part.next(),
            part: Part::Hnsw(part),
        }))
    }

    /// Writes the graph beside `path` and renames. Does nothing, and says false, while all is exact:
    /// that is as quickly made as read.
    fn save(&self, path: &Path, key: &str) -> Result<bool, Error> {
        let Part::Hnsw(part) = &self.part else {
            return Ok(false);
        };
        part.save(path, key, &self.config.hnsw)?;
        Ok(true)
    }

    /// The vectors that can be found from `position` on.
    fn live_from(&self, position: usize) -> impl Iterator<Item = (usize, &[f32])> {
        let first = self.positions.partition_point(|at| *at < position);
        let places = (first..).zip(&self.positions[first..]);
        places.filter_map(|(place, at)| Some((*at, self.part.live(place)?)))
    }
}

impl Rebuilt {
    /// Writes the graph into a file for `Segmented::open`: as if the live vectors had been inserted
    /// into an empty index, in their order. False, and no file, while all is exact.
    ///
    /// `key` says which vectors these are: reading with another key finds nothing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path, key: &str) -> Result<bool, Error> {
        self.0.save(path, key)
    }
}

impl Part {
    fn index(&self) -> &dyn Index {
        match self {
            Self::Exact(part) => part,
            Self::Hnsw(part) => part,
        }
    }

    fn index_mut(&mut self) -> &mut dyn Index {
        match self {
            Self::Exact(part) => part,
            Self::Hnsw(part) => part,
        }
    }

    fn live(&self, place: usize) -> Option<&[f32]> {
        match self {
            Self::Exact(part) => part.live(place),
            Self::Hnsw(part) => part.live(place),
        }
    }

    fn push(&mut self, vector: &[f32]) {
        match self {
            Self::Exact(part) => part.push(vector),
            Self::Hnsw(part) => part.push(vector),
        }
    }
}

impl Index for Segmented {
    fn len(&self) -> usize {
        self.part.index().len()
    }

    fn dim(&self) -> usize {
        self.part.index().dim()
    }

    fn insert(&mut self, embedding: &Embedding) -> Result<usize, Error> {
        let position = self.next;
        check_dim(position, embedding, self.dim())?;
        self.part.push(embedding.as_slice());
        self.positions.push(position);
        self.next += 1;
        Ok(position)
    }

    fn remove(&mut self, position: usize) -> bool {
        let place = self.positions.binary_search(&position);
        place.is_ok_and(|place| self.part.index_mut().remove(place))
    }

    fn search(&self, query: &Embedding, k: usize, keep: &dyn Fn(usize) -> bool) -> Vec<Neighbour> {
        let part = self.part.index();
        // Places rise with positions, so ties go to the smaller position here too.
        let mut found = part.search(query, k, &|place| keep(self.positions[place]));
        for neighbour in &mut found {
            neighbour.position = self.positions[neighbour.position];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::contract::clustered;

    fn config() -> SegmentedConfig {
        SegmentedConfig {
            exact_below: 100,
            ..SegmentedConfig::default()
        }
    }

    #[test]
    fn a_rebuild_is_due_when_it_has_grown_or_changed_enough() {
        let all = clustered(150, 8, 1);
        let mut index = Segmented::new(8, config()).unwrap();
        for (position, embedding) in all[..100].iter().enumerate() {
            assert_eq!(index.due(), None);
            assert_eq!(index.insert(embedding), Ok(position));
        }
        assert_eq!(index.due(), Some(Due::Grown));
        index.adopt(index.clone().rebuild().unwrap());
        assert!(!index.is_exact() && index.due().is_none());
        for embedding in &all[100..112] {
            index.insert(embedding).unwrap();
        }
        assert_eq!(index.due(), Some(Due::Fresh));
        index.adopt(index.clone().rebuild().unwrap());
        assert_eq!(index.due(), None);
        (0..30).for_each(|position| assert!(index.remove(position)));
        assert_eq!(index.due(), Some(Due::Removed));
        index.adopt(index.clone().rebuild().unwrap());
        assert!(index.is_exact() && index.due().is_none());
        assert_eq!(index.len(), 82);
    }

    #[test]
    fn what_came_while_it_was_rebuilt_is_kept() {
        let all = clustered(260, 8, 1);
        let mut index = Segmented::build(8, &all[..200], config()).unwrap();
        index.remove(7);
        let rebuilt = index.clone().rebuild().unwrap();
        index.remove(8);
        index.insert(&all[200]).unwrap();
        let gone = index.insert(&all[201]).unwrap();
        index.remove(gone);
        index.adopt(rebuilt);
        assert_eq!(index.len(), 199);
        assert_eq!(index.search(&all[200], 1, &|_| true)[0].position, 200);
        for position in [7, 8, 201] {
            assert_eq!(index.vector(position), None);
            let found = index.search(&all[position], 300, &|_| true);
            assert!(found.iter().all(|hit| hit.position != position));
        }
        assert_eq!(index.insert(&all[202]), Ok(202));
    }

    #[test]
    fn a_rebuild_that_comes_late_undoes_nothing() {
        let all = clustered(260, 8, 1);
        let mut index = Segmented::build(8, &all[..200], config()).unwrap();
        let late = index.clone().rebuild().unwrap();
        index.remove(3);
        index.insert(&all[200]).unwrap();
        index.adopt(index.clone().rebuild().unwrap());
        index.adopt(late);
        assert_eq!(index.len(), 200);
        assert_eq!(index.vector(3), None);
        assert_eq!(index.vector(200), Some(all[200].as_slice()));
    }

    #[test]
    fn a_saved_index_counts_what_was_live_from_zero() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.index");
        let all = clustered(200, 8, 1);
        let mut index = Segmented::build(8, &all, config()).unwrap();
        index.remove(0);
        let rebuilt = index.rebuild().unwrap();
        assert_eq!(rebuilt.save(&path, "key"), Ok(true));
        let again = Segmented::open(&path, "key", 8, config()).unwrap().unwrap();
        assert_eq!(again.search(&all[1], 1, &|_| true)[0].position, 0);
        assert_eq!(again.len(), 199);
        let few = Segmented::build(8, &all[..9], config()).unwrap();
        assert_eq!(few.rebuild().unwrap().save(&path, "key"), Ok(false));
    }
}
