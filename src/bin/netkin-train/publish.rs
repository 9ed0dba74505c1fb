//! Makes a model ready to ship: the embeddings of the corpus beside it.

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use netkin::engine::publish_embeddings;
use netkin::import::Limits;
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(assets: &Path) -> Result<String> {
    let started = Instant::now();
    let bar = ProgressBar::new(0);
    let progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let path = publish_embeddings(assets, &Limits::default(), &progress)
        .context("embedding the corpus")?;
    bar.finish_and_clear();
    let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "{}: {bytes} bytes in {seconds:.1} s",
        path.display()
    ))
}
