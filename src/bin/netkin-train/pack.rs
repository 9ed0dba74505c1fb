//! Packs builders' lines into the shipped corpus and says what became of them.

use crate::files::{read, write};
use anyhow::{Context, Result, bail};
use comfy_table::{Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use netkin::corpus::{Corpus, Families, Options, Report, Source, pack};
use netkin::import::{Limits, canonical::canonicalise};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Failures of one reason that are named one by one.
const MOST_NAMED: usize = 8;

pub(crate) fn run(
    sources: &[PathBuf],
    families: &Path,
    out: &Path,
    version: &str,
) -> Result<String> {
    let table = String::from_utf8(read(families)?).context("the families table is no UTF-8")?;
    let families =
        Families::parse(&table).with_context(|| format!("reading {}", families.display()))?;
    let limits = Limits::default();
    let options = Options {
        corpus_version: version,
        families: &families,
        limits: &limits,
    };
    let started = Instant::now();
    let bar = progress_bar(sources)?;
    let lines = sources
        .iter()
        .map(|path| open(path, &bar))
        .collect::<Result<Vec<_>>>()?;
    let packed = pack(lines, &options, canonicalise).context("packing the corpus")?;
    bar.finish_and_clear();
    let corpus = Corpus::read(packed.bytes.clone()).context("reading back what was packed")?;
    if corpus.entries().is_empty() {
        bail!("no line gave an entry; nothing is written");
    }
    write(out, &packed.bytes)?;
    let mut text = failures(&packed.report);
    text.push_str(&clashes(&packed.report));
    for place in &packed.report.without_family {
        text.push_str(&format!("no family: {place}\n"));
    }
    let seconds = started.elapsed().as_secs_f64();
    text.push_str(&summary(
        &corpus,
        &packed.report,
        packed.bytes.len(),
        seconds,
    ));
    Ok(text)
}

/// Lines, or a corpus where the name says so.
fn open(path: &Path, bar: &ProgressBar) -> Result<Source<BufReader<impl Read + use<>>>> {
    let name = path.display().to_string();
    let what = || format!("opening {name}");
    let mut file = bar.wrap_read(File::open(path).with_context(what)?);
    if path.extension().is_some_and(|suffix| suffix == "corpus") {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(what)?;
        return Ok(Source::Corpus(Corpus::read(bytes).with_context(what)?));
    }
    let lines = BufReader::new(file);
    Ok(Source::Lines { name, lines })
}

fn progress_bar(sources: &[PathBuf]) -> Result<ProgressBar> {
    let mut bytes = 0;
    for path in sources {
        let about = fs::metadata(path).with_context(|| format!("opening {}", path.display()))?;
        bytes += about.len();
    }
    let style = ProgressStyle::with_template(
        "canonicalising {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    )
    .context("the template of the progress bar")?;
    Ok(ProgressBar::new(bytes).with_style(style))
}

/// Failed lines by reason, most frequent first.
fn failures(report: &Report) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for failure in &report.failures {
        let ids = reasons.entry(&failure.problem).or_default();
        ids.push(&failure.id);
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, ids)| std::cmp::Reverse(ids.len()));
    let mut text = String::new();
    for (reason, ids) in reasons {
        let named = ids[..ids.len().min(MOST_NAMED)].join(", ");
        let more = if ids.len() > MOST_NAMED { ", …" } else { "" };
        text.push_str(&format!("{} failed: {reason}: {named}{more}\n", ids.len()));
    }
    text
}

fn clashes(report: &Report) -> String {
    let clashes = report.merged_across_families.iter();
    clashes
        .map(|clash| {
            let ((kept, family), (alias, other)) = (&clash.kept, &clash.alias);
            format!("one design, two families: {kept} ({family}) and {alias} ({other})\n")
        })
        .collect()
}

fn summary(corpus: &Corpus, report: &Report, bytes: usize, seconds: f64) -> String {
    let stats = corpus.stats();
    let nodes: u64 = corpus.entries().iter().map(|entry| entry.operators).sum();
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["what", "value"]);
    for (what, value) in [
        ("version", stats.corpus_version.clone()),
        ("read", report.read.to_string()),
        ("failed", report.failures.len().to_string()),
        ("repeated ids", report.repeated.to_string()),
        ("names", stats.names.to_string()),
        (
            "entries (distinct designs)",
            stats.distinct_exact.to_string(),
        ),
        ("names merged into an entry", report.merged.to_string()),
        (
            "… whose families differ",
            report.merged_across_families.len().to_string(),
        ),
        ("distinct without widths", stats.distinct_coarse.to_string()),
        ("families", stats.families.to_string()),
        ("coarse families", stats.coarse_families.to_string()),
        ("operators", nodes.to_string()),
        ("bytes", bytes.to_string()),
        (
            "bytes per graph",
            (bytes / corpus.entries().len().max(1)).to_string(),
        ),
        ("seconds", format!("{seconds:.1}")),
    ] {
        table.add_row([what.to_owned(), value]);
    }
    table.to_string()
}
