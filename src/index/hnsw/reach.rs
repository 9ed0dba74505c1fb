//! Sees to it that a walk can come to every node.
//!
//! Where many vectors lie close together, hnsw_rs drops the links that lead to the others: it keeps
//! the nearest and no others when a list is full. Nodes that no path leads to any more are linked
//! from the nearest that a path leads to.

use super::graph::Graph;
use super::walk::Walk;

/// How many near nodes are looked at for one to link from.
const NEAR: usize = 64;

/// The graph, with links added until every node can be reached from node 0 in the layer of all.
pub(super) fn all_within_reach(graph: Graph) -> Graph {
    let Some(layer) = graph.layers.first() else {
        return graph;
    };
    let mut reached = vec![false; layer.len()];
    mark_from(0, &graph, &mut reached);
    let mut extra = Vec::new();
    for node in 0..layer.len() as u32 {
        if reached[node as usize] {
            continue;
        }
        extra.push((nearest_reached(node, &graph, &reached), node));
        mark_from(node, &graph, &mut reached);
    }
    with_links(graph, extra)
}

fn mark_from(node: u32, graph: &Graph, reached: &mut [bool]) {
    let mut waiting = vec![node];
    reached[node as usize] = true;
    while let Some(node) = waiting.pop() {
        for link in graph.layers[0].links(node) {
            if !std::mem::replace(&mut reached[*link as usize], true) {
                waiting.push(*link);
            }
        }
    }
}

/// A walk starts in what is reached and so finds something there; node 0 is reached anyway.
fn nearest_reached(node: u32, graph: &Graph, reached: &[bool]) -> u32 {
    let query = graph.rows.vector(node as usize);
    let found = Walk {
        graph,
        query,
        ef: NEAR,
        accepts: &|other| reached[other as usize],
        budget: usize::MAX,
    };
    let found = found.run().unwrap_or_default();
    let similarity = |other: &u32| {
        crate::embedding::Similarity::clamped(crate::embedding::dot(
            query,
            graph.rows.vector(*other as usize),
        ))
    };
    let nearest = found
        .into_iter()
        .max_by_key(|other| (similarity(other), u32::MAX - other));
    nearest.unwrap_or(0)
}

fn with_links(mut graph: Graph, extra: Vec<(u32, u32)>) -> Graph {
    if !extra.is_empty() {
        graph.layers[0] = graph.layers[0].extended(extra);
    }
    graph
}
