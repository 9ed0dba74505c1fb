//! Who is asked, among whom, and what counts: the rules of the comparison.
//!
//! Queries are architectures that no fit has seen: members of held-out families, held-out members
//! of the others, or everything of a held-out package. Candidates are all entries but those with
//! the query's own exact digest. Queries without a relevant candidate are left out and counted.

use super::Labelled;
use super::metrics::{Grade, RELEVANT, average_precision, ndcg, recall, reciprocal_rank};
use super::split;
use crate::corpus::Kind;
use crate::random::{self, Random};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

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
    /// Packages each of which is held out in a turn of its own.
    pub held_out_packages: Vec<String>,
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
            held_out_packages: ["keras", "mmpretrain", "pytorchcv", "torchvision"]
                .map(String::from)
                .to_vec(),
            cuts: vec![20, 50, 100],
            resamplings: 1_000,
        }
    }
}

/// Who is asked, and among whom.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queries {
    /// Every member of a held-out family: designs of a kind that no fit has seen.
    HeldOutFamilies,
    /// Those, and the held-out members of the other families.
    HeldOutArchitectures,
    /// The members of held-out families, judged by the packages' own modules in place of the
    /// curated families: what the curation changes.
    HeldOutFamiliesByModule,
    /// Every entry of one package, among the entries of all others.
    HeldOutPackage(String),
}

impl fmt::Display for Queries {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeldOutFamilies => to.write_str("Held-out families"),
            Self::HeldOutArchitectures => to.write_str("All held-out architectures"),
            Self::HeldOutFamiliesByModule => {
                to.write_str("Held-out families, judged by the packages' own modules")
            }
            Self::HeldOutPackage(package) => write!(to, "Held-out package: {package}"),
        }
    }
}

impl Queries {
    /// Whether `entry` is a query.
    pub fn asks(&self, entry: &Labelled, config: &Config) -> bool {
        match self {
            Self::HeldOutFamilies | Self::HeldOutFamiliesByModule => {
                split::is_held_out(&entry.family, config)
            }
            Self::HeldOutArchitectures => split::is_unseen(entry, config),
            Self::HeldOutPackage(package) => entry.package == *package,
        }
    }

    /// Whether `entry` is a candidate.
    pub fn admits(&self, entry: &Labelled) -> bool {
        match self {
            Self::HeldOutPackage(package) => entry.package != *package,
            _ => true,
        }
    }

    /// How relevant `candidate` is to `query`: 3 the same but for widths, 2 the same family, 1 the
    /// same coarse family.
    pub fn grade(&self, query: &Labelled, candidate: &Labelled) -> Grade {
        let is_kin = match self {
            Self::HeldOutFamiliesByModule => {
                (&query.package, &query.module) == (&candidate.package, &candidate.module)
            }
            _ => query.family == candidate.family,
        };
        if is_kin && query.coarse_digest == candidate.coarse_digest {
            3
        } else if is_kin {
            2
        } else {
            u8::from(query.coarse_family == candidate.coarse_family)
        }
    }
}

/// Something that scores entries against one of them; higher is nearer.
pub trait Ranker: Send + Sync {
    /// One score for each of `candidates`, in their order. Entries are named by their places.
    fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32>;
}

/// What one query earned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryResult {
    /// Id of the query.
    pub id: String,
    /// Its family: the unit of resampling.
    pub family: String,
    /// Whether somebody published it.
    pub kind: Kind,
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

impl Outcome {
    /// The results of queries of one kind.
    pub fn of_kind(&self, kind: Kind) -> Self {
        let queries = self.queries.iter().filter(|query| query.kind == kind);
        Self {
            queries: queries.cloned().collect(),
            unanswerable: 0,
        }
    }
}

/// Asks every entry that `queries` names.
pub fn evaluate(
    entries: &[Labelled],
    ranker: &dyn Ranker,
    queries: &Queries,
    config: &Config,
) -> Outcome {
    let asked: Vec<usize> = (0..entries.len())
        .filter(|query| queries.asks(&entries[*query], config))
        .collect();
    let admitted: Vec<usize> = (0..entries.len())
        .filter(|candidate| queries.admits(&entries[*candidate]))
        .collect();
    let results: Vec<Option<QueryResult>> = asked
        .par_iter()
        .map(|query| {
            let asked = &entries[*query];
            let is_stranger = |other: &usize| entries[*other].digest != asked.digest;
            let strangers: Vec<usize> = admitted.iter().copied().filter(is_stranger).collect();
            let grades: Vec<Grade> = ranked(*query, ranker, &strangers)
                .into_iter()
                .map(|candidate| queries.grade(asked, &entries[candidate]))
                .collect();
            judged(asked, &grades, config)
        })
        .collect();
    collected(results)
}

/// Results with and without an answer.
pub(super) fn collected(results: Vec<Option<QueryResult>>) -> Outcome {
    Outcome {
        unanswerable: results.iter().filter(|result| result.is_none()).count(),
        queries: results.into_iter().flatten().collect(),
    }
}

/// Rank correlation of pairs, ties sharing their mean rank; none when one side is all alike.
pub(super) fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let ours = centred_ranks(pairs.iter().map(|pair| pair.0).collect());
    let theirs = centred_ranks(pairs.iter().map(|pair| pair.1).collect());
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let scale = (product(&ours, &ours) * product(&theirs, &theirs)).sqrt();
    (scale > 0.0).then(|| product(&ours, &theirs) / scale)
}

/// Rank of each value less the mean of all ranks.
fn centred_ranks(values: Vec<f64>) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mean = (values.len() as f64 - 1.0) / 2.0;
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for alike in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = first as f64 + (alike.len() as f64 - 1.0) / 2.0;
        for place in alike {
            ranks[*place] = rank - mean;
        }
        first += alike.len();
    }
    ranks
}

/// Candidates in the order of their scores. Ties are broken by a hash of query and candidate, since
/// corpus order follows families.
pub(super) fn ranked(query: usize, ranker: &dyn Ranker, candidates: &[usize]) -> Vec<usize> {
    let scores = ranker.scores(query, candidates);
    let tie = |candidate: usize| random::sequence(0, [query as u64, candidate as u64]);
    let mut scored: Vec<(f32, usize)> =
        scores.into_iter().zip(candidates.iter().copied()).collect();
    scored.sort_unstable_by(|(one, a), (other, b)| {
        let order = other.total_cmp(one);
        order.then_with(|| tie(*a).cmp(&tie(*b)))
    });
    scored.into_iter().map(|(_, candidate)| candidate).collect()
}

/// What a ranking earns; nothing when no candidate is relevant.
pub(super) fn judged(asked: &Labelled, grades: &[Grade], config: &Config) -> Option<QueryResult> {
    let answerable = grades.iter().any(|grade| *grade >= RELEVANT);
    answerable.then(|| QueryResult {
        id: asked.id.clone(),
        family: asked.family.clone(),
        kind: asked.kind,
        metrics: metrics(grades, config),
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

/// What one ranker gains over another, paired: a mean with its interval and whether it is sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// The gain, with its interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Twice the share of resampled means on the rarer side of zero: the p of a two-sided test that
    /// there is no gain. Never below two over the number of resamplings.
    pub p: f64,
}

/// Mean of a metric over queries, with its interval.
pub fn estimate(outcome: &Outcome, metric: &str, config: &Config) -> Option<Estimate> {
    let values = outcome
        .queries
        .iter()
        .filter_map(|query| Some((query.family.as_str(), *query.metrics.get(metric)?)));
    Some(Resampled::new(values, config)?.estimate())
}

/// Mean of `ours - theirs` over the queries both answered, with its interval: a paired test.
pub fn difference(ours: &Outcome, theirs: &Outcome, metric: &str, config: &Config) -> Option<Gain> {
    let theirs: BTreeMap<&str, f64> = theirs
        .queries
        .iter()
        .filter_map(|query| Some((query.id.as_str(), *query.metrics.get(metric)?)))
        .collect();
    let values = ours.queries.iter().filter_map(|query| {
        let their = theirs.get(query.id.as_str())?;
        Some((query.family.as_str(), query.metrics.get(metric)? - their))
    });
    let resampled = Resampled::new(values, config)?;
    Some(Gain {
        estimate: resampled.estimate(),
        p: resampled.p(),
    })
}

/// A mean, and the means over families that were drawn with replacement, ascending.
struct Resampled {
    mean: f64,
    means: Vec<f64>,
}

impl Resampled {
    fn new<'a>(values: impl Iterator<Item = (&'a str, f64)>, config: &Config) -> Option<Self> {
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
        Some(Self { mean, means })
    }

    fn estimate(&self) -> Estimate {
        let quantile = |share: f64| {
            let last = self.means.len().saturating_sub(1) as f64;
            self.means.get((share * last).round() as usize).copied()
        };
        Estimate {
            mean: self.mean,
            low: quantile(0.025).unwrap_or(self.mean),
            high: quantile(0.975).unwrap_or(self.mean),
        }
    }

    fn p(&self) -> f64 {
        let count =
            |is_there: fn(&f64) -> bool| self.means.iter().filter(|mean| is_there(mean)).count();
        let rarer = count(|mean| *mean <= 0.0).min(count(|mean| *mean >= 0.0));
        (2.0 * rarer.max(1) as f64 / self.means.len().max(1) as f64).min(1.0)
    }
}

fn mean_of<'a>(families: impl Iterator<Item = &'a (f64, usize)>) -> Option<f64> {
    let (sum, count) = families.fold((0.0, 0), |(sum, count), family| {
        (sum + family.0, count + family.1)
    });
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::zoo;

    struct Perfect(Vec<Labelled>);

    impl Ranker for Perfect {
        fn scores(&self, query: usize, candidates: &[usize]) -> Vec<f32> {
            let grades = candidates
                .iter()
                .map(|at| Queries::HeldOutFamilies.grade(&self.0[query], &self.0[*at]));
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
            &Queries::HeldOutFamilies,
            &half(),
        );
        assert!(!outcome.queries.is_empty());
        for metric in ["mrr@20", "map@20", "ndcg@20", "recall@20"] {
            let estimate = estimate(&outcome, metric, &half()).unwrap();
            assert_eq!((estimate.mean, estimate.low), (1.0, 1.0), "{metric}");
        }
        let gap = difference(&outcome, &outcome, "map@20", &half()).unwrap();
        assert_eq!((gap.estimate.low, gap.estimate.high), (0.0, 0.0));
        assert_eq!(gap.p, 1.0);
    }

    #[test]
    fn a_gain_in_every_family_is_sure_and_one_in_half_of_them_is_not() {
        let outcome = |value: fn(usize) -> f64| Outcome {
            queries: (0..20)
                .map(|at| QueryResult {
                    id: at.to_string(),
                    family: at.to_string(),
                    kind: Kind::Published,
                    metrics: BTreeMap::from([("map@20".into(), value(at))]),
                })
                .collect(),
            unanswerable: 0,
        };
        let p = |ours, theirs| difference(&ours, &theirs, "map@20", &half()).unwrap().p;
        let nothing = || outcome(|_| 0.5);
        assert_eq!(p(outcome(|at| 0.6 + at as f64 / 100.0), nothing()), 0.002);
        let mixed = p(outcome(|at| (at % 2) as f64), nothing());
        assert!(mixed > 0.5, "{mixed}");
    }

    #[test]
    fn rank_correlation_knows_order_and_ties() {
        let of = |values: &[(f64, f64)]| spearman(values).map(|value| (value * 1e3).round() / 1e3);
        assert_eq!(of(&[(1.0, 10.0), (2.0, 20.0), (9.0, 21.0)]), Some(1.0));
        assert_eq!(of(&[(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]), Some(-1.0));
        // By scipy.stats.spearmanr([1, 2, 2, 3], [1, 3, 2, 2]).
        assert_eq!(
            of(&[(1.0, 1.0), (2.0, 3.0), (2.0, 2.0), (3.0, 2.0)]),
            Some(0.5)
        );
        assert_eq!(of(&[(1.0, 1.0), (1.0, 2.0)]), None);
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
            &Queries::HeldOutFamilies,
            &half(),
        );
        assert!(outcome.queries.is_empty());
        assert!(outcome.unanswerable > 0);
    }
}
