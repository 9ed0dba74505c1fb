//! The same model from other exporters: does its own trace come first?

use super::Labelled;
use super::protocol::{Outcome, QueryResult, Ranker, collected, ranked};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Asks every export for its own trace. `exports` holds the place of each export and of the trace
/// of the same module in the ranker's entries; `candidates` are the places that compete, the traces
/// among them. Metrics: recall at 1 and 10, which is whether the trace is found, and MRR.
pub fn evaluate(
    entries: &[Labelled],
    exports: &[(usize, usize)],
    candidates: &[usize],
    ranker: &dyn Ranker,
) -> Outcome {
    let results = exports.par_iter().map(|(export, trace)| {
        let order = ranked(*export, ranker, candidates);
        let rank = order.iter().position(|candidate| candidate == trace)?;
        let within = |k: usize| f64::from(u8::from(rank < k));
        Some(QueryResult {
            id: entries[*export].id.clone(),
            family: entries[*trace].id.clone(),
            kind: entries[*export].kind,
            metrics: BTreeMap::from([
                ("recall@1".to_owned(), within(1)),
                ("recall@10".to_owned(), within(10)),
                ("mrr".to_owned(), 1.0 / (rank + 1) as f64),
            ]),
        })
    });
    collected(results.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::{Fixed, zoo};

    #[test]
    fn a_stranger_before_the_trace_costs() {
        let entries = zoo(1, 4);
        let found = |scores: [f32; 4]| {
            let ranker = Fixed(scores.to_vec());
            let outcome = evaluate(&entries, &[(0, 1)], &[1, 2, 3], &ranker);
            let metrics = &outcome.queries[0].metrics;
            (metrics["recall@1"], metrics["mrr"])
        };
        assert_eq!(found([1.0, 0.9, 0.8, 0.7]), (1.0, 1.0));
        assert_eq!(found([1.0, 0.5, 0.8, 0.7]), (0.0, 1.0 / 3.0));
    }
}
