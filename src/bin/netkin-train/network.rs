//! Trains the motif GNN, a stage at a time or both, and writes its folder.

use crate::files::{json, read, read_corpus, remove, write};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use netkin::eval::protocol;
use netkin::train::gnn::{Config, Data, Surroundings, train_graphs, train_motifs};
use netkin::train::{DeviceChoice, Progress, motif_gnn_card};
use std::fs;
use std::path::{Path, PathBuf};

/// What every stage is told.
#[derive(clap::Args)]
pub(crate) struct Training {
    /// The corpus.
    #[arg(long, default_value = "corpus/netkin.corpus")]
    corpus: PathBuf,
    /// Settings of the training, in JSON; the defaults without it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Folder of checkpoints and logs, one for each stage. A training that was cut off goes on
    /// from its last checkpoint; other settings, another seed or other data start anew.
    #[arg(long, default_value = "var/training")]
    checkpoints: PathBuf,
    /// Holds a quarter of the training families out and measures MAP@20 on them: for choosing
    /// settings. Which quarter, from 1.
    #[arg(long)]
    fold: Option<u64>,
    /// Where it runs: `auto` (a GPU where there is one), `cpu`, or `cuda` with an optional number
    /// such as `cuda:1`.
    #[arg(long, default_value = "auto")]
    device: DeviceChoice,
}

/// Stages to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stages {
    Motif,
    Graph,
    All,
}

pub(crate) fn run(training: &Training, stages: Stages, out: Option<&Path>) -> Result<String> {
    let config: Config = match &training.config {
        Some(path) => serde_json::from_slice(&read(path)?)
            .with_context(|| format!("reading the settings in {}", path.display()))?,
        None => Config::default(),
    };
    let motif_folder = training.checkpoints.join("motif");
    if stages == Stages::Graph && config.motif.steps > 0 && !motif_folder.exists() {
        bail!(
            "{} holds no checkpoint; run `netkin-train motif` first",
            motif_folder.display()
        );
    }
    let entries = read_corpus(&training.corpus)?;
    let data = Data::new(
        &entries,
        &protocol::Config::default(),
        &config,
        training.fold,
    );
    let bar = bar()?;
    let around = Surroundings {
        device: training.device.open()?,
        folder: Some(&training.checkpoints),
        progress: &|progress| show(&bar, progress),
    };
    // Without steps left to do, stage 1 only reads its last checkpoint.
    let motifs = train_motifs(&data, &config, &around).context("training motifs")?;
    if stages == Stages::Motif {
        bar.finish_and_clear();
        return Ok(format!("stage 1 is in {}", motif_folder.display()));
    }
    let out = out.context("a stage that makes a model is told where")?;
    let Some(version) = out.file_name().and_then(|name| name.to_str()) else {
        bail!(
            "the folder {} has no name to call the model by",
            out.display()
        );
    };
    let encoder = train_graphs(version, &data, &config, &motifs, &around);
    let encoder = encoder.context("training graphs")?;
    bar.finish_and_clear();
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    remove(&out.join("corpus.embeddings"))?;
    write(&out.join("config.json"), &json(encoder.config())?)?;
    write(&out.join("model.safetensors"), &encoder.weights()?)?;
    write(&out.join("training.json"), &json(&config)?)?;
    let card = motif_gnn_card(&encoder, &config, None);
    write(&out.join("README.md"), card.as_bytes())?;
    Ok(format!(
        "{} knows {} motifs",
        out.display(),
        encoder.known_motifs()
    ))
}

fn bar() -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{prefix} {bar:32} {pos}/{len} {eta} {msg}")
        .context("the template of the progress bar")?;
    Ok(ProgressBar::new(0).with_style(style))
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_prefix(progress.stage);
    bar.set_length(progress.steps as u64);
    bar.set_position(progress.step as u64);
    let validation = progress.validation;
    let validation =
        validation.map_or(String::new(), |map| format!(", validation MAP@20 {map:.4}"));
    bar.set_message(format!("loss {:.3}{validation}", progress.loss));
}
