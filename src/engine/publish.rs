//! Putting a model where servers find it, together with the embeddings of the corpus.
//!
//! A running server takes a folder as soon as it sees it. So a folder is written under a name that
//! nobody looks at and renamed when it is whole, and a version is published once: what answers
//! name must not change its meaning.

use super::folders::{self, EMBEDDINGS, Folder};
use super::open::{Parts, asset, embed_corpus, key, read_corpus};
use super::{Config, Engine, Error, saved};
use crate::import::Limits;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    let folder = folders::wanted(&assets_dir.join("models"), "")?;
    let corpus = Arc::new(read_corpus(assets_dir)?);
    let parts = Parts::read(corpus, &folder, None)?;
    let path = folder.path().join(EMBEDDINGS);
    let embeddings = embed_corpus(&parts, limits, progress)?;
    saved::write(&path, &key(&parts), &embeddings).map_err(|error| asset(&path, &error))?;
    Ok(path)
}

/// Publishes the model in the folder `fitted` under `config.assets_dir` as `models/<version>`, with
/// the embeddings of the corpus, in one step and after its self-check. Returns the new folder.
///
/// # Errors
/// When the model cannot be used, its version is published already, or files cannot be written.
pub fn publish_model(
    fitted: &Path,
    config: Config,
    limits: Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<PathBuf, Error> {
    let models = config.assets_dir.join("models");
    let whole = Folder::at(fitted).ok_or_else(|| folders::lacking_files(fitted))?;
    let version = whole.load()?.encoder.version().to_owned();
    let place = place(&models, &version)?;
    let unfinished = models.join(format!(".{version}.tmp{}", std::process::id()));
    let written = copy(fitted, &unfinished)
        .and_then(|()| complete(&unfinished, config, limits, progress))
        .and_then(|()| fs::rename(&unfinished, &place).map_err(|error| asset(&place, &error)));
    if let Err(error) = written {
        // It may not even exist; the first error is the one to tell.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    Ok(place)
}

/// Where a model of `version` goes.
fn place(models: &Path, version: &str) -> Result<PathBuf, Error> {
    let refused = |reason| {
        Err(Error::Version {
            version: version.to_owned(),
            reason,
        })
    };
    if version.is_empty() || version.starts_with('.') || version.contains(['/', '\\']) {
        return refused("it cannot name a folder");
    }
    let place = models.join(version);
    if place.exists() {
        return refused("it is there already; fit the model under another name");
    }
    Ok(place)
}

/// Copies the files of a model, but not embeddings of whatever corpus lay beside it.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(|error| asset(to, &error))?;
    let files = fs::read_dir(from).map_err(|error| asset(from, &error))?;
    for file in files {
        let path = file.map_err(|error| asset(from, &error))?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_file() && name != EMBEDDINGS {
            fs::copy(&path, to.join(name)).map_err(|error| asset(&path, &error))?;
        }
    }
    Ok(())
}

/// Embeds the corpus with the model in `folder`, keeps the embeddings there and tries them.
fn complete(
    folder: &Path,
    config: Config,
    limits: Limits,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<(), Error> {
    let copied = Folder::at(folder).ok_or_else(|| folders::lacking_files(folder))?;
    let corpus = Arc::new(read_corpus(&config.assets_dir)?);
    let parts = Parts::read(corpus, &copied, None)?;
    let engine = Engine::from_parts(parts, config, limits, progress)?;
    engine.self_check()
}
