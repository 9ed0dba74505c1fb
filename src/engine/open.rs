//! Putting an engine together: from the files of a release, or from parts made in code.

use super::additions::Additions;
use super::folders::{self, EMBEDDINGS, Folder};
use super::saved::{self, Key};
use super::{Config, Engine, Error, read};
use crate::corpus::{Corpus, Entry};
use crate::embedding::Embedding;
use crate::import::{Limits, RawGraph};
use crate::index::{self, ExactIndex};
use crate::model::Encoder;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What an engine is made of.
pub struct Parts {
    /// The entries; engines of different models may share them.
    pub corpus: Arc<Corpus>,
    /// What turns an architecture into an embedding.
    pub encoder: Box<dyn Encoder>,
    /// Files that may hold the embeddings of the corpus; the last one is written when none does.
    pub embeddings: Vec<PathBuf>,
    /// Where the index of added entries is kept, if anywhere.
    pub index: Option<PathBuf>,
}

impl Parts {
    /// `corpus` and the model in `folder`, whose embeddings are looked for beside it and, where it
    /// is given, in `data_dir`.
    pub(super) fn read(
        corpus: Arc<Corpus>,
        folder: &Folder,
        data_dir: Option<&Path>,
    ) -> Result<Self, Error> {
        let model = folder.load()?;
        // Named by the model's bytes: what is kept must never pass for the embeddings of weights
        // that took the place of others under one version.
        let model_name = format!(
            "{}-{}",
            model.encoder.version().replace('/', "_"),
            &model.checksum[..16]
        );
        let index =
            data_dir.map(|folder| folder.join("indexes").join(format!("{model_name}.index")));
        let kept = format!("{}-{model_name}.embeddings", &corpus.checksum()[..16]);
        let kept = data_dir.map(|folder| folder.join("embeddings").join(kept));
        let embeddings = std::iter::once(folder.path().join(EMBEDDINGS)).chain(kept);
        Ok(Self {
            corpus,
            encoder: model.encoder,
            embeddings: embeddings.collect(),
            index,
        })
    }
}

impl Engine {
    /// Opens the corpus and the wanted model under `config.assets_dir`. Embeddings are read from
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
        let corpus = Arc::new(read_corpus(&config.assets_dir)?);
        let folder = folders::wanted(&config.assets_dir.join("models"), &config.model)?;
        let parts = Parts::read(corpus, &folder, Some(data_dir))?;
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
        let refused = |error: index::Error| Error::Encode {
            name: "the corpus".to_owned(),
            reason: error.to_string(),
        };
        let index = ExactIndex::build(dim, &embeddings).map_err(refused)?;
        let additions = Additions::new(dim, &config.index, parts.index).map_err(refused)?;
        let entries = parts.corpus.entries();
        Ok(Self {
            positions: positions(entries),
            known: entries.iter().map(|_| OnceLock::new()).collect(),
            index: Box::new(index),
            additions,
            embeddings,
            corpus: parts.corpus,
            encoder: parts.encoder,
            limits,
            config,
        })
    }
}

/// The corpus under `assets_dir`.
pub(super) fn read_corpus(assets_dir: &Path) -> Result<Corpus, Error> {
    let path = assets_dir.join("corpus").join("netkin.corpus");
    let bytes = std::fs::read(&path).map_err(|error| asset(&path, &error))?;
    Corpus::read(bytes).map_err(|error| asset(&path, &error))
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

pub(super) fn key(parts: &Parts) -> Key {
    Key {
        text: format!("{} {}", parts.corpus.checksum(), parts.encoder.version()),
        count: parts.corpus.entries().len(),
        dim: parts.encoder.dim(),
    }
}

pub(super) fn embed_corpus(
    parts: &Parts,
    limits: &Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Embedding>, Error> {
    let all = parts.corpus.entries().len();
    let done = AtomicUsize::new(0);
    let blocks: Vec<Vec<Embedding>> = (0..parts.corpus.block_count())
        .into_par_iter()
        .map(|block| {
            let mut embeddings = Vec::new();
            read::each_graph(&parts.corpus, block, |index, graph| {
                let id = &parts.corpus.entries()[index].id;
                embeddings.push(embed(parts.encoder.as_ref(), id, graph, limits)?);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
                Ok(())
            })?;
            Ok(embeddings)
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

pub(super) fn asset(path: &Path, reason: &dyn std::fmt::Display) -> Error {
    Error::Asset {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}
