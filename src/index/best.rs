//! The nearest seen so far, at most `k`.
//!
//! The invariant: what it holds are the first `k` of all that was offered, sorted by falling
//! similarity, then rising position, in whatever order they came.

use super::Neighbour;
use crate::embedding::Similarity;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// The best `k` seen so far; the worst of them on top.
pub(super) struct Best {
    k: usize,
    heap: BinaryHeap<Reverse<Candidate>>,
    threshold: f32,
}

impl Best {
    pub(super) fn new(k: usize) -> Self {
        Self {
            k,
            heap: BinaryHeap::with_capacity(k + 1),
            threshold: if k == 0 {
                f32::INFINITY
            } else {
                f32::NEG_INFINITY
            },
        }
    }

    /// Whether `similarity` is above the worst. Who offers positions in rising order need not offer
    /// others: an equal similarity comes too late.
    pub(super) fn would_take(&self, similarity: f32) -> bool {
        similarity > self.threshold
    }

    /// The same where offers come in any order.
    pub(super) fn may_take(&self, similarity: f32) -> bool {
        similarity >= self.threshold
    }

    pub(super) fn offer(&mut self, position: usize, similarity: f32) {
        if similarity < self.threshold || self.k == 0 {
            return;
        }
        self.heap.push(Reverse(Candidate {
            similarity: Similarity::clamped(similarity),
            position,
        }));
        if self.heap.len() > self.k {
            self.heap.pop();
        }
        if let (true, Some(Reverse(worst))) = (self.heap.len() == self.k, self.heap.peek()) {
            self.threshold = worst.similarity.value();
        }
    }

    pub(super) fn into_neighbours(self) -> Vec<Neighbour> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        let sorted = sorted.map(|Reverse(candidate)| Neighbour {
            position: candidate.position,
            similarity: candidate.similarity,
        });
        sorted.collect()
    }
}

/// Greater is nearer, or as near and earlier.
#[derive(PartialEq, Eq)]
struct Candidate {
    similarity: Similarity,
    position: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity
            .cmp(&other.similarity)
            .then(other.position.cmp(&self.position))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_offers_does_not_matter() {
        let offers = [(3, 0.5), (1, 0.5), (2, 0.9), (0, 0.1), (4, 0.5)];
        let mut backwards = offers;
        backwards.reverse();
        for order in [offers, backwards] {
            let mut best = Best::new(2);
            for (position, similarity) in order {
                best.offer(position, similarity);
            }
            let found = best.into_neighbours();
            assert_eq!(
                found.iter().map(|hit| hit.position).collect::<Vec<_>>(),
                [2, 1]
            );
        }
    }

    #[test]
    fn none_are_kept_when_none_are_wanted() {
        let mut best = Best::new(0);
        best.offer(0, 1.0);
        assert!(best.into_neighbours().is_empty());
    }
}
