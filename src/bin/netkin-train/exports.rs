//! The export fixtures: the same models through several exporters.

use crate::files::read;
use anyhow::{Context, Result};
use netkin::graph::Architecture;
use netkin::import::{self, Limits, canonical};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// One model through one route.
pub(crate) struct Exported {
    pub(crate) model: String,
    pub(crate) kind: String,
    pub(crate) route: String,
    pub(crate) architecture: Architecture,
}

/// What the manifest says of one model.
#[derive(Deserialize)]
struct Model {
    kind: String,
}

#[derive(Deserialize)]
struct Manifest {
    models: BTreeMap<String, Model>,
}

/// Every model of the folder through every route, in the order of the manifest.
pub(crate) fn read_exports(folder: &Path) -> Result<Vec<Exported>> {
    let manifest: Manifest = serde_json::from_slice(&read(&folder.join("manifest.json"))?)
        .context("reading the manifest of the exports")?;
    let mut all = Vec::new();
    for (name, model) in &manifest.models {
        let archive = folder.join(format!("{name}.tar.zst"));
        all.extend(routes(&archive, name, &model.kind)?);
    }
    Ok(all)
}

/// Every route in one archive.
fn routes(archive: &Path, name: &str, kind: &str) -> Result<Vec<Exported>> {
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
        exports.push(Exported {
            model: name.into(),
            kind: kind.into(),
            route,
            architecture,
        });
    }
    Ok(exports)
}
