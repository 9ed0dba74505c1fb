//! What a piece does to the layer around it.

use super::regions::Piece;
use super::{is_product, pools_everything};
use crate::graph::{Architecture, Key, Node, NodeIndex, Operator, OperatorGroup, Value};
use crate::motif::identity::Identity;

/// What a piece does to the layer around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Branches and products: stands alone.
    Block,
    /// One product, such as a dense convolution.
    Product,
    /// A product of single positions, across channels alone.
    Pointwise,
    /// A depthwise convolution: half a layer, the other half is the product across channels.
    Depthwise,
    /// Normalisation.
    Norm,
    /// Ends a layer: activation, pointwise arithmetic, a gate computed from its own pooling.
    Closing,
    /// Pooling over a window: ends a layer too, but no block.
    Pooling,
    /// Begins a layer: joins, resizing, slices, pooling of everything.
    Opening,
}

/// A piece with what is known of it.
pub(super) struct Known {
    pub(super) nodes: Piece,
    pub(super) hash: u64,
    pub(super) role: Role,
}

pub(super) fn known(
    architecture: &Architecture,
    identity: &mut Identity<'_>,
    nodes: Piece,
) -> Known {
    Known {
        hash: identity.of(&nodes),
        role: role(architecture, &nodes),
        nodes,
    }
}

fn role(architecture: &Architecture, nodes: &[NodeIndex]) -> Role {
    let node = |index: &NodeIndex| &architecture.nodes()[*index as usize];
    match nodes {
        [single] => role_of_one(node(single)),
        several if is_gate(architecture, several) => Role::Closing,
        several if several.iter().any(|index| is_product(node(index))) => Role::Block,
        _ => Role::Opening,
    }
}

fn role_of_one(node: &Node) -> Role {
    if is_product(node) {
        return role_of_product(node);
    }
    let is_join = node.inputs.len() > 1;
    match node.operator.group() {
        // A batch norm after a product was folded into it, so one that is left begins a layer.
        OperatorGroup::Normalisation if node.operator == Operator::BatchNorm => Role::Opening,
        OperatorGroup::Normalisation => Role::Norm,
        OperatorGroup::Activation | OperatorGroup::Arithmetic if !is_join => Role::Closing,
        OperatorGroup::Reduction if is_window(&node.operator) => Role::Pooling,
        OperatorGroup::Movement if node.operator == Operator::DepthToSpace => Role::Closing,
        OperatorGroup::Input
        | OperatorGroup::Learned
        | OperatorGroup::Product
        | OperatorGroup::Activation
        | OperatorGroup::Reduction
        | OperatorGroup::Arithmetic
        | OperatorGroup::Selection
        | OperatorGroup::Movement
        | OperatorGroup::Unknown => Role::Opening,
    }
}

fn role_of_product(node: &Node) -> Role {
    let is_depthwise = node.attributes.word(Key::Grouping) == Some("depthwise");
    match (&node.operator, node.attributes.get(Key::Kernel)) {
        (Operator::Conv, _) if is_depthwise => Role::Depthwise,
        (Operator::Conv, Some(Value::Ints(sides))) if sides.iter().all(|side| *side == 1) => {
            Role::Pointwise
        }
        _ => Role::Product,
    }
}

fn is_window(operator: &Operator) -> bool {
    use Operator::{AvgPool, LpPool, MaxPool};
    matches!(operator, MaxPool | AvgPool | LpPool)
}

/// Whether a value comes in, is pooled over every position and multiplied by what follows from
/// that: squeeze and excitation and its kin.
fn is_gate(architecture: &Architecture, nodes: &[NodeIndex]) -> bool {
    let node = |index: &NodeIndex| &architecture.nodes()[*index as usize];
    let reads = |reader: &NodeIndex, index: NodeIndex| {
        let mut inputs = node(reader).inputs.iter();
        inputs.any(|edge| edge.node == index)
    };
    let is_end = |index: &&NodeIndex| !nodes.iter().any(|reader| reads(reader, **index));
    let is_outside = |index: NodeIndex| nodes.binary_search(&index).is_err();
    let pools_outside = |index: &NodeIndex| {
        pools_everything(&node(index).operator)
            && node(index).inputs.iter().all(|edge| is_outside(edge.node))
    };
    let mut ends = nodes.iter().filter(is_end);
    match (ends.next(), ends.next()) {
        (Some(end), None) => {
            let mut inputs = node(end).inputs.iter();
            node(end).operator == Operator::Mul
                && inputs.any(|edge| is_outside(edge.node))
                && nodes.iter().any(pools_outside)
        }
        _ => false,
    }
}
