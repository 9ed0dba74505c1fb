//! What is asked: exported files, and an engine that answers.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code, missing_docs)]

use netkin::engine::{Config, Engine};
use netkin::graph::{Architecture, Edge, Node, NodeIndex, Operator};
use netkin::import::{self, Limits, canonical};
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

/// The folder of the model that serves.
pub(crate) fn newest_model() -> PathBuf {
    shipped().join("models").join(open().model_version())
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
        index: netkin::index::SegmentedConfig::default(),
    };
    let data = shipped().join("target/bench-data");
    Engine::open(config, Limits::default(), &data, &|_, _| {}).expect("the assets are whole")
}

/// The architecture of one of [`FILES`].
pub(crate) fn architecture_of(place: usize) -> Architecture {
    let limits = Limits::default();
    let (model, file) = FILES[place];
    let raw = import::onnx::read(&export(model, file), &limits).expect("it is a model");
    canonical::canonicalise(&raw, &limits).expect("it is an architecture")
}

/// Copies of a network one after the other, each reading what the last one gave.
pub(crate) fn stacked(architecture: &Architecture, count: usize) -> Architecture {
    let mut nodes: Vec<Node> = Vec::with_capacity(count);
    while nodes.len() < count {
        let (base, last) = (nodes.len(), nodes.len().checked_sub(1));
        let copied = architecture.nodes().iter().take(count - base);
        nodes.extend(copied.map(|node| copy(node, base as NodeIndex, last)));
    }
    Architecture::new(None, 0, nodes, Vec::new()).expect("copies only read what is before them")
}

/// One operator of a copy that begins at `base`; its inputs become what `last` gives.
fn copy(node: &Node, base: NodeIndex, last: Option<usize>) -> Node {
    let mut node = node.clone();
    for edge in &mut node.inputs {
        edge.node += base;
    }
    if let (Operator::Input, Some(last)) = (&node.operator, last) {
        node.operator = Operator::Relu;
        node.inputs = vec![Edge::first(last as NodeIndex)];
    }
    node
}
