//! From a cut to the macro graph: one node for each occurrence of a motif.

use super::Cut;
use super::identity::Identity;
use super::label::labels;
use super::name::name;
use crate::graph::{Architecture, NodeIndex};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What a motif is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Motif {
    /// Hash of its operators and their dataflow: widths, names and numbering play no part.
    pub hash: u64,
    /// Number of nodes.
    pub size: usize,
    /// A name for people: that of a known block where it is one, and its operators.
    pub name: String,
    /// Number of occurrences in this architecture.
    pub count: usize,
}

/// One occurrence of a motif.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Index into [`MacroGraph::motifs`].
    pub motif: usize,
    /// Its nodes, ascending.
    pub nodes: Vec<NodeIndex>,
    /// The occurrences it reads: distinct, sorted, all before this one.
    pub inputs: Vec<usize>,
}

/// An architecture as a directed acyclic graph of motifs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacroGraph {
    /// Distinct motifs, most frequent first, those equally frequent by hash.
    pub motifs: Vec<Motif>,
    /// Occurrences in topological order.
    pub occurrences: Vec<Occurrence>,
}

/// The macro graph of `architecture` under `cut`, which must be a cut of this architecture.
pub fn macro_graph(architecture: &Architecture, cut: &Cut) -> MacroGraph {
    let occurrences = cut.occurrences();
    let labels = labels(architecture);
    let mut identity = Identity::new(architecture, &labels);
    let hashes: Vec<u64> = occurrences.iter().map(|nodes| identity.of(nodes)).collect();
    let motifs = motifs(architecture, &occurrences, &hashes);
    let places = motifs.iter().enumerate();
    let place: BTreeMap<u64, usize> = places.map(|(place, motif)| (motif.hash, place)).collect();
    let occurrences = occurrences
        .into_iter()
        .zip(hashes)
        .map(|(nodes, hash)| Occurrence {
            motif: place[&hash],
            inputs: inputs(architecture, cut, &nodes),
            nodes,
        });
    MacroGraph {
        occurrences: occurrences.collect(),
        motifs,
    }
}

fn motifs(
    architecture: &Architecture,
    occurrences: &[Vec<NodeIndex>],
    hashes: &[u64],
) -> Vec<Motif> {
    let mut motifs = BTreeMap::<u64, Motif>::new();
    for (nodes, hash) in occurrences.iter().zip(hashes) {
        let motif = motifs.entry(*hash).or_insert_with(|| Motif {
            hash: *hash,
            size: nodes.len(),
            name: name(architecture, nodes),
            count: 0,
        });
        motif.count += 1;
    }
    let mut motifs: Vec<Motif> = motifs.into_values().collect();
    motifs.sort_by_key(|motif| (Reverse(motif.count), motif.hash));
    motifs
}

/// The occurrences that one with these nodes reads.
fn inputs(architecture: &Architecture, cut: &Cut, nodes: &[NodeIndex]) -> Vec<usize> {
    let occurrence = |node: NodeIndex| cut.motif_of()[node as usize] as usize;
    let mut inputs: Vec<usize> = nodes
        .iter()
        .flat_map(|node| &architecture.nodes()[*node as usize].inputs)
        .map(|edge| occurrence(edge.node))
        .collect();
    inputs.sort_unstable();
    inputs.dedup();
    // Values inside the occurrence are no input of it.
    let own = nodes.first().map(|node| occurrence(*node));
    inputs.retain(|input| Some(*input) != own);
    inputs
}
