//! Draws the graph with hnsw_rs and copies it into flat arrays.
//!
//! hnsw_rs ends the process on arguments that it dislikes, and has lost points that were inserted
//! in parallel: arguments are checked before, points go in one by one in their order, and every one
//! must come out again. Its levels come from a generator with a fixed seed of its own, so the same
//! vectors in the same order give the same graph; no other seed can be given.

use super::HnswConfig;
use super::graph::{Graph, Layer, Members};
use super::reach::all_within_reach;
use super::rows::Rows;
use crate::index::Error;
use hnsw_rs::prelude::{Distance, Hnsw};
use std::cmp::{Ordering, Reverse};

/// What hnsw_rs can hold; it crashes on fewer and on more.
const LAYERS: usize = 16;
/// Components that are compared at once.
const BLOCK: usize = 16;

/// Builds the graph of `vectors`, position by position.
pub(super) fn build(dim: usize, vectors: &[&[f32]], config: &HnswConfig) -> Result<Graph, Error> {
    let (distinct, node_of) = distinct(vectors);
    let mut rows = Rows::with_capacity(dim, distinct.len());
    for position in &distinct {
        rows.push(vectors[*position as usize]);
    }
    let drawn = draw(&rows, config)?;
    let graph = freeze(&rows, &node_of, drawn);
    Ok(all_within_reach(graph, config.ef))
}

/// The first position of every distinct vector, rising; and for every position the place of its
/// vector among them.
fn distinct(vectors: &[&[f32]]) -> (Vec<u32>, Vec<u32>) {
    let vector = |position: &u32| vectors[*position as usize];
    let mut order: Vec<u32> = (0..vectors.len() as u32).collect();
    order.sort_by(|a, b| {
        let by_value = vector(a).partial_cmp(vector(b));
        by_value.unwrap_or(Ordering::Equal).then(a.cmp(b))
    });
    let mut first_of = vec![0; vectors.len()];
    for group in order.chunk_by(|a, b| vector(a) == vector(b)) {
        for position in group {
            first_of[*position as usize] = group[0];
        }
    }
    let firsts = (0u32..).zip(&first_of);
    let firsts: Vec<u32> = firsts
        .filter(|(at, first)| at == *first)
        .map(|(at, _)| at)
        .collect();
    let place = |first: &u32| firsts.partition_point(|other| other < first) as u32;
    let node_of = first_of.iter().map(place).collect();
    (firsts, node_of)
}

/// A node as hnsw_rs drew it.
#[derive(Clone, Default)]
struct Drawn {
    level: usize,
    /// For each layer the nodes that it leads to, nearest first.
    links: Vec<Vec<u32>>,
}

fn draw(rows: &Rows, config: &HnswConfig) -> Result<Vec<Drawn>, Error> {
    let mut drawn = vec![None; rows.len()];
    if rows.len() == 0 {
        return Ok(Vec::new()); // hnsw_rs panics when an empty graph is read out
    }
    let hnsw = Hnsw::<f32, SquaredDistance>::new(
        config.connections,
        rows.len(),
        LAYERS,
        config.ef_construction,
        SquaredDistance(pulp::Arch::new()),
    );
    for node in 0..rows.len() {
        hnsw.insert((rows.vector(node), node));
    }
    for point in hnsw.get_point_indexation() {
        let links = point.get_neighborhood_id().into_iter();
        let links = links.map(|layer| layer.iter().map(|to| to.d_id as u32).collect());
        drawn[point.get_origin_id()] = Some(Drawn {
            level: usize::from(point.get_point_id().0),
            links: links.collect(),
        });
    }
    let lost = drawn.iter().filter(|node| node.is_none()).count();
    if lost > 0 {
        return Err(Error::Lost { lost });
    }
    Ok(drawn.into_iter().flatten().collect())
}

/// Numbers the nodes by falling level and lays their links out layer by layer.
fn freeze(rows: &Rows, node_of: &[u32], drawn: Vec<Drawn>) -> Graph {
    let mut order: Vec<u32> = (0..drawn.len() as u32).collect();
    order.sort_by_key(|node| Reverse(drawn[*node as usize].level));
    let mut number = vec![0; drawn.len()];
    for (new, old) in (0u32..).zip(&order) {
        number[*old as usize] = new;
    }
    let mut frozen = Rows::with_capacity(rows.dim(), rows.len());
    order
        .iter()
        .for_each(|old| frozen.push(rows.vector(*old as usize)));
    let node_of = node_of.iter().map(|old| number[*old as usize]).collect();
    let top = order.first().map(|old| drawn[*old as usize].level);
    let layers = top.map_or_else(Vec::new, |top| {
        let layers = (0..=top).map(|level| layer(level, &order, &number, &drawn));
        layers.collect()
    });
    Graph::new(frozen, Members::new(node_of, order.len()), layers)
}

fn layer(level: usize, order: &[u32], number: &[u32], drawn: &[Drawn]) -> Layer {
    let is_in = |node: u32| drawn[node as usize].level >= level;
    let nodes = order.iter().take_while(|node| is_in(**node));
    Layer::new(nodes.map(|node| {
        let links = &drawn[*node as usize].links[level];
        let links = links.iter().filter(|to| is_in(**to) && *to != node);
        links.map(|to| number[*to as usize]).collect()
    }))
}

/// Orders unit vectors as their products do, and still tells apart those that are nearly equal,
/// where one minus a product is rounded to nothing.
struct SquaredDistance(pulp::Arch);

impl Distance<f32> for SquaredDistance {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        self.0.dispatch(Squares { a, b })
    }
}

struct Squares<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl pulp::WithSimd for Squares<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) -> f32 {
        let (a_blocks, a_rest) = self.a.as_chunks::<BLOCK>();
        let (b_blocks, b_rest) = self.b.as_chunks::<BLOCK>();
        let mut sums = [0f32; BLOCK];
        for (a, b) in a_blocks.iter().zip(b_blocks) {
            for lane in 0..BLOCK {
                let difference = a[lane] - b[lane];
                sums[lane] += difference * difference;
            }
        }
        let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
        sums.iter().sum::<f32>() + rest.sum::<f32>()
    }
}
