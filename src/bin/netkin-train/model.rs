//! A model's folder, of whichever kind: its encoder, its settings and its card.

use crate::files::read;
use anyhow::{Context, Result};
use netkin::model::{self, Encoder, MotifGnn, TokenSetEncoder, motif_gnn};
use netkin::train::{self, gnn, model_card, motif_gnn_card};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// A model and the settings that it was trained with.
pub(crate) enum Model {
    TokenSets(Box<(TokenSetEncoder, train::Config)>),
    MotifGnn(Box<(MotifGnn, gnn::Config)>),
}

impl Model {
    /// Reads the model in `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let place = || format!("loading the model in {}", folder.display());
        let config = read(&folder.join("config.json"))?;
        let weights = read(&folder.join("model.safetensors"))?;
        let manifest = model::manifest(&config).with_context(place)?;
        Ok(if manifest.encoder == motif_gnn::KIND {
            let encoder = MotifGnn::load(&config, &weights).with_context(place)?;
            Self::MotifGnn(Box::new((
                encoder,
                settings(&folder.join("training.json"))?,
            )))
        } else {
            let encoder = TokenSetEncoder::load(&config, &weights).with_context(place)?;
            Self::TokenSets(Box::new((encoder, settings(&folder.join("fit.json"))?)))
        })
    }

    pub(crate) fn encoder(&self) -> &dyn Encoder {
        match self {
            Self::TokenSets(model) => &model.0,
            Self::MotifGnn(model) => &model.0,
        }
    }

    /// Hash of the data it learned from.
    pub(crate) fn data_hash(&self) -> &str {
        match self {
            Self::TokenSets(model) => &model.0.config().data_hash,
            Self::MotifGnn(model) => &model.0.config().data_hash,
        }
    }

    /// The package that it was trained without.
    pub(crate) fn without(&self) -> Option<&str> {
        match self {
            Self::TokenSets(_) => None,
            Self::MotifGnn(model) => model.1.without.as_deref(),
        }
    }

    pub(crate) fn seed(&self) -> u64 {
        match self {
            Self::TokenSets(model) => model.1.seed,
            Self::MotifGnn(model) => model.1.seed,
        }
    }

    /// All settings but the seed.
    pub(crate) fn settings_but_seed(&self) -> Result<Value> {
        let mut settings = match self {
            Self::TokenSets(model) => serde_json::to_value(&model.1),
            Self::MotifGnn(model) => serde_json::to_value(&model.1),
        }?;
        settings["seed"] = Value::Null;
        Ok(settings)
    }

    /// The fit of token sets that it is, stands beside or is compared with.
    pub(crate) fn token_sets(&self) -> train::Config {
        match self {
            Self::TokenSets(model) => model.1.clone(),
            Self::MotifGnn(model) => model.1.token_sets.clone().unwrap_or_default(),
        }
    }

    /// Its card with the table that an evaluation wrote.
    pub(crate) fn card(&self, metrics: Option<&str>) -> String {
        match self {
            Self::TokenSets(model) => model_card(model.0.config(), &model.1, metrics),
            Self::MotifGnn(model) => motif_gnn_card(&model.0, &model.1, metrics),
        }
    }
}

fn settings<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_slice(&read(path)?).with_context(|| format!("reading {}", path.display()))
}
