//! Batches for contrastive learning: several members of several families.

use crate::random::Random;
use std::collections::BTreeMap;

/// Draws batches of several members of several families.
pub(super) struct Batches {
    families: Vec<Vec<usize>>,
    chosen: usize,
    members: usize,
    random: Random,
}

impl Batches {
    /// Draws `chosen` families and at most `members` of each.
    pub(super) fn new(families: &[&str], chosen: usize, several: usize, seed: u64) -> Self {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, family) in families.iter().enumerate() {
            members.entry(family).or_default().push(at);
        }
        let families: Vec<Vec<usize>> = members.into_values().filter(|all| all.len() > 1).collect();
        Self {
            chosen: chosen.min(families.len()),
            members: several,
            families,
            random: Random::new(seed),
        }
    }

    /// Whether no family has two members.
    pub(super) fn is_empty(&self) -> bool {
        self.families.is_empty()
    }

    /// Places of examples; those of one family stand together.
    pub(super) fn next(&mut self) -> Vec<usize> {
        draw(&mut self.families, self.chosen, &mut self.random);
        let mut batch = Vec::with_capacity(self.chosen * self.members);
        for family in &mut self.families[..self.chosen] {
            let several = self.members.min(family.len());
            draw(family, several, &mut self.random);
            batch.extend_from_slice(&family[..several]);
        }
        batch
    }
}

/// Moves `count` items that chance chooses to the front.
pub(super) fn draw<T>(items: &mut [T], count: usize, random: &mut Random) {
    for place in 0..count {
        items.swap(place, place + random.below(items.len() - place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_members_of_the_same_family() {
        let families = ["a", "a", "b", "b", "b", "c"];
        let mut batches = Batches::new(&families, 2, 2, 1);
        for _ in 0..20 {
            let batch = batches.next();
            let names: Vec<&str> = batch.iter().map(|place| families[*place]).collect();
            assert!(names == ["a", "a", "b", "b"] || names == ["b", "b", "a", "a"]);
            assert!(batch[0] != batch[1] && batch[2] != batch[3]);
        }
    }
}
