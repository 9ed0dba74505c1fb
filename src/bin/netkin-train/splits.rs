//! The splits and judgements as files, and the proof that they hold.
//!
//! The files say in the open what the evaluation works by: they are made from the corpus and the
//! rules of `netkin::eval::split`, and a check makes them again and compares.

use crate::Splits;
use crate::evaluate::trials::edited;
use crate::exports::read_exports;
use crate::files::{read, write};
use anyhow::{Context, Result, anyhow, bail};
use netkin::corpus::{self, Corpus};
use netkin::eval::agreement::REFERENCE;
use netkin::eval::cells::{self, Pool};
use netkin::eval::edits;
use netkin::eval::metrics::{Grade, RELEVANT};
use netkin::eval::protocol::{Config, Queries};
use netkin::eval::{Labelled, labelled, split};
use netkin::import::{Limits, canonical::canonicalise};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Files by name. Those that end in `.zst` are compressed.
type Files = BTreeMap<String, Vec<u8>>;

/// Edits up to which the distance between two cells is written down.
const FARTHEST: u32 = 4;

pub(crate) fn write_all(place: &Splits) -> Result<String> {
    let out = &place.splits;
    let (_, entries) = read_labelled(&place.corpus)?;
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    let mut text = String::new();
    for (name, bytes) in files(&entries, &place.exports, &Config::default())? {
        let _ = writeln!(text, "{name}: {} bytes", bytes.len());
        write(&out.join(name), &bytes)?;
    }
    Ok(text)
}

/// All judgements of one set of queries, grade 1 included, in the form of trec_eval.
pub(crate) fn all_judgements(corpus: &Path, package: Option<String>) -> Result<String> {
    let (_, entries) = read_labelled(corpus)?;
    let queries = package.map_or(Queries::HeldOutArchitectures, Queries::HeldOutPackage);
    Ok(qrels(&entries, &queries, 1, &Config::default()))
}

pub(crate) fn verify(place: &Splits) -> Result<String> {
    let config = Config::default();
    let (corpus, entries) = read_labelled(&place.corpus)?;
    let failures = corpus::verify(&corpus, &Limits::default(), canonicalise)
        .context("recomputing the digests")?;
    if let Some(first) = failures.first() {
        let (count, id, problem) = (failures.len(), &first.id, &first.problem);
        bail!("{count} entries fail, the first is {id}: {problem}");
    }
    let leaks = split::leaks(&entries, &config);
    if let Some(first) = leaks.first() {
        let (count, training, shared) = (leaks.len(), &first.training, first.shared);
        bail!(
            "{count} leaks, the first: {training} is trained on and {:?} ask about {shared}",
            first.queries
        );
    }
    let files = files(&entries, &place.exports, &config)?;
    for (name, bytes) in &files {
        if read(&place.splits.join(name))? != *bytes {
            bail!(
                "{name} does not belong to this corpus; write it again with `netkin-train corpus splits`"
            );
        }
    }
    let training = split::training(&entries, &config).len();
    Ok(format!(
        "{} entries have the digests that are stored; {training} are trained on, and none of them tells about a \
         query; {} files of splits are those of this corpus",
        corpus.entries().len(),
        files.len()
    ))
}

fn read_labelled(path: &Path) -> Result<(Corpus, Vec<Labelled>)> {
    let place = || format!("reading the corpus {}", path.display());
    let corpus = Corpus::read(read(path)?).with_context(place)?;
    let entries = labelled(&corpus, &Limits::default()).with_context(place)?;
    Ok((corpus, entries))
}

fn files(entries: &[Labelled], exports: &Path, config: &Config) -> Result<Files> {
    let mut files = Files::new();
    let families: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.family.as_str())
        .filter(|family| split::is_held_out(family, config))
        .collect();
    let unseen = entries
        .iter()
        .filter(|entry| split::is_unseen(entry, config));
    let packages = config.held_out_packages.iter().map(String::as_str);
    let edited = edited(entries, config).into_iter();
    for (name, lines) in [
        ("held-out-families.txt", lines(families)),
        (
            "held-out-architectures.txt",
            lines(unseen.map(|entry| entry.id.as_str())),
        ),
        ("held-out-packages.txt", lines(packages)),
        (
            "edit-chains.txt",
            lines(edited.map(|place| entries[place].id.as_str())),
        ),
        ("cross-format.qrels", cross_format(exports)?),
    ] {
        files.insert(name.into(), lines.into_bytes());
    }
    let real = qrels(entries, &Queries::HeldOutArchitectures, RELEVANT, config);
    files.insert("held-out-architectures.qrels.zst".into(), packed(&real)?);
    for package in &config.held_out_packages {
        let queries = Queries::HeldOutPackage(package.clone());
        let text = qrels(entries, &queries, RELEVANT, config);
        files.insert(
            format!("held-out-package-{package}.qrels.zst"),
            packed(&text)?,
        );
    }
    for pool in cells::pools(config.seed) {
        let space = pool.space;
        files.insert(
            format!("{space}.cells.zst"),
            packed(&lines(pool.cells.iter().map(String::as_str)))?,
        );
        files.insert(
            format!("{space}.distances.zst"),
            packed(&distances(&pool)?)?,
        );
    }
    files.insert(
        "edit-chains.digests.zst".into(),
        packed(&chains(entries, config))?,
    );
    Ok(files)
}

fn lines<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}

fn packed(text: &str) -> Result<Vec<u8>> {
    const LEVEL: i32 = 12;
    zstd::encode_all(text.as_bytes(), LEVEL).context("compressing")
}

/// Judgements as trec_eval reads them: query, 0, candidate, grade. Those below `least` are left out;
/// what is not named has grade 0.
fn qrels(entries: &[Labelled], queries: &Queries, least: Grade, config: &Config) -> String {
    let asked: Vec<&Labelled> = entries
        .iter()
        .filter(|entry| queries.asks(entry, config))
        .collect();
    let blocks: Vec<String> = asked
        .par_iter()
        .map(|query| judgements(query, entries, queries, least))
        .collect();
    blocks.concat()
}

fn judgements(query: &Labelled, entries: &[Labelled], queries: &Queries, least: Grade) -> String {
    let mut text = String::new();
    let candidates = entries
        .iter()
        .filter(|candidate| queries.admits(candidate) && candidate.digest != query.digest);
    for candidate in candidates {
        let grade = queries.grade(query, candidate);
        if grade >= least {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{} 0 {} {grade}", query.id, candidate.id);
        }
    }
    text
}

/// Each export asks for the trace of its own module.
fn cross_format(exports: &Path) -> Result<String> {
    let exports = read_exports(exports)?;
    let asked = exports.iter().filter(|export| export.route != REFERENCE);
    Ok(asked
        .map(|export| {
            let model = &export.model;
            format!("{model}/{} 0 {model}/{REFERENCE} 3\n", export.route)
        })
        .collect())
}

/// Query, cell and the edits between them, by their lines in the file of cells, from 0.
fn distances(pool: &Pool) -> Result<String> {
    let distances = pool
        .distances()
        .map_err(|problem| anyhow!("a cell of {} {problem}", pool.space))?;
    let mut text = String::new();
    for (query, cells) in distances.iter().enumerate() {
        for (cell, edits) in cells.iter().enumerate() {
            if *edits <= FARTHEST && cell != query {
                let _ = writeln!(text, "{query} {cell} {edits}");
            }
        }
    }
    Ok(text)
}

/// For each graph the digests of its chain, so that whoever makes the chains again can tell.
fn chains(entries: &[Labelled], config: &Config) -> String {
    let edited = edited(entries, config);
    let blocks: Vec<String> = edited
        .par_iter()
        .map(|place| {
            let links = edits::chain(&entries[*place], config.seed);
            let links = links
                .iter()
                .map(|link| format!("{} {}\n", link.id, link.digest));
            links.collect()
        })
        .collect();
    blocks.concat()
}
