//! Imports every export fixture and writes how well the exporters agree.

use crate::exports::read_exports;
use crate::files::{json, read, write};
use crate::model::Model;
use crate::provenance::{machine, today};
use anyhow::{Context, Result};
use netkin::corpus::Corpus;
use netkin::eval::agreement::{Agreement, Candidate, Cause, Export, agreement, markdown};
use netkin::eval::labelled;
use netkin::import::Limits;
use std::fs;
use std::path::Path;

pub(crate) fn run(exports: &Path, corpus: &Path, model: &Path, out: &Path) -> Result<Agreement> {
    let model = Model::read(model)?;
    let encoder = model.encoder();
    let all = read_exports(exports)?
        .into_iter()
        .map(|exported| {
            Ok(Export {
                embedding: encoder.encode(&exported.architecture)?,
                model: exported.model,
                kind: exported.kind,
                route: exported.route,
                architecture: exported.architecture,
            })
        })
        .collect::<Result<Vec<_>>>()?;
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
