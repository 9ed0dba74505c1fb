//! Motifs and the contexts they occur in: what stage 1 learns from.

use crate::eval::Labelled;
use crate::model::motif_gnn::{Cutting, MotifGraph, Sketch, context, signature};
use crate::motif::macro_graph;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Contexts kept of one motif: the first ones by the ids of the graphs they occur in.
const KEPT: usize = 16;

/// A motif and the distinct contexts it occurs in.
pub(super) struct Occurring {
    pub(super) motif: MotifGraph,
    /// By signature.
    pub(super) contexts: BTreeMap<u64, MotifGraph>,
}

/// Every motif of `entries` by its hash, with contexts.
pub(super) fn contexts(entries: &[&Labelled], cutting: Cutting) -> BTreeMap<u64, Occurring> {
    let found: Vec<Vec<(u64, MotifGraph, MotifGraph)>> = entries
        .par_iter()
        .map(|entry| of_one(entry, cutting))
        .collect();
    let mut all = BTreeMap::<u64, Occurring>::new();
    for (hash, motif, around) in found.into_iter().flatten() {
        let known = all.entry(hash).or_insert_with(|| Occurring {
            motif,
            contexts: BTreeMap::new(),
        });
        if known.contexts.len() < KEPT {
            known.contexts.insert(signature(&around.graph), around);
        }
    }
    all
}

/// For each distinct motif its hash, itself and the context of its first occurrence.
fn of_one(entry: &Labelled, cutting: Cutting) -> Vec<(u64, MotifGraph, MotifGraph)> {
    let architecture = &entry.architecture;
    let parts = macro_graph(architecture, &cutting.splitter().split(architecture));
    let consumers = architecture.consumers();
    let sketch = Sketch::of(architecture, &parts);
    let mut motifs = sketch.motifs;
    let occurrences = parts.occurrences.iter();
    occurrences
        .filter_map(|occurrence| {
            let hash = parts.motifs[occurrence.motif].hash;
            let motif = motifs.remove(&hash)?;
            let around = context(architecture, &consumers, &occurrence.nodes);
            Some((hash, motif, around))
        })
        .collect()
}
