//! Putting an engine together: from the files of a release, or from parts made in code.

use super::saved::{self, Key};
use super::{Config, Engine, Error, read};
use crate::corpus::{Corpus, Entry};
use crate::embedding::Embedding;
use crate::import::{Limits, RawGraph};
use crate::index::ExactIndex;
use crate::model::{Encoder, TokenSetEncoder};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an engine is made of.
pub struct Parts {
    /// The entries.
    pub corpus: Corpus,
    /// What turns an architecture into an embedding.
    pub encoder: Box<dyn Encoder>,
    /// A checksum of the corpus; names the file of its embeddings.
    pub checksum: String,
    /// Files that may hold the embeddings of the corpus; the last one is written when none does.
    pub embeddings: Vec<PathBuf>,
}

impl Engine {
    /// Opens the corpus and the newest model under `config.assets_dir`. Embeddings are read from
    /// beside the model or from `data_dir`; when neither has them they are made, which `progress`
    /// follows as (done, all), and kept in `data_dir`.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn open(
        config: Config,
        limits: Limits,
        data_dir: &Path,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, Error> {
        let (mut parts, _) = release(&config.assets_dir)?;
        let file = format!(
            "{}-{}.embeddings",
            &parts.checksum[..16.min(parts.checksum.len())],
            parts.encoder.version()
        );
        let own = data_dir.join("embeddings").join(file.replace('/', "_"));
        parts.embeddings.push(own);
        Self::from_parts(parts, config, limits, progress)
    }

    /// An engine over `parts`.
    ///
    /// # Errors
    /// When a stored graph has no architecture or cannot be embedded.
    pub fn from_parts(
        parts: Parts,
        config: Config,
        limits: Limits,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, Error> {
        let embeddings = embeddings(&parts, &limits, progress)?;
        let dim = parts.encoder.dim();
        let index = ExactIndex::build(dim, &embeddings).map_err(|error| Error::Encode {
            name: "the corpus".to_owned(),
            reason: error.to_string(),
        })?;
        let entries = parts.corpus.entries();
        Ok(Self {
            positions: positions(entries),
            known: entries.iter().map(|_| OnceLock::new()).collect(),
            index: Box::new(index),
            embeddings,
            corpus: parts.corpus,
            encoder: parts.encoder,
            limits,
            config,
        })
    }
}

/// Embeds the corpus under `assets_dir` with the newest model there and keeps the result beside the
/// model, where every start finds it. Returns the file.
///
/// # Errors
/// When a file is missing or damaged, or the result cannot be written.
pub fn publish_embeddings(
    assets_dir: &Path,
    limits: &Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<PathBuf, Error> {
    let (parts, path) = release(assets_dir)?;
    let embeddings = embed_corpus(&parts, limits, progress)?;
    saved::write(&path, &key(&parts), &embeddings).map_err(|error| asset(&path, &error))?;
    Ok(path)
}

/// The corpus and the newest model, and where the model keeps the embeddings of a corpus.
fn release(assets_dir: &Path) -> Result<(Parts, PathBuf), Error> {
    let corpus_path = assets_dir.join("corpus").join("netkin.corpus");
    let bytes = std::fs::read(&corpus_path).map_err(|error| asset(&corpus_path, &error))?;
    let corpus = Corpus::read(bytes).map_err(|error| asset(&corpus_path, &error))?;
    let model = newest_model(&assets_dir.join("models"))?;
    let embeddings = model.join("corpus.embeddings");
    let parts = Parts {
        checksum: corpus.checksum(),
        corpus,
        encoder: Box::new(load_encoder(&model)?),
        embeddings: vec![embeddings.clone()],
    };
    Ok((parts, embeddings))
}

/// Where each id is; the aliases of an entry lead to it too.
fn positions(entries: &[Entry]) -> HashMap<String, usize> {
    let mut positions = HashMap::new();
    for (position, entry) in entries.iter().enumerate() {
        for alias in &entry.aliases {
            positions.entry(alias.clone()).or_insert(position);
        }
    }
    // Ids second: an id wins over an alias of the same name.
    positions.extend(
        entries
            .iter()
            .zip(0..)
            .map(|(entry, place)| (entry.id.clone(), place)),
    );
    positions
}

fn embeddings(
    parts: &Parts,
    limits: &Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Embedding>, Error> {
    let key = key(parts);
    let kept = parts
        .embeddings
        .iter()
        .find_map(|path| saved::read(path, &key));
    if let Some(embeddings) = kept {
        return Ok(embeddings);
    }
    let embeddings = embed_corpus(parts, limits, progress)?;
    if let Some(path) = parts.embeddings.last() {
        // Losing the file costs the next start some seconds, so it is no reason to fail this one.
        if let Err(error) = saved::write(path, &key, &embeddings) {
            tracing::warn!(path = %path.display(), %error, "embeddings not kept");
        }
    }
    Ok(embeddings.iter().map(saved::rounded).collect())
}

fn key(parts: &Parts) -> Key {
    Key {
        text: format!("{} {}", parts.checksum, parts.encoder.version()),
        count: parts.corpus.entries().len(),
        dim: parts.encoder.dim(),
    }
}

fn embed_corpus(
    parts: &Parts,
    limits: &Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Embedding>, Error> {
    let all = parts.corpus.entries().len();
    let done = AtomicUsize::new(0);
    // Block by block: the graphs of one block are decompressed together.
    let blocks: Vec<Vec<Embedding>> = (0..parts.corpus.block_count())
        .into_par_iter()
        .map(|block| {
            let (first, graphs) =
                parts
                    .corpus
                    .block_graphs(block)
                    .map_err(|error| Error::Unreadable {
                        name: "the corpus".to_owned(),
                        reason: error.to_string(),
                    })?;
            let embed = |(offset, raw): (usize, &RawGraph)| {
                let id = &parts.corpus.entries()[first + offset].id;
                let embedding = embed(parts.encoder.as_ref(), id, raw, limits);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
                embedding
            };
            graphs.iter().enumerate().map(embed).collect()
        })
        .collect::<Result<_, Error>>()?;
    Ok(blocks.into_iter().flatten().collect())
}

fn embed(
    encoder: &dyn Encoder,
    id: &str,
    raw: &RawGraph,
    limits: &Limits,
) -> Result<Embedding, Error> {
    let architecture = read::canonicalised(id, raw, limits)?;
    encoder
        .encode(&architecture)
        .map_err(|error| Error::Encode {
            name: id.to_owned(),
            reason: error.to_string(),
        })
}

/// The model folder whose name sorts last; releases are named by date or version.
fn newest_model(models: &Path) -> Result<PathBuf, Error> {
    let folders = std::fs::read_dir(models).map_err(|error| asset(models, &error))?;
    folders
        .filter_map(|folder| folder.ok().map(|folder| folder.path()))
        .filter(|path| path.is_dir())
        .max()
        .ok_or_else(|| asset(models, &"it holds no model"))
}

fn load_encoder(model: &Path) -> Result<TokenSetEncoder, Error> {
    let read = |name: &str| {
        let path = model.join(name);
        std::fs::read(&path).map_err(|error| asset(&path, &error))
    };
    let (config, weights) = (read("config.json")?, read("model.safetensors")?);
    TokenSetEncoder::load(&config, &weights).map_err(|error| asset(model, &error))
}

fn asset(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Asset {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
