//! Reading and writing files, with errors that name them.

use anyhow::{Context, Result};
use netkin::corpus::Corpus;
use netkin::eval::{Labelled, labelled};
use netkin::import::Limits;
use std::fs;
use std::path::Path;

/// Every entry of the corpus in `path` that has a family.
pub(crate) fn read_corpus(path: &Path) -> Result<Vec<Labelled>> {
    let place = || format!("reading the corpus {}", path.display());
    let corpus = Corpus::read(read(path)?).with_context(place)?;
    labelled(&corpus, &Limits::default()).with_context(place)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}

/// Removes a file that may not be there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).context("laying out JSON")?;
    bytes.push(b'\n');
    Ok(bytes)
}
