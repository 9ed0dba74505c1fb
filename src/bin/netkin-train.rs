//! Fits and evaluates netkin's encoder.

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use netkin::eval::baselines::{Bm25, Chance, Size, TfIdf, Vectors, bags, latent_vectors};
use netkin::eval::protocol::{self, Outcome, Ranker, difference, estimate, evaluate};
use netkin::eval::report::{Report, Row, markdown};
use netkin::eval::{Labelled, data_hash};
use netkin::model::{Encoder, TokenSetEncoder, hashing};
use netkin::train::{self, fit, model_card};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Fits and evaluates netkin's encoder.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fits an encoder on the training families and writes its folder.
    Fit {
        /// Labelled architectures, one JSON object a line.
        #[arg(long)]
        corpus: PathBuf,
        /// Folder to write; its name becomes the version.
        #[arg(long)]
        out: PathBuf,
        /// Settings of the fit, in JSON; the defaults without it.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Compares an encoder with the baselines on held-out families and writes the report.
    Eval {
        /// Labelled architectures, one JSON object a line.
        #[arg(long)]
        corpus: PathBuf,
        /// Folder of the model.
        #[arg(long)]
        model: PathBuf,
        /// Folder for `evaluation.md` and `evaluation.json`.
        #[arg(long, default_value = "docs")]
        out: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Fit {
            corpus,
            out,
            config,
        } => run_fit(&corpus, &out, config.as_deref()),
        Command::Eval { corpus, model, out } => run_eval(&corpus, &model, &out),
    }
}

fn run_fit(corpus: &Path, out: &Path, config: Option<&Path>) -> Result<()> {
    let entries = read_corpus(corpus)?;
    let config: train::Config = match config {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("reading the settings in {}", path.display()))?,
        None => train::Config::default(),
    };
    let Some(version) = out.file_name().and_then(|name| name.to_str()) else {
        bail!(
            "the folder {} has no name to call the model by",
            out.display()
        );
    };
    let encoder = fit(version, &entries, &protocol::Config::default(), &config)?;
    let weights = encoder.weights()?.context("a fitted encoder has weights")?;
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    write(&out.join("config.json"), &json(encoder.config())?)?;
    write(&out.join("model.safetensors"), &weights)?;
    write(&out.join("fit.json"), &json(&config)?)?;
    let card = model_card(encoder.config(), &config, None);
    write(&out.join("README.md"), card.as_bytes())
}

fn run_eval(corpus: &Path, model: &Path, out: &Path) -> Result<()> {
    let entries = read_corpus(corpus)?;
    let encoder = TokenSetEncoder::load(
        &read(&model.join("config.json"))?,
        &read(&model.join("model.safetensors"))?,
    )
    .with_context(|| format!("loading the model in {}", model.display()))?;
    let fitted: train::Config = serde_json::from_slice(&read(&model.join("fit.json"))?)
        .context("reading fit.json of the model")?;
    let report = report(&entries, &encoder)?;
    let page = markdown(&report);
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    write(&out.join("evaluation.md"), page.as_bytes())?;
    write(&out.join("evaluation.json"), &json(&report)?)?;
    let tables = page
        .find("## At")
        .map(|start| page[start..].replace("## ", "### "));
    let card = model_card(encoder.config(), &fitted, tables.as_deref());
    write(&model.join("README.md"), card.as_bytes())
}

fn report(entries: &[Labelled], encoder: &TokenSetEncoder) -> Result<Report> {
    let config = protocol::Config::default();
    let outcomes = outcomes(entries, encoder, &config)?;
    let (_, ours) = outcomes
        .first()
        .context("the shipped encoder was evaluated")?;
    let held_out: BTreeSet<&str> = entries
        .iter()
        .map(|entry| entry.family.as_str())
        .filter(|family| protocol::is_held_out(family, &config))
        .collect();
    Ok(Report {
        date: today()?,
        machine: machine(),
        model_version: encoder.version().into(),
        data_hash: data_hash(entries),
        entries: entries.len(),
        held_out_families: held_out.len(),
        queries: ours.queries.len(),
        unanswerable: ours.unanswerable,
        methods: outcomes
            .iter()
            .map(|(name, outcome)| row(name, outcome, ours, &config))
            .collect(),
        protocol: config,
    })
}

fn outcomes(
    entries: &[Labelled],
    encoder: &TokenSetEncoder,
    config: &protocol::Config,
) -> Result<Vec<(&'static str, Outcome)>> {
    let seen: BTreeSet<&str> = protocol::training(entries, config)
        .into_iter()
        .map(|entry| entry.id.as_str())
        .collect();
    let train: Vec<usize> = (0..entries.len())
        .filter(|at| seen.contains(entries[*at].id.as_str()))
        .collect();
    let bags = bags(entries);
    let unfitted = TokenSetEncoder::unfitted(hashing::Config {
        ..encoder.config().hashing.clone()
    })?;
    let latent = Vectors::new(latent_vectors(&bags, &train, 256, config.seed));
    let rankers: Vec<(&str, Box<dyn Ranker>)> = vec![
        (
            "token sets, whitened",
            Box::new(Vectors::encoded(entries, encoder)?),
        ),
        (
            "token sets, unfitted",
            Box::new(Vectors::encoded(entries, &unfitted)?),
        ),
        ("LSA-256", Box::new(latent)),
        ("tf-idf of all tokens", Box::new(TfIdf::new(&bags, &train))),
        (
            "BM25 of operator n-grams",
            Box::new(Bm25::new(&bags, &train)),
        ),
        (
            "operator histogram",
            Box::new(Vectors::operator_histogram(entries)),
        ),
        ("size only", Box::new(Size::new(entries))),
        (
            "random",
            Box::new(Chance {
                entries: entries.len(),
                seed: config.seed,
            }),
        ),
    ];
    Ok(rankers
        .into_iter()
        .map(|(name, ranker)| (name, evaluate(entries, ranker.as_ref(), config)))
        .collect())
}

fn row(name: &str, outcome: &Outcome, ours: &Outcome, config: &protocol::Config) -> Row {
    let names: Vec<String> = outcome
        .queries
        .first()
        .map(|query| query.metrics.keys().cloned().collect())
        .unwrap_or_default();
    let mut metrics = BTreeMap::new();
    let mut gain = BTreeMap::new();
    for metric in names {
        if let Some(gained) = difference(ours, outcome, &metric, config) {
            gain.insert(metric.clone(), gained);
        }
        if let Some(value) = estimate(outcome, &metric, config) {
            metrics.insert(metric, value);
        }
    }
    Row {
        name: name.into(),
        metrics,
        gain,
    }
}

fn read_corpus(path: &Path) -> Result<Vec<Labelled>> {
    let file = fs::File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut entries = Vec::new();
    for (line, text) in BufReader::new(file).lines().enumerate() {
        let place = || format!("{}, line {}", path.display(), line + 1);
        let text = text.with_context(place)?;
        entries.push(serde_json::from_str(&text).with_context(place)?);
    }
    Ok(entries)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).context("laying out JSON")?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Processor name where the system tells it, and the threads this process may use.
fn machine() -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    format!("{processor}, {threads} threads")
}

/// Today in UTC, by the proleptic Gregorian calendar.
fn today() -> Result<String> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs();
    let mut days = seconds / 86_400;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    Ok(format!("{year}-{month:02}-{:02}", days + 1))
}
