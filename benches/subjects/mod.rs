//! What is asked: exported files, and an engine that answers.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code, missing_docs)]

use netkin::engine::{Config, Engine};
use netkin::import::Limits;
use std::io::Read;
use std::path::PathBuf;

/// Exports of about 600 nodes each: a model, and the file in its archive.
pub(crate) const FILES: [(&str, &str); 3] = [
    ("swin_tiny_patch4_window7_224", "dyn20.onnx"),
    ("segformer", "ts11.onnx"),
    ("efficientnet_v2_s", "bn.onnx"),
];

/// Where the shipped corpus and models are.
pub(crate) fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The bytes of an export.
pub(crate) fn export(model: &str, file: &str) -> Vec<u8> {
    let folder = shipped().join("tests/data/exports");
    let archive = std::fs::read(folder.join(format!("{model}.tar.zst")));
    let archive = archive.expect("the exports are part of the repository");
    let unpacked = zstd::decode_all(&archive[..]).expect("it is a zstd archive");
    let mut archive = tar::Archive::new(&unpacked[..]);
    for entry in archive.entries().expect("it is a tar archive") {
        let mut entry = entry.expect("it is whole");
        if entry.path().is_ok_and(|path| path.ends_with(file)) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("it is whole");
            return bytes;
        }
    }
    panic!("{model} has no {file}");
}

/// An engine over them.
pub(crate) fn open() -> Engine {
    let config = Config {
        assets_dir: shipped(),
        model: String::new(),
        variant_similarity: 0.9,
        max_k: 1000,
    };
    let data = shipped().join("target/bench-data");
    Engine::open(config, Limits::default(), &data, &|_, _| {}).expect("the assets are whole")
}
