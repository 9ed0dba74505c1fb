//! The folders of models: which are whole, and which of them is the newest.
//!
//! A folder is whole once it holds every file of a model. One whose name starts with a dot is still
//! being written: whoever publishes a model renames its folder as the last step.

use super::Error;
use super::open::asset;
use crate::model::{self, Encoder, Manifest};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const NEEDED: &str = "a model needs config.json and model.safetensors";
/// Where a model keeps the embeddings of the corpus it was published for.
pub(super) const EMBEDDINGS: &str = "corpus.embeddings";

/// The folder of a model as it was when it was looked at: after a change it is another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Folder {
    path: PathBuf,
    config: Stamp,
    weights: Stamp,
}

/// What tells that a file has changed, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    bytes: u64,
    changed: SystemTime,
}

/// A model that was read, and a checksum of its files.
pub(super) struct Loaded {
    pub(super) encoder: Box<dyn Encoder>,
    pub(super) checksum: String,
}

impl Folder {
    /// `path` as it is now; `None` unless it is whole.
    pub(super) fn at(path: &Path) -> Option<Self> {
        Some(Self {
            config: stamp(&path.join(CONFIG))?,
            weights: stamp(&path.join(WEIGHTS))?,
            path: path.to_owned(),
        })
    }

    /// What the setting `engine.model` calls it.
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its files are still those that were looked at.
    pub(super) fn is_unchanged(&self) -> bool {
        Self::at(&self.path).as_ref() == Some(self)
    }

    /// What the model says of itself, when that can be read.
    pub(super) fn manifest(&self) -> Option<Manifest> {
        model::manifest(&std::fs::read(self.path.join(CONFIG)).ok()?).ok()
    }

    pub(super) fn load(&self) -> Result<Loaded, Error> {
        let read = |name: &str| {
            let path = self.path.join(name);
            std::fs::read(&path).map_err(|error| asset(&path, &error))
        };
        let (config, weights) = (read(CONFIG)?, read(WEIGHTS)?);
        let mut checksum = blake3::Hasher::new();
        checksum.update(&config).update(&weights);
        Ok(Loaded {
            encoder: model::load(&config, &weights).map_err(|error| asset(&self.path, &error))?,
            checksum: checksum.finalize().to_hex().to_string(),
        })
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok().filter(|about| about.is_file());
    about.and_then(|about| {
        Some(Stamp {
            bytes: about.len(),
            changed: about.modified().ok()?,
        })
    })
}

/// The whole folders in `models`, the newest last.
pub(super) fn whole(models: &Path) -> Result<Vec<Folder>, Error> {
    let folders = std::fs::read_dir(models).map_err(|error| asset(models, &error))?;
    let mut whole: Vec<Folder> = folders
        .filter_map(|folder| folder.ok())
        .filter(|folder| !folder.file_name().as_encoded_bytes().starts_with(b"."))
        .filter_map(|folder| Folder::at(&folder.path()))
        .collect();
    whole.sort_by_cached_key(|folder| age(&folder.name()));
    Ok(whole)
}

/// Orders names by the numbers in them, which are a version or a date, so that `token-set-10` is
/// newer than `motif-gnn-9`; then by the whole name.
fn age(name: &str) -> (Vec<u64>, String) {
    let numbers = name.split(|letter: char| !letter.is_ascii_digit());
    let numbers = numbers.filter_map(|number| number.parse().ok()).collect();
    (numbers, name.to_owned())
}

/// The folder called `pinned`, or the newest one when nothing is pinned.
pub(super) fn wanted(models: &Path, pinned: &str) -> Result<Folder, Error> {
    let whole = whole(models)?.into_iter().rev();
    let mut admitted = whole.filter(|folder| is_admitted(folder, pinned));
    admitted.next().ok_or_else(|| lacking(models, pinned))
}

/// Whether `folder` may serve while `pinned` is set; an empty text pins nothing.
pub(super) fn is_admitted(folder: &Folder, pinned: &str) -> bool {
    pinned.is_empty() || folder.name() == pinned
}

/// Why no folder of `models` can serve.
pub(super) fn lacking(models: &Path, pinned: &str) -> Error {
    if pinned.is_empty() {
        return asset(models, &format!("it holds no model; {NEEDED}"));
    }
    asset(
        models,
        &format!("it holds no model called `{pinned}`; {NEEDED}"),
    )
}

/// Why `folder` is no model.
pub(super) fn lacking_files(folder: &Path) -> Error {
    asset(folder, &NEEDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(models: &Path, folder: &str, files: &[&str]) {
        let folder = models.join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for file in files {
            std::fs::write(folder.join(file), "{}").unwrap();
        }
    }

    #[test]
    fn the_newest_is_the_last_whole_folder_whatever_lies_beside_it() {
        let models = tempfile::tempdir().unwrap();
        let newest = |pinned| wanted(models.path(), pinned).map(|folder| folder.name());
        assert!(newest("").unwrap_err().to_string().contains("no model"));
        write(models.path(), "2026-01", &[CONFIG, WEIGHTS]);
        write(models.path(), "2026-02", &[CONFIG, WEIGHTS, EMBEDDINGS]);
        write(models.path(), "2026-03", &[CONFIG]);
        write(models.path(), "2025-12", &[CONFIG, WEIGHTS]);
        write(models.path(), ".2026-04.tmp7", &[CONFIG, WEIGHTS]);
        std::fs::write(models.path().join("README.md"), "models").unwrap();
        assert_eq!(newest("").unwrap(), "2026-02");
        assert_eq!(newest("2026-01").unwrap(), "2026-01");
        let error = newest("2026-03").unwrap_err().to_string();
        assert!(error.contains("no model called `2026-03`"), "{error}");
    }

    #[test]
    fn a_higher_number_is_newer_whatever_the_kind() {
        let mut names = ["token-set-9", "motif-gnn-10", "token-set-10", "untitled"];
        names.sort_by_cached_key(|name| age(name));
        assert_eq!(
            names,
            ["untitled", "token-set-9", "motif-gnn-10", "token-set-10"]
        );
    }

    #[test]
    fn a_folder_with_other_files_is_another_folder() {
        let models = tempfile::tempdir().unwrap();
        write(models.path(), "a", &[CONFIG, WEIGHTS]);
        let folder = wanted(models.path(), "").unwrap();
        assert!(folder.is_unchanged());
        std::fs::write(models.path().join("a").join(WEIGHTS), "other").unwrap();
        assert!(!folder.is_unchanged());
    }
}
