//! Joins the pieces of a sequence into the layers that a reader knows.
//!
//! A piece with branches and products is a block of its own. Single operators gather around the
//! product they serve: what prepares it before, its activation and pooling after. A norm belongs to
//! the product after it where layers begin with norms, else to what it follows.

use super::regions::Sequence;
use super::role::{Known, Role, known};
use super::{LARGEST, pairs};
use crate::graph::{Architecture, NodeIndex};
use crate::motif::identity::Identity;
use crate::random;
use std::collections::BTreeMap;

/// Nodes that will be one motif, so far.
pub(super) struct Unit {
    pub(super) nodes: Vec<NodeIndex>,
    pub(super) hash: u64,
    /// Those of its pieces, in order.
    pub(super) roles: Vec<Role>,
}

/// How often blocks of one kind occur, and how often a norm comes next.
#[derive(Default)]
struct Followed {
    by_norm: usize,
    total: usize,
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
    let units = pairs::joined(layers.collect());
    units.into_iter().flatten().map(sorted_nodes).collect()
}

fn sorted_nodes(unit: Unit) -> Vec<NodeIndex> {
    let mut nodes = unit.nodes;
    nodes.sort_unstable();
    nodes
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
        Role::Product | Role::Pointwise | Role::Depthwise => !unit.has_product(),
        Role::Opening => !unit.has_product() && unit.roles[0] != Role::Depthwise,
        Role::Closing => true,
        Role::Pooling => !unit.is_block(),
        Role::Norm if unit.is_block() => followed
            .get(&unit.hash)
            .is_some_and(|followed| 2 * followed.by_norm > followed.total),
        Role::Norm => !(unit.has_product() && unit.roles.contains(&Role::Norm)),
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
            roles: vec![piece.role],
        }
    }

    fn take(&mut self, piece: Known) {
        self.join(Self::of(piece));
    }

    pub(super) fn join(&mut self, next: Self) {
        self.nodes.extend(next.nodes);
        self.hash = random::sequence(self.hash, [next.hash]);
        self.roles.extend(next.roles);
    }

    pub(super) fn is_block(&self) -> bool {
        self.roles[0] == Role::Block
    }

    fn has_product(&self) -> bool {
        let mut roles = self.roles.iter();
        roles.any(|role| matches!(role, Role::Block | Role::Product | Role::Pointwise))
    }
}
