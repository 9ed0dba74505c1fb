//! How an entry relates to the query.
//!
//! *Duplicate* and *same structure* are facts about digests. *Variant* needs a family for the
//! query: its own when it is a stored entry or equals one, else the family of its nearest entry
//! when that one is similar enough. Everything else is a *relative*.

use super::Relation;
use crate::graph::{Digest, Digests};

/// What decides the relation of one entry.
pub(super) struct Evidence<'a> {
    /// None of a vector.
    pub(super) query: Option<Digests>,
    pub(super) query_family: Option<&'a str>,
    pub(super) entry: Digests,
    pub(super) entry_family: &'a str,
    pub(super) similarity: f32,
}

/// The relation of an entry to the query.
pub(super) fn relation(evidence: &Evidence<'_>, variant_similarity: f32) -> Relation {
    let same = |left: Digest, right: Digest| left == right;
    if let Some(query) = evidence.query {
        if same(query.exact, evidence.entry.exact) {
            return Relation::Duplicate;
        }
        if same(query.coarse, evidence.entry.coarse) {
            return Relation::SameStructure;
        }
    }
    let is_family = evidence.query_family == Some(evidence.entry_family);
    if is_family && evidence.similarity >= variant_similarity {
        return Relation::Variant;
    }
    Relation::Relative
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests(exact: u8, coarse: u8) -> Digests {
        Digests {
            exact: Digest([exact; 16]),
            coarse: Digest([coarse; 16]),
        }
    }

    fn evidence(entry: Digests, family: Option<&str>, similarity: f32) -> Relation {
        relation(
            &Evidence {
                query: Some(digests(1, 2)),
                query_family: family,
                entry,
                entry_family: "resnet",
                similarity,
            },
            0.8,
        )
    }

    #[test]
    fn digests_decide_before_similarity_does() {
        assert_eq!(evidence(digests(1, 2), None, 0.1), Relation::Duplicate);
        assert_eq!(evidence(digests(9, 2), None, 0.1), Relation::SameStructure);
    }

    #[test]
    fn a_variant_needs_the_family_and_the_similarity() {
        assert_eq!(
            evidence(digests(8, 9), Some("resnet"), 0.8),
            Relation::Variant
        );
        assert_eq!(
            evidence(digests(8, 9), Some("resnet"), 0.7),
            Relation::Relative
        );
        assert_eq!(
            evidence(digests(8, 9), Some("vit"), 0.9),
            Relation::Relative
        );
        assert_eq!(evidence(digests(8, 9), None, 0.9), Relation::Relative);
    }
}
