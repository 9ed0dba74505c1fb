//! Quantised files are their float models: the same operators, with a word at the products.

use crate::fixtures::{Export, archive};
use netkin::graph::{Key, OperatorGroup};
use std::collections::BTreeMap;

/// Every way in which a file can be quantised, by name.
fn ways(model: &str) -> BTreeMap<String, Export> {
    let files = archive(&format!("quantised_{model}")).into_iter();
    files
        .map(|(way, bytes)| {
            (
                way.clone(),
                Export::read(format!("{model} as {way}"), bytes),
            )
        })
        .collect()
}

/// Products and those among them that are quantised.
fn products(export: &Export) -> (usize, usize) {
    let nodes = export.architecture.nodes().iter();
    let products = nodes.filter(|node| {
        let group = node.operator.group();
        matches!(group, OperatorGroup::Learned | OperatorGroup::Product)
    });
    let products: Vec<_> = products
        .filter(|node| node.operator.name() != "embedding")
        .collect();
    let quantised = products
        .iter()
        .filter(|node| node.attributes.word(Key::Quantised) == Some("int8"));
    (products.len(), quantised.count())
}

#[test]
fn the_float_file_is_the_model_of_the_other_fixtures() {
    for model in [
        "resnet18",
        "vit_tiny_patch16_224",
        "bert",
        "lstm_classifier",
    ] {
        let here = ways(model).remove("float").unwrap();
        let there = Export::open(model, "trace");
        let digests = |export: &Export| export.architecture.digests();
        assert_eq!(digests(&here), digests(&there), "{model}");
        assert_eq!(products(&here).1, 0);
    }
}

#[test]
fn quantised_files_have_the_operators_of_the_float_model() {
    for model in [
        "resnet18",
        "vit_tiny_patch16_224",
        "bert",
        "lstm_classifier",
    ] {
        let ways = ways(model);
        for (way, export) in &ways {
            assert_eq!(export.counts(), ways["float"].counts(), "{model} as {way}");
        }
    }
}

#[test]
fn every_product_of_a_quantised_file_says_so() {
    for model in ["resnet18", "mobilenet_v2", "lstm_classifier"] {
        for (way, export) in ways(model) {
            let (all, quantised) = products(&export);
            let expected = if way == "float" { 0 } else { all };
            assert_eq!(quantised, expected, "{model} as {way}");
        }
    }
}

#[test]
fn products_of_two_computed_values_are_quantised_only_beforehand() {
    // Attention among the 62 products stays float where ranges are measured while running.
    let ways = ways("vit_tiny_patch16_224");
    assert_eq!(products(&ways["dynamic"]), (62, 50));
    assert_eq!(products(&ways["qdq"]), (62, 62));
}

#[test]
fn the_ways_of_writing_a_quantised_file_agree() {
    for model in ["resnet18", "mobilenet_v2", "vit_tiny_patch16_224", "bert"] {
        let ways = ways(model);
        let digest = |way: &str| ways[way].architecture.digests().exact;
        assert_eq!(digest("qdq"), digest("qoperator"), "{model}");
        assert_eq!(digest("qdq"), digest("unsigned"), "{model}");
    }
    let ways = ways("resnet18");
    let digests = |way: &str| ways[way].architecture.digests();
    assert_eq!(digests("dynamic"), digests("qdq"));
}

#[test]
fn relus_that_the_quantiser_dropped_come_back() {
    let mut residual = ways("resnet18");
    let whole = residual.remove("qoperator").unwrap();
    assert_eq!((whole.written("Relu"), whole.count("relu")), (0, 17));
    // The ceiling of a ReLU6 is lost unless values reached it while ranges were measured.
    let mut inverted = ways("mobilenet_v2");
    let opened = inverted.remove("qdq").unwrap();
    assert_eq!((opened.written("Clip"), opened.count("relu")), (0, 35));
    assert_eq!(inverted["float"].count("relu6"), 35);
}
