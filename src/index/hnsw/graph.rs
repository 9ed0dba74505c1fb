//! The frozen graph: flat arrays that are only read.
//!
//! Nodes are distinct vectors, numbered by falling level, so that the nodes of every layer are the
//! first so many of all and node 0 is where a walk enters. Equal vectors share a node: however many
//! they are, they take the place of one and hide no other. The invariant, which reading a file
//! checks: every number in the arrays is in bounds.

use super::rows::Rows;
use super::walk::Scratch;
use crate::index::coarse::Coarse;
use std::sync::{Mutex, PoisonError};

/// Links among the nodes of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layer {
    /// Where the links of each node start, and the end of the last.
    pub(super) starts: Vec<u32>,
    pub(super) links: Vec<u32>,
}

impl Layer {
    /// From the links of each node.
    pub(super) fn new(nodes: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let (mut starts, mut links) = (vec![0], Vec::new());
        for node in nodes {
            links.extend(node);
            starts.push(links.len() as u32);
        }
        Self { starts, links }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    #[inline(always)]
    pub(super) fn links(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.links[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    /// Adds to the links of some nodes.
    pub(super) fn extended(&self, mut extra: Vec<(u32, u32)>) -> Self {
        extra.sort_unstable();
        let mut extra = extra.into_iter().peekable();
        Self::new((0..self.len() as u32).map(|node| {
            let mut links = self.links(node).to_vec();
            while let Some((_, to)) = extra.next_if(|(from, _)| *from == node) {
                links.push(to);
            }
            links
        }))
    }
}

/// Which positions hold the vector of which node.
#[derive(Clone, Debug)]
pub(super) struct Members {
    /// For each position its node.
    pub(super) node_of: Vec<u32>,
    starts: Vec<u32>,
    positions: Vec<u32>,
}

impl Members {
    pub(super) fn new(node_of: Vec<u32>, nodes: usize) -> Self {
        let mut starts = vec![0; nodes + 1];
        for node in &node_of {
            starts[*node as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut ends = starts.clone();
        let mut positions = vec![0; node_of.len()];
        for (position, node) in (0u32..).zip(&node_of) {
            let end = &mut ends[*node as usize];
            positions[*end as usize] = position;
            *end += 1;
        }
        Self {
            node_of,
            starts,
            positions,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.node_of.len()
    }

    /// Positions of a node, rising.
    pub(super) fn of(&self, node: u32) -> impl Iterator<Item = usize> {
        let node = node as usize;
        let positions = self.starts[node] as usize..self.starts[node + 1] as usize;
        self.positions[positions]
            .iter()
            .map(|place| *place as usize)
    }
}

/// Vectors, who holds them, and the links between them.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) rows: Rows, // [nodes, dim]
    /// The same in eight bits: what a walk compares.
    pub(super) coarse: Coarse,
    pub(super) members: Members,
    /// The one of all nodes first. None when there are no nodes.
    pub(super) layers: Vec<Layer>,
    /// Working memory of walks that ended, for the next ones.
    idle: Mutex<Vec<Scratch>>,
}

impl Graph {
    pub(super) fn new(rows: Rows, members: Members, layers: Vec<Layer>) -> Self {
        let mut coarse = Coarse::new(rows.dim());
        (0..rows.len()).for_each(|node| coarse.push(rows.vector(node)));
        Self {
            rows,
            coarse,
            members,
            layers,
            idle: Mutex::default(),
        }
    }

    /// Runs `walk` with working memory that is given back afterwards.
    pub(super) fn with_scratch<T>(&self, walk: impl FnOnce(&mut Scratch) -> T) -> T {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut scratch = taken.unwrap_or_else(|| Scratch::new(self.rows.len()));
        let answer = walk(&mut scratch);
        idle().push(scratch);
        answer
    }
}
