//! Sees to it that every vector finds itself.
//!
//! hnsw_rs keeps the nearest links of a full list and no others, so where many vectors lie close
//! together the links to all the rest are dropped, and a walk that comes there does not get away.
//! Every vector is asked for; one that is missed is linked from the nearest that was found in its
//! place, which the next walk for it passes.

use super::graph::{Graph, Layer};
use super::walk::Walk;
use crate::embedding::{Similarity, dot};
use std::cmp::Reverse;

/// The graph, with links added for those that a walk which keeps `ef` misses.
pub(super) fn all_within_reach(mut graph: Graph, ef: usize) -> Graph {
    let nodes = 0..graph.rows.len() as u32;
    let missing: Vec<(u32, u32)> = nodes.filter_map(|node| missed(node, &graph, ef)).collect();
    if !missing.is_empty() {
        let layers: &mut Vec<Layer> = &mut graph.layers;
        layers[0] = layers[0].extended(missing);
    }
    graph
}

/// The link that leads to `node`, when a walk for its vector misses it.
fn missed(node: u32, graph: &Graph, ef: usize) -> Option<(u32, u32)> {
    let query = graph.rows.vector(node as usize);
    let walk = Walk {
        graph,
        query,
        ef,
        accepts: &|_| true,
        budget: usize::MAX,
    };
    let found = walk.run().unwrap_or_default();
    if found.contains(&node) {
        return None;
    }
    let similarity = |other: u32| dot(query, graph.rows.vector(other as usize));
    let nearest = found.into_iter().max_by_key(|other| {
        let similarity = Similarity::clamped(similarity(*other));
        (similarity, Reverse(*other))
    });
    Some((nearest.unwrap_or(0), node))
}
