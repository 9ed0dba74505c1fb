//! Which models are evaluated, and which of them is asked for what.

use crate::files::read;
use crate::model::Model;
use anyhow::{Context, Result, bail};
use netkin::eval::report::{Tried, Tuned};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The models of an evaluation.
pub(super) struct Models {
    /// Asked for everything: the evaluated one first, then those beside it.
    pub(super) everywhere: Vec<Model>,
    /// For the model at a place in `everywhere`, the same settings with other seeds.
    pub(super) again: BTreeMap<usize, Vec<Model>>,
    /// Trained without a package, and asked for its networks alone.
    pub(super) without: BTreeMap<String, Vec<Model>>,
    /// What was tried on validation families before, where a folder tells.
    pub(super) tuned: Vec<Tuned>,
}

impl Models {
    /// Reads the models in these folders.
    pub(super) fn read(evaluated: &Path, beside: &[PathBuf]) -> Result<Self> {
        let first = Model::read(evaluated)?;
        let hash = first.data_hash().to_owned();
        let mut models = Self {
            tuned: tuned(&first, evaluated)?.into_iter().collect(),
            everywhere: vec![first],
            again: BTreeMap::new(),
            without: BTreeMap::new(),
        };
        for folder in beside {
            let model = Model::read(folder)?;
            if model.data_hash() != hash {
                bail!("the model in {} learned from other data", folder.display());
            }
            models.tuned.extend(tuned(&model, folder)?);
            models.add(model)?;
        }
        Ok(models)
    }

    fn add(&mut self, model: Model) -> Result<()> {
        if let Some(package) = model.without() {
            let package = package.to_owned();
            self.without.entry(package).or_default().push(model);
            return Ok(());
        }
        let settings = model.settings_but_seed()?;
        for (place, known) in self.everywhere.iter().enumerate() {
            if known.settings_but_seed()? == settings {
                self.again.entry(place).or_default().push(model);
                return Ok(());
            }
        }
        self.everywhere.push(model);
        Ok(())
    }

    pub(super) fn evaluated(&self) -> &Model {
        // `read` puts it there.
        &self.everywhere[0]
    }
}

/// What `tuning.json` in the model's folder holds.
fn tuned(model: &Model, folder: &Path) -> Result<Option<Tuned>> {
    let path = folder.join("tuning.json");
    if !path.exists() {
        return Ok(None);
    }
    let place = || format!("reading {}", path.display());
    let trials: Vec<Tried> = serde_json::from_slice(&read(&path)?).with_context(place)?;
    Ok(Some(Tuned {
        model: model.encoder().version().into(),
        trials,
    }))
}
