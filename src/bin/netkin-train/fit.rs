//! Fits an encoder and writes its folder.

use crate::files::{json, read, read_corpus, remove, write};
use anyhow::{Context, Result, bail};
use netkin::eval::{data_hash, protocol, split};
use netkin::train::{self, fit, model_card};
use std::fs;
use std::path::Path;

pub(crate) fn run(corpus: &Path, out: &Path, config: Option<&Path>) -> Result<()> {
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
    let training = split::training(&entries, &protocol::Config::default());
    let encoder = fit(version, &training, data_hash(&entries), &config)?;
    let weights = encoder.weights()?.context("a fitted encoder has weights")?;
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    // Made with the weights that are replaced here.
    remove(&out.join("corpus.embeddings"))?;
    write(&out.join("config.json"), &json(encoder.config())?)?;
    write(&out.join("model.safetensors"), &weights)?;
    write(&out.join("fit.json"), &json(&config)?)?;
    let card = model_card(encoder.config(), &config, None);
    write(&out.join("README.md"), card.as_bytes())
}
