//! Judges settings of a fit without looking at what the evaluation asks.
//!
//! Test families and held-out members are taken out of the data first. What is left is split again,
//! several times, by the same rules under other seeds: the settings are judged on families that
//! each fit has not seen. The invariant: no query of the evaluation is a query, a candidate or a
//! training example here.

use super::{Config, Error, fit};
use crate::eval::Labelled;
use crate::eval::baselines::Vectors;
use crate::eval::protocol::{self, Queries, estimate, evaluate};
use crate::eval::{data_hash, split};
use std::collections::BTreeMap;

/// Families held out in each validation fold: more than in the test, since there are several folds.
const HELD_OUT: f64 = 0.25;

/// Fits and judges `config` on `folds` splits of the training data of `protocol`: metrics by name,
/// means over the folds.
///
/// # Errors
/// When there is too little to learn from.
pub fn validate(
    entries: &[Labelled],
    protocol: &protocol::Config,
    folds: u64,
    config: &Config,
) -> Result<BTreeMap<String, f64>, Error> {
    let entries: Vec<Labelled> = split::training(entries, protocol)
        .into_iter()
        .cloned()
        .collect();
    let mut metrics = BTreeMap::new();
    for fold in 1..=folds {
        let inner = inner(protocol, fold);
        let training = split::training(&entries, &inner);
        let encoder = fit("validation", &training, data_hash(&entries), config)?;
        let ranker = Vectors::encoded(&entries, &encoder)?;
        let outcome = evaluate(&entries, &ranker, &Queries::HeldOutFamilies, &inner);
        let names = outcome.queries.first().map(|query| query.metrics.keys());
        for name in names.into_iter().flatten() {
            let mean = estimate(&outcome, name, &inner).map_or(0.0, |estimate| estimate.mean);
            *metrics.entry(name.clone()).or_insert(0.0) += mean / folds as f64;
        }
    }
    Ok(metrics)
}

/// The rules of one validation fold within the training data of `protocol`.
pub(super) fn inner(protocol: &protocol::Config, fold: u64) -> protocol::Config {
    protocol::Config {
        seed: protocol.seed + fold,
        held_out: HELD_OUT,
        held_out_members: 0.0,
        resamplings: 0,
        ..protocol.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::zoo;
    use crate::model::hashing;

    #[test]
    fn validation_never_looks_at_what_the_evaluation_asks() {
        let mut entries = zoo(24, 6);
        let split = protocol::Config {
            held_out: 0.3,
            ..protocol::Config::default()
        };
        let config = Config {
            dim: 16,
            hashing: hashing::Config {
                dim: 64,
                ..hashing::Config::default()
            },
            ..Config::default()
        };
        let before = validate(&entries, &split, 2, &config).unwrap();
        assert!(before["map@20"] > 0.3);
        entries.retain(|entry| !split::is_held_out(&entry.family, &split));
        assert_eq!(validate(&entries, &split, 2, &config).unwrap(), before);
    }
}
