//! Exhaustive search over one contiguous array: exact under every filter.
//!
//! A bound from eight-bit copies passes over most vectors; the others are compared in full and
//! offered to a heap of the best `k`. The invariant: the answer is the first `k` of all accepted
//! positions sorted by falling similarity, then rising position.

use super::best::Best;
use super::coarse::{Coarse, CoarseQuery};
use super::{Error, Index, Neighbour, check_dim};
use crate::embedding::{Embedding, dot};

/// Vectors whose bounds are worked out before any of them is compared in full.
const ROWS_AT_ONCE: usize = 64;

/// Vectors in one flat array.
#[derive(Clone, Debug)]
pub struct ExactIndex {
    dim: usize,
    values: Vec<f32>, // [vectors, dim]
    /// The removed have a bound below every similarity, so that a scan passes over them for nothing.
    coarse: Coarse,
    removed: usize,
}

impl ExactIndex {
    /// An empty index for vectors of `dim` components.
    pub fn new(dim: usize) -> Self {
        Self {
            dim,
            values: Vec::new(),
            coarse: Coarse::new(dim),
            removed: 0,
        }
    }

    /// An index of `embeddings`, in their order.
    ///
    /// # Errors
    /// When one has another number of components than `dim`.
    pub fn build<'a>(
        dim: usize,
        embeddings: impl IntoIterator<Item = &'a Embedding>,
    ) -> Result<Self, Error> {
        let mut index = Self::new(dim);
        for embedding in embeddings {
            index.insert(embedding)?;
        }
        Ok(index)
    }

    /// Number of vectors that ever were inserted: the next position.
    pub(super) fn next(&self) -> usize {
        self.coarse.len()
    }

    pub(super) fn push(&mut self, vector: &[f32]) {
        self.values.extend_from_slice(vector);
        self.coarse.push(vector);
    }

    /// The vector at `position`, unless it was removed.
    pub(super) fn live(&self, position: usize) -> Option<&[f32]> {
        let is_live = position < self.next() && !self.coarse.is_hidden(position);
        is_live.then(|| self.vector(position))
    }

    /// Offers what a search would find, each position moved up by `first`.
    pub(super) fn offer_nearest(
        &self,
        query: &[f32],
        keep: &dyn Fn(usize) -> bool,
        first: usize,
        best: &mut Best,
    ) {
        pulp::Arch::new().dispatch(Scan {
            index: self,
            query,
            keep,
            first,
            best,
        });
    }

    /// The vector at `position`, removed or not.
    pub(super) fn vector(&self, position: usize) -> &[f32] {
        &self.values[position * self.dim..][..self.dim]
    }
}

impl Index for ExactIndex {
    fn len(&self) -> usize {
        self.next() - self.removed
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn insert(&mut self, embedding: &Embedding) -> Result<usize, Error> {
        let position = self.next();
        check_dim(position, embedding, self.dim)?;
        self.push(embedding.as_slice());
        Ok(position)
    }

    fn remove(&mut self, position: usize) -> bool {
        let is_live = self.live(position).is_some();
        if is_live {
            self.coarse.hide(position);
            self.removed += 1;
        }
        is_live
    }

    fn search(&self, query: &Embedding, k: usize, keep: &dyn Fn(usize) -> bool) -> Vec<Neighbour> {
        assert_eq!(query.dim(), self.dim, "query of another model");
        let mut best = Best::new(k.min(self.len()));
        self.offer_nearest(query.as_slice(), keep, 0, &mut best);
        best.into_neighbours()
    }
}

/// A pass over all vectors. It is compiled for wide registers too, and runs so where the processor
/// has them: four times as fast. Sums keep their order, so the answer is the same in every bit.
struct Scan<'a> {
    index: &'a ExactIndex,
    query: &'a [f32],
    keep: &'a dyn Fn(usize) -> bool,
    /// Position of the first vector.
    first: usize,
    best: &'a mut Best,
}

impl pulp::WithSimd for Scan<'_> {
    type Output = ();

    /// Inlined with all that it calls: only then is it compiled for the registers at hand. A
    /// closure in its place is not.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let coarse = CoarseQuery::new(self.query);
        let mut bounds = [0.0; ROWS_AT_ONCE];
        let count = self.index.next();
        for first in (0..count).step_by(ROWS_AT_ONCE) {
            let bounds = &mut bounds[..ROWS_AT_ONCE.min(count - first)];
            self.index.coarse.upper_bounds(&coarse, first, bounds);
            for (position, bound) in (first..).zip(bounds) {
                // A filter that admits few is cheaper to ask than a vector is to compare.
                if self.best.would_take(*bound) && (self.keep)(self.first + position) {
                    let similarity = dot(self.query, self.index.vector(position));
                    self.best.offer(self.first + position, similarity);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use std::cmp::Reverse;

    fn embeddings(count: usize, dim: usize) -> Vec<Embedding> {
        let mut random = Random::new(7);
        (0..count)
            .map(|_| {
                let values = (0..dim).map(|_| random.signed() as f32).collect();
                Embedding::normalised(values).unwrap()
            })
            .collect()
    }

    fn sorted(
        all: &[Embedding],
        query: &Embedding,
        k: usize,
        keep: impl Fn(usize) -> bool,
    ) -> Vec<Neighbour> {
        let mut neighbours: Vec<Neighbour> = all
            .iter()
            .enumerate()
            .filter(|(position, _)| keep(*position))
            .map(|(position, embedding)| Neighbour {
                position,
                similarity: query.similarity(embedding),
            })
            .collect();
        neighbours.sort_by_key(|neighbour| (Reverse(neighbour.similarity), neighbour.position));
        neighbours.truncate(k);
        neighbours
    }

    #[test]
    fn search_equals_sorting_under_every_filter() {
        let all = embeddings(500, 24);
        let index = ExactIndex::build(24, &all).unwrap();
        for query in embeddings(5, 24).iter().chain(&all[..3]) {
            for k in [0, 1, 7, 600] {
                assert_eq!(
                    index.search(query, k, &|_| true),
                    sorted(&all, query, k, |_| true)
                );
                let rare = |position: usize| position % 97 == 5;
                assert_eq!(index.search(query, k, &rare), sorted(&all, query, k, rare));
            }
        }
    }

    #[test]
    fn ties_go_to_the_smaller_position() {
        let one = Embedding::normalised(vec![1.0, 2.0, 3.0]).unwrap();
        let index = ExactIndex::build(3, [&one, &one, &one]).unwrap();
        let positions: Vec<usize> = index
            .search(&one, 2, &|position| position != 0)
            .iter()
            .map(|neighbour| neighbour.position)
            .collect();
        assert_eq!(positions, [1, 2]);
    }

    #[test]
    fn an_empty_index_answers_nothing() {
        let one = Embedding::normalised(vec![1.0]).unwrap();
        assert!(ExactIndex::new(1).search(&one, 5, &|_| true).is_empty());
    }

    #[test]
    fn a_vector_of_another_dim_is_refused_by_position() {
        let mut index = ExactIndex::new(2);
        let three = Embedding::normalised(vec![1.0; 3]).unwrap();
        assert_eq!(
            index.insert(&three),
            Err(Error::Dim {
                position: 0,
                found: 3,
                expected: 2
            })
        );
    }
}
