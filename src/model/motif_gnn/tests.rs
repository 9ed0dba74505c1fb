//! Laws of the learned encoder, and the files that it refuses.

use super::*;
use crate::graph::testing::node;
use crate::graph::{Attributes, Key, Node, NodeIndex, Operator};
use crate::model::testing::{in_two_orders, random_nodes};
use crate::random::Random;
use half::f16;
use proptest::prelude::*;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

const PASSINGS: [Passing; 3] = [Passing::Directed, Passing::Gcn, Passing::Gat];

fn config(passing: Passing, splitter: Cutting) -> Config {
    let hashing = hashing::Config {
        dim: 64,
        ..hashing::Config::default()
    };
    Config {
        version: "test".into(),
        encoder: KIND.into(),
        vocabulary: VOCABULARY.into(),
        dim: 16,
        network: Network {
            splitter,
            passing,
            buckets: 32,
            motif_dim: 8,
            hidden: 12,
            rounds: 3,
            outputs: 10,
        },
        token_sets: Some(TokenSets {
            vocabulary: tokens_vocabulary().into(),
            hashing,
            dim: 6,
            share: 0.6,
        }),
        seed: 0,
        data_hash: String::new(),
    }
}

fn tokens_vocabulary() -> &'static str {
    crate::model::tokens::VOCABULARY
}

fn encoder(config: Config, known: &BTreeMap<u64, MotifGraph>) -> MotifGnn {
    let mut random = Random::new(5);
    let weights = shapes(&config).into_iter().map(|(name, shape)| {
        let count = shape.iter().product();
        let values = (0..count).map(|_| random.signed() as f32).collect();
        (name, values)
    });
    let weights = Weights::new(&config, weights.collect()).unwrap();
    MotifGnn::new(config, weights, known).unwrap()
}

fn waists() -> Config {
    config(Passing::Directed, Cutting::Waists)
}

fn architecture(nodes: Vec<Node>) -> Architecture {
    Architecture::new(None, 0, nodes, vec![]).unwrap()
}

fn known(architecture: &Architecture) -> BTreeMap<u64, MotifGraph> {
    Sketch::new(architecture, Cutting::Waists).motifs
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn renumbering_nodes_leaves_the_embedding_bit_equal(
        graph: u64, order: u64, count in 1usize..60,
    ) {
        let [one, other] = in_two_orders(graph, order, count);
        for passing in PASSINGS {
            for cutting in [Cutting::Waists, Cutting::EachNode] {
                let encoder = encoder(config(passing, cutting), &BTreeMap::new());
                prop_assert_eq!(encoder.encode(&one).unwrap(), encoder.encode(&other).unwrap());
            }
        }
    }

    #[test]
    fn known_motifs_have_the_very_vectors_that_unknown_ones_get(graph: u64, count in 1usize..60) {
        let architecture = architecture(random_nodes(graph, count));
        let without = encoder(waists(), &BTreeMap::new());
        let with = encoder(waists(), &known(&architecture));
        prop_assert!(with.known_motifs() > 0);
        prop_assert_eq!(
            without.encode(&architecture).unwrap(),
            with.encode(&architecture).unwrap()
        );
    }
}

fn residual_chain(blocks: usize, width: i64) -> Architecture {
    let mut nodes = vec![node(Operator::Input, &[]), node(Operator::Conv, &[0])];
    for _ in 0..blocks {
        let before = nodes.len() as NodeIndex - 1;
        nodes.push(node(Operator::Conv, &[before]));
        nodes.push(node(Operator::Relu, &[before + 1]));
        nodes.push(node(Operator::Conv, &[before + 2]));
        nodes.push(node(Operator::Add, &[before + 3, before]));
    }
    for node in &mut nodes {
        node.attributes = Attributes::default().with(Key::OutChannels, width);
    }
    architecture(nodes)
}

fn alone() -> MotifGnn {
    let config = Config {
        token_sets: None,
        dim: 10,
        ..waists()
    };
    encoder(config, &BTreeMap::new())
}

#[test]
fn the_network_sees_depth_but_no_widths() {
    let encoder = alone();
    let of = |blocks, width| encoder.encode(&residual_chain(blocks, width)).unwrap();
    assert_eq!(of(4, 8), of(4, 64));
    assert_ne!(of(4, 8), of(12, 8));
}

#[test]
fn the_direction_of_dataflow_and_a_shortcut_are_seen() {
    use Operator::{Add, Conv, Input, Relu};
    let encoder = alone();
    let of = |nodes| encoder.encode(&architecture(nodes)).unwrap();
    let forth = vec![node(Input, &[]), node(Conv, &[0]), node(Relu, &[1])];
    let back = vec![node(Input, &[]), node(Relu, &[0]), node(Conv, &[1])];
    assert_ne!(of(forth), of(back));
    let block = |operands: &[NodeIndex]| {
        let mut nodes = vec![node(Input, &[]), node(Conv, &[0])];
        nodes.extend([node(Conv, &[1]), node(Relu, &[2]), node(Add, operands)]);
        nodes
    };
    assert_ne!(of(block(&[3, 1])), of(block(&[3, 3])));
}

#[test]
fn a_similarity_is_the_weighted_mean_of_both_parts() {
    let [one, other] = [residual_chain(2, 8), residual_chain(9, 64)];
    let similarity = |share: f32| {
        let mut config = waists();
        config.token_sets.as_mut().unwrap().share = share;
        let encoder = encoder(config, &BTreeMap::new());
        let embeddings = [&one, &other].map(|of| encoder.encode(of).unwrap());
        embeddings[0].similarity(&embeddings[1]).value()
    };
    let mean = 0.25 * similarity(1.0) + 0.75 * similarity(0.0);
    assert!((similarity(0.25) - mean).abs() < 1e-6);
    assert_ne!(similarity(1.0), similarity(0.0));
}

#[test]
fn hostile_shapes_are_encoded() {
    let mut random = Random::new(3);
    let tangled = (0..2_000u32).map(|index| {
        let inputs = 3.min(index as usize);
        let inputs: Vec<u32> = (0..inputs)
            .map(|_| random.below(index as usize) as u32)
            .collect();
        let name = Operator::unknown("x", &index.to_string());
        node(name, &inputs)
    });
    let mut star = vec![node(Operator::Input, &[])];
    star.extend((1..5_000).map(|_| node(Operator::Conv, &[0])));
    star.push(node(Operator::Concat, &(1..5_000).collect::<Vec<_>>()));
    for nodes in [tangled.collect(), star] {
        let architecture = architecture(nodes);
        for passing in PASSINGS {
            let encoder = encoder(config(passing, Cutting::EachNode), &BTreeMap::new());
            let embedding = encoder.encode(&architecture).unwrap();
            assert_eq!(embedding.dim(), 16);
        }
    }
}

fn stored() -> (Vec<u8>, Vec<u8>) {
    let encoder = encoder(waists(), &known(&residual_chain(3, 8)));
    let config = serde_json::to_vec(encoder.config()).unwrap();
    (config, encoder.weights().unwrap())
}

#[test]
fn a_stored_model_encodes_bit_for_bit_alike() {
    let (config, weights) = stored();
    let fresh = encoder(waists(), &known(&residual_chain(3, 8)));
    let loaded = crate::model::load(&config, &weights).unwrap();
    for blocks in [3, 9] {
        let architecture = residual_chain(blocks, 8);
        assert_eq!(
            loaded.encode(&architecture).unwrap(),
            fresh.encode(&architecture).unwrap()
        );
    }
    let again = MotifGnn::load(&config, &weights).unwrap();
    assert_eq!(again.weights().unwrap(), weights);
    assert_eq!(again.known_motifs(), fresh.known_motifs());
}

fn refusal(config: &[u8], weights: &[u8]) -> String {
    let refused = crate::model::load(config, weights);
    refused
        .err()
        .map_or("accepted".into(), |error| error.to_string())
}

/// A tensor by name, of some format and shape.
type Named = (String, Dtype, Vec<usize>, Vec<u8>);

/// The stored weights after `change`.
fn changed(change: impl FnOnce(&mut Vec<Named>)) -> Vec<u8> {
    let (_, weights) = stored();
    let tensors = SafeTensors::deserialize(&weights).unwrap();
    let mut all: Vec<Named> = tensors
        .iter()
        .map(|(name, of)| (name.into(), of.dtype(), of.shape().into(), of.data().into()))
        .collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    change(&mut all);
    let views = all.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn named<'a>(tensors: &'a mut [Named], name: &str) -> &'a mut Named {
    tensors.iter_mut().find(|tensor| tensor.0 == name).unwrap()
}

#[test]
fn tensors_that_do_not_fit_are_refused_by_name() {
    let (config, _) = stored();
    assert_eq!(refusal(&config, &changed(|_| ())), "accepted");
    for name in [
        "macro.1.before",
        "motif.buckets",
        "table.hashes",
        "table.vectors",
    ] {
        let without = changed(|tensors| tensors.retain(|tensor| tensor.0 != name));
        assert_eq!(
            refusal(&config, &without),
            format!("the weights of the model lack the tensor `{name}`")
        );
    }
    let extra = changed(|tensors| {
        let mut again = named(tensors, "macro.input").clone();
        again.0 = "macro.3.own".into();
        tensors.push(again);
    });
    assert_eq!(
        refusal(&config, &extra),
        "the weights of the model hold the tensor `macro.3.own`, which its encoder does not have"
    );
    let turned = changed(|tensors| named(tensors, "macro.input").2.reverse());
    assert_eq!(
        refusal(&config, &turned),
        "tensor `macro.input` has shape [8, 12], but config.json asks for [12, 8]"
    );
    let bits = changed(|tensors| named(tensors, "macro.input").1 = Dtype::BF16);
    assert_eq!(
        refusal(&config, &bits),
        "tensor `macro.input` holds BF16, but half-precision floats (F16) are needed"
    );
    let signed = changed(|tensors| named(tensors, "table.hashes").1 = Dtype::I64);
    assert_eq!(
        refusal(&config, &signed),
        "tensor `table.hashes` holds I64, but whole numbers (U64) are needed"
    );
    for name in ["macro.readout", "table.vectors"] {
        let bad = f16::NAN.to_le_bytes();
        let bad = changed(|tensors| named(tensors, name).3[..2].copy_from_slice(&bad));
        assert_eq!(
            refusal(&config, &bad),
            format!("tensor `{name}` holds a weight that is not finite")
        );
    }
}

#[test]
fn a_table_that_cannot_be_searched_is_refused() {
    let (config, weights) = stored();
    let swapped = changed(|tensors| named(tensors, "table.hashes").3.rotate_left(8));
    assert!(refusal(&config, &swapped).contains("`table.hashes` does not ascend"));
    let short = changed(|tensors| {
        let (_, _, shape, bytes) = named(tensors, "table.hashes");
        shape[0] -= 1;
        bytes.truncate(8 * shape[0]);
    });
    assert!(refusal(&config, &short).contains("tensor `table.vectors` has shape"));
    for end in [0, 7, weights.len() / 2, weights.len() - 1] {
        assert!(refusal(&config, &weights[..end]).contains("corrupt"));
    }
}

#[test]
fn configs_of_other_models_are_refused_by_field() {
    let (config, weights) = stored();
    let other = |path: &str, value: serde_json::Value| {
        let mut changed: serde_json::Value = serde_json::from_slice(&config).unwrap();
        *changed.pointer_mut(path).unwrap() = value;
        refusal(&serde_json::to_vec(&changed).unwrap(), &weights)
    };
    let cases = [
        (
            "/vocabulary",
            "motifs-0".into(),
            "`vocabulary` is not `motifs-1`",
        ),
        (
            "/token_sets/vocabulary",
            "tokens-0".into(),
            "`token_sets.vocabulary` is not `tokens-1`",
        ),
        ("/dim", 17.into(), "`dim` is not 16, as its parts together"),
        (
            "/network/outputs",
            0.into(),
            "`network.outputs` must lie between",
        ),
        (
            "/token_sets/dim",
            0.into(),
            "`token_sets.dim` must lie between",
        ),
        (
            "/token_sets/share",
            1.5.into(),
            "`token_sets.share` must lie between 0 and 1",
        ),
        (
            "/network/hidden",
            70_000.into(),
            "`network.hidden` must lie between",
        ),
        (
            "/network/rounds",
            17.into(),
            "`network.rounds` must be at most 16",
        ),
        ("/network/rounds", 2.into(), "does not have"),
        (
            "/network/splitter",
            "scissors".into(),
            "unknown variant `scissors`",
        ),
        ("/token_sets", serde_json::Value::Null, "`dim` is not 10"),
        (
            "/token_sets/hashing/dim",
            0.into(),
            "`hashing.dim` must lie between",
        ),
    ];
    for (path, value, reason) in cases {
        let refused = other(path, value);
        assert!(refused.contains(reason), "{path}: {refused}");
    }
}

#[test]
fn the_features_and_hashes_of_motifs_change_only_with_the_name_of_their_vocabulary() {
    let architecture = residual_chain(3, 8);
    let motifs = known(&architecture).into_iter();
    let all = motifs.flat_map(|(hash, motif)| {
        let features = motif.features.into_iter().flatten();
        features
            .chain([hash, signature(&motif.graph)])
            .collect::<Vec<_>>()
    });
    let fingerprint = random::sequence(0, all);
    assert_eq!(
        (VOCABULARY, fingerprint),
        ("motifs-1", 17_666_816_880_468_909_332)
    );
}
