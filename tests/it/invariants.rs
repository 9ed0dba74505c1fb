//! Laws of digests and embeddings, over random architectures and over real exports.

use crate::disguise::{disguised, renumbered, reordered, turned};
use crate::fixtures::Export;
use netkin::embedding::Embedding;
use netkin::graph::{Architecture, Attributes, Digests, Edge, Key, Node, Operator, Value};
use netkin::import::{Limits, RawGraph, canonical::canonicalise};
use netkin::model::{Encoder, TokenSetEncoder, hashing};
use netkin::random::Random;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::LazyLock;

/// One file of each kind of network and exporter; small ones, since every case reads several.
static REAL: LazyLock<Vec<Export>> = LazyLock::new(|| {
    let files = [
        ("mobilenet_v3_small", "ts11"),
        ("densenet121", "dyn18"),
        ("vit_tiny_patch16_224", "ts11"),
        ("xcit_nano_12_p16_224", "dyn20"),
        ("poolformer_s12", "ts17"),
        ("gpt2", "dynamic"),
        ("llama", "dyn18"),
        ("t5", "bn"),
        ("detr", "dyn23"),
        ("bilstm_tagger", "bn"),
        ("resmlp_12_224", "ts17"),
        ("segformer", "dynamic"),
        ("swin_tiny_patch4_window7_224", "dyn20"),
        ("t5", "trace"),
    ];
    let open = |(model, route): &(&str, &str)| Export::open(model, route);
    files.iter().map(open).collect()
});

fn is_onnx(export: &Export) -> bool {
    !export.bytes.starts_with(b"{")
}

fn any_real() -> impl Strategy<Value = &'static Export> {
    any::<Index>().prop_map(|index| index.get(&REAL))
}

fn any_onnx() -> impl Strategy<Value = &'static Export> {
    any_real().prop_filter("an ONNX file", |export| is_onnx(export))
}

const OPERATORS: [Operator; 12] = [
    Operator::Conv,
    Operator::Linear,
    Operator::Add,
    Operator::Mul,
    Operator::Sub,
    Operator::Max,
    Operator::Sigmoid,
    Operator::GlobalAvgPool,
    Operator::Concat,
    Operator::Attention,
    Operator::LayerNorm,
    Operator::Relu,
];

/// A random graph that is connected enough to be a network.
fn random_nodes(seed: u64, count: usize) -> Vec<Node> {
    let mut random = Random::new(seed);
    let node = |index: usize| {
        let operator = OPERATORS[random.below(OPERATORS.len())].clone();
        let fan_in = (1 + random.below(3)).min(index);
        let inputs = (0..fan_in).map(|_| Edge {
            node: random.below(index) as u32,
            port: random.below(2) as u16,
        });
        let inputs = inputs.collect();
        Node {
            operator,
            attributes: Attributes::default()
                .with(Key::Kernel, vec![1 + random.below(3) as i64; 2])
                .with(Key::Stride, vec![1 + random.below(2) as i64; 2])
                .with(Key::Groups, 1 + random.below(3) as i64)
                .with(Key::OutChannels, 8 + random.below(60) as i64),
            inputs,
            shape: None,
            flops: 0,
        }
    };
    (0..count).map(node).collect()
}

fn any_nodes() -> impl Strategy<Value = Vec<Node>> {
    let random = (any::<u64>(), 1usize..80).prop_map(|(seed, count)| random_nodes(seed, count));
    let real = any_real().prop_map(|export| export.architecture.nodes().to_vec());
    prop_oneof![2 => random, 1 => real]
}

fn built(nodes: Vec<Node>) -> Architecture {
    Architecture::new(None, 0, nodes, vec![]).unwrap()
}

fn digests(nodes: Vec<Node>) -> Digests {
    built(nodes).digests()
}

fn embedding(architecture: &Architecture) -> Embedding {
    let encoder = TokenSetEncoder::unfitted(hashing::Config::default()).unwrap();
    encoder.encode(architecture).unwrap()
}

fn canonical(raw: &RawGraph) -> Architecture {
    canonicalise(raw, &Limits::default()).unwrap()
}

/// Both digests and every bit of the embedding.
fn assert_same(one: &Architecture, other: &Architecture) {
    assert_eq!(one.digests(), other.digests());
    assert_eq!(embedding(one), embedding(other));
}

/// Another value of the same kind.
fn changed(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Int(number + 1),
        Value::Word(word) => Value::from(format!("{word}'")),
        Value::Ints(numbers) => {
            let mut numbers = numbers.clone();
            numbers.push(7);
            Value::Ints(numbers)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn renumbering_changes_neither_digest_nor_embedding(nodes in any_nodes(), seed: u64) {
        let other = renumbered(&nodes, seed);
        assert_same(&built(nodes), &built(other));
    }

    #[test]
    fn the_order_of_a_sum_changes_neither_digest_nor_embedding(nodes in any_nodes(), seed: u64) {
        let mut random = Random::new(seed);
        let mut other = nodes.clone();
        for node in other.iter_mut().filter(|node| node.operator.is_commutative()) {
            let steps = random.below(node.inputs.len().max(1));
            node.inputs.rotate_left(steps);
        }
        assert_same(&built(nodes), &built(other));
    }

    #[test]
    fn one_attribute_more_or_less_changes_the_exact_digest(nodes in any_nodes(), at: Index, of: Index) {
        let holders: Vec<usize> =
            (0..nodes.len()).filter(|index| !nodes[*index].attributes.is_empty()).collect();
        let node = holders[at.index(holders.len())];
        let held: Vec<(Key, Value)> =
            nodes[node].attributes.iter().map(|(key, value)| (key, value.clone())).collect();
        let (key, value) = &held[of.index(held.len())];
        let (mut other, mut without) = (nodes.clone(), nodes.clone());
        other[node].attributes.set(*key, changed(value));
        without[node].attributes.remove(*key);
        let before = digests(nodes);
        for after in [digests(other), digests(without)] {
            prop_assert_ne!(before.exact, after.exact);
            // Widths are all that the coarse digest does not see.
            prop_assert_eq!(before.coarse == after.coarse, key.is_width());
        }
    }

    #[test]
    fn widths_alone_keep_the_coarse_digest(nodes in any_nodes(), factor in 2i64..5) {
        let mut wider = nodes.clone();
        for node in &mut wider {
            for key in Key::ALL.iter().filter(|key| key.is_width()) {
                if let Some(width) = node.attributes.int(*key) {
                    node.attributes.set(*key, width * factor);
                }
            }
        }
        let (before, after) = (digests(nodes), digests(wider));
        prop_assert_eq!(before.coarse, after.coarse);
        prop_assert_ne!(before.exact, after.exact);
    }

    #[test]
    fn one_operator_more_changes_both_digests(nodes in any_nodes(), at: Index) {
        let mut more = nodes.clone();
        let reader = Node {
            operator: Operator::Tanh,
            attributes: Attributes::default(),
            inputs: vec![Edge::first(at.index(nodes.len()) as u32)],
            shape: None,
            flops: 0,
        };
        more.push(reader);
        let (before, after) = (digests(nodes), digests(more));
        prop_assert_ne!(before.exact, after.exact);
        prop_assert_ne!(before.coarse, after.coarse);
    }
}

proptest! {
    // Every case canonicalises a real graph again.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_and_the_names_of_a_raw_graph_do_not_matter(export in any_real(), seed: u64) {
        assert_same(&export.architecture, &canonical(&reordered(&export.raw, seed)));
    }

    #[test]
    fn the_order_and_the_names_in_an_onnx_file_do_not_matter(export in any_onnx(), seed: u64) {
        let other = Export::read("disguised".into(), disguised(&export.bytes, seed));
        prop_assert_ne!(&other.raw, &export.raw);
        assert_same(&export.architecture, &other.architecture);
    }

    #[test]
    fn the_order_of_the_operands_of_sums_and_products_does_not_matter(
        export in any_onnx(), seed: u64,
    ) {
        assert_same(&export.architecture, &canonical(&turned(&export.raw, seed)));
    }
}
