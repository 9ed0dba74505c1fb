//! Which models there are, which one serves and which was refused: what a running server follows.
//!
//! The newest model serves, or the one that is pinned. One that cannot be used is passed over for
//! the next older one until its files change. The corpus is read once and stays: models come and
//! go at run time, entries do not.

use super::folders::{self, Folder};
use super::open::{Parts, read_corpus};
use super::{Config, Engine, Error, ModelState, ModelSummary};
use crate::corpus::Corpus;
use crate::import::Limits;
use crate::model::Manifest;
use chrono::{SecondsFormat, Utc};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The models of a release and what became of them.
pub struct Models {
    corpus: Arc<Corpus>,
    config: Config,
    limits: Limits,
    data_dir: PathBuf,
    /// Whole folders when they were last looked at, the newest last.
    found: Vec<Model>,
    serving: Option<Serving>,
    /// Problems of folders that cannot be used.
    refused: HashMap<Folder, String>,
}

#[derive(Clone)]
struct Model {
    folder: Folder,
    manifest: Option<Manifest>,
}

struct Serving {
    model: Model,
    since: String,
}

/// How far the loading of a model has come.
#[derive(Clone, Copy, Debug)]
pub struct Loading<'a> {
    /// The model.
    pub folder: &'a Folder,
    /// Entries that have their embedding.
    pub done: usize,
    /// All entries.
    pub total: usize,
}

impl Models {
    /// Reads the corpus under `config.assets_dir`; embeddings that are made are kept in `data_dir`.
    ///
    /// # Errors
    /// When the corpus is missing or damaged.
    pub fn open(config: Config, limits: Limits, data_dir: &Path) -> Result<Self, Error> {
        Ok(Self {
            corpus: Arc::new(read_corpus(&config.assets_dir)?),
            config,
            limits,
            data_dir: data_dir.to_owned(),
            found: Vec::new(),
            serving: None,
            refused: HashMap::new(),
        })
    }

    /// Looks at the folders and names the one to load, `None` while the right one serves.
    ///
    /// # Errors
    /// When the folders cannot be listed, or nothing serves and there is nothing to try.
    pub fn look(&mut self) -> Result<Option<Folder>, Error> {
        let folders = self.config.assets_dir.join("models");
        let found = folders::whole(&folders)?;
        self.refused.retain(|folder, _| found.contains(folder));
        self.found = found.into_iter().map(Model::of).collect();
        let pinned = &self.config.model;
        let admitted = self.found.iter().rev().map(|model| &model.folder);
        let mut admitted = admitted
            .filter(|folder| folders::is_admitted(folder, pinned))
            .peekable();
        if self.serving.is_none() && admitted.peek().is_none() {
            return Err(folders::lacking(&folders, pinned));
        }
        let best = admitted.find(|folder| !self.refused.contains_key(*folder));
        Ok(best.filter(|folder| !self.is_serving(folder)).cloned())
    }

    /// An engine with the model in `folder`, after its self-check. `progress` follows the embedding
    /// of the corpus as (done, all); where embeddings are kept, it is not called.
    ///
    /// # Errors
    /// When the model cannot be used.
    pub fn load(
        &self,
        folder: &Folder,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Engine, Error> {
        let parts = Parts::read(Arc::clone(&self.corpus), folder, Some(&self.data_dir))?;
        let engine = Engine::from_parts(parts, self.config.clone(), self.limits.clone(), progress)?;
        engine.self_check()?;
        if !folder.is_unchanged() {
            return Err(Error::SelfCheck {
                version: engine.model_version().to_owned(),
                reason: "its files changed while it was loaded".to_owned(),
            });
        }
        Ok(engine)
    }

    /// From now on the model in `folder` makes the answers.
    pub fn serve(&mut self, folder: Folder) {
        self.serving = Some(Serving {
            model: Model::of(folder),
            since: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true),
        });
    }

    /// The model in `folder` is not tried again until its files change.
    pub fn refuse(&mut self, folder: Folder, error: &Error) {
        let problem = self.told(error);
        self.refused.insert(folder, problem);
    }

    /// Entries that a model has to embed.
    pub fn entry_count(&self) -> usize {
        self.corpus.entries().len()
    }

    /// Why a model in `folder` that panics cannot be used.
    pub fn panicked(&self, folder: &Folder) -> Error {
        Error::SelfCheck {
            version: folder.name(),
            reason: "the program panicked while it was loaded; the log says where".to_owned(),
        }
    }

    /// Whether some model makes the answers.
    pub fn is_served(&self) -> bool {
        self.serving.is_some()
    }

    /// Every model, the newest first, while one of them may be `loading`.
    pub fn list(&self, loading: Option<Loading<'_>>) -> Vec<ModelSummary> {
        let found = self.found.iter().rev();
        let listed = found.map(|model| model.summary(self.state(&model.folder, loading)));
        // Its folder may have been removed or written anew: it serves until another one can.
        let gone = self.serving.iter().filter(|serving| {
            let mut found = self.found.iter();
            found.all(|model| model.folder != serving.model.folder)
        });
        let gone = gone.map(|serving| serving.model.summary(serving.state()));
        listed.chain(gone).collect()
    }

    fn state(&self, folder: &Folder, loading: Option<Loading<'_>>) -> ModelState {
        if let Some(loading) = loading.filter(|loading| loading.folder == folder) {
            return ModelState::Loading {
                done: loading.done,
                total: loading.total,
            };
        }
        if let Some(problem) = self.refused.get(folder) {
            return ModelState::Failed {
                problem: problem.clone(),
            };
        }
        match &self.serving {
            Some(serving) if serving.model.folder == *folder => serving.state(),
            _ => ModelState::Available,
        }
    }

    fn is_serving(&self, folder: &Folder) -> bool {
        let serving = self.serving.as_ref();
        serving.is_some_and(|serving| serving.model.folder == *folder)
    }

    /// `error` for everybody to read: where the release lies on the disk is private.
    fn told(&self, error: &Error) -> String {
        let Error::Asset { path, reason } = error else {
            return error.to_string();
        };
        let path = path.strip_prefix(&self.config.assets_dir).unwrap_or(path);
        let path = path.to_owned();
        let reason = reason.clone();
        Error::Asset { path, reason }.to_string()
    }
}

impl Model {
    fn of(folder: Folder) -> Self {
        Self {
            manifest: folder.manifest(),
            folder,
        }
    }

    fn summary(&self, state: ModelState) -> ModelSummary {
        let manifest = self.manifest.as_ref();
        ModelSummary {
            folder: self.folder.name(),
            version: manifest.map(|manifest| manifest.version.clone()),
            encoder: manifest.map(|manifest| manifest.encoder.clone()),
            dim: manifest.map(|manifest| manifest.dim),
            state,
        }
    }
}

impl Serving {
    fn state(&self) -> ModelState {
        ModelState::Serving {
            since: self.since.clone(),
        }
    }
}
