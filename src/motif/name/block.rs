//! Blocks that the literature has a name for, recognised by structure alone.
//!
//! Each rule states what must be there; a motif that satisfies none has no name, and that is no
//! error. The first rule that holds names it.

use super::Inside;
use crate::graph::{Key, Node, NodeIndex, Operator, OperatorGroup, Value};

/// The name of the block, when it is a known one.
pub(super) fn block(inside: &Inside) -> Option<String> {
    let facts = Facts::new(inside);
    let name = attention(&facts)
        .or_else(|| inception(&facts))
        .or_else(|| convolutions(&facts))
        .or_else(|| perceptron(&facts))
        .or_else(|| head(&facts))?;
    let gate = if facts.is_gated && facts.attentions.is_empty() {
        " (se)"
    } else {
        ""
    };
    Some(format!("{name}{gate}"))
}

/// A product on the main path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Pointwise,
    Spatial,
    Depthwise,
    Linear,
}

/// What the rules ask about.
struct Facts<'a> {
    inside: &'a Inside,
    /// Products in order; those of a gate or a projected shortcut are left out.
    path: Vec<Product>,
    attentions: Vec<NodeIndex>,
    has_shortcut: bool,
    /// Whether a value is multiplied by a function of its own pooling.
    is_gated: bool,
}

impl<'a> Facts<'a> {
    fn new(inside: &'a Inside) -> Self {
        let is_pooled = pooled(inside);
        let main = inside.own().filter(|(index, node)| {
            !is_pooled[*index as usize] && !is_projection(inside, *index, node)
        });
        let projected = inside
            .own()
            .any(|(index, node)| is_projection(inside, index, node));
        let attentions = inside
            .own()
            .filter(|(_, node)| node.operator == Operator::Attention);
        Self {
            path: main.filter_map(|(_, node)| product(node)).collect(),
            attentions: attentions.map(|(index, _)| index).collect(),
            has_shortcut: projected || inside.own().any(|(_, node)| inside.is_shortcut(node)),
            is_gated: inside.own().any(|(_, node)| is_gate(node, &is_pooled)),
            inside,
        }
    }

    fn has(&self, operator: &Operator) -> bool {
        let mut own = self.inside.own();
        own.any(|(_, node)| node.operator == *operator)
    }

    fn count(&self, operator: &Operator) -> usize {
        let own = self.inside.own();
        own.filter(|(_, node)| node.operator == *operator).count()
    }
}

fn product(node: &Node) -> Option<Product> {
    match node.operator {
        Operator::Linear => Some(Product::Linear),
        Operator::Conv if node.attributes.word(Key::Grouping) == Some("depthwise") => {
            Some(Product::Depthwise)
        }
        Operator::Conv if has_unit_kernel(node) => Some(Product::Pointwise),
        Operator::Conv | Operator::DeformConv => Some(Product::Spatial),
        _ => None,
    }
}

fn has_unit_kernel(node: &Node) -> bool {
    match node.attributes.get(Key::Kernel) {
        Some(Value::Ints(sides)) => sides.iter().all(|side| *side == 1),
        Some(Value::Int(_) | Value::Word(_)) | None => false,
    }
}

/// For each node whether all it reads comes from pooling of every position.
fn pooled(inside: &Inside) -> Vec<bool> {
    let mut is_pooled = vec![false; inside.graph.nodes().len()];
    for (index, node) in inside.graph.nodes().iter().enumerate() {
        let mut inputs = node.inputs.iter();
        let all = inputs.all(|edge| is_pooled[edge.node as usize]);
        is_pooled[index] = pools_everything(&node.operator) || (!node.inputs.is_empty() && all);
    }
    is_pooled
}

fn pools_everything(operator: &Operator) -> bool {
    use Operator::{GlobalAvgPool, GlobalMaxPool};
    matches!(operator, GlobalAvgPool | GlobalMaxPool)
}

fn is_gate(node: &Node, is_pooled: &[bool]) -> bool {
    let pooled = |place: usize| is_pooled[node.inputs[place].node as usize];
    node.operator == Operator::Mul && node.inputs.len() == 2 && pooled(0) != pooled(1)
}

/// A convolution of a value from outside whose only reader adds it.
fn is_projection(inside: &Inside, index: NodeIndex, node: &Node) -> bool {
    let [edge] = node.inputs.as_slice() else {
        return false;
    };
    let is_added = |reader: &NodeIndex| inside.node(*reader).operator == Operator::Add;
    node.operator == Operator::Conv
        && has_unit_kernel(node)
        && matches!(inside.readers(index), [reader] if is_added(reader))
        && reads_only_outside(inside, edge.node)
}

/// Whether `index` is a value from outside, or a pooling or activation of one, that others read too.
fn reads_only_outside(inside: &Inside, index: NodeIndex) -> bool {
    if inside.is_outside(index) {
        return inside.readers(index).len() > 1;
    }
    let group = inside.node(index).operator.group();
    matches!(group, OperatorGroup::Reduction | OperatorGroup::Activation)
        && matches!(inside.node(index).inputs.as_slice(), [edge] if inside.is_outside(edge.node))
}

fn attention(facts: &Facts<'_>) -> Option<&'static str> {
    let [attention, ..] = facts.attentions.as_slice() else {
        return None;
    };
    let has_weights = !facts.path.is_empty();
    if !has_weights {
        return None;
    }
    let shortcuts = facts.count(&Operator::Add);
    let inputs = &facts.inside.node(*attention).inputs;
    let activation = facts
        .inside
        .own()
        .any(|(_, node)| node.operator.group() == OperatorGroup::Activation);
    if activation && shortcuts > 1 && facts.path.len() > 3 {
        return Some("transformer block");
    }
    let sources = |operand: usize| sources(facts.inside, inputs.get(operand)?.node);
    match (sources(0), sources(1)) {
        (Some(query), Some(key)) if query.iter().all(|source| !key.contains(source)) => {
            Some("cross-attention block")
        }
        (Some(query), Some(key)) if query == key => Some("self-attention block"),
        _ => Some("attention block"),
    }
}

/// The values from outside that `index` is computed from, sorted; none when there is none.
fn sources(inside: &Inside, index: NodeIndex) -> Option<Vec<NodeIndex>> {
    let mut is_seen = vec![false; inside.graph.nodes().len()];
    is_seen[index as usize] = true;
    for node in (0..=index).rev() {
        if is_seen[node as usize] {
            for edge in &inside.node(node).inputs {
                is_seen[edge.node as usize] = true;
            }
        }
    }
    let outside = 0..inside.outside as NodeIndex;
    let sources: Vec<_> = outside.filter(|node| is_seen[*node as usize]).collect();
    (!sources.is_empty()).then_some(sources)
}

/// At least three branches with convolutions, all read from one value, side by side.
fn inception(facts: &Facts<'_>) -> Option<&'static str> {
    let is_wide = |node: &Node| {
        let own = node.inputs.iter();
        node.operator == Operator::Concat
            && own
                .filter(|edge| !facts.inside.is_outside(edge.node))
                .count()
                > 2
    };
    let is_joined = facts.inside.own().any(|(_, node)| is_wide(node));
    (is_joined && facts.path.len() > 2 && facts.inside.outside == 1).then_some("inception block")
}

fn convolutions(facts: &Facts<'_>) -> Option<&'static str> {
    use Product::{Depthwise, Linear, Pointwise, Spatial};
    if facts.has(&Operator::Concat) {
        let is_dense = facts.path == [Pointwise, Spatial] && facts.begins_with_concat();
        return is_dense.then_some("dense layer");
    }
    match (facts.path.as_slice(), facts.has_shortcut) {
        ([Pointwise, Depthwise, Pointwise], _) => Some("inverted residual block"),
        ([Depthwise, Pointwise], _) => Some("depthwise separable convolution"),
        ([Depthwise, Linear, Linear] | [Depthwise, Pointwise, Pointwise], true) => {
            Some("ConvNeXt block")
        }
        ([Pointwise, Spatial, Pointwise], true) => Some("bottleneck residual block"),
        ([Spatial, Spatial], true) => Some("basic residual block"),
        ([Spatial, Pointwise], true) if facts.has_expansion() => {
            Some("fused inverted residual block")
        }
        _ => None,
    }
}

impl Facts<'_> {
    fn begins_with_concat(&self) -> bool {
        let first = self.inside.own().next();
        first.is_some_and(|(_, node)| node.operator == Operator::Concat)
    }

    /// Whether the first convolution writes more channels than it reads.
    fn has_expansion(&self) -> bool {
        let mut convolutions = self.inside.own().map(|(_, node)| node);
        let first = convolutions.find(|node| node.operator == Operator::Conv);
        let width = |key| first.and_then(|node| node.attributes.int(key));
        width(Key::OutChannels) > width(Key::InChannels)
    }
}

fn perceptron(facts: &Facts<'_>) -> Option<&'static str> {
    use Product::Linear;
    match (facts.path.as_slice(), facts.has_shortcut) {
        ([Linear, Linear, Linear], _) if facts.has(&Operator::Mul) => Some("gated MLP block"),
        ([Linear, Linear], true) if facts.has(&Operator::Mul) => Some("gated MLP block"),
        ([Linear, Linear], true) => Some("MLP block"),
        ([Linear, Linear], false) if facts.inside.own().count() < 5 => Some("MLP"),
        _ => None,
    }
}

fn head(facts: &Facts<'_>) -> Option<&'static str> {
    let pools = facts.has(&Operator::GlobalAvgPool) && !facts.is_gated;
    (pools && facts.has(&Operator::Linear)).then_some("classifier head")
}
