//! Joins layers that make one block together although no branch says so.
//!
//! Layers that always come in the same pair, such as the two convolutions of a dense layer, are
//! one; so are the expansion of an inverted residual without a shortcut and what comes after it.

use super::LARGEST;
use super::role::Role;
use super::units::Unit;
use std::collections::{BTreeMap, BTreeSet};

/// Rounds in which pairs are joined; each can double what it joins.
const ROUNDS: usize = 6;

/// For a kind of layer, the kind that always follows it.
type Partners = BTreeMap<u64, u64>;

pub(super) fn joined(sequences: Vec<Vec<Unit>>) -> Vec<Vec<Unit>> {
    let mut sequences = in_pairs(sequences, |unit, next| {
        is_expansion(unit) && is_linear_bottleneck(next)
    });
    for _ in 0..ROUNDS {
        let partners = partners(&sequences);
        if partners.is_empty() {
            break;
        }
        sequences = in_pairs(sequences, |unit, next| {
            partners.get(&unit.hash) == Some(&next.hash)
        });
    }
    sequences
}

/// A pointwise convolution with its activation.
fn is_expansion(unit: &Unit) -> bool {
    matches!(unit.roles.as_slice(), [Role::Pointwise, rest @ ..]
        if !rest.is_empty() && rest.iter().all(|role| matches!(role, Role::Closing | Role::Norm)))
}

/// A depthwise convolution and a pointwise one that nothing follows: in the first design of mobile
/// networks an activation does, and every such pair is a layer of its own.
fn is_linear_bottleneck(unit: &Unit) -> bool {
    matches!(
        unit.roles.as_slice(),
        [Role::Depthwise, .., Role::Pointwise]
    )
}

/// Kinds that occur more than once and are always followed by the same other kind, which never
/// occurs without such a layer before it.
fn partners(sequences: &[Vec<Unit>]) -> Partners {
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
    let mut partners: Partners = next_of
        .into_iter()
        .filter(|(_, (count, _))| *count > 1)
        .filter_map(|(hash, (_, partner))| Some((hash, partner?)))
        .collect();
    let alone = alone(sequences, &partners);
    partners.retain(|_, partner| !alone.contains(partner));
    partners
}

/// Kinds that also occur without a layer before them that they always follow.
fn alone(sequences: &[Vec<Unit>], partners: &Partners) -> BTreeSet<u64> {
    let mut alone = BTreeSet::new();
    for units in sequences {
        for (place, unit) in units.iter().enumerate() {
            let before = place.checked_sub(1).map(|before| units[before].hash);
            let partner = before.and_then(|before| partners.get(&before));
            if partner != Some(&unit.hash) {
                alone.insert(unit.hash);
            }
        }
    }
    alone
}

fn may_join(unit: &Unit, next: &Unit) -> bool {
    let fits = unit.nodes.len() + next.nodes.len() <= LARGEST;
    fits && !unit.is_block() && !next.is_block() && unit.hash != next.hash
}

/// Every sequence with those neighbours joined that belong together, from its beginning on.
fn in_pairs(sequences: Vec<Vec<Unit>>, belong: impl Fn(&Unit, &Unit) -> bool) -> Vec<Vec<Unit>> {
    let paired = |units: Vec<Unit>| {
        let mut paired: Vec<Unit> = Vec::with_capacity(units.len());
        let mut was_joined = true;
        for unit in units {
            match paired.last_mut() {
                Some(last) if !was_joined && belong(last, &unit) => {
                    last.join(unit);
                    was_joined = true;
                }
                _ => {
                    paired.push(unit);
                    was_joined = false;
                }
            }
        }
        paired
    };
    sequences.into_iter().map(paired).collect()
}
