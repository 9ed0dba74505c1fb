//! Cuts an architecture into sets of tokens: what its operators are and how they follow each other.
//!
//! Sets, not bags: how often a token occurs is left to [`Tokens::counts`]. Every set is sorted, and
//! no token depends on the numbering of nodes, so renumbering changes nothing. Fan-in and fan-out
//! are capped after sorting, so that a hostile graph costs time linear in its edges.

use crate::graph::{Architecture, Attributes, Key, Node, NodeIndex, Operator, Value};
use crate::random;
use std::collections::BTreeMap;

/// Names what tokens are made of, and the operators they are made from. A model fitted on others
/// cannot be used: change it with every change of tokens, which also needs a new fit.
pub const VOCABULARY: &str = "tokens-1";

/// Distinct n-grams that one node passes on to its readers.
const GRAMS_PER_NODE: usize = 32;
/// Distinct labels of a node's operands or readers that are paired with each other.
const LABELS_PER_BRANCHING: usize = 8;
/// Nodes looked at when a gate or a shortcut is traced back.
const CONE: usize = 48;
/// Shortcuts and gates traced in one architecture.
const CONES: usize = 20_000;

/// One group of tokens; each becomes a unit vector of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// N-grams of operators along dataflow.
    OperatorGrams,
    /// N-grams of operators with kernel, stride and grouping.
    ShapedGrams,
    /// Operators with their direct neighbours.
    Neighbourhoods,
    /// Operators with all their attributes but widths, and the same of their neighbours.
    AttributedNeighbourhoods,
    /// Designs with a name: gates, shortcuts, branches, downsampling, attention, width ratios.
    Descriptors,
}

impl Group {
    /// Every group, in order.
    pub const ALL: [Self; 5] = [
        Self::OperatorGrams,
        Self::ShapedGrams,
        Self::Neighbourhoods,
        Self::AttributedNeighbourhoods,
        Self::Descriptors,
    ];
}

/// The tokens of one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Sorted, distinct tokens of each group, in the order of [`Group::ALL`].
    pub sets: [Vec<u64>; 5],
    /// How often operators and pairs of operators occur.
    pub counts: BTreeMap<u64, u32>,
    /// How often each operator occurs with a width of about a power of the square root of two.
    pub widths: BTreeMap<u64, u32>,
}

/// The tokens of `architecture`.
pub fn tokens(architecture: &Architecture) -> Tokens {
    let nodes = architecture.nodes();
    let consumers = architecture.consumers();
    let plain: Vec<u64> = nodes.iter().map(operator_label).collect();
    let shaped: Vec<u64> = nodes.iter().zip(&plain).map(shaped_label).collect();
    let attributed: Vec<u64> = nodes.iter().zip(&plain).map(attributed_label).collect();
    let sets = [
        grams(nodes, &plain),
        grams(nodes, &shaped),
        neighbourhoods(nodes, &consumers, &plain),
        neighbourhoods(nodes, &consumers, &attributed),
        descriptors(&View {
            architecture,
            consumers: &consumers,
            plain: &plain,
            shaped: &shaped,
        }),
    ];
    Tokens {
        sets,
        counts: counts(nodes, &plain),
        widths: widths(nodes, &plain),
    }
}

/// What a token speaks of; keeps tokens of different kinds apart.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Kind {
    Operator = 1,
    Attribute,
    Pair,
    Triple,
    Neighbourhood,
    Gate,
    Shortcut,
    Merge,
    Fork,
    Downsampling,
    DownsamplingCount,
    Stem,
    Head,
    Attention,
    WidthRatio,
    GroupWidth,
    Count,
    Width,
}

fn token(kind: Kind, parts: impl IntoIterator<Item = u64>) -> u64 {
    random::sequence(kind as u64, parts)
}

fn operator_label(node: &Node) -> u64 {
    match &node.operator {
        Operator::Unknown { domain, name } => {
            token(Kind::Operator, [random::text(domain), random::text(name)])
        }
        known => token(Kind::Operator, [random::text(known.name())]),
    }
}

fn shaped_label((node, plain): (&Node, &u64)) -> u64 {
    with_attributes(*plain, &node.attributes, |key| {
        matches!(key, Key::Kernel | Key::Stride | Key::Grouping)
    })
}

fn attributed_label((node, plain): (&Node, &u64)) -> u64 {
    with_attributes(*plain, &node.attributes, |key| !key.is_width())
}

fn with_attributes(plain: u64, attributes: &Attributes, wanted: impl Fn(Key) -> bool) -> u64 {
    attributes
        .iter()
        .filter(|(key, _)| wanted(*key))
        .fold(plain, |label, (key, value)| {
            let key = random::text(key.name());
            token(Kind::Attribute, [label, key, value_hash(value)])
        })
}

fn value_hash(value: &Value) -> u64 {
    match value {
        Value::Int(value) => random::mix(*value as u64),
        Value::Ints(values) => random::sequence(1, values.iter().map(|value| *value as u64)),
        Value::Word(word) => random::text(word),
    }
}

fn sorted_set(mut tokens: Vec<u64>) -> Vec<u64> {
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}

/// Labels of a node's operands, sorted and distinct.
fn operand_labels(node: &Node, labels: &[u64]) -> Vec<u64> {
    sorted_set(
        node.inputs
            .iter()
            .map(|edge| labels[edge.node as usize])
            .collect(),
    )
}

/// Labels, pairs and triples along dataflow.
fn grams(nodes: &[Node], labels: &[u64]) -> Vec<u64> {
    let mut all = labels.to_vec();
    let mut pairs_of: Vec<Vec<u64>> = Vec::with_capacity(nodes.len());
    for (node, label) in nodes.iter().zip(labels) {
        let mut pairs: Vec<u64> = operand_labels(node, labels)
            .into_iter()
            .map(|operand| token(Kind::Pair, [operand, *label]))
            .collect();
        pairs.truncate(GRAMS_PER_NODE);
        let earlier = sorted_set(
            node.inputs
                .iter()
                .flat_map(|edge| pairs_of[edge.node as usize].iter().copied())
                .collect(),
        );
        all.extend(
            earlier
                .into_iter()
                .take(GRAMS_PER_NODE)
                .map(|pair| token(Kind::Triple, [pair, *label])),
        );
        all.extend(&pairs);
        pairs_of.push(pairs);
    }
    sorted_set(all)
}

/// One round of Weisfeiler-Lehman: own label, operands, kinds of readers.
fn neighbourhoods(nodes: &[Node], consumers: &[Vec<NodeIndex>], labels: &[u64]) -> Vec<u64> {
    let around = |(index, node): (usize, &Node)| {
        let mut operands: Vec<u64> = node
            .inputs
            .iter()
            .map(|edge| labels[edge.node as usize])
            .collect();
        operands.sort_unstable();
        let readers = sorted_set(
            consumers[index]
                .iter()
                .map(|reader| labels[*reader as usize])
                .collect(),
        );
        token(
            Kind::Neighbourhood,
            [
                labels[index],
                random::sequence(2, operands),
                random::sequence(3, readers),
            ],
        )
    };
    sorted_set(nodes.iter().enumerate().map(around).collect())
}

fn counts(nodes: &[Node], plain: &[u64]) -> BTreeMap<u64, u32> {
    let mut counts = BTreeMap::new();
    for (node, label) in nodes.iter().zip(plain) {
        *counts.entry(token(Kind::Count, [*label])).or_insert(0u32) += 1;
        for operand in operand_labels(node, plain) {
            *counts
                .entry(token(Kind::Count, [operand, *label]))
                .or_insert(0) += 1;
        }
    }
    counts
}

fn widths(nodes: &[Node], plain: &[u64]) -> BTreeMap<u64, u32> {
    let mut widths = BTreeMap::new();
    for (node, label) in nodes.iter().zip(plain) {
        for key in [Key::OutChannels, Key::Heads, Key::Hidden] {
            if let Some(width) = node.attributes.int(key).filter(|width| *width > 0) {
                let bucket = half_octaves(width as f64) as u64;
                *widths
                    .entry(token(Kind::Width, [*label, key as u64, bucket]))
                    .or_insert(0u32) += 1;
            }
        }
    }
    widths
}

/// Logarithm in steps of the square root of two, rounded.
fn half_octaves(ratio: f64) -> i64 {
    (2.0 * ratio.log2()).round() as i64
}

/// The architecture with what has been worked out about it.
struct View<'a> {
    architecture: &'a Architecture,
    consumers: &'a [Vec<NodeIndex>],
    plain: &'a [u64],
    shaped: &'a [u64],
}

impl View<'_> {
    fn nodes(&self) -> &[Node] {
        self.architecture.nodes()
    }

    fn node(&self, index: NodeIndex) -> &Node {
        &self.nodes()[index as usize]
    }
}

fn descriptors(view: &View<'_>) -> Vec<u64> {
    let mut all = Vec::new();
    gates_and_shortcuts(view, &mut all);
    branches(view, &mut all);
    downsampling(view, &mut all);
    ends(view, &mut all);
    attention(view, &mut all);
    width_ratios(view, &mut all);
    sorted_set(all)
}

/// Squeeze-and-excitation paths (pool … sigmoid, multiplied in) and residual shortcuts.
fn gates_and_shortcuts(view: &View<'_>, all: &mut Vec<u64>) {
    let merges = view
        .nodes()
        .iter()
        .enumerate()
        .filter(|(_, node)| node.operator.is_commutative() && node.inputs.len() == 2);
    // Beyond the cap nothing is traced at all: a prefix would depend on the numbering.
    if merges.clone().count() > CONES {
        return;
    }
    for (index, node) in merges {
        let [one, other] = [node.inputs[0].node, node.inputs[1].node];
        for (branch, source) in [(one, other), (other, one)] {
            if node.operator == Operator::Mul {
                all.extend(gate(view, branch));
            }
            if source < branch {
                all.extend(shortcut(view, index, branch, source));
            }
        }
    }
}

fn is_gate(operator: &Operator) -> bool {
    use Operator::{Clip, HardSigmoid, Sigmoid, Softmax, Tanh};
    matches!(operator, Sigmoid | HardSigmoid | Tanh | Softmax | Clip)
}

fn is_pool_of_everything(operator: &Operator) -> bool {
    use Operator::{GlobalAvgPool, GlobalMaxPool, ReduceMax, ReduceMean, ReduceVariance};
    matches!(
        operator,
        GlobalAvgPool | GlobalMaxPool | ReduceMean | ReduceMax | ReduceVariance
    )
}

/// The chain from a gate back to the pooling that feeds it, as one token.
fn gate(view: &View<'_>, gate: NodeIndex) -> Option<u64> {
    if !is_gate(&view.node(gate).operator) {
        return None;
    }
    let mut chain = Vec::new();
    let mut at = gate;
    for _ in 0..12 {
        let node = view.node(at);
        chain.push(view.shaped[at as usize]);
        if is_pool_of_everything(&node.operator) {
            return Some(token(Kind::Gate, chain));
        }
        match node.inputs.as_slice() {
            [edge] => at = edge.node,
            _ => return None,
        }
    }
    None
}

/// What lies between `source` and `branch` when the first feeds the second: a residual block.
fn shortcut(view: &View<'_>, merge: usize, branch: NodeIndex, source: NodeIndex) -> Option<u64> {
    let mut block = vec![branch];
    let mut at = 0;
    let mut reached = false;
    while at < block.len() {
        for edge in &view.node(block[at]).inputs {
            match edge.node {
                node if node == source => reached = true,
                node if node < source => return None,
                node if block.contains(&node) => {}
                node => block.push(node),
            }
            if block.len() > CONE {
                return None;
            }
        }
        at += 1;
    }
    let mut labels: Vec<u64> = block
        .iter()
        .map(|node| view.shaped[*node as usize])
        .collect();
    labels.sort_unstable();
    reached.then(|| {
        token(
            Kind::Shortcut,
            [view.plain[merge], random::sequence(4, labels)],
        )
    })
}

/// Pairs of operators that meet in one node or leave one node.
fn branches(view: &View<'_>, all: &mut Vec<u64>) {
    for (index, node) in view.nodes().iter().enumerate() {
        let operands = operand_labels(node, view.shaped);
        pairs(Kind::Merge, view.plain[index], operands, all);
        let readers = view.consumers[index]
            .iter()
            .map(|reader| view.shaped[*reader as usize])
            .collect();
        pairs(Kind::Fork, view.plain[index], sorted_set(readers), all);
    }
}

fn pairs(kind: Kind, centre: u64, mut labels: Vec<u64>, all: &mut Vec<u64>) {
    labels.truncate(LABELS_PER_BRANCHING);
    for (place, one) in labels.iter().enumerate() {
        for other in &labels[place + 1..] {
            all.push(token(kind, [centre, *one, *other]));
        }
    }
}

fn downsampling(view: &View<'_>, all: &mut Vec<u64>) {
    let mut strided = 0u64;
    for (node, shaped) in view.nodes().iter().zip(view.shaped) {
        if let Some(Value::Ints(strides)) = node.attributes.get(Key::Stride)
            && strides.iter().any(|stride| *stride > 1)
        {
            strided += 1;
            all.push(token(Kind::Downsampling, [*shaped]));
        }
    }
    all.push(token(Kind::DownsamplingCount, [strided.min(16)]));
}

/// How the model begins and ends.
fn ends(view: &View<'_>, all: &mut Vec<u64>) {
    for (node, shaped) in view.nodes().iter().zip(view.shaped) {
        let reads_input = node
            .inputs
            .iter()
            .any(|edge| view.node(edge.node).operator == Operator::Input);
        if reads_input {
            all.push(token(Kind::Stem, [*shaped]));
        }
    }
    for edge in view.architecture.outputs() {
        all.push(token(Kind::Head, [view.shaped[edge.node as usize]]));
    }
}

fn attention(view: &View<'_>, all: &mut Vec<u64>) {
    for node in view.nodes() {
        if node.operator != Operator::Attention {
            continue;
        }
        for key in [Key::Heads, Key::Bias] {
            if let Some(value) = node.attributes.get(key) {
                all.push(token(Kind::Attention, [key as u64, value_hash(value)]));
            }
        }
    }
}

/// How layers widen and narrow, and how wide their groups are.
fn width_ratios(view: &View<'_>, all: &mut Vec<u64>) {
    for (node, shaped) in view.nodes().iter().zip(view.shaped) {
        let width = |key| node.attributes.int(key).filter(|width| *width > 0);
        let Some(read) = width(Key::InChannels) else {
            continue;
        };
        if let Some(written) = width(Key::OutChannels) {
            let ratio = half_octaves(written as f64 / read as f64) as u64;
            all.push(token(Kind::WidthRatio, [*shaped, ratio]));
        }
        if let Some(groups) = width(Key::Groups) {
            let group_width = half_octaves(read as f64 / groups as f64) as u64;
            all.push(token(Kind::GroupWidth, [*shaped, group_width]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;
    use crate::graph::testing::node;
    use std::time::{Duration, Instant};

    fn tokens_of(nodes: Vec<Node>) -> Tokens {
        let last = nodes.len() as NodeIndex - 1;
        tokens(&Architecture::new(None, 0, nodes, vec![Edge::first(last)]).unwrap())
    }

    #[test]
    fn tokens_change_only_with_the_name_of_their_vocabulary() {
        use Operator::{Add, Attention, Conv, GlobalAvgPool, Input, Linear, Relu};
        let attributes = Attributes::default()
            .with(Key::Kernel, vec![3, 3])
            .with(Key::OutChannels, 64i64);
        let mut nodes = vec![
            node(Input, &[]),
            node(Conv, &[0]),
            node(Relu, &[1]),
            node(Conv, &[2]),
            node(Add, &[3, 1]),
            node(Attention, &[4]),
            node(GlobalAvgPool, &[5]),
            node(Linear, &[6]),
        ];
        nodes[1].attributes = attributes;
        let tokens = tokens_of(nodes);
        let counted = tokens.counts.into_iter().chain(tokens.widths);
        let counted = counted.flat_map(|(token, count)| [token, u64::from(count)]);
        let all = tokens.sets.concat().into_iter().chain(counted);
        let fingerprint = random::sequence(0, all);
        assert_eq!(
            (VOCABULARY, fingerprint),
            ("tokens-1", 7_622_709_677_134_750_624)
        );
    }

    #[test]
    fn a_chain_has_its_labels_pairs_and_triples() {
        use Operator::{Conv, Input, Relu};
        let tokens = tokens_of(vec![node(Input, &[]), node(Conv, &[0]), node(Relu, &[1])]);
        assert_eq!(tokens.sets[0].len(), 3 + 2 + 1);
    }

    #[test]
    fn repeating_a_block_changes_counts_but_few_tokens() {
        use Operator::{Conv, Input, Relu};
        let chain = |blocks: NodeIndex| {
            let mut nodes = vec![node(Input, &[])];
            for block in 0..blocks {
                nodes.push(node(Conv, &[2 * block]));
                nodes.push(node(Relu, &[2 * block + 1]));
            }
            tokens_of(nodes)
        };
        assert_eq!(chain(5).sets, chain(9).sets);
        assert_ne!(chain(5).counts, chain(9).counts);
    }

    #[test]
    fn squeeze_and_excitation_is_seen() {
        use Operator::{Conv, GlobalAvgPool, Input, Linear, Mul, Relu, Sigmoid};
        let nodes = |gate| {
            vec![
                node(Input, &[]),
                node(Conv, &[0]),
                node(GlobalAvgPool, &[1]),
                node(Linear, &[2]),
                node(Relu, &[3]),
                node(Linear, &[4]),
                node(gate, &[5]),
                node(Mul, &[1, 6]),
            ]
        };
        let consumers = Vec::new();
        let architecture = Architecture::new(None, 0, nodes(Sigmoid), vec![]).unwrap();
        let plain: Vec<u64> = architecture.nodes().iter().map(operator_label).collect();
        let view = View {
            architecture: &architecture,
            consumers: &consumers,
            plain: &plain,
            shaped: &plain,
        };
        assert!(gate(&view, 6).is_some());
        assert!(gate(&view, 1).is_none());
        assert!(shortcut(&view, 7, 6, 1).is_some());
        assert_ne!(
            tokens_of(nodes(Sigmoid)).sets[4],
            tokens_of(nodes(Relu)).sets[4]
        );
    }

    #[test]
    fn a_hostile_fan_costs_little() {
        use Operator::{Add, Concat, Input};
        let mut nodes = vec![node(Input, &[])];
        for index in 0..2_000u32 {
            let name = Operator::unknown("x", &index.to_string());
            nodes.push(node(name, &[0]));
        }
        let all: Vec<NodeIndex> = (1..=2_000).collect();
        for _ in 0..200 {
            nodes.push(node(Concat, &all));
        }
        for _ in 0..2_000 {
            let last = nodes.len() as NodeIndex - 1;
            nodes.push(node(Add, &[last, last]));
        }
        let start = Instant::now();
        let tokens = tokens_of(nodes);
        assert!(tokens.sets[0].len() < 10_000);
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
