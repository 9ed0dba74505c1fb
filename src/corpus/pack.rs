//! Packs the builders' JSON lines, and corpora packed before, into one corpus.
//!
//! A line is `{"entry": {…}, "graph": netkin-graph}`, or `{"entry": {…}, "error": "…"}` for a
//! model that could not be traced. A packed entry keeps its aliases; its digests and family are found
//! anew. The outcome depends only on what is read; of two with one id the first counts.

use super::candidate::{Candidate, from_entry, from_line};
use super::file::write_sized;
use super::{Corpus, Entry, Error, Families, Kind, columns};
use crate::graph::{Architecture, Digest};
use crate::import::{Limits, RawGraph};
use rayon::prelude::*;
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
    /// Lines and packed entries read.
    pub read: usize,
    /// Those that gave no entry and whose id no other gave, in the order of reading.
    pub failures: Vec<Failure>,
    /// Entries merged into another one because their exact digests are equal.
    pub merged: usize,
    /// Those among them whose family is another one than that of the entry that was kept.
    pub merged_across_families: Vec<Clash>,
    /// Ids that came up again; the first one counts.
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

/// Where candidates come from.
pub enum Source<R> {
    /// Lines of a builder.
    Lines {
        /// Its name, for messages.
        name: String,
        /// The lines.
        lines: R,
    },
    /// A corpus packed before.
    Corpus(Corpus),
}

/// Reads everything in `sources` and writes a corpus.
/// `canonicalise` decides which graphs are the same design.
///
/// # Errors
/// When a source cannot be read or the corpus cannot be written. A line or graph that gives no entry is no
/// error: the report names it.
pub fn pack<R: BufRead, E: std::fmt::Display>(
    sources: impl IntoIterator<Item = Source<R>>,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E> + Sync,
) -> Result<Packed, PackError> {
    let mut report = Report::default();
    let mut candidates = BTreeMap::new();
    for source in sources {
        match source {
            Source::Lines { name, lines } => {
                let mut lines = (1..).zip(lines.lines());
                while let Some(batch) = next_lines(&name, &mut lines)? {
                    let read = batch
                        .par_iter()
                        .map(|(place, line)| from_line(place, line, options, &canonicalise));
                    gather(read.collect(), &mut candidates, &mut report);
                }
            }
            Source::Corpus(corpus) => {
                for block in 0..corpus.block_count() {
                    let block = corpus.block(block)?;
                    let graphs: Vec<_> = block.graphs()?.collect::<Result<_, _>>()?;
                    let read = graphs.into_par_iter().map(|(index, graph)| {
                        from_entry(&corpus.entries()[index], graph, options, &canonicalise)
                    });
                    gather(read.collect(), &mut candidates, &mut report);
                }
            }
        }
    }
    Ok(Packed {
        bytes: encode(candidates, options, &mut report)?,
        report,
    })
}

/// One entry for each design, and its graph, as a file.
fn encode(
    candidates: BTreeMap<String, Candidate>,
    options: &Options<'_>,
    report: &mut Report,
) -> Result<Vec<u8>, PackError> {
    report
        .failures
        .retain(|failure| !candidates.contains_key(&failure.id));
    let mut kept = merge(candidates.into_values().collect(), report);
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
    Ok(write_sized(
        options.corpus_version,
        &entries,
        &sizes,
        |index| {
            columns::decode(&graphs[index])
                .and_then(|mut graphs| graphs.next().transpose())
                .ok()
                .flatten()
                .ok_or_else(|| Error::Entries(format!("graph {index} did not survive encoding")))
        },
    )?)
}

/// Up to [`LINES_AT_ONCE`] lines that are not blank, each with its place for messages; none at the
/// end.
fn next_lines(
    source: &str,
    lines: &mut impl Iterator<Item = (usize, std::io::Result<String>)>,
) -> Result<Option<Vec<(String, String)>>, PackError> {
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
    Ok((!batch.is_empty()).then_some(batch))
}

fn gather(
    outcomes: Vec<Result<Candidate, Failure>>,
    candidates: &mut BTreeMap<String, Candidate>,
    report: &mut Report,
) {
    report.read += outcomes.len();
    for outcome in outcomes {
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
    /// A corpus could not be read or written.
    #[error(transparent)]
    Corpus(#[from] Error),
}

/// Neighbours in the file are kin, so that a block compresses well.
fn kin(entry: &Entry) -> (&str, &str, &str) {
    (&entry.package, &entry.module, &entry.id)
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
                entry.aliases.extend(candidate.entry.aliases);
            }
            None => {
                places.insert(candidate.entry.exact, kept.len());
                kept.push(candidate);
            }
        }
    }
    for candidate in &mut kept {
        let Entry { id, aliases, .. } = &mut candidate.entry;
        aliases.sort();
        aliases.dedup();
        aliases.retain(|alias| alias != id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::canonical::canonicalise;

    const TABLE: &str = "package\tmodule\tprefix\tfamily\tcoarse_family\twhy\n\
        a\tm\t\tplain\tcnn\t\nb\tm\t\tother\tcnn\t\n";

    /// A line about one convolution of so many channels.
    fn line(id: &str, kind: &str, channels: u64) -> String {
        let (package, name) = id.split_once('/').unwrap();
        format!(
            r#"{{"entry":{{"id":"{id}","name":"{name}","package":"{package}","module":"m","kind":"{kind}"}},
            "graph":{{"format":"netkin-graph","version":1,"dialect":"torch","nodes":[
            {{"op":"input","shapes":[[1,3,8,8]]}},
            {{"op":"conv2d","inputs":[0],"attributes":{{"args":[{{"t":0}},{{"w":[{channels},3,3,3]}}]}},
            "shapes":[[1,{channels},6,6]]}}],"outputs":[1]}}}}"#
        )
        .replace('\n', "")
    }

    fn packed(sources: Vec<Source<&[u8]>>) -> (Corpus, Report) {
        let options = Options {
            corpus_version: "test",
            families: &Families::parse(TABLE).unwrap(),
            limits: &Limits::default(),
        };
        let packed = pack(sources, &options, canonicalise).unwrap();
        (Corpus::read(packed.bytes).unwrap(), packed.report)
    }

    fn lines(text: &str) -> Source<&[u8]> {
        Source::Lines {
            name: "lines".into(),
            lines: text.as_bytes(),
        }
    }

    fn ids(corpus: &Corpus) -> Vec<String> {
        let shown = |entry: &Entry| format!("{}={}", entry.id, entry.aliases.join(","));
        corpus.entries().iter().map(shown).collect()
    }

    #[test]
    fn equal_designs_become_one_entry_and_a_published_one_goes_first() {
        let text = [
            line("a/composed", "composed", 8),
            line("b/published-with-a-long-name", "published", 8),
            line("a/wide", "published", 16),
        ];
        let (corpus, report) = packed(vec![lines(&text.join("\n"))]);
        assert_eq!(report.failures, []);
        assert_eq!(
            ids(&corpus),
            ["a/wide=", "b/published-with-a-long-name=a/composed"]
        );
        assert_eq!((report.read, report.merged), (3, 1));
        assert_eq!(report.merged_across_families.len(), 1);
    }

    #[test]
    fn a_packed_corpus_is_a_source_like_lines() {
        let old = [line("a/x", "published", 8), line("a/xx", "published", 8)].join("\n");
        let (first, _) = packed(vec![lines(&old)]);
        let new = line("b/y", "published", 16);
        let (both, report) = packed(vec![lines(&new), Source::Corpus(first)]);
        assert_eq!(ids(&both), ["a/x=a/xx", "b/y="]);
        assert_eq!(report.failures, []);
        let (at_once, _) = packed(vec![lines(&format!("{old}\n{new}"))]);
        assert_eq!(both.checksum(), at_once.checksum());
    }

    #[test]
    fn a_line_that_gives_no_entry_is_named_and_the_rest_is_kept() {
        let text = [
            line("a/x", "published", 8),
            r#"{"entry":{"id":"a/broken","name":"broken","package":"a","kind":"published"},"error":"needs a file"}"#.into(),
            "{".into(),
        ];
        let (corpus, report) = packed(vec![lines(&text.join("\n"))]);
        assert_eq!(ids(&corpus), ["a/x="]);
        let failed: Vec<_> = report.failures.iter().map(|failure| &*failure.id).collect();
        assert_eq!(failed, ["a/broken", "lines:3"]);
    }
}
