//! What no fit may see, and the proof that none does.
//!
//! Sides follow from names and a seed alone, so that a growing corpus never moves a family or an
//! architecture from one side to the other.

use super::Labelled;
use super::protocol::{Config, Queries};
use crate::graph::Digest;
use crate::random::{self, Random};
use std::collections::BTreeSet;

/// Whether a family is held out.
pub fn is_held_out(family: &str, config: &Config) -> bool {
    let bits = random::sequence(config.seed, [random::text(family)]);
    Random::new(bits).unit() < config.held_out
}

/// Whether no fit may see `entry`: its family is held out, or it is one of the held-out members of
/// its family.
pub fn is_unseen(entry: &Labelled, config: &Config) -> bool {
    let bits = random::sequence(config.seed, [1, random::text(&entry.id)]);
    is_held_out(&entry.family, config) || Random::new(bits).unit() < config.held_out_members
}

/// Entries that a fit may look at, in the order of their ids: each design once, none that is asked
/// about, and none that differs only in widths from a member of a held-out family.
pub fn training<'a>(entries: &'a [Labelled], config: &Config) -> Vec<&'a Labelled> {
    let families = structures(entries, |entry| is_held_out(&entry.family, config));
    let kept = without(entries, |entry| is_unseen(entry, config));
    kept.into_iter()
        .filter(|entry| !families.contains(&entry.coarse_digest))
        .collect()
}

/// Entries that a fit may look at when `package` is held out: each design once, and none of the
/// package's.
pub fn training_without<'a>(entries: &'a [Labelled], package: &str) -> Vec<&'a Labelled> {
    without(entries, |entry| entry.package == package)
}

/// Each design once, in the order of ids, but for those with a digest of an unseen entry.
fn without(entries: &[Labelled], unseen: impl Fn(&Labelled) -> bool) -> Vec<&Labelled> {
    let (hidden, mut kept): (Vec<&Labelled>, Vec<&Labelled>) =
        entries.iter().partition(|entry| unseen(entry));
    let mut seen: BTreeSet<Digest> = hidden.iter().map(|entry| entry.digest).collect();
    kept.sort_by(|a, b| a.id.cmp(&b.id));
    kept.retain(|entry| seen.insert(entry.digest));
    kept
}

/// Digests without widths of the entries that `which` names.
fn structures(entries: &[Labelled], which: impl Fn(&Labelled) -> bool) -> BTreeSet<Digest> {
    let named = entries.iter().filter(|entry| which(entry));
    named.map(|entry| entry.coarse_digest).collect()
}

/// A training example that tells about a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Id of the training example.
    pub training: String,
    /// Who is asked.
    pub queries: Queries,
    /// What they share.
    pub shared: &'static str,
}

/// Every leak from the queries into the training that belongs to them. There must be none.
pub fn leaks(entries: &[Labelled], config: &Config) -> Vec<Leak> {
    let packages = config.held_out_packages.iter().cloned();
    let packages = packages.map(Queries::HeldOutPackage);
    [Queries::HeldOutFamilies, Queries::HeldOutArchitectures]
        .into_iter()
        .chain(packages)
        .flat_map(|queries| leaks_of(entries, &queries, config))
        .collect()
}

fn leaks_of(entries: &[Labelled], queries: &Queries, config: &Config) -> Vec<Leak> {
    let asked: Vec<&Labelled> = entries
        .iter()
        .filter(|entry| queries.asks(entry, config))
        .collect();
    let ids: BTreeSet<&str> = asked.iter().map(|entry| entry.id.as_str()).collect();
    let digests: BTreeSet<Digest> = asked.iter().map(|entry| entry.digest).collect();
    let structures: BTreeSet<Digest> = asked.iter().map(|entry| entry.coarse_digest).collect();
    let asks_families = *queries == Queries::HeldOutFamilies;
    let shared = |entry: &Labelled| {
        if ids.contains(entry.id.as_str()) {
            Some("the entry itself")
        } else if digests.contains(&entry.digest) {
            Some("the digest")
        } else if asks_families && structures.contains(&entry.coarse_digest) {
            Some("the digest without widths")
        } else {
            None
        }
    };
    training_for(entries, queries, config)
        .into_iter()
        .filter_map(|entry| {
            Some(Leak {
                training: entry.id.clone(),
                queries: queries.clone(),
                shared: shared(entry)?,
            })
        })
        .collect()
}

/// What may be learned from before `queries` are asked.
pub fn training_for<'a>(
    entries: &'a [Labelled],
    queries: &Queries,
    config: &Config,
) -> Vec<&'a Labelled> {
    match queries {
        Queries::HeldOutPackage(package) => training_without(entries, package),
        _ => training(entries, config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::baselines::testing::zoo;

    fn half() -> Config {
        Config {
            held_out: 0.5,
            held_out_packages: vec!["odd".into()],
            ..Config::default()
        }
    }

    #[test]
    fn training_sees_nothing_that_is_asked_and_no_design_twice() {
        let mut entries = zoo(8, 5);
        entries[1].digest = entries[0].digest;
        let kept = training(&entries, &half());
        assert!(!kept.is_empty());
        assert!(kept.iter().all(|entry| !is_unseen(entry, &half())));
        let digests: BTreeSet<_> = kept.iter().map(|entry| entry.digest).collect();
        assert_eq!(digests.len(), kept.len());
    }

    #[test]
    fn other_widths_of_a_held_out_family_are_not_trained_on() {
        let mut entries = zoo(8, 5);
        let all = training(&entries, &half()).len();
        let held_out = entries
            .iter()
            .find(|entry| is_held_out(&entry.family, &half()))
            .map(|entry| entry.coarse_digest)
            .unwrap();
        let seen = training(&entries, &half())[0].id.clone();
        let copy = entries.iter_mut().find(|entry| entry.id == seen).unwrap();
        copy.coarse_digest = held_out;
        assert_eq!(training(&entries, &half()).len(), all - 1);
        assert_eq!(leaks(&entries, &half()), []);
    }

    #[test]
    fn a_held_out_package_is_neither_trained_on_nor_a_candidate() {
        let mut entries = zoo(6, 4);
        for entry in entries.iter_mut().step_by(2) {
            entry.package = "odd".into();
        }
        // The same design in two packages would tell.
        entries[1].digest = entries[0].digest;
        let kept = training_without(&entries, "odd");
        assert_eq!(kept.len(), entries.len() / 2 - 1);
        assert_eq!(leaks(&entries, &half()), []);
        let queries = Queries::HeldOutPackage("odd".into());
        let of = |package: &str| entries.iter().find(|entry| entry.package == package);
        assert!(!queries.admits(of("odd").unwrap()));
        assert!(!queries.asks(of("zoo").unwrap(), &half()));
    }

    #[test]
    fn about_the_stated_share_is_held_out() {
        let config = Config::default();
        let held_out = (0..2_000)
            .filter(|family| is_held_out(&format!("family {family}"), &config))
            .count();
        assert!((240..360).contains(&held_out), "{held_out}");
    }
}
