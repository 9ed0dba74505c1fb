//! Laws that every splitter keeps, and the shapes that would break a careless one.

use super::*;
use crate::graph::testing::{node, renumbered};
use crate::graph::{Attributes, Edge, Key, Node, NodeIndex, Operator};
use crate::random::Random as Generator;
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// So long takes nothing but a loop without an end, on however busy a machine.
const HANGING: Duration = Duration::from_secs(300);

fn splitters() -> Vec<Box<dyn Splitter>> {
    vec![
        Box::new(Paper),
        Box::new(BySize::default()),
        Box::new(ByCount::default()),
        Box::new(RandomSizes::default()),
        Box::new(Waists),
    ]
}

fn architecture(nodes: Vec<Node>) -> Architecture {
    Architecture::new(None, 0, nodes, vec![]).unwrap()
}

/// Mostly near neighbours, so that waists, branches and long edges all occur.
fn random_nodes(seed: u64, count: usize) -> Vec<Node> {
    const OPERATORS: [Operator; 9] = [
        Operator::Conv,
        Operator::Conv,
        Operator::Add,
        Operator::Mul,
        Operator::Sub,
        Operator::LayerNorm,
        Operator::Concat,
        Operator::Attention,
        Operator::Relu,
    ];
    let mut random = Generator::new(seed);
    (0..count)
        .map(|index| {
            let operator = OPERATORS[random.below(OPERATORS.len())].clone();
            let fan_in = [1, 1, 1, 2, 3][random.below(5)].min(index);
            let reach = [1, 2, 4, index][random.below(4)].clamp(1, index.max(1));
            let mut inputs = (0..fan_in).map(|_| (index - 1 - random.below(reach)) as NodeIndex);
            let mut node = node(operator, &inputs.by_ref().collect::<Vec<_>>());
            node.attributes = Attributes::default()
                .with(Key::Stride, vec![1 + random.below(2) as i64])
                .with(Key::OutChannels, 8 + random.below(60) as i64);
            node
        })
        .collect()
}

/// What of a macro graph no numbering may change: motifs and the edges between them.
fn shape_of(graph: &MacroGraph) -> (Vec<Motif>, Vec<(u64, Vec<u64>)>) {
    let hash = |occurrence: usize| graph.motifs[graph.occurrences[occurrence].motif].hash;
    let mut edges: Vec<(u64, Vec<u64>)> = (0..graph.occurrences.len())
        .map(|at| {
            let inputs = graph.occurrences[at].inputs.iter();
            let mut inputs: Vec<u64> = inputs.map(|input| hash(*input)).collect();
            inputs.sort_unstable();
            (hash(at), inputs)
        })
        .collect();
    edges.sort_unstable();
    (graph.motifs.clone(), edges)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_node_is_in_one_motif_and_values_flow_forward(graph: u64, count in 1usize..150) {
        let architecture = architecture(random_nodes(graph, count));
        for splitter in splitters() {
            let cut = splitter.split(&architecture);
            prop_assert_eq!(&cut, &splitter.split(&architecture));
            let macro_graph = macro_graph(&architecture, &cut);
            let mut nodes: Vec<NodeIndex> = Vec::new();
            for (at, occurrence) in macro_graph.occurrences.iter().enumerate() {
                prop_assert!(occurrence.inputs.iter().all(|input| *input < at));
                prop_assert_eq!(occurrence.nodes.len(), macro_graph.motifs[occurrence.motif].size);
                nodes.extend(&occurrence.nodes);
            }
            nodes.sort_unstable();
            prop_assert_eq!(nodes, (0..count as NodeIndex).collect::<Vec<_>>());
            let total: usize = macro_graph.motifs.iter().map(|motif| motif.count).sum();
            prop_assert_eq!(total, cut.count());
        }
    }

    #[test]
    fn renumbering_nodes_changes_neither_motifs_nor_macro_graph(
        graph: u64, order: u64, count in 1usize..150,
    ) {
        let nodes = random_nodes(graph, count);
        let mut random = Generator::new(order);
        let (other, _) = renumbered(&nodes, |ready| random.below(ready));
        let (one, other) = (architecture(nodes), architecture(other));
        for splitter in splitters() {
            let graph = |architecture| macro_graph(architecture, &splitter.split(architecture));
            prop_assert_eq!(shape_of(&graph(&one)), shape_of(&graph(&other)), "{}", splitter.name());
        }
    }

    #[test]
    fn waists_keep_the_very_same_nodes_together_whatever_their_numbers(
        graph: u64, order: u64, count in 1usize..150,
    ) {
        let nodes = random_nodes(graph, count);
        let mut random = Generator::new(order);
        let (other, place) = renumbered(&nodes, |ready| random.below(ready));
        let parts = |nodes: Vec<Node>, name: &dyn Fn(NodeIndex) -> NodeIndex| {
            let occurrences = Waists.split(&architecture(nodes)).occurrences();
            let mut parts: Vec<Vec<NodeIndex>> = occurrences
                .into_iter()
                .map(|nodes| {
                    let mut nodes: Vec<NodeIndex> = nodes.into_iter().map(name).collect();
                    nodes.sort_unstable();
                    nodes
                })
                .collect();
            parts.sort_unstable();
            parts
        };
        let moved = parts(nodes, &|node| place[node as usize]);
        prop_assert_eq!(moved, parts(other, &|node| node));
    }
}

/// A convolution, its activation and a shortcut around both.
fn residual_chain(blocks: usize) -> Vec<Node> {
    let mut nodes = vec![node(Operator::Input, &[]), node(Operator::Conv, &[0])];
    for _ in 0..blocks {
        let before = nodes.len() as NodeIndex - 1;
        nodes.push(node(Operator::Conv, &[before]));
        nodes.push(node(Operator::Relu, &[before + 1]));
        nodes.push(node(Operator::Conv, &[before + 2]));
        nodes.push(node(Operator::Add, &[before + 3, before]));
    }
    nodes
}

fn motifs(nodes: Vec<Node>) -> Vec<Motif> {
    let architecture = architecture(nodes);
    macro_graph(&architecture, &Waists.split(&architecture)).motifs
}

#[test]
fn residual_blocks_are_one_motif_each() {
    let motifs = motifs(residual_chain(16));
    assert_eq!((motifs[0].count, motifs[0].size), (16, 4));
    assert_eq!(motifs.len(), 3, "input, stem and block");
}

#[test]
fn a_value_that_every_block_reads_glues_nothing_together() {
    let mut nodes = residual_chain(16);
    nodes.insert(0, node(Operator::Input, &[]));
    for (index, node) in nodes.iter_mut().enumerate().skip(1) {
        for edge in &mut node.inputs {
            edge.node += 1;
        }
        if index > 3 && node.operator == Operator::Relu {
            node.operator = Operator::Mul;
            node.inputs.push(Edge::first(0));
        }
    }
    let motifs = motifs(nodes);
    assert_eq!((motifs[0].count, motifs[0].size), (16, 4));
}

#[test]
fn blocks_under_long_skips_are_found() {
    // An hourglass: four stages down and four up, each of the latter joining what one of the former
    // gave before it goes through four blocks of its own.
    let stage = |nodes: &mut Vec<Node>| {
        for _ in 0..4 {
            let before = nodes.len() as NodeIndex - 1;
            nodes.push(node(Operator::Conv, &[before]));
            nodes.push(node(Operator::Relu, &[before + 1]));
            nodes.push(node(Operator::Conv, &[before + 2]));
            nodes.push(node(Operator::Add, &[before + 3, before]));
        }
    };
    let mut nodes = residual_chain(0);
    let mut skips = Vec::new();
    for _ in 0..4 {
        stage(&mut nodes);
        skips.push(nodes.len() as NodeIndex - 1);
        nodes.push(node(Operator::MaxPool, &[nodes.len() as NodeIndex - 1]));
    }
    for skip in skips.into_iter().rev() {
        let last = nodes.len() as NodeIndex - 1;
        nodes.push(node(Operator::Resize, &[last]));
        nodes.push(node(Operator::Concat, &[last + 1, skip]));
        nodes.push(node(Operator::Conv, &[last + 2]));
        stage(&mut nodes);
    }
    let motifs = motifs(nodes);
    assert_eq!((motifs[0].count, motifs[0].size), (32, 4));
}

#[test]
fn branches_without_a_join_are_cut_one_by_one() {
    // Two towers, as of an image and a text, whose ends are compared.
    let mut nodes = residual_chain(12);
    let first = nodes.len() as NodeIndex - 1;
    let shift = nodes.len() as NodeIndex;
    for mut node in residual_chain(12) {
        node.inputs.iter_mut().for_each(|edge| edge.node += shift);
        nodes.push(node);
    }
    let second = nodes.len() as NodeIndex - 1;
    nodes.push(node(Operator::MatMul, &[first, second]));
    let motifs = motifs(nodes);
    assert_eq!((motifs[0].count, motifs[0].size), (24, 4));
}

#[test]
fn an_expansion_and_its_depthwise_convolution_are_one_block_without_a_shortcut_too() {
    let convolution = |side: i64, grouping: Option<&'static str>, input: NodeIndex| {
        let mut node = node(Operator::Conv, &[input]);
        node.attributes.set(Key::Kernel, vec![side, side]);
        if let Some(grouping) = grouping {
            node.attributes.set(Key::Grouping, grouping);
        }
        node
    };
    let mut nodes = vec![node(Operator::Input, &[]), convolution(3, None, 0)];
    for _ in 0..2 {
        let before = nodes.len() as NodeIndex - 1;
        nodes.push(convolution(1, None, before));
        nodes.push(node(Operator::Relu6, &[before + 1]));
        nodes.push(convolution(3, Some("depthwise"), before + 2));
        nodes.push(node(Operator::Relu6, &[before + 3]));
        nodes.push(convolution(1, None, before + 4));
    }
    let motifs = motifs(nodes);
    assert_eq!((motifs[0].count, motifs[0].size), (2, 5));
}

#[test]
fn layers_that_concatenate_more_and_more_are_one_motif() {
    let mut nodes = vec![node(Operator::Input, &[]), node(Operator::Conv, &[0])];
    let mut given = vec![1];
    for _ in 0..12 {
        let before = nodes.len() as NodeIndex - 1;
        nodes.push(node(Operator::Concat, &given));
        nodes.push(node(Operator::BatchNorm, &[before + 1]));
        nodes.push(node(Operator::Relu, &[before + 2]));
        nodes.push(node(Operator::Conv, &[before + 3]));
        given.push(before + 4);
    }
    let motifs = motifs(nodes);
    assert_eq!(motifs[0].size, 4);
    assert!(motifs[0].count >= 8, "{}", motifs[0].count);
}

#[test]
fn widths_play_no_part() {
    let with_width = |width: i64| {
        let mut nodes = residual_chain(3);
        for node in &mut nodes {
            node.attributes.set(Key::OutChannels, width);
        }
        motifs(nodes)
    };
    assert_eq!(with_width(8), with_width(64));
}

#[test]
fn operands_of_one_look_are_ordered_by_where_they_are_read() {
    let cuts: Vec<_> = [[1, 2], [2, 1]]
        .into_iter()
        .map(|operands| {
            let architecture = architecture(vec![
                node(Operator::Input, &[]),
                node(Operator::Relu, &[0]),
                node(Operator::Relu, &[0]),
                node(Operator::Sub, &operands),
            ]);
            let cut = BySize { nodes: 2 }.split(&architecture);
            shape_of(&macro_graph(&architecture, &cut))
        })
        .collect();
    assert_eq!(cuts[0], cuts[1]);
}

#[test]
fn equal_motifs_are_told_from_similar_ones_by_their_shortcut() {
    let block = |skip: NodeIndex| {
        let architecture = architecture(vec![
            node(Operator::Input, &[]),
            node(Operator::Input, &[]),
            node(Operator::Conv, &[0]),
            node(Operator::Add, &[2, skip]),
        ]);
        let labels = label::labels(&architecture);
        identity::Identity::new(&architecture, &labels).of(&[2, 3])
    };
    assert_ne!(block(0), block(1));
}

#[test]
fn hostile_shapes_cost_little() {
    let chain = |count: NodeIndex| {
        let mut nodes = vec![node(Operator::Input, &[])];
        nodes.extend((1..count).map(|index| node(Operator::Relu, &[index - 1])));
        nodes
    };
    let mut star = vec![node(Operator::Input, &[])];
    star.extend((1..20_000).map(|_| node(Operator::Conv, &[0])));
    star.push(node(Operator::Concat, &(1..20_000).collect::<Vec<_>>()));
    let mut ladder = chain(10_000);
    ladder.extend((10_000..20_000).map(|index| node(Operator::Add, &[index - 1, 19_999 - index])));
    let dense = (0..400).map(|index| node(Operator::Conv, &(0..index).collect::<Vec<_>>()));
    let pairs = (0..20_000u32).map(|index| {
        node(
            Operator::Conv,
            &[index.saturating_sub(2)][..usize::from(index > 1)],
        )
    });
    for nodes in [
        chain(20_000),
        star,
        ladder,
        dense.collect(),
        pairs.collect(),
    ] {
        let architecture = architecture(nodes);
        let start = Instant::now();
        for splitter in splitters() {
            let graph = macro_graph(&architecture, &splitter.split(&architecture));
            assert!(!graph.occurrences.is_empty());
        }
        assert!(start.elapsed() < HANGING);
    }
}
