//! How alike two macro graphs are, motif for motif along their dataflow.

use super::MacroGraph;

/// The motifs of a macro graph in topological order, runs of one taken once, each with its weight:
/// the logarithm of one more than its operators.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence(Vec<(u64, f32)>);

impl Sequence {
    /// The sequence of `graph`.
    pub fn new(graph: &MacroGraph) -> Self {
        let occurrences = graph.occurrences.iter();
        let mut motifs: Vec<(u64, f32)> = occurrences
            .map(|occurrence| {
                let size = occurrence.nodes.len() as f32;
                (graph.motifs[occurrence.motif].hash, size.ln_1p())
            })
            .collect();
        motifs.dedup_by_key(|(hash, _)| *hash);
        Self(motifs)
    }

    /// The weight of the longest common subsequence as a share of both: 1 for equal sequences, 0
    /// when they share nothing. Costs the product of their lengths.
    pub fn alignment(&self, other: &Self) -> f32 {
        let mut row = vec![0f32; other.0.len() + 1];
        for (hash, weight) in &self.0 {
            let mut diagonal = 0.0;
            for (place, (theirs, _)) in other.0.iter().enumerate() {
                let above = row[place + 1];
                row[place + 1] = if hash == theirs {
                    diagonal + weight
                } else {
                    above.max(row[place])
                };
                diagonal = above;
            }
        }
        let total = self.weight() + other.weight();
        if total == 0.0 {
            return 0.0;
        }
        2.0 * row[other.0.len()] / total
    }

    fn weight(&self) -> f32 {
        self.0.iter().map(|(_, weight)| weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::motif::{Motif, Occurrence};

    fn sequence(hashes: &[u64]) -> Sequence {
        let motifs = (0..10).map(|hash| Motif {
            hash,
            size: 1,
            name: String::new(),
            count: 1,
        });
        let occurrences = hashes.iter().map(|hash| Occurrence {
            motif: *hash as usize,
            nodes: vec![0],
            inputs: vec![],
        });
        Sequence::new(&MacroGraph {
            motifs: motifs.collect(),
            occurrences: occurrences.collect(),
        })
    }

    #[test]
    fn depth_costs_nothing_and_other_motifs_cost_their_share() {
        let alignment = |a: &[u64], b: &[u64]| sequence(a).alignment(&sequence(b));
        assert_eq!(alignment(&[1, 2, 2, 3], &[1, 2, 2, 2, 2, 3]), 1.0);
        assert_eq!(alignment(&[1, 2, 3, 4], &[1, 5, 3, 4]), 0.75);
        assert_eq!(alignment(&[1, 2], &[2, 1]), 0.5);
        assert_eq!(alignment(&[1, 2], &[3, 4]), 0.0);
        assert_eq!(alignment(&[], &[]), 0.0);
    }
}
