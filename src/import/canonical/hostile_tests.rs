//! Graphs that no tool would write: each has an architecture or is refused, and nothing panics.
//!
//! Published crashes of shape inference are of these kinds: operators with too few or too many
//! operands, of ranks that do not fit, with constants that lie about their size, with attributes
//! of another type or far out of range.

use super::canonicalise;
use super::testing::raw;
use crate::graph::{Edge, NodeIndex, Shape};
use crate::import::{Dialect, Limits, Map, RawGraph, RawNode, RawValue};
use crate::random::Random;
use proptest::prelude::*;

/// Words in quotes in a lowering: operators, attributes and modes alike, the next new one too.
fn words(source: &'static str) -> Vec<&'static str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let quoted = code.split('"').skip(1).step_by(2);
    let is_name = |word: &char| word.is_ascii_alphanumeric() || *word == '_';
    quoted
        .filter(|word| !word.is_empty() && word.chars().all(|letter| is_name(&letter)))
        .collect()
}

fn onnx_words() -> Vec<&'static str> {
    words(include_str!("lower/onnx.rs"))
}

fn torch_words() -> Vec<&'static str> {
    words(include_str!("lower/torch.rs"))
}

const INTS: [i64; 12] = [i64::MIN, i64::MAX, -7, -2, -1, 0, 1, 2, 3, 4, 8, 1 << 32];

const FLOATS: [f64; 8] = [
    f64::NAN,
    f64::INFINITY,
    f64::MIN,
    -1.0,
    -0.0,
    0.5,
    3.0,
    1e308,
];

const DIMS: [Option<u64>; 10] = [
    None,
    Some(0),
    Some(1),
    Some(1),
    Some(2),
    Some(3),
    Some(4),
    Some(8),
    Some(1 << 40),
    Some(u64::MAX),
];

/// Draws graphs of one dialect.
struct Chaos {
    random: Random,
    words: Vec<&'static str>,
    dialect: Dialect,
}

impl Chaos {
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.random.below(all.len())].clone()
    }

    fn some<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.random.below(most + 1))
            .map(|_| make(self))
            .collect()
    }

    fn word(&mut self) -> Box<str> {
        self.words[self.random.below(self.words.len())].into()
    }

    fn shape(&mut self) -> Shape {
        Shape(self.some(5, |chaos| chaos.one_of(&DIMS)))
    }

    fn constant(&mut self) -> RawValue {
        let shape = self.shape();
        let number = |chaos: &mut Self| match chaos.random.below(4) {
            0 => chaos.one_of(&FLOATS),
            _ => chaos.one_of(&INTS) as f64,
        };
        let values = match self.random.below(3) {
            0 => None,
            _ => Some(self.some(6, number)),
        };
        RawValue::Constant { shape, values }
    }

    fn value(&mut self, depth: usize) -> RawValue {
        match self.random.below(16) {
            0 => RawValue::None,
            1 => RawValue::Bool(self.random.below(2) == 0),
            2..=5 => RawValue::Int(self.one_of(&INTS)),
            6 => RawValue::Float(self.one_of(&FLOATS)),
            7 => RawValue::Text(self.word()),
            8 => RawValue::Operand(self.random.below(4) as u32),
            9 => RawValue::Weight(self.shape()),
            10 => self.constant(),
            11 => RawValue::Ellipsis,
            12 if depth > 0 => {
                let bounds = std::array::from_fn(|_| self.value(0));
                RawValue::Slice(Box::new(bounds))
            }
            13 => RawValue::Other(self.word()),
            _ if depth > 0 => RawValue::List(self.some(5, |chaos| chaos.value(depth - 1))),
            _ => RawValue::Int(1),
        }
    }

    fn named(&mut self) -> Map {
        Map(self.some(5, |chaos| (chaos.word(), chaos.value(2))))
    }

    fn attributes(&mut self) -> Map {
        if self.dialect == Dialect::Onnx {
            return self.named();
        }
        let operand = RawValue::Operand(0);
        let mut args = vec![operand];
        args.extend(self.some(5, |chaos| chaos.value(2)));
        Map(vec![
            ("args".into(), RawValue::List(args)),
            ("kwargs".into(), RawValue::Map(self.named())),
        ])
    }

    fn node(&mut self, index: usize) -> RawNode {
        let stated = |chaos: &mut Self| (chaos.random.below(3) > 0).then(|| chaos.shape());
        let shapes = self.some(3, stated);
        if index == 0 || self.random.below(8) == 0 {
            return RawNode {
                op: "input".into(),
                shapes,
                ..RawNode::default()
            };
        }
        if self.dialect == Dialect::Onnx && self.random.below(3) == 0 {
            return RawNode {
                op: "constant".into(),
                attributes: Map(vec![("value".into(), self.constant())]),
                shapes,
                ..RawNode::default()
            };
        }
        let mut inputs = vec![Some(Edge::first((index - 1) as NodeIndex))];
        inputs.extend(self.some(4, |chaos| {
            (chaos.random.below(6) > 0).then(|| Edge {
                node: chaos.random.below(index) as NodeIndex,
                port: chaos.random.below(3) as u16,
            })
        }));
        RawNode {
            op: self.word(),
            inputs,
            attributes: self.attributes(),
            shapes,
            ..RawNode::default()
        }
    }

    fn graph(&mut self, count: usize) -> RawGraph {
        let nodes: Vec<RawNode> = (0..count).map(|index| self.node(index)).collect();
        RawGraph {
            dialect: self.dialect,
            producer: None,
            name: None,
            parameters: None,
            outputs: (0..count as NodeIndex).map(Edge::first).collect(),
            nodes,
        }
    }
}

/// Whatever the architecture is, it can be hashed and counted, and it is the same the second time.
fn assert_settled(raw: &RawGraph) {
    let limits = Limits::default();
    if let Ok(architecture) = canonicalise(raw, &limits) {
        architecture.flops();
        let again = canonicalise(raw, &limits).unwrap();
        assert_eq!(again.digests(), architecture.digests());
    }
}

fn constant(dims: &[u64], values: Vec<f64>) -> RawNode {
    let value = RawValue::Constant {
        shape: Shape::known(dims),
        values: Some(values),
    };
    RawNode {
        op: "constant".into(),
        attributes: Map(vec![("value".into(), value)]),
        shapes: vec![None],
        ..RawNode::default()
    }
}

fn node(op: &str, inputs: &[NodeIndex]) -> RawNode {
    RawNode {
        op: op.into(),
        inputs: inputs.iter().copied().map(Edge::first).map(Some).collect(),
        shapes: vec![None],
        ..RawNode::default()
    }
}

fn with(mut node: RawNode, name: &str, value: RawValue) -> RawNode {
    node.attributes.0.push((name.into(), value));
    node
}

/// A graph of the ONNX dialect whose result is its last node.
fn onnx(nodes: Vec<RawNode>) -> RawGraph {
    RawGraph {
        dialect: Dialect::Onnx,
        producer: None,
        name: None,
        parameters: None,
        outputs: vec![Edge::first((nodes.len() - 1) as NodeIndex)],
        nodes,
    }
}

#[test]
fn constants_of_nothing_with_huge_sides_cost_nothing() {
    let huge = 1 << 60;
    for dims in [
        &[0, huge][..],
        &[huge, 0],
        &[0, huge, huge],
        &[huge, huge, 0],
    ] {
        let nodes = vec![
            constant(dims, vec![]),
            constant(&[1], vec![0.0]),
            constant(&[1], vec![1e18]),
            node("Transpose", &[0]),
            node("Slice", &[0, 1, 2]),
            node("Gather", &[0, 1]),
            node("input", &[]),
            node("Sum", &[6, 3, 4, 5]),
        ];
        assert_settled(&onnx(nodes));
    }
}

#[test]
fn constants_that_promise_more_than_they_hold_cost_nothing() {
    for dims in [&[1 << 40][..], &[1 << 20, 1 << 20], &[1, 1 << 40]] {
        let nodes = vec![
            constant(dims, vec![1.0]),
            constant(&[1], vec![0.0]),
            constant(&[1], vec![1e18]),
            node("Slice", &[0, 1, 2]),
            node("Transpose", &[0]),
            node("Gather", &[0, 2]),
            node("input", &[]),
            node("Sum", &[6, 3, 4, 5]),
        ];
        assert_settled(&onnx(nodes));
    }
}

#[test]
fn selections_from_constants_do_not_multiply() {
    // Each has 65,536 rows of 65,536 elements.
    let table = constant(&[1, 65_536], vec![1.0; 65_536]);
    let mut nodes = vec![
        table,
        constant(&[65_536], vec![0.0; 65_536]),
        node("input", &[]),
    ];
    nodes.extend((0..50).map(|_| node("Gather", &[0, 1])));
    nodes.push(node("Add", &[2, 52]));
    assert_settled(&onnx(nodes));
}

#[test]
fn constants_computed_by_many_nodes_are_forgotten() {
    let mut nodes = vec![node("input", &[]), constant(&[1000], vec![1.0; 1000])];
    // A gigabyte, were all of them kept.
    nodes.extend((1..150_000).map(|before| node("Neg", &[before])));
    nodes.push(node("Add", &[0, 150_000]));
    assert_settled(&onnx(nodes));
}

#[test]
fn shapes_of_absurd_rank_are_not_copied_along() {
    let axes = RawValue::List((0..65_536).map(RawValue::Int).collect());
    let opened = with(node("Unsqueeze", &[0]), "axes", axes.clone());
    let turned = with(node("Transpose", &[0]), "perm", axes);
    for wide in [opened, turned] {
        let input = RawNode {
            shapes: vec![Some(Shape::known(&[2, 3]))],
            ..node("input", &[])
        };
        let mut nodes = vec![input, wide];
        // A hundred gigabytes, were every one to have the shape of the first.
        nodes.extend((1..100_000).map(|before| node("Relu", &[before])));
        assert_settled(&onnx(nodes));
    }
}

#[test]
fn parts_of_absurd_sizes_do_not_overflow() {
    let part = format!("{}x3", u64::MAX);
    let text = format!(
        "x = input -> 4x3
        a, b, c = split(x, 1, 0) -> {part}, {part}, {part}
        y = cat([a, b, c], 0) -> 4x3"
    );
    assert_settled(&raw(Dialect::Torch, &text));
}

#[test]
fn the_words_of_a_lowering_are_found() {
    for word in ["Conv", "Xor", "kernel_shape"] {
        assert!(onnx_words().contains(&word), "{word}");
    }
    for word in ["conv2d", "xor", "attn_mask"] {
        assert!(torch_words().contains(&word), "{word}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_onnx_graph_panics(seed: u64, count in 1usize..16) {
        let (random, words, dialect) = (Random::new(seed), onnx_words(), Dialect::Onnx);
        assert_settled(&Chaos { random, words, dialect }.graph(count));
    }

    #[test]
    fn no_torch_graph_panics(seed: u64, count in 1usize..16) {
        let (random, words, dialect) = (Random::new(seed), torch_words(), Dialect::Torch);
        assert_settled(&Chaos { random, words, dialect }.graph(count));
    }
}
