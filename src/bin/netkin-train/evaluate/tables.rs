//! What every method earned on a set of queries, with its intervals.

use super::Session;
use super::rankers::Method;
use anyhow::{Context, Result};
use netkin::corpus::Kind;
use netkin::eval::Labelled;
use netkin::eval::baselines::Vectors;
use netkin::eval::protocol::{
    self, Gain, Outcome, Queries, Ranker, difference, estimate, evaluate,
};
use netkin::eval::report::{Against, OfKind, Results, Row, Seeds, Spread};
use netkin::model::Encoder;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One method trained with several seeds.
pub(super) struct Again {
    pub(super) method: String,
    pub(super) seeds: Vec<(u64, Arc<dyn Ranker>)>,
}

impl Again {
    pub(super) fn add(
        &mut self,
        seed: u64,
        entries: &[Labelled],
        encoder: &dyn Encoder,
    ) -> Result<()> {
        let vectors = Vectors::encoded(entries, encoder)?;
        self.seeds.push((seed, Arc::new(vectors)));
        Ok(())
    }
}

/// Asks `queries` of every method, and of those that were trained again.
pub(super) fn results(
    session: &Session<'_>,
    entries: &[Labelled],
    methods: &[Method],
    again: &[Again],
    queries: Queries,
) -> Result<Results> {
    let config = session.protocol;
    let ask = |name: &str, ranker: &dyn Ranker| {
        session.say(&queries.to_string(), name);
        evaluate(entries, ranker, &queries, config)
    };
    let outcomes: Vec<(&str, Outcome)> = methods
        .iter()
        .map(|(name, ranker)| (name.as_str(), ask(name, ranker.as_ref())))
        .collect();
    let (_, ours) = outcomes
        .first()
        .context("the shipped encoder was evaluated")?;
    let seeds = again.iter().filter_map(|again| {
        let outcomes = again
            .seeds
            .iter()
            .map(|(_, ranker)| ask(&again.method, ranker.as_ref()));
        let outcomes: Vec<Outcome> = outcomes.collect();
        seeds(again, &outcomes, config)
    });
    Ok(Results {
        asked: ours.queries.len(),
        unanswerable: ours.unanswerable,
        methods: rows(&outcomes, config),
        kinds: kinds(&outcomes, config),
        against: session
            .against
            .and_then(|name| against(name, &outcomes, config)),
        seeds: seeds.collect(),
        queries,
    })
}

/// Rows for published and for composed queries, where there are both.
fn kinds(outcomes: &[(&str, Outcome)], config: &protocol::Config) -> Vec<OfKind> {
    let of = |kind| {
        let outcomes: Vec<(&str, Outcome)> = outcomes
            .iter()
            .map(|(name, outcome)| (*name, outcome.of_kind(kind)))
            .collect();
        OfKind {
            kind,
            asked: outcomes.first().map_or(0, |(_, ours)| ours.queries.len()),
            methods: rows(&outcomes, config),
        }
    };
    let kinds = [of(Kind::Published), of(Kind::Composed)];
    if kinds.iter().any(|kind| kind.asked == 0) {
        return Vec::new();
    }
    kinds.into()
}

fn seeds(again: &Again, outcomes: &[Outcome], config: &protocol::Config) -> Option<Seeds> {
    let spread = |metric: &String| {
        let values: Vec<f64> = outcomes
            .iter()
            .filter_map(|outcome| Some(estimate(outcome, metric, config)?.mean))
            .collect();
        (metric.clone(), Spread::of(&values))
    };
    Some(Seeds {
        method: again.method.clone(),
        metrics: metric_names(outcomes.first()?).iter().map(spread).collect(),
        seeds: again.seeds.iter().map(|(seed, _)| *seed).collect(),
    })
}

fn metric_names(outcome: &Outcome) -> Vec<String> {
    let first = outcome.queries.first();
    first
        .map(|query| query.metrics.keys().cloned().collect())
        .unwrap_or_default()
}

/// One row a method, with what the first gains over each.
pub(super) fn rows(outcomes: &[(&str, Outcome)], config: &protocol::Config) -> Vec<Row> {
    let Some((_, ours)) = outcomes.first() else {
        return Vec::new();
    };
    // Resampling is most of the work.
    let rows = outcomes.par_iter();
    rows.map(|(name, outcome)| row(name, outcome, ours, config))
        .collect()
}

fn row(name: &str, outcome: &Outcome, ours: &Outcome, config: &protocol::Config) -> Row {
    let metrics = metric_names(outcome).into_iter().filter_map(|metric| {
        let value = estimate(outcome, &metric, config)?;
        Some((metric, value))
    });
    Row {
        name: name.into(),
        metrics: metrics.collect(),
        gain: gains(ours, outcome, config),
    }
}

/// What `ours` gains over `theirs`, by metric.
fn gains(ours: &Outcome, theirs: &Outcome, config: &protocol::Config) -> BTreeMap<String, Gain> {
    let gains = metric_names(theirs).into_iter().filter_map(|metric| {
        let gain = difference(ours, theirs, &metric, config)?;
        Some((metric, gain))
    });
    gains.collect()
}

/// The method called `name` against all others; none where there is no such method.
fn against(name: &str, outcomes: &[(&str, Outcome)], config: &protocol::Config) -> Option<Against> {
    let (_, ours) = outcomes.iter().find(|(other, _)| *other == name)?;
    let others = outcomes.par_iter().filter(|(other, _)| *other != name);
    Some(Against {
        method: name.into(),
        others: others
            .map(|(other, outcome)| ((*other).to_owned(), gains(ours, outcome, config)))
            .collect(),
    })
}
