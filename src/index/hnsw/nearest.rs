//! Answers over a frozen graph: by a walk where that is cheaper, by a scan where it is not.
//!
//! The invariant: never fewer than `k` while `k` are accepted. A walk that ends with fewer, or costs
//! more than a scan would, is thrown away for the scan.

use super::graph::Graph;
use super::walk::Walk;
use crate::embedding::dot;
use crate::index::best::Best;
use crate::index::coarse::CoarseQuery;
use crate::random::Random;

/// Positions that are asked to see how many a filter accepts.
const SAMPLE: usize = 128;
/// Vectors that a walk compares for each that it keeps.
const COMPARED_PER_KEPT: f64 = 16.0;
/// What things cost, in nanoseconds for vectors of one to four hundred components: only their
/// ratios matter. A vector that a walk compares has to come from memory first.
pub(super) const WALK_COST: f64 = 80.0;
const BOUND_COST: f64 = 8.0;
/// Of one accepted vector among many that are passed over: it has to come from memory too.
const COMPARE_COST: f64 = 200.0;
const ASK_COST: f64 = 2.0;
/// Vectors whose bounds are worked out at once.
const ROWS_AT_ONCE: usize = 64;

/// What is asked of a graph.
pub(super) struct Question<'a> {
    pub(super) query: &'a [f32],
    pub(super) k: usize,
    pub(super) ef: usize,
    pub(super) accepts: &'a dyn Fn(usize) -> bool,
    pub(super) walk_cost: f64,
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
        let share = self.share_accepted(question.accepts);
        let scan_cost = self.members.len() as f64 * cost_of_scanning(share);
        let expected = question.ef as f64 / share * COMPARED_PER_KEPT * question.walk_cost;
        if expected > scan_cost {
            return false;
        }
        let walk = Walk {
            graph: self,
            query: question.query,
            ef: question.ef,
            accepts: &|node| self.members.of(node).any(question.accepts),
            budget: (scan_cost / question.walk_cost) as usize,
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

    /// The share of positions that are accepted, by a sample without a pattern: positions at even
    /// steps would see eight times too many of those that a filter accepts at even steps.
    fn share_accepted(&self, accepts: &dyn Fn(usize) -> bool) -> f64 {
        let count = self.members.len();
        if count == 0 {
            return 0.0;
        }
        let mut random = Random::new(0);
        let accepted = (0..SAMPLE).filter(|_| accepts(random.below(count)));
        accepted.count() as f64 / SAMPLE as f64
    }

    /// Compares every accepted vector that may be among the best.
    pub(super) fn scan(&self, question: &Question<'_>, best: &mut Best) {
        pulp::Arch::new().dispatch(Scan {
            graph: self,
            question,
            asks_first: asks_first(self.share_accepted(question.accepts)),
            best,
        });
    }
}

/// Whether few enough are accepted that asking costs less than bounds for all.
fn asks_first(share: f64) -> bool {
    ASK_COST + share * COMPARE_COST < BOUND_COST
}

fn cost_of_scanning(share: f64) -> f64 {
    if asks_first(share) {
        ASK_COST + share * COMPARE_COST
    } else {
        BOUND_COST
    }
}

struct Scan<'a> {
    graph: &'a Graph,
    question: &'a Question<'a>,
    asks_first: bool,
    best: &'a mut Best,
}

impl pulp::WithSimd for Scan<'_> {
    type Output = ();

    /// Inlined with all arithmetic that it calls, as in the exact index.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(mut self, _: S) {
        let coarse = CoarseQuery::new(self.question.query);
        if self.asks_first {
            for (position, node) in self.graph.members.node_of.iter().enumerate() {
                if (self.question.accepts)(position) {
                    self.compare(&coarse, position, *node as usize);
                }
            }
            return;
        }
        let mut bounds = [0.0; ROWS_AT_ONCE];
        let count = self.graph.rows.len();
        for first in (0..count).step_by(ROWS_AT_ONCE) {
            let bounds = &mut bounds[..ROWS_AT_ONCE.min(count - first)];
            self.graph.coarse.upper_bounds(&coarse, first, bounds);
            for (node, bound) in (first..).zip(bounds) {
                if self.best.may_take(*bound) {
                    self.offer(node);
                }
            }
        }
    }
}

impl Scan<'_> {
    /// In eight bits first: most vectors then need not come from memory in full.
    #[inline(always)]
    fn compare(&mut self, coarse: &CoarseQuery, position: usize, node: usize) {
        let mut bound = [0.0];
        self.graph.coarse.upper_bounds(coarse, node, &mut bound);
        if self.best.may_take(bound[0]) {
            self.best.offer(position, self.similarity(node));
        }
    }

    #[inline(always)]
    fn similarity(&self, node: usize) -> f32 {
        dot(self.question.query, self.graph.rows.vector(node))
    }

    /// Nodes are in no order of positions, so every member counts, up to `k`.
    #[inline(always)]
    fn offer(&mut self, node: usize) {
        let members = self.graph.members.of(node as u32);
        let accepted = members.filter(|position| (self.question.accepts)(*position));
        let mut accepted = accepted.take(self.question.k).peekable();
        if accepted.peek().is_none() {
            return;
        }
        let similarity = self.similarity(node);
        for position in accepted {
            self.best.offer(position, similarity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::hnsw::graph::Members;
    use crate::index::hnsw::rows::Rows;

    #[test]
    fn a_filter_at_even_steps_is_not_taken_for_a_wide_one() {
        let mut rows = Rows::with_capacity(1, 1);
        rows.push(&[1.0]);
        let graph = Graph::new(rows, Members::new(vec![0; 100_000], 1), Vec::new());
        let share = graph.share_accepted(&|position| position.is_multiple_of(100));
        assert!(share < 0.05, "{share}");
    }
}
