//! Who is asked, among whom, and what counts: the rules of the comparison.
//!
//! Queries are architectures that no fit has seen: members of held-out families, and held-out
//! members of the others. Candidates are all entries but those with the
//! query's own exact digest. Queries without a relevant candidate are left out and counted.

use super::Labelled;
use super::metrics::{Grade, RELEVANT, average_precision, ndcg, recall, reciprocal_rank};
use crate::random::{self, Random};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The rules that may be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Seed of the family split.
    pub seed: u64,
    /// Share of families that are never trained on.
    pub held_out: f64,
    /// Share of every other family's members that are never trained on.
    pub held_out_members: f64,
    /// Ranks at which metrics are cut.
    pub cuts: Vec<usize>,
    /// Resamplings of the families for intervals.
    pub resamplings: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            held_out: 0.15,
            held_out_members: 0.2,
            cuts: vec![20, 50, 100],
            resamplings: 1_000,
        }
    }
}

/// Whether a family is held out. Depends on its name and the seed alone, so that a growing corpus
/// never moves a family from one side to the other.
pub fn is_held_out(family: &str, config: &Config) -> bool {
    let bits = random::sequence(config.seed, [random::text(family)]);
    Random::new(bits).unit() < config.held_out
}

/// Whether no fit may see `entry`: its family is held out, or it is one of the held-out members of
/// its family. Depends on names and the seed alone, as [`is_held_out`].
fn is_unseen(entry: &Labelled, config: &Config) -> bool {
    let bits = random::sequence(config.seed, [1, random::text(&entry.id)]);
    is_held_out(&entry.family, config) || Random::new(bits).unit() < config.held_out_members
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queries {
    /// Every member of a held-out family: designs of a kind that no fit has seen.
    HeldOutFamilies,
    /// Those, and the held-out members of the other families.
    HeldOutArchitectures,
}

impl Queries {
    /// Every set of queries.
    pub const ALL: [Self; 2] = [Self::HeldOutFamilies, Self::HeldOutArchitectures];

    fn asks(self, entry: &Labelled, config: &Config) -> bool {
        match self {
            Self::HeldOutFamilies => is_held_out(&entry.family, config),
            Self::HeldOutArchitectures => is_unseen(entry, config),
        }
    }
}

/// How relevant `candidate` is to `query`.
pub fn grade(query: &Labelled, candidate: &Labelled) -> Grade {
    let same_family = query.family == candidate.family;
    if same_family && query.coarse_digest == candidate.coarse_digest {
        3
    } else if same_family {
        2
    } else {
        u8::from(query.coarse_family == candidate.coarse_family)
    }
}

/// Something that scores every entry against one of them; higher is nearer.
pub trait Ranker: Sync {
    /// One score for each entry, in their order.
    fn scores(&self, query: usize) -> Vec<f32>;
}

/// What one query earned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryResult {
    /// Id of the query.
    pub id: String,
    /// Its family: the unit of resampling.
    pub family: String,
    /// Metrics by name, such as `map@20`.
    pub metrics: BTreeMap<String, f64>,
}

/// Results of one ranker.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// One for each query that has a relevant candidate.
    pub queries: Vec<QueryResult>,
    /// Queries left out because nothing relevant could be found.
    pub unanswerable: usize,
}

/// Asks every entry that `queries` names.
pub fn evaluate(
    entries: &[Labelled],
    ranker: &dyn Ranker,
    queries: Queries,
    config: &Config,
) -> Outcome {
    let asked: Vec<usize> = (0..entries.len())
        .filter(|query| queries.asks(&entries[*query], config))
        .collect();
    let results: Vec<Option<QueryResult>> = asked
        .par_iter()
        .map(|query| ask(entries, *query, &ranker.scores(*query), config))
        .collect();
    let unanswerable = results.iter().filter(|result| result.is_none()).count();
    Outcome {
        queries: results.into_iter().flatten().collect(),
        unanswerable,
    }
}

fn ask(entries: &[Labelled], query: usize, scores: &[f32], config: &Config) -> Option<QueryResult> {
    let asked = &entries[query];
    let mut candidates: Vec<usize> = (0..entries.len())
        .filter(|candidate| entries[*candidate].digest != asked.digest)
        .collect();
    // Ties are broken by a hash of query and candidate, since corpus order follows families.
    let tie = |candidate: usize| random::sequence(0, [query as u64, candidate as u64]);
    candidates.sort_by(|a, b| {
        scores[*b]
            .total_cmp(&scores[*a])
            .then_with(|| tie(*a).cmp(&tie(*b)))
    });
    let grades: Vec<Grade> = candidates
        .iter()
        .map(|candidate| grade(asked, &entries[*candidate]))
        .collect();
    if grades.iter().all(|grade| *grade < RELEVANT) {
        return None;
    }
    Some(QueryResult {
        id: asked.id.clone(),
        family: asked.family.clone(),
        metrics: metrics(&grades, config),
    })
}

fn metrics(grades: &[Grade], config: &Config) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    for &k in &config.cuts {
        metrics.insert(format!("mrr@{k}"), reciprocal_rank(grades, k));
        metrics.insert(format!("map@{k}"), average_precision(grades, k));
        metrics.insert(format!("ndcg@{k}"), ndcg(grades, k));
        metrics.insert(format!("recall@{k}"), recall(grades, k));
    }
    metrics
}

/// A mean with its 95 % bootstrap interval over families.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Mean over queries.
    pub mean: f64,
    /// 2.5 % quantile of the resampled means.
    pub low: f64,
    /// 97.5 % quantile of the resampled means.
    pub high: f64,
}

/// Mean of a metric over queries, with its interval.
pub fn estimate(outcome: &Outcome, metric: &str, config: &Config) -> Option<Estimate> {
    let values = outcome
        .queries
        .iter()
        .filter_map(|query| Some((query.family.as_str(), *query.metrics.get(metric)?)));
    bootstrap(values, config)
}

/// Mean of `ours - theirs` over the queries both answered, with its interval: a paired test.
pub fn difference(
    ours: &Outcome,
    theirs: &Outcome,
    metric: &str,
    config: &Config,
) -> Option<Estimate> {
    let theirs: BTreeMap<&str, f64> = theirs
        .queries
        .iter()
        .filter_map(|query| Some((query.id.as_str(), *query.metrics.get(metric)?)))
        .collect();
    let values = ours.queries.iter().filter_map(|query| {
        let their = theirs.get(query.id.as_str())?;
        Some((query.family.as_str(), query.metrics.get(metric)? - their))
    });
    bootstrap(values, config)
}

fn bootstrap<'a>(
    values: impl Iterator<Item = (&'a str, f64)>,
    config: &Config,
) -> Option<Estimate> {
    let mut families: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (family, value) in values {
        let (sum, count) = families.entry(family).or_default();
        *sum += value;
        *count += 1;
    }
    let families: Vec<(f64, usize)> = families.into_values().collect();
    let mean = mean_of(families.iter())?;
    let mut random = Random::new(config.seed);
    let mut means: Vec<f64> = (0..config.resamplings)
        .filter_map(|_| {
            let drawn: Vec<usize> = (0..families.len())
                .map(|_| random.below(families.len()))
                .collect();
            mean_of(drawn.iter().map(|family| &families[*family]))
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let last = means.len().saturating_sub(1) as f64;
        means.get((share * last).round() as usize).copied()
    };
    Some(Estimate {
        mean,
        low: quantile(0.025).unwrap_or(mean),
        high: quantile(0.975).unwrap_or(mean),
    })
}

fn mean_of<'a>(families: impl Iterator<Item = &'a (f64, usize)>) -> Option<f64> {
    let (sum, count) = families.fold((0.0, 0), |(sum, count), family| {
        (sum + family.0, count + family.1)
    });
    (count > 0).then(|| sum / count as f64)
}

/// Entries that a fit may look at, each design once and none that is asked about.
pub fn training<'a>(entries: &'a [Labelled], config: &Config) -> Vec<&'a Labelled> {
    let unseen = |entry: &&Labelled| is_unseen(entry, config);
    let mut seen: BTreeSet<_> = entries
        .iter()
        .filter(unseen)
        .map(|entry| entry.digest)
        .collect();
    let mut kept: Vec<&Labelled> = entries.iter().filter(|entry| !unseen(entry)).collect();
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    kept.retain(|entry| seen.insert(entry.digest));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::zoo;

    struct Perfect(Vec<Labelled>);

    impl Ranker for Perfect {
        fn scores(&self, query: usize) -> Vec<f32> {
            let grades = self.0.iter().map(|entry| grade(&self.0[query], entry));
            grades.map(f32::from).collect()
        }
    }

    fn half() -> Config {
        Config {
            held_out: 0.5,
            ..Config::default()
        }
    }

    #[test]
    fn a_perfect_ranking_earns_one_everywhere() {
        let entries = zoo(8, 5);
        let outcome = evaluate(
            &entries,
            &Perfect(entries.clone()),
            Queries::HeldOutFamilies,
            &half(),
        );
        assert!(!outcome.queries.is_empty());
        for metric in ["mrr@20", "map@20", "ndcg@20", "recall@20"] {
            let estimate = estimate(&outcome, metric, &half()).unwrap();
            assert_eq!((estimate.mean, estimate.low), (1.0, 1.0), "{metric}");
        }
        let gap = difference(&outcome, &outcome, "map@20", &half()).unwrap();
        assert_eq!((gap.low, gap.high), (0.0, 0.0));
    }

    #[test]
    fn duplicates_of_the_query_earn_nothing() {
        let mut entries = zoo(8, 2);
        for pair in entries.chunks_exact_mut(2) {
            pair[1].digest = pair[0].digest;
        }
        let outcome = evaluate(
            &entries,
            &Perfect(entries.clone()),
            Queries::HeldOutFamilies,
            &half(),
        );
        assert!(outcome.queries.is_empty());
        assert!(outcome.unanswerable > 0);
    }

    #[test]
    fn training_sees_nothing_that_is_asked_and_no_design_twice() {
        let mut entries = zoo(8, 5);
        entries[1].digest = entries[0].digest;
        let kept = training(&entries, &half());
        assert!(!kept.is_empty());
        for queries in Queries::ALL {
            assert!(kept.iter().all(|entry| !queries.asks(entry, &half())));
        }
        let digests: BTreeSet<_> = kept.iter().map(|entry| entry.digest).collect();
        assert_eq!(digests.len(), kept.len());
    }

    #[test]
    fn about_the_stated_share_is_held_out() {
        let config = Config::default();
        let held_out = (0..2_000)
            .filter(|family| is_held_out(&format!("family {family}"), &config))
            .count();
        assert!((240..360).contains(&held_out), "{held_out}");
    }
}
