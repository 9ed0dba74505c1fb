//! The tests beside the sets of queries: other exporters, chains of edits, cells of NAS spaces.

use super::Session;
use super::rankers::Method;
use super::tables::rows;
use crate::exports::{Exported, read_exports};
use anyhow::{Result, anyhow};
use netkin::corpus::Kind;
use netkin::eval::agreement::REFERENCE;
use netkin::eval::cells::{self, Pool};
use netkin::eval::protocol::{Config, Outcome, Ranker};
use netkin::eval::report::Trial;
use netkin::eval::{Labelled, edits, formats, split};
use netkin::graph::Digest;
use netkin::import::Limits;
use netkin::random;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Graphs at which a chain of edits starts.
const EDITED: usize = 200;

/// The corpus, and behind it the graphs of every test.
pub(super) struct Tests {
    entries: Vec<Labelled>,
    /// How many of them are the corpus.
    known: usize,
    formats: Formats,
    /// A graph of the corpus and its chain.
    chains: Vec<(usize, Vec<usize>)>,
    pools: Vec<Placed>,
}

struct Formats {
    /// An export and the trace of the same module.
    exports: Vec<(usize, usize)>,
    candidates: Vec<usize>,
}

/// A pool whose networks stand among the entries.
struct Placed {
    pool: Pool,
    first: usize,
    /// For each network, its cell.
    places: Vec<usize>,
}

impl Tests {
    pub(super) fn new(corpus: Vec<Labelled>, exports: &Path, config: &Config) -> Result<Self> {
        let mut entries = corpus;
        let known = entries.len();
        let chains = chains(&mut entries, config);
        let formats = formats(&mut entries, known, read_exports(exports)?);
        let pools = cells::pools(config.seed)
            .into_iter()
            .map(|pool| placed(&mut entries, pool))
            .collect();
        Ok(Self {
            entries,
            known,
            formats,
            chains,
            pools,
        })
    }

    pub(super) fn entries(&self) -> &[Labelled] {
        &self.entries
    }

    /// The queries of all pools, and as candidates the corpus and every pool.
    fn cells_among_all(&self) -> (Vec<usize>, Vec<usize>) {
        let mut queries = Vec::new();
        let mut candidates: Vec<usize> = (0..self.known).collect();
        for pool in &self.pools {
            let asked = pool.places.iter().filter(|cell| **cell < pool.pool.queries);
            queries.extend((pool.first..).take(asked.count()));
            candidates.extend(pool.first..pool.first + pool.places.len());
        }
        (queries, candidates)
    }

    pub(super) fn run(&self, session: &Session<'_>, methods: &[Method]) -> Result<Vec<Trial>> {
        let config = session.protocol;
        let Self {
            entries, formats, ..
        } = self;
        let mut trials = vec![
            trial(
                "Other exporters",
                "Each export asks for the torch trace of its own module, among all traces and the corpus. Recall is \
                 whether the trace is among the first; equal scores are ordered by chance, while a search, and \
                 agreement.md, put the same digest first.",
                &["recall@1", "recall@10", "mrr"],
                session,
                methods,
                |ranker| formats::evaluate(entries, &formats.exports, &formats.candidates, ranker),
            ),
            Trial {
                is_drawn: true,
                ..trial(
                    "Chains of edits",
                    "Held-out architectures after 1, 2, 4, 8, 16 and 32 random edits (another activation or window, an \
                 operator less or once more). Spearman: rank correlation of falling similarity with the number of \
                 edits. Falling: share of links less similar than the link before.",
                    &["spearman", "falling"],
                    session,
                    methods,
                    |ranker| edits::evaluate(entries, &self.chains, ranker),
                )
            },
        ];
        let (queries, candidates) = self.cells_among_all();
        trials.push(trial(
            "Cells among real architectures",
            "Cells ask for the cells of their own space among those of all three and the corpus. What is published \
             for NAS spaces judges so, and any method that sees operators can hardly miss.",
            &["mrr@20", "map@20", "ndcg@20"],
            session,
            methods,
            |ranker| cells::evaluate_spaces(entries, &queries, &candidates, ranker, config),
        ));
        for Placed {
            pool,
            first,
            places,
        } in &self.pools
        {
            let distances = pool
                .distances()
                .map_err(|problem| anyhow!("a cell of {} {problem}", pool.space))?;
            trials.push(trial(
                &format!("Cells of {}", pool.space),
                "Fitted on real architectures alone, but where a row says otherwise. Grades by the edits between two cells: 3 for one, 2 for two, 1 \
                 for three. Spearman: rank correlation of similarity with nearness over all cells.",
                &["mrr@20", "map@20", "ndcg@20", "spearman"],
                session,
                methods,
                |ranker| cells::evaluate(entries, *first, places, &distances, ranker, config),
            ));
        }
        Ok(trials)
    }
}

fn trial(
    title: &str,
    about: &str,
    columns: &[&str],
    session: &Session<'_>,
    methods: &[Method],
    ask: impl Fn(&dyn Ranker) -> Outcome,
) -> Trial {
    let outcomes: Vec<(&str, Outcome)> = methods
        .iter()
        .map(|(name, ranker)| {
            session.say(title, name);
            (name.as_str(), ask(ranker.as_ref()))
        })
        .collect();
    Trial {
        title: title.into(),
        about: about.into(),
        asked: outcomes.first().map_or(0, |(_, ours)| ours.queries.len()),
        columns: columns.iter().copied().map(String::from).collect(),
        is_drawn: false,
        methods: rows(&outcomes, session.protocol),
    }
}

/// The held-out architectures that are edited: those with the smallest hashes of their ids.
pub(crate) fn edited(entries: &[Labelled], config: &Config) -> Vec<usize> {
    let mut unseen: Vec<usize> = (0..entries.len())
        .filter(|at| split::is_unseen(&entries[*at], config))
        .collect();
    unseen.sort_by_key(|at| random::text(&entries[*at].id));
    unseen.truncate(EDITED);
    unseen
}

fn chains(entries: &mut Vec<Labelled>, config: &Config) -> Vec<(usize, Vec<usize>)> {
    let bases = edited(entries, config);
    bases
        .into_iter()
        .map(|base| {
            let links = edits::chain(&entries[base], config.seed);
            let places = entries.len()..entries.len() + links.len();
            entries.extend(links);
            (base, places.collect())
        })
        .collect()
}

/// Candidates are the traces and those of the first `corpus` entries that are none of them.
fn formats(entries: &mut Vec<Labelled>, corpus: usize, exports: Vec<Exported>) -> Formats {
    let first = entries.len();
    let mut traces: BTreeMap<String, usize> = BTreeMap::new();
    let mut others = Vec::new();
    for (at, exported) in (first..).zip(&exports) {
        if exported.route == REFERENCE {
            traces.insert(exported.model.clone(), at);
        } else {
            others.push((at, exported.model.clone()));
        }
    }
    entries.extend(exports.into_iter().map(export));
    let known: BTreeSet<Digest> = traces.values().map(|at| entries[*at].digest).collect();
    let strangers = (0..corpus).filter(|at| !known.contains(&entries[*at].digest));
    Formats {
        candidates: strangers.chain(traces.values().copied()).collect(),
        exports: others
            .into_iter()
            .filter_map(|(at, model)| Some((at, *traces.get(&model)?)))
            .collect(),
    }
}

fn export(exported: Exported) -> Labelled {
    let digests = exported.architecture.digests();
    Labelled {
        id: format!("{}/{}", exported.model, exported.route),
        package: exported.route,
        module: exported.kind.clone(),
        kind: Kind::Published,
        family: exported.model,
        coarse_family: exported.kind,
        digest: digests.exact,
        coarse_digest: digests.coarse,
        architecture: exported.architecture,
    }
}

fn placed(entries: &mut Vec<Labelled>, pool: Pool) -> Placed {
    let first = entries.len();
    let (places, networks): (Vec<usize>, Vec<Labelled>) =
        pool.labelled(&Limits::default()).into_iter().unzip();
    entries.extend(networks);
    Placed {
        pool,
        first,
        places,
    }
}
