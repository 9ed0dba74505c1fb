//! One function a command: from arguments to the text of the answer.

use crate::args::{Command, Corpus, Format, Search};
use crate::failure::Failure;
use crate::{export, health, keys, progress, render};
use netkin::api;
use netkin::corpus::{self, NasSpace};
use netkin::engine::{Engine, Filter, Models, Query, Range, SearchOptions};
use netkin::import::Limits;
use netkin::import::canonical::canonicalise;
use netkin::settings::Settings;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) fn run(
    command: Command,
    settings: Settings,
    reload: impl Fn() -> Option<api::Config> + Send + 'static,
) -> Result<String, Failure> {
    match command {
        Command::Serve { listen } => serve(listen, settings, reload),
        Command::Search(search) => search_for(search, settings),
        Command::Describe { query, output } => {
            let query = read_query(&query, &settings.limits)?;
            let answer = open(settings)?.describe(&query)?;
            Ok(in_format(output.format, &answer, render::describe))
        }
        Command::Compare { a, b, output } => {
            let (a, b) = (
                read_query(&a, &settings.limits)?,
                read_query(&b, &settings.limits)?,
            );
            let answer = open(settings)?.compare(&a, &b)?;
            Ok(in_format(output.format, &answer, render::compare))
        }
        Command::Corpus { command } => corpus(command, settings),
        Command::Health => health::run(&settings.server.listen),
        Command::Keys { command } => keys::run(command, &settings),
        Command::Openapi => Ok(api::openapi_yaml()),
    }
}

/// Fills in the folders that the settings leave to be found.
pub(crate) fn place(settings: &mut Settings) {
    if settings.data_dir.as_os_str().is_empty() {
        settings.data_dir = data_folder();
    }
    if settings.store.url.is_empty() {
        let named = std::env::var("DATABASE_URL")
            .ok()
            .filter(|url| !url.is_empty());
        settings.store.url = named.unwrap_or_else(|| local_database(&settings.data_dir));
    }
    if settings.engine.assets_dir.as_os_str().is_empty() {
        settings.engine.assets_dir = assets_folder();
    }
}

fn data_folder() -> PathBuf {
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    data.or(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("netkin")
}

fn local_database(folder: &Path) -> String {
    format!("sqlite://{}?mode=rwc", folder.join("netkin.db").display())
}

/// The current folder, a folder above the program (a checkout), or `share/netkin` beside it.
fn assets_folder() -> PathBuf {
    let here = PathBuf::from(".");
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().skip(1);
    let places = above.flat_map(|folder| [folder.to_owned(), folder.join("share/netkin")]);
    let has_corpus = |folder: &PathBuf| folder.join("corpus/netkin.corpus").is_file();
    std::iter::once(here.clone())
        .chain(places)
        .find(has_corpus)
        .unwrap_or(here)
}

fn serve(
    listen: Option<String>,
    mut settings: Settings,
    reload: impl Fn() -> Option<api::Config> + Send + 'static,
) -> Result<String, Failure> {
    if let Some(listen) = listen {
        settings.server.listen = listen;
    }
    let metrics = netkin::telemetry::start_metrics()?;
    let state = api::State::new(settings.server.clone(), metrics)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    std::fs::create_dir_all(&settings.data_dir).map_err(|error| Failure::Unwritable {
        path: settings.data_dir.display().to_string(),
        reason: error.to_string(),
    })?;
    let sources = api::Sources {
        store: settings.store,
        open: move || Models::open(settings.engine, settings.limits, &settings.data_dir),
        reload,
    };
    // For whoever started the server on port 0: the address, whatever the log filter says.
    let listening = |address| eprintln!("listening on http://{address}");
    let outcome = runtime.block_on(api::serve(state, sources, listening));
    runtime.shutdown_background();
    outcome?;
    Ok(String::new())
}

fn search_for(search: Search, settings: Settings) -> Result<String, Failure> {
    let query = read_query(&search.query, &settings.limits)?;
    let options = SearchOptions {
        k: search.k,
        filter: Filter {
            family: search.family,
            source: search.source,
            task: search.task,
            published: search.published.then_some(true),
            parameters: Range {
                min: search.min_parameters,
                max: search.max_parameters,
            },
            flops: Range {
                min: search.min_flops,
                max: search.max_flops,
            },
            ..Filter::default()
        },
        ..SearchOptions::default()
    };
    let answer = open(settings)?.search(&query, &options)?;
    Ok(in_format(search.output.format, &answer, render::search))
}

pub(crate) fn open(settings: Settings) -> Result<Engine, Failure> {
    let bar = OnceLock::new();
    let progress = |done: usize, all: usize| {
        bar.get_or_init(|| progress::bar("embedding the corpus", all))
            .set_position(done as u64)
    };
    let engine = Engine::open(
        settings.engine,
        settings.limits,
        &settings.data_dir,
        &progress,
    )?;
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    Ok(engine)
}

/// Files and standard input are streamed: weights are never held.
fn read_query(text: &str, limits: &Limits) -> Result<Query, Failure> {
    if let Some(id) = text.strip_prefix("id:") {
        return Ok(Query::Id(id.to_owned()));
    }
    if text.starts_with("nas:") {
        return Ok(Query::Nas(text.to_owned()));
    }
    if text == "-" {
        return Ok(Query::from_reader(None, std::io::stdin().lock(), limits)?);
    }
    let unreadable = |error: std::io::Error| Failure::File {
        path: text.to_owned(),
        reason: error.to_string(),
    };
    let file = File::open(text).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    let stem = Path::new(text).file_stem();
    let name = stem.map(|stem| stem.to_string_lossy().into_owned());
    Ok(Query::from_reader(name, BufReader::new(file), limits)?)
}

pub(crate) fn in_format<T: Serialize>(
    format: Format,
    answer: &T,
    table: impl Fn(&T) -> String,
) -> String {
    match format {
        Format::Table => table(answer),
        // The answers are plain data: strings, numbers, lists.
        Format::Json => serde_json::to_string_pretty(answer).unwrap_or_default(),
    }
}

fn corpus(command: Corpus, settings: Settings) -> Result<String, Failure> {
    match command {
        Corpus::Stats { output } => {
            let mut stats = read_corpus(&settings)?.stats();
            stats.nas = nas(&settings.engine.assets_dir.join("corpus/nas/counts.json"))?;
            let stats = serde_json::json!(stats);
            Ok(in_format(output.format, &stats, render::fields))
        }
        Corpus::Verify { output } => {
            let corpus = read_corpus(&settings)?;
            let failures = corpus::verify(&corpus, &settings.limits, canonicalise);
            let failures = failures.map_err(|error| unusable(&settings, &error))?;
            if let Some(first) = failures.first() {
                let count = failures.len();
                return Err(Failure::Damaged(format!(
                    "{count} of its entries fail, the first is {}: {}",
                    first.id, first.problem
                )));
            }
            let answer = serde_json::json!({ "entries": corpus.entries().len(), "failures": [] });
            Ok(in_format(output.format, &answer, render::fields))
        }
        Corpus::Export { format, out } => export::run(format, &out, settings),
    }
}

pub(crate) fn read_corpus(settings: &Settings) -> Result<corpus::Corpus, Failure> {
    let bytes = std::fs::read(corpus_path(settings)).map_err(|error| unusable(settings, &error))?;
    corpus::Corpus::read(bytes).map_err(|error| unusable(settings, &error))
}

fn unusable(settings: &Settings, error: &dyn std::fmt::Display) -> Failure {
    Failure::File {
        path: corpus_path(settings).display().to_string(),
        reason: error.to_string(),
    }
}

fn corpus_path(settings: &Settings) -> PathBuf {
    settings.engine.assets_dir.join("corpus/netkin.corpus")
}

/// Cells counted when they were written down; none where they are not shipped.
fn nas(path: &Path) -> Result<BTreeMap<String, NasSpace>, Failure> {
    let unusable = |reason: String| Failure::File {
        path: path.display().to_string(),
        reason,
    };
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(unusable(error.to_string())),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unusable(error.to_string())),
    }
}
