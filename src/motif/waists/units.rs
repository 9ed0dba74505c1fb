//! Joins the pieces of a sequence into the layers that a reader knows.
//!
//! A piece with branches and weights is a block of its own. Single operators gather around the
//! product they serve: what prepares it before, its activation and pooling after. A norm belongs to
//! the product after it where layers begin with norms, else to what it follows. Layers that always
//! come in the same pair, such as depthwise and pointwise convolutions, become one.

use super::super::identity::Identity;
use super::LARGEST;
use super::regions::{Piece, Sequence};
use crate::graph::{Architecture, Node, NodeIndex, Operator, OperatorGroup};
use crate::random;
use std::collections::BTreeMap;

/// Rounds in which pairs are joined; each can double what it joins.
const ROUNDS: usize = 6;

/// What a piece does to the layer around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Branches and weights: stands alone.
    Block,
    /// One product with weights or of computed values.
    Product,
    /// Normalisation.
    Norm,
    /// Ends a layer: activation, pooling, pointwise arithmetic.
    Closing,
    /// Begins a layer: joins, resizing, slices, pooling of everything.
    Opening,
}

/// Nodes that will be one motif, so far.
struct Unit {
    nodes: Vec<NodeIndex>,
    hash: u64,
    is_block: bool,
    has_product: bool,
    begins_with_norm: bool,
}

/// How often blocks of one kind occur, and how often a norm comes next.
#[derive(Default)]
struct Followed {
    by_norm: usize,
    total: usize,
}

/// A piece with what is known of it.
struct Known {
    nodes: Piece,
    hash: u64,
    role: Role,
}

/// The motifs of `sequences`.
pub(super) fn joined(
    architecture: &Architecture,
    identity: &mut Identity<'_>,
    sequences: Vec<Sequence>,
) -> Vec<Vec<NodeIndex>> {
    let sequences: Vec<Vec<Known>> = sequences
        .into_iter()
        .map(|sequence| {
            let known = |nodes| known(architecture, identity, nodes);
            sequence.into_iter().map(known).collect()
        })
        .collect();
    let followed = followed(&sequences);
    let layers = sequences
        .into_iter()
        .map(|sequence| layers(architecture, sequence, &followed));
    let mut units: Vec<Vec<Unit>> = layers.collect();
    for _ in 0..ROUNDS {
        let partners = partners(&units);
        if partners.is_empty() {
            break;
        }
        let paired = units.into_iter().map(|units| paired(units, &partners));
        units = paired.collect();
    }
    units.into_iter().flatten().map(sorted_nodes).collect()
}

fn sorted_nodes(unit: Unit) -> Vec<NodeIndex> {
    let mut nodes = unit.nodes;
    nodes.sort_unstable();
    nodes
}

fn known(architecture: &Architecture, identity: &mut Identity<'_>, nodes: Piece) -> Known {
    let hash = identity.of(&nodes);
    let node = |index: &NodeIndex| &architecture.nodes()[*index as usize];
    let role = match nodes.as_slice() {
        [single] => role(node(single)),
        several if several.iter().any(|index| is_product(node(index))) => Role::Block,
        _ => Role::Opening,
    };
    Known { nodes, hash, role }
}

fn is_product(node: &Node) -> bool {
    matches!(
        node.operator.group(),
        OperatorGroup::Learned | OperatorGroup::Product
    )
}

fn role(node: &Node) -> Role {
    if is_product(node) {
        return Role::Product;
    }
    let is_join = node.inputs.len() > 1;
    match node.operator.group() {
        OperatorGroup::Normalisation => Role::Norm,
        OperatorGroup::Activation | OperatorGroup::Arithmetic if !is_join => Role::Closing,
        OperatorGroup::Reduction if is_window(&node.operator) => Role::Closing,
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

fn is_window(operator: &Operator) -> bool {
    use Operator::{AvgPool, LpPool, MaxPool};
    matches!(operator, MaxPool | AvgPool | LpPool)
}

fn followed(sequences: &[Vec<Known>]) -> BTreeMap<u64, Followed> {
    let mut followed = BTreeMap::<u64, Followed>::new();
    for sequence in sequences {
        for (place, piece) in sequence.iter().enumerate() {
            if piece.role == Role::Block {
                let next = sequence.get(place + 1).map(|next| next.role);
                let followed = followed.entry(piece.hash).or_default();
                followed.total += 1;
                followed.by_norm += usize::from(next == Some(Role::Norm));
            }
        }
    }
    followed
}

fn layers(
    architecture: &Architecture,
    sequence: Vec<Known>,
    followed: &BTreeMap<u64, Followed>,
) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    for piece in sequence {
        match units.last_mut() {
            Some(unit)
                if unit.nodes.len() + piece.nodes.len() <= LARGEST
                    && takes(unit, &piece, followed)
                    && reads(architecture, &piece, unit) =>
            {
                unit.take(piece);
            }
            _ => units.push(Unit::of(piece)),
        }
    }
    units
}

/// Whether `piece` belongs to the layer before it.
fn takes(unit: &Unit, piece: &Known, followed: &BTreeMap<u64, Followed>) -> bool {
    match piece.role {
        Role::Block => false,
        Role::Product | Role::Opening => !unit.has_product,
        Role::Closing => true,
        Role::Norm if unit.is_block => followed
            .get(&unit.hash)
            .is_some_and(|followed| 2 * followed.by_norm > followed.total),
        Role::Norm => !(unit.has_product && unit.begins_with_norm),
    }
}

fn reads(architecture: &Architecture, piece: &Known, unit: &Unit) -> bool {
    let nodes = piece.nodes.iter();
    let mut inputs = nodes.flat_map(|node| &architecture.nodes()[*node as usize].inputs);
    inputs.any(|edge| unit.nodes.contains(&edge.node))
}

impl Unit {
    fn of(piece: Known) -> Self {
        Self {
            nodes: piece.nodes,
            hash: piece.hash,
            is_block: piece.role == Role::Block,
            has_product: matches!(piece.role, Role::Block | Role::Product),
            begins_with_norm: piece.role == Role::Norm,
        }
    }

    fn take(&mut self, piece: Known) {
        self.nodes.extend(piece.nodes);
        self.hash = random::sequence(self.hash, [piece.hash]);
        self.has_product |= piece.role == Role::Product;
    }

    fn join(&mut self, next: Self) {
        self.nodes.extend(next.nodes);
        self.hash = random::sequence(self.hash, [next.hash]);
    }
}

/// Layers that occur more than once and are always followed by the same other layer, with it.
fn partners(sequences: &[Vec<Unit>]) -> BTreeMap<u64, u64> {
    let mut next_of = BTreeMap::<u64, (usize, Option<u64>)>::new();
    for units in sequences {
        for (place, unit) in units.iter().enumerate() {
            let partner = units.get(place + 1).filter(|next| may_join(unit, next));
            let partner = partner.map(|next| next.hash);
            let (count, known) = next_of.entry(unit.hash).or_insert((0, partner));
            *count += 1;
            if *known != partner {
                *known = None;
            }
        }
    }
    next_of
        .into_iter()
        .filter(|(_, (count, _))| *count > 1)
        .filter_map(|(hash, (_, partner))| Some((hash, partner?)))
        .collect()
}

fn may_join(unit: &Unit, next: &Unit) -> bool {
    let fits = unit.nodes.len() + next.nodes.len() <= LARGEST;
    fits && !unit.is_block && !next.is_block && unit.hash != next.hash
}

fn paired(units: Vec<Unit>, partners: &BTreeMap<u64, u64>) -> Vec<Unit> {
    let mut paired: Vec<Unit> = Vec::with_capacity(units.len());
    let mut is_open = false;
    for unit in units {
        let partner = paired.last().and_then(|last| partners.get(&last.hash));
        if is_open && partner == Some(&unit.hash) {
            paired.last_mut().expect("it has a partner").join(unit);
            is_open = false;
        } else {
            paired.push(unit);
            is_open = true;
        }
    }
    paired
}
