//! Answers over a frozen graph: by a walk where that is cheaper, by a scan where it is not.
//!
//! The invariant: never fewer than `k` while `k` are accepted. A walk that ends with fewer, or costs
//! more than a scan would, is thrown away for the scan.

use super::graph::Graph;
use super::walk::Walk;
use crate::embedding::dot;
use crate::index::best::Best;

/// Positions that are asked to see how many a filter accepts.
const SAMPLE: usize = 128;
/// What a vector costs that a walk compares, in vectors that a scan compares: it waits for memory.
const WALK_COST: f64 = 2.5;
/// Vectors that a walk compares for each that it keeps.
const COMPARED_PER_KEPT: f64 = 12.0;
/// What it costs a scan to ask a filter, in vectors that it compares.
const ASK_COST: f64 = 0.15;

/// What is asked of a graph.
pub(super) struct Question<'a> {
    pub(super) query: &'a [f32],
    pub(super) k: usize,
    pub(super) ef: usize,
    pub(super) accepts: &'a dyn Fn(usize) -> bool,
}

impl Graph {
    /// Offers the nearest accepted positions to `best`.
    pub(super) fn offer_nearest(&self, question: &Question<'_>, best: &mut Best) {
        if !self.walk(question, best) {
            self.scan(question, best);
        }
    }

    /// False, with nothing offered, when it is or becomes too dear or finds too few.
    fn walk(&self, question: &Question<'_>, best: &mut Best) -> bool {
        let count = self.members.len() as f64;
        let share = self.share_accepted(question.accepts);
        let scan_cost = count * (ASK_COST + share);
        let expected = question.ef as f64 / share * COMPARED_PER_KEPT * WALK_COST;
        if expected > scan_cost {
            return false;
        }
        let walk = Walk {
            graph: self,
            query: question.query,
            ef: question.ef,
            accepts: &|node| self.members.of(node).any(question.accepts),
            budget: (scan_cost / WALK_COST) as usize,
        };
        let found = walk.run().unwrap_or_default();
        let mut offers = Vec::with_capacity(found.len());
        for node in found {
            let similarity = dot(question.query, self.rows.vector(node as usize));
            let accepted = self.members.of(node).filter(|at| (question.accepts)(*at));
            offers.extend(accepted.take(question.k).map(|at| (at, similarity)));
        }
        if offers.len() < question.k {
            return false;
        }
        for (position, similarity) in offers {
            best.offer(position, similarity);
        }
        true
    }

    /// The share of positions that are accepted, by a sample.
    fn share_accepted(&self, accepts: &dyn Fn(usize) -> bool) -> f64 {
        let count = self.members.len();
        let asked = count.min(SAMPLE);
        let accepted = (0..asked).filter(|place| accepts(place * count / asked));
        accepted.count() as f64 / asked as f64
    }

    /// Asks before it compares: worth it since few are accepted, or the walk would have served.
    pub(super) fn scan(&self, question: &Question<'_>, best: &mut Best) {
        pulp::Arch::new().dispatch(Scan {
            graph: self,
            question,
            best,
        });
    }
}

struct Scan<'a> {
    graph: &'a Graph,
    question: &'a Question<'a>,
    best: &'a mut Best,
}

impl pulp::WithSimd for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        for (position, node) in self.graph.members.node_of.iter().enumerate() {
            if (self.question.accepts)(position) {
                let vector = self.graph.rows.vector(*node as usize);
                self.best.offer(position, dot(self.question.query, vector));
            }
        }
    }
}
