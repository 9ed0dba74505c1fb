//! A folder of assets whose corpus has 12,000 entries: what the budgets are stated for.
//!
//! The shipped entries come again under new ids until there are enough. Their graphs are made of
//! the smallest of the corpus, so that packing and embedding take seconds; a tail of activations
//! tells each from all others, since a corpus holds no design twice and a scan among ties has to
//! compare every one of them in full.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code, missing_docs)]

use netkin::corpus::{self, Corpus, Entry};
use netkin::graph::Edge;
use netkin::import::{Limits, RawGraph, RawNode};
use std::path::{Path, PathBuf};

pub(crate) const ENTRIES: usize = 12_000;
/// Graphs that the padded ones begin with.
const GRAPHS: usize = 200;
/// What they end in: the digits of a number to this base.
const TAIL: [&str; 4] = ["relu", "tanh", "silu", "elu"];

/// Where the shipped corpus and models are.
pub(crate) fn shipped() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn shipped_corpus() -> Corpus {
    let path = shipped().join("corpus/netkin.corpus");
    let bytes = std::fs::read(path).expect("the corpus is part of the repository");
    Corpus::read(bytes).expect("the shipped corpus is whole")
}

/// Writes the padded corpus, the shipped model and the embeddings into a new folder.
pub(crate) fn padded_assets() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let corpus = shipped_corpus();
    let graphs = smallest_graphs(&corpus);
    let bytes = corpus::write("padded", &padded_entries(&corpus), |index| {
        Ok(with_tail(
            &graphs[index % graphs.len()],
            index / graphs.len(),
        ))
    });
    let place = folder.path().join("corpus");
    std::fs::create_dir(&place).expect("the folder is new");
    std::fs::write(
        place.join("netkin.corpus"),
        bytes.expect("small graphs fit"),
    )
    .expect("there is room for a corpus");
    copy_models(folder.path());
    netkin::engine::publish_embeddings(folder.path(), &Limits::default(), &|_, _| {})
        .expect("every graph came from a corpus");
    folder
}

fn padded_entries(corpus: &Corpus) -> Vec<Entry> {
    let again = corpus.entries().iter().cycle().enumerate();
    again
        .take(ENTRIES)
        .map(|(place, entry)| Entry {
            id: format!("{}.{place}", entry.id),
            aliases: Vec::new(),
            ..entry.clone()
        })
        .collect()
}

/// `graph` and, behind its first output, an activation for each digit of `number`.
fn with_tail(graph: &RawGraph, number: usize) -> RawGraph {
    let mut graph = graph.clone();
    let mut left = number;
    while left > 0 {
        graph.nodes.push(RawNode {
            op: TAIL[left % TAIL.len()].into(),
            inputs: graph
                .outputs
                .first()
                .copied()
                .map(Some)
                .into_iter()
                .collect(),
            shapes: vec![None],
            ..RawNode::default()
        });
        graph.outputs[0] = Edge::first((graph.nodes.len() - 1) as u32);
        left /= TAIL.len();
    }
    graph
}

fn smallest_graphs(corpus: &Corpus) -> Vec<RawGraph> {
    let graphs: Result<Vec<RawGraph>, _> = corpus.graphs().collect();
    let mut graphs = graphs.expect("the shipped corpus is whole");
    graphs.sort_by_key(|graph| graph.nodes.len());
    graphs.truncate(GRAPHS);
    graphs
}

fn copy_models(to: &Path) {
    for model in std::fs::read_dir(shipped().join("models")).expect("models are shipped") {
        let model = model.expect("a folder can be listed").path();
        let copy = to
            .join("models")
            .join(model.file_name().expect("it has a name"));
        std::fs::create_dir_all(&copy).expect("the folder is ours");
        for name in ["config.json", "model.safetensors"] {
            std::fs::copy(model.join(name), copy.join(name)).expect("a model has both files");
        }
    }
}
