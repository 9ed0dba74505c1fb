//! Imports every export fixture and writes how well the exporters agree.

use crate::files::{json, read, write};
use crate::provenance::{machine, today};
use anyhow::{Context, Result};
use netkin::corpus::Corpus;
use netkin::eval::agreement::{Agreement, Candidate, Cause, Export, agreement, markdown};
use netkin::eval::labelled;
use netkin::import::{self, Limits, canonical};
use netkin::model::{Encoder, TokenSetEncoder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;

/// What the manifest says of one model.
#[derive(Deserialize)]
struct Model {
    kind: String,
}

#[derive(Deserialize)]
struct Manifest {
    models: BTreeMap<String, Model>,
}

pub(crate) fn run(exports: &Path, corpus: &Path, model: &Path, out: &Path) -> Result<Agreement> {
    let encoder = TokenSetEncoder::load(
        &read(&model.join("config.json"))?,
        &read(&model.join("model.safetensors"))?,
    )
    .with_context(|| format!("loading the model in {}", model.display()))?;
    let manifest: Manifest = serde_json::from_slice(&read(&exports.join("manifest.json"))?)
        .context("reading the manifest of the exports")?;
    let mut all = Vec::new();
    for (name, model) in &manifest.models {
        let archive = exports.join(format!("{name}.tar.zst"));
        all.extend(routes(&archive, name, &model.kind, &encoder)?);
    }
    let known = Corpus::read(read(corpus)?).context("reading the corpus")?;
    let known = labelled(&known, &Limits::default())?
        .into_iter()
        .map(|entry| {
            Ok(Candidate {
                digests: entry.architecture.digests(),
                embedding: encoder.encode(&entry.architecture)?,
                id: entry.id,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let causes = serde_json::from_slice::<Vec<Cause>>(&read(&exports.join("causes.json"))?)
        .context("reading the causes of disagreements")?;
    let mut result = agreement(&all, &known);
    result.explain(&causes);
    let heading = format!(
        "{}, {}, model {}, by `netkin-train agreement`.",
        today()?,
        machine(),
        encoder.version()
    );
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    write(
        &out.join("agreement.md"),
        markdown(&result, &heading).as_bytes(),
    )?;
    write(&out.join("agreement.json"), &json(&result)?)?;
    Ok(result)
}

/// Every route in one archive.
fn routes(archive: &Path, name: &str, kind: &str, encoder: &impl Encoder) -> Result<Vec<Export>> {
    let place = || format!("reading {}", archive.display());
    let packed = read(archive)?;
    let mut files =
        tar::Archive::new(zstd::stream::read::Decoder::new(packed.as_slice()).with_context(place)?);
    let mut exports = Vec::new();
    for file in files.entries().with_context(place)? {
        let mut file = file.with_context(place)?;
        let path = file.path().with_context(place)?.into_owned();
        let Some(route) = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::to_owned)
        else {
            continue;
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(place)?;
        let what = || format!("importing {name} as {route}");
        let (_, raw) = import::read(&bytes, &Limits::default()).with_context(what)?;
        let architecture = canonical::canonicalise(&raw, &Limits::default()).with_context(what)?;
        let embedding = encoder.encode(&architecture).with_context(what)?;
        exports.push(Export {
            model: name.into(),
            kind: kind.into(),
            route,
            architecture,
            embedding,
        });
    }
    Ok(exports)
}
