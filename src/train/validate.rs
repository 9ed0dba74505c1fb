//! Judges settings without looking at what the evaluation asks.
//!
//! Test families and held-out members are taken out of the data first. What is left is split again,
//! several times, by the same rules under other seeds: the settings are judged on families that
//! each fit has not seen. The invariant: no query of the evaluation is a query, a candidate or a
//! training example here.

use super::gnn::{Data, Surroundings, train_graphs, train_motifs};
use super::{Config, Error, Progress, fit, gnn};
use crate::eval::baselines::{TfIdf, Vectors};
use crate::eval::combined::{Fused, Reranked, sequences};
use crate::eval::protocol::{self, Queries, Ranker, estimate, evaluate};
use crate::eval::report::Point;
use crate::eval::{Labelled, data_hash, split};
use crate::model::{MotifGnn, TokenSetEncoder};
use crate::motif::Sequence;
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Families held out in each validation fold: more than in the test, since there are several folds.
const HELD_OUT: f64 = 0.25;

/// How one encoder is trained, whichever kind it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Fit {
    /// Token sets.
    TokenSets(Config),
    /// The motif GNN.
    MotifGnn(Box<gnn::Config>),
}

/// What is added to the similarities of an encoder; nothing by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Search {
    /// Weight of the sparse similarity: tf-idf over motifs.
    pub motifs: f32,
    /// Weight of the alignment of macro graphs, by which the first hundred are ranked again.
    pub alignment: f32,
}

/// What settings earned.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Metrics by name, means over the folds.
    pub metrics: BTreeMap<String, f64>,
    /// How the training went, for encoders that look at validation families while they learn.
    pub curve: Vec<Point>,
}

/// Splits of the training data, each with families that are asked about.
pub struct Validation<'a> {
    all: &'a [Labelled],
    protocol: &'a protocol::Config,
    entries: Vec<Labelled>,
    sequences: Arc<[Sequence]>,
    folds: u64,
    /// The last encoders, one a fold: trials whose training is the same share them.
    last: Option<(Fit, Vec<Fitted>)>,
}

/// An encoder that was trained on a fold, and how that went.
struct Fitted {
    encoder: Trained,
    curve: Vec<Point>,
}

enum Trained {
    TokenSets(Box<TokenSetEncoder>),
    MotifGnn(Box<MotifGnn>),
}

impl Fit {
    /// Whether the same is learned: the share of token sets comes in afterwards.
    fn learns_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::MotifGnn(one), Self::MotifGnn(other)) => {
                let one = gnn::Config {
                    share: other.share,
                    ..(**one).clone()
                };
                one == **other
            }
            _ => self == other,
        }
    }
}

impl Trained {
    /// Ranks by what it makes of `entries` under `settings`.
    fn ranker(&mut self, settings: &Fit, entries: &[Labelled]) -> Result<Arc<dyn Ranker>, Error> {
        Ok(Arc::new(match self {
            Self::TokenSets(encoder) => Vectors::encoded(entries, &**encoder)?,
            Self::MotifGnn(encoder) => {
                if let Fit::MotifGnn(settings) = settings {
                    encoder.set_share(settings.share)?;
                }
                Vectors::encoded(entries, &**encoder)?
            }
        }))
    }
}

impl<'a> Validation<'a> {
    /// Folds within the training split of `protocol`.
    pub fn new(all: &'a [Labelled], protocol: &'a protocol::Config, folds: u64) -> Self {
        let entries = split::training(all, protocol).into_iter();
        let entries: Vec<Labelled> = entries.cloned().collect();
        Self {
            all,
            protocol,
            sequences: sequences(&entries),
            entries,
            folds,
            last: None,
        }
    }

    /// What `settings` earn with `search`. `progress` hears of every step of a training.
    ///
    /// # Errors
    /// When there is too little to learn from.
    pub fn judge(
        &mut self,
        settings: &Fit,
        search: Search,
        progress: &dyn Fn(Progress),
    ) -> Result<Validated, Error> {
        let mut fitted = match self.last.take() {
            Some((last, fitted)) if last.learns_like(settings) => fitted,
            _ => (1..=self.folds)
                .map(|fold| self.fitted(settings, fold, progress))
                .collect::<Result<_, _>>()?,
        };
        let mut validated = Validated {
            metrics: BTreeMap::new(),
            curve: Vec::new(),
        };
        for (fold, fitted) in (1..).zip(&mut fitted) {
            let inner = inner(self.protocol, fold);
            let dense = fitted.encoder.ranker(settings, &self.entries)?;
            let ranker = self.searched(dense, search, &inner);
            let outcome = evaluate(&self.entries, &*ranker, &Queries::HeldOutFamilies, &inner);
            let names = outcome.queries.first().map(|query| query.metrics.keys());
            for name in names.into_iter().flatten() {
                let mean = estimate(&outcome, name, &inner).map_or(0.0, |estimate| estimate.mean);
                *validated.metrics.entry(name.clone()).or_insert(0.0) += mean / self.folds as f64;
            }
            validated.curve.extend(fitted.curve.iter().cloned());
        }
        self.last = Some((settings.clone(), fitted));
        Ok(validated)
    }

    fn fitted(
        &self,
        settings: &Fit,
        fold: u64,
        progress: &dyn Fn(Progress),
    ) -> Result<Fitted, Error> {
        Ok(match settings {
            Fit::TokenSets(config) => {
                let inner = inner(self.protocol, fold);
                let training = split::training(&self.entries, &inner);
                let encoder = fit("validation", &training, data_hash(&self.entries), config)?;
                Fitted {
                    encoder: Trained::TokenSets(Box::new(encoder)),
                    curve: Vec::new(),
                }
            }
            Fit::MotifGnn(config) => {
                let data = Data::new(self.all, self.protocol, config, Some(fold));
                let curve = Curve::new(fold, config.every);
                let around = Surroundings {
                    device: Device::Cpu,
                    folder: None,
                    progress: &|step| {
                        curve.note(step);
                        progress(step);
                    },
                };
                let motifs = train_motifs(&data, config, &around)?;
                let encoder = train_graphs("validation", &data, config, &motifs, &around)?;
                Fitted {
                    encoder: Trained::MotifGnn(Box::new(encoder)),
                    curve: curve.points.take(),
                }
            }
        })
    }

    /// `dense` with what `search` adds to it; frequencies of motifs come from the training alone.
    fn searched(
        &self,
        dense: Arc<dyn Ranker>,
        search: Search,
        inner: &protocol::Config,
    ) -> Arc<dyn Ranker> {
        let mut ranker = dense;
        if search.motifs > 0.0 {
            let training = split::training(&self.entries, inner).into_iter();
            let seen: BTreeSet<&str> = training.map(|entry| entry.id.as_str()).collect();
            let places = 0..self.entries.len();
            let seen: Vec<usize> = places
                .filter(|at| seen.contains(self.entries[*at].id.as_str()))
                .collect();
            ranker = Arc::new(Fused {
                dense: ranker,
                sparse: Arc::new(TfIdf::of_motifs(&self.entries, &seen)),
                weight: search.motifs,
            });
        }
        if search.alignment > 0.0 {
            ranker = Arc::new(Reranked {
                first: ranker,
                sequences: Arc::clone(&self.sequences),
                weight: search.alignment,
            });
        }
        ranker
    }
}

/// Collects what a training says of itself when it looks at the validation families.
struct Curve {
    fold: u64,
    every: usize,
    points: RefCell<Vec<Point>>,
}

impl Curve {
    fn new(fold: u64, every: usize) -> Self {
        Self {
            fold,
            every: every.max(1),
            points: RefCell::default(),
        }
    }

    fn note(&self, progress: Progress) {
        let has_looked =
            progress.step.is_multiple_of(self.every) || progress.step == progress.steps;
        if let Some(map) = progress.validation.filter(|_| has_looked) {
            self.points.borrow_mut().push(Point {
                fold: self.fold,
                stage: progress.stage.into(),
                step: progress.step,
                loss: progress.loss,
                map,
            });
        }
    }
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

    fn split_of_a_zoo() -> protocol::Config {
        protocol::Config {
            held_out: 0.3,
            ..protocol::Config::default()
        }
    }

    fn token_sets() -> Config {
        Config {
            dim: 16,
            hashing: hashing::Config {
                dim: 64,
                ..hashing::Config::default()
            },
            ..Config::default()
        }
    }

    fn judged_in(entries: &[Labelled], settings: &Fit, folds: u64) -> Validated {
        let split = split_of_a_zoo();
        let mut validation = Validation::new(entries, &split, folds);
        let search = Search::default();
        validation.judge(settings, search, &|_| ()).unwrap()
    }

    fn judged(entries: &[Labelled], settings: &Fit, search: Search) -> Validated {
        let split = split_of_a_zoo();
        let mut validation = Validation::new(entries, &split, 2);
        validation.judge(settings, search, &|_| ()).unwrap()
    }

    #[test]
    fn validation_never_looks_at_what_the_evaluation_asks() {
        let mut entries = zoo(24, 6);
        let settings = Fit::TokenSets(token_sets());
        let search = Search {
            motifs: 0.1,
            alignment: 0.1,
        };
        let before = judged(&entries, &settings, search);
        assert!(before.metrics["map@20"] > 0.3);
        assert_ne!(before, judged(&entries, &settings, Search::default()));
        let split = split_of_a_zoo();
        entries.retain(|entry| !split::is_held_out(&entry.family, &split));
        assert_eq!(judged(&entries, &settings, search), before);
    }

    #[test]
    fn a_share_is_judged_without_another_training() {
        let entries = zoo(24, 6);
        let mut config = gnn::Config {
            token_sets: Some(token_sets()),
            ..gnn::Config::default()
        };
        config.motif.steps = 0;
        config.graph.steps = 2;
        let split = split_of_a_zoo();
        let mut validation = Validation::new(&entries, &split, 1);
        let steps = RefCell::new(0);
        let mut judge = |config: gnn::Config| {
            let settings = Fit::MotifGnn(Box::new(config));
            let judged =
                validation.judge(&settings, Search::default(), &|_| *steps.borrow_mut() += 1);
            judged.unwrap().metrics
        };
        let alone = judge(gnn::Config {
            share: 1.0,
            ..config.clone()
        });
        assert_ne!(judge(config), alone);
        assert_eq!(steps.take(), 2);
        let token_sets = Fit::TokenSets(token_sets());
        assert_eq!(judged_in(&entries, &token_sets, 1).metrics, alone);
    }

    #[test]
    fn a_network_is_judged_by_what_it_has_become_and_shows_the_way() {
        let entries = zoo(24, 6);
        let mut config = gnn::Config {
            token_sets: None,
            every: 2,
            ..gnn::Config::default()
        };
        config.motif.steps = 2;
        config.graph.steps = 4;
        config.graph.learning_rate = 1e-2;
        let validated = judged(
            &entries,
            &Fit::MotifGnn(Box::new(config)),
            Search::default(),
        );
        let way: Vec<(u64, &str, usize)> = validated
            .curve
            .iter()
            .map(|point| (point.fold, point.stage.as_str(), point.step))
            .collect();
        let of = |fold| [(fold, "motif", 2), (fold, "graph", 2), (fold, "graph", 4)];
        assert_eq!(way, [of(1), of(2)].concat());
        let last = [2, 5].map(|place: usize| validated.curve[place].map);
        let mean = (last[0] + last[1]) / 2.0;
        let judged = validated.metrics["map@20"];
        // Its weights were rounded to half precision before it was judged.
        assert!((judged - mean).abs() < 0.02, "{judged} and {mean}");
    }
}
