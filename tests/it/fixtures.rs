//! The committed exports: real files of published architectures, without weights.

use netkin::graph::Architecture;
use netkin::import::{self, Limits, RawGraph, canonical::canonicalise};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// One file, as it was written, as it was read, and what it became.
pub(crate) struct Export {
    /// What a failing test calls it.
    name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) raw: RawGraph,
    pub(crate) architecture: Architecture,
}

impl Export {
    pub(crate) fn read(name: String, bytes: Vec<u8>) -> Self {
        let limits = Limits::default();
        let (_, raw) = import::read(&bytes, &limits).unwrap();
        let architecture = canonicalise(&raw, &limits).unwrap();
        Self {
            name,
            bytes,
            raw,
            architecture,
        }
    }

    pub(crate) fn open(model: &str, route: &str) -> Self {
        let mut routes = archive(model);
        let name = format!("{model} as {route}");
        let bytes = routes.remove(route).expect(&name);
        Self::read(name, bytes)
    }

    /// How many nodes of the file have this operator.
    pub(crate) fn written(&self, op: &str) -> usize {
        let nodes = self.raw.nodes.iter();
        nodes.filter(|node| &*node.op == op).count()
    }

    /// How many nodes of the architecture have this operator.
    pub(crate) fn count(&self, operator: &str) -> usize {
        let nodes = self.architecture.nodes().iter();
        nodes
            .filter(|node| node.operator.name() == operator)
            .count()
    }

    /// How often each operator is in the architecture.
    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for node in self.architecture.nodes() {
            *counts.entry(node.operator.to_string()).or_default() += 1;
        }
        counts
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The files of one archive by route.
pub(crate) fn archive(model: &str) -> BTreeMap<String, Vec<u8>> {
    let packed = std::fs::read(folder().join(format!("{model}.tar.zst"))).unwrap();
    let unpacked = zstd::stream::read::Decoder::new(&*packed).unwrap();
    let mut files = tar::Archive::new(unpacked);
    let mut routes = BTreeMap::new();
    for file in files.entries().unwrap() {
        let mut file = file.unwrap();
        let path = file.path().unwrap().into_owned();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        routes.insert(path.file_stem().unwrap().to_string_lossy().into(), bytes);
    }
    routes
}

/// Every model that went through all routes.
pub(crate) fn models() -> Vec<String> {
    let manifest = std::fs::read(folder().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let models = manifest["models"].as_object().unwrap();
    models.keys().cloned().collect()
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/exports")
}
