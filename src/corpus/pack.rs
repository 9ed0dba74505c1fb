//! Packs the builders' JSON lines into a corpus, and verifies a corpus.
//!
//! A line is `{"entry": {…}, "graph": netkin-graph}`, or `{"entry": {…}, "error": "…"}` for a
//! model that could not be traced. The outcome depends only on the lines, not on their order.

use super::file::write_sized;
use super::{Corpus, Entry, Error, Families, Kind, columns};
use crate::graph::{Architecture, Digest, Shape};
use crate::import::{Limits, RawGraph, json};
use rayon::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::io::BufRead;

/// Lines that are read before they are worked on together; some are several megabytes long.
const LINES_AT_ONCE: usize = 64;

/// What packing needs besides the lines.
#[derive(Debug)]
pub struct Options<'a> {
    /// The version that the corpus will state.
    pub corpus_version: &'a str,
    /// The curated families.
    pub families: &'a Families,
    /// Bounds on each graph.
    pub limits: &'a Limits,
}

/// A packed corpus and what happened on the way.
#[derive(Debug)]
pub struct Packed {
    /// The file.
    pub bytes: Vec<u8>,
    /// What happened.
    pub report: Report,
}

/// What happened while packing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines read.
    pub lines: usize,
    /// Lines that gave no entry and whose id no other line gave, in the order of the lines.
    pub failures: Vec<Failure>,
    /// Entries merged into another one because their exact digests are equal.
    pub merged: usize,
    /// Those among them whose family is another one than that of the entry that was kept.
    pub merged_across_families: Vec<Clash>,
    /// Ids that came up again; the first line counts.
    pub repeated: usize,
    /// `package/module` of entries that no row of the families table matches.
    pub without_family: BTreeSet<String>,
}

/// Two ids of one design to which the families table gives different families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The entry that was kept, and its family.
    pub kept: (String, String),
    /// The alias, and its family.
    pub alias: (String, String),
}

/// A line that gave no entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The id of its entry, or its place when that cannot be read.
    pub id: String,
    /// Why.
    pub problem: String,
}

#[derive(Deserialize)]
struct Line<'a> {
    entry: Described,
    #[serde(borrow)]
    graph: Option<&'a RawValue>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    name: String,
    package: String,
    #[serde(default)]
    package_version: Option<String>,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    framework: Option<String>,
    kind: Kind,
    #[serde(default)]
    input_shapes: Option<Vec<Shape>>,
    #[serde(default)]
    paper: Option<String>,
    #[serde(default)]
    licence: Option<String>,
}

/// An entry with its graph, encoded alone so that thousands fit in memory.
struct Candidate {
    entry: Entry,
    graph: Vec<u8>,
}

/// Reads every line of `sources` (a name for messages, and its lines) and writes a corpus.
/// `canonicalise` decides which graphs are the same design.
///
/// # Errors
/// When a source cannot be read or the corpus cannot be written. A line that gives no entry is no
/// error: the report names it.
pub fn pack<R: BufRead, E: std::fmt::Display>(
    sources: impl IntoIterator<Item = (String, R)>,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E> + Sync,
) -> Result<Packed, PackError> {
    let mut report = Report::default();
    let mut candidates = BTreeMap::new();
    for (source, lines) in sources {
        let mut lines = (1..).zip(lines.lines());
        loop {
            let batch = next_lines(&source, &mut lines)?;
            if batch.is_empty() {
                break;
            }
            report.lines += batch.len();
            let read: Vec<Result<Candidate, Failure>> = batch
                .par_iter()
                .map(|(place, line)| candidate(place, line, options, &canonicalise))
                .collect();
            for outcome in read {
                gather(outcome, &mut candidates, &mut report);
            }
        }
    }
    report
        .failures
        .retain(|failure| !candidates.contains_key(&failure.id));
    let mut kept = merge(candidates.into_values().collect(), &mut report);
    kept.sort_by(|one, other| kin(&one.entry).cmp(&kin(&other.entry)));
    report.without_family = kept
        .iter()
        .filter(|candidate| candidate.entry.family.is_empty())
        .map(|candidate| format!("{}/{}", candidate.entry.package, candidate.entry.module))
        .collect();
    let (entries, graphs): (Vec<_>, Vec<_>) = kept
        .into_iter()
        .map(|candidate| (candidate.entry, candidate.graph))
        .unzip();
    let sizes: Vec<usize> = graphs.iter().map(Vec::len).collect();
    let bytes = write_sized(options.corpus_version, &entries, &sizes, |index| {
        columns::decode(&graphs[index])
            .ok()
            .and_then(|mut graphs| graphs.pop())
            .ok_or_else(|| Error::Entries(format!("graph {index} did not survive encoding")))
    })?;
    Ok(Packed { bytes, report })
}

/// Up to [`LINES_AT_ONCE`] lines that are not blank, each with its place for messages.
fn next_lines(
    source: &str,
    lines: &mut impl Iterator<Item = (usize, std::io::Result<String>)>,
) -> Result<Vec<(String, String)>, PackError> {
    let mut batch = Vec::new();
    for (number, line) in lines {
        let line = line.map_err(|error| PackError::Read {
            source_name: source.to_owned(),
            error,
        })?;
        if line.trim().is_empty() {
            continue;
        }
        batch.push((format!("{source}:{number}"), line));
        if batch.len() == LINES_AT_ONCE {
            break;
        }
    }
    Ok(batch)
}

fn gather(
    outcome: Result<Candidate, Failure>,
    candidates: &mut BTreeMap<String, Candidate>,
    report: &mut Report,
) {
    match outcome {
        Err(failure) => report.failures.push(failure),
        Ok(candidate) => match candidates.entry(candidate.entry.id.clone()) {
            btree_map::Entry::Occupied(_) => report.repeated += 1,
            btree_map::Entry::Vacant(place) => {
                place.insert(candidate);
            }
        },
    }
}

/// Why packing stopped.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// A source could not be read.
    #[error("cannot read {source_name}: {error}")]
    Read {
        /// Its name.
        source_name: String,
        /// The cause.
        error: std::io::Error,
    },
    /// The corpus could not be written.
    #[error(transparent)]
    Write(#[from] Error),
}

/// Neighbours in the file are kin, so that a block compresses well.
fn kin(entry: &Entry) -> (&str, &str, &str) {
    (&entry.package, &entry.module, &entry.id)
}

fn candidate<E: std::fmt::Display>(
    place: &str,
    line: &str,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E>,
) -> Result<Candidate, Failure> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| Failure {
        id: place.to_owned(),
        problem: error.to_string(),
    })?;
    let fail = |problem: String| Failure {
        id: line.entry.id.clone(),
        problem,
    };
    if let Some(error) = line.error {
        return Err(fail(error));
    }
    let Some(text) = line.graph else {
        return Err(fail("has neither a graph nor an error".into()));
    };
    let raw = json::read(text.get().as_bytes(), options.limits)
        .map_err(|error| fail(error.to_string()))?;
    let architecture =
        canonicalise(&raw, options.limits).map_err(|error| fail(error.to_string()))?;
    let graph = columns::encode(&[raw]).map_err(|problem| fail(problem.into()))?;
    let entry = entry(line.entry, &architecture, options.families);
    Ok(Candidate { entry, graph })
}

fn entry(described: Described, architecture: &Architecture, families: &Families) -> Entry {
    let digests = architecture.digests();
    let module = described.module.unwrap_or_default();
    let family = families.of(&described.package, &module, &described.name);
    Entry {
        family: family.map_or_else(String::new, |row| row.family.clone()),
        coarse_family: family.map_or_else(String::new, |row| row.coarse_family.clone()),
        id: described.id,
        name: described.name,
        aliases: Vec::new(),
        package: described.package,
        package_version: described.package_version.unwrap_or_default(),
        module,
        task: described.task.unwrap_or_default(),
        framework: described.framework.unwrap_or_default(),
        kind: described.kind,
        parameters: architecture.parameters,
        flops: architecture.flops(),
        operators: architecture.operator_count() as u64,
        input_shapes: described.input_shapes.unwrap_or_default(),
        exact: digests.exact,
        coarse: digests.coarse,
        paper: described.paper,
        licence: described.licence,
    }
}

/// Keeps one entry for each exact digest: a published one before a composed one, then the one
/// with the shortest id, then the first by id.
fn merge(mut candidates: Vec<Candidate>, report: &mut Report) -> Vec<Candidate> {
    candidates.sort_by(|one, other| rank(&one.entry).cmp(&rank(&other.entry)));
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut kept: Vec<Candidate> = Vec::new();
    for candidate in candidates {
        match places.get(&candidate.entry.exact) {
            Some(place) => {
                let entry = &mut kept[*place].entry;
                report.merged += 1;
                report
                    .merged_across_families
                    .extend(clash(entry, &candidate.entry));
                entry.aliases.push(candidate.entry.id);
            }
            None => {
                places.insert(candidate.entry.exact, kept.len());
                kept.push(candidate);
            }
        }
    }
    for candidate in &mut kept {
        candidate.entry.aliases.sort();
    }
    kept
}

fn clash(kept: &Entry, alias: &Entry) -> Option<Clash> {
    let side = |entry: &Entry| (entry.id.clone(), entry.family.clone());
    (kept.family != alias.family).then(|| Clash {
        kept: side(kept),
        alias: side(alias),
    })
}

fn rank(entry: &Entry) -> (Kind, usize, &str) {
    (entry.kind, entry.id.len(), &entry.id)
}

/// Canonicalises every graph again and returns the ids of entries whose digests differ from the
/// stored ones, with the reason.
///
/// # Errors
/// When a block of graphs is malformed.
pub fn verify<E: std::fmt::Display>(
    corpus: &Corpus,
    limits: &Limits,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E> + Sync,
) -> Result<Vec<Failure>, Error> {
    let blocks: Vec<Vec<Failure>> = (0..corpus.block_count())
        .into_par_iter()
        .map(|block| {
            let (first, graphs) = corpus.block_graphs(block)?;
            let entries = corpus.entries()[first..].iter();
            Ok(entries
                .zip(&graphs)
                .filter_map(|(entry, graph)| {
                    let problem = problem(entry, canonicalise(graph, limits))?;
                    let id = entry.id.clone();
                    Some(Failure { id, problem })
                })
                .collect())
        })
        .collect::<Result<_, Error>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

fn problem<E: std::fmt::Display>(
    entry: &Entry,
    canonicalised: Result<Architecture, E>,
) -> Option<String> {
    match canonicalised {
        Err(error) => Some(error.to_string()),
        Ok(architecture) => {
            let digests = architecture.digests();
            let is_same = digests.exact == entry.exact && digests.coarse == entry.coarse;
            (!is_same).then(|| {
                "canonicalises to other digests than stored; pack the corpus again".to_owned()
            })
        }
    }
}
