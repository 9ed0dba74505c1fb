//! Makes a model ready to ship: in its place, with the embeddings of the corpus beside it.

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use netkin::engine::{self, publish_embeddings, publish_model};
use netkin::settings::Settings;
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(model: Option<&Path>, assets: &Path) -> Result<String> {
    let started = Instant::now();
    let settings = Settings::gather(None, |name| std::env::var(name).ok())?;
    let bar = ProgressBar::new(0);
    let progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let path = match model {
        Some(model) => {
            let config = engine::Config {
                assets_dir: assets.to_owned(),
                ..settings.engine
            };
            publish_model(model, config, settings.limits, &progress)
                .with_context(|| format!("publishing {}", model.display()))?
        }
        None => publish_embeddings(assets, &settings.limits, &progress)
            .context("embedding the corpus")?,
    };
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!("{} in {seconds:.1} s", path.display()))
}
