//! Known networks fall into the blocks that their papers draw.

use netkin::corpus::Corpus;
use netkin::graph::Architecture;
use netkin::import::{Limits, canonical::canonicalise};
use netkin::motif::{
    ByCount, BySize, MacroGraph, Paper, RandomSizes, Splitter, Waists, macro_graph,
};
use std::path::Path;

/// Networks of the shipped corpus; its list of entries is read once.
struct Shipped(Corpus);

impl Shipped {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/netkin.corpus");
        Self(Corpus::read(std::fs::read(path).unwrap()).unwrap())
    }

    fn architecture(&self, id: &str) -> Architecture {
        let mut entries = self.0.entries().iter();
        let index = entries.position(|entry| entry.id == id).unwrap();
        canonicalise(&self.0.graph(index).unwrap(), &Limits::default()).unwrap()
    }
}

/// Occurrences of motifs that are called this.
fn count(graph: &MacroGraph, name: &str) -> usize {
    let motifs = graph.motifs.iter();
    let called = motifs.filter(|motif| motif.name.starts_with(name));
    called.map(|motif| motif.count).sum()
}

#[test]
fn known_networks_have_as_many_blocks_as_their_papers_say() {
    let shipped = Shipped::new();
    for (id, blocks) in [
        ("timm/resnet50", &[("bottleneck residual block", 16)][..]),
        ("timm/densenet121", &[("dense layer", 54)]),
        (
            "timm/mobilenetv3_large_100",
            &[
                ("inverted residual block", 14),
                ("inverted residual block (se)", 8),
            ],
        ),
        ("timm/convnext_tiny", &[("ConvNeXt block", 18)]),
        ("torchvision/googlenet", &[("inception block", 9)]),
        (
            "timm/swin_tiny_patch4_window7_224",
            &[("self-attention block", 12), ("MLP block", 12)],
        ),
        (
            "transformers/bert-base-uncased",
            &[("self-attention block", 12), ("MLP block", 12)],
        ),
        (
            "transformers/llama-7b",
            &[("self-attention block", 32), ("gated MLP block", 32)],
        ),
    ] {
        let architecture = shipped.architecture(id);
        let graph = macro_graph(&architecture, &Waists.split(&architecture));
        for (name, expected) in blocks {
            assert_eq!(count(&graph, name), *expected, "{id}: {name}");
        }
    }
}

#[test]
fn vgg_is_its_convolutions() {
    let architecture = Shipped::new().architecture("timm/vgg16");
    let graph = macro_graph(&architecture, &Waists.split(&architecture));
    assert_eq!(count(&graph, "conv3x3·relu"), 13);
    assert_eq!(count(&graph, "conv3x3·relu·max_pool2x2/2"), 5);
}

#[test]
fn every_splitter_makes_the_graph_of_a_real_network_smaller() {
    let architecture = Shipped::new().architecture("timm/resnet50");
    let splitters: [&dyn Splitter; 5] = [
        &Paper,
        &BySize::default(),
        &ByCount::default(),
        &RandomSizes::default(),
        &Waists,
    ];
    for splitter in splitters {
        let count = splitter.split(&architecture).count();
        assert!(
            (2..architecture.nodes().len()).contains(&count),
            "{}: {count}",
            splitter.name()
        );
    }
}
