//! A release small enough to read: five cells, an encoder without training, in a folder of its own.

use netkin::corpus::{self, Entry, Kind};
use netkin::graph::Architecture;
use netkin::import::{Limits, RawGraph, canonical, nas};
use netkin::model::{Config, TokenSetEncoder, hashing, tokens};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Components of the hashed tokens.
pub(crate) const DIM: usize = 64;

/// Id, family, kind and cell of every entry.
const ENTRIES: [(&str, &str, Kind, &str); 5] = [
    (
        "nasbench201/plain",
        "plain",
        Kind::Published,
        "nas:nasbench201:|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|",
    ),
    (
        "nasbench201/plain-skip",
        "plain",
        Kind::Published,
        "nas:nasbench201:|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|",
    ),
    (
        "nasbench201/plain-twin",
        "twin",
        Kind::Composed,
        "nas:nasbench201:|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_3x3~2|",
    ),
    (
        "nasbench201/pointwise",
        "pointwise",
        Kind::Published,
        "nas:nasbench201:|nor_conv_1x1~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_1x1~2|",
    ),
    (
        "nasbench201/pool",
        "pool",
        Kind::Published,
        "nas:nasbench201:|avg_pool_3x3~0|+|none~0|avg_pool_3x3~1|+|none~0|none~1|avg_pool_3x3~2|",
    ),
];

/// A folder with `corpus/`, `models/` and room for local state.
pub(crate) struct Release(TempDir);

impl Release {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("corpus/netkin.corpus"), &corpus());
        let release = Self(folder);
        release.publish("test-1", &Model::new("test-1", DIM));
        release
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts `model` into `models/` in one step.
    pub(crate) fn publish(&self, folder: &str, model: &Model) {
        let unfinished = self.model_folder(&format!(".{folder}"));
        model.write(&unfinished);
        std::fs::rename(unfinished, self.model_folder(folder)).unwrap();
    }

    pub(crate) fn model_folder(&self, folder: &str) -> PathBuf {
        self.path().join("models").join(folder)
    }

    /// The built program, pointed at this release and at nothing of the machine's.
    pub(crate) fn netkin(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netkin"));
        command
            .env("NETKIN_ENGINE_ASSETS_DIR", self.path())
            .env("NETKIN_DATA_DIR", self.path().join("state"))
            .env("NETKIN_LOG_FILTER", "warn")
            .env_remove("DATABASE_URL");
        command
    }
}

/// The raw graph of the first entry, as a client would send it.
pub(crate) fn plain_graph() -> Vec<u8> {
    netkin::import::json::write(&raw(ENTRIES[0].3)).into()
}

fn raw(cell: &str) -> RawGraph {
    nas::read(cell, &Limits::default()).unwrap()
}

fn corpus() -> Vec<u8> {
    let entries: Vec<Entry> = ENTRIES
        .iter()
        .map(|(id, family, kind, cell)| {
            let architecture = canonical::canonicalise(&raw(cell), &Limits::default()).unwrap();
            entry(id, family, *kind, &architecture)
        })
        .collect();
    corpus::write("test", &entries, |index| Ok(raw(ENTRIES[index].3))).unwrap()
}

fn entry(id: &str, family: &str, kind: Kind, architecture: &Architecture) -> Entry {
    let digests = architecture.digests();
    Entry {
        id: id.into(),
        name: id.split('/').next_back().unwrap().into(),
        aliases: vec![],
        package: "nasbench201".into(),
        package_version: "1".into(),
        module: "cells".into(),
        family: family.into(),
        coarse_family: "cell".into(),
        task: "image-classification".into(),
        framework: "none".into(),
        kind,
        parameters: architecture.parameters,
        flops: architecture.flops(),
        operators: architecture.operator_count() as u64,
        input_shapes: vec![],
        exact: digests.exact,
        coarse: digests.coarse,
        paper: None,
        licence: None,
    }
}

/// The files of a model.
pub(crate) struct Model {
    pub(crate) config: Value,
    pub(crate) weights: Vec<u8>,
}

impl Model {
    /// The first `dim` components of the hashed tokens: nothing learned.
    pub(crate) fn new(version: &str, dim: usize) -> Self {
        let mut identity = vec![0.0; dim * DIM];
        for place in 0..dim {
            identity[place * DIM + place] = 1.0;
        }
        Self::with_projection(version, dim, &identity)
    }

    /// All hashed components weighed by `projection`.
    pub(crate) fn with_projection(version: &str, dim: usize, projection: &[f32]) -> Self {
        let hashing = hashing::Config {
            dim: DIM,
            ..hashing::Config::default()
        };
        let config = Config {
            version: version.into(),
            encoder: "token_set".into(),
            vocabulary: tokens::VOCABULARY.into(),
            dim,
            seed: 1,
            hashing,
            data_hash: String::new(),
        };
        let encoder = TokenSetEncoder::fitted(config, projection).unwrap();
        Self {
            config: serde_json::to_value(encoder.config()).unwrap(),
            weights: encoder.weights().unwrap().unwrap(),
        }
    }

    pub(crate) fn write(&self, folder: &Path) {
        let config = serde_json::to_vec(&self.config).unwrap();
        write(&folder.join("config.json"), &config);
        write(&folder.join("model.safetensors"), &self.weights);
    }
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
