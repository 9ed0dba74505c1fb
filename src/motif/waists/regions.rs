//! From an architecture to sequences of pieces: parts that are read one after the other.
//!
//! Levels count from the end, so that a side branch lies beside the operator that reads it and not
//! beside where it could first be computed. A region is a set of nodes between two levels; since
//! levels only fall along an edge, cutting at a level never makes a cycle, and parts without an
//! edge between them cannot either.

use super::parts::Parts;
use super::{LARGEST, is_product, pools_everything};
use crate::graph::{Architecture, Edge, NodeIndex};
use crate::motif::order::Ordered;
use std::collections::BTreeSet;
use std::iter;

/// Products on the longest path of the smallest stack: two blocks of two.
const SHALLOWEST_STACK: usize = 4;

/// Levels from which on a read does not keep a value alive. Longer than any block that a reader knows,
/// shorter than the outer skips of a U-Net, which would hide the blocks that they begin at.
const FAR: u32 = 16;

/// Openings of one region inside another before every level becomes a piece: bounds the time that a
/// hostile graph costs.
const DEEPEST: usize = 64;

/// Nodes that stay together, ascending.
pub(super) type Piece = Vec<NodeIndex>;

/// Pieces that follow one another; no order is known between two sequences.
pub(super) type Sequence = Vec<Piece>;

/// What is left to do, last first.
enum Work {
    Open { nodes: Vec<NodeIndex>, depth: usize },
    Keep(Piece),
    EndSequence,
}

/// The architecture in pieces.
pub(super) fn sequences(architecture: &Architecture, ordered: &Ordered) -> Vec<Sequence> {
    let mut regions = Regions::new(architecture, ordered);
    let mut work = Vec::new();
    for half in halves(architecture) {
        separate(regions.components(&half), 0, &mut work);
    }
    let mut sequences = vec![Sequence::new()];
    while let Some(next) = work.pop() {
        match next {
            Work::Keep(mut piece) => {
                piece.sort_unstable();
                sequences.last_mut().expect("there is one").push(piece);
            }
            Work::EndSequence => sequences.push(Sequence::new()),
            Work::Open { nodes, depth } => regions.open(nodes, depth, &mut work),
        }
    }
    sequences.retain(|sequence| !sequence.is_empty());
    sequences
}

/// What comes before any learned operator, such as inputs and masks, and everything else. Nothing
/// of the second half flows into the first.
fn halves(architecture: &Architecture) -> [Vec<NodeIndex>; 2] {
    let nodes = architecture.nodes();
    let mut is_late = vec![false; nodes.len()];
    let mut halves = [Vec::new(), Vec::new()];
    for (index, node) in nodes.iter().enumerate() {
        let mut inputs = node.inputs.iter();
        is_late[index] =
            node.operator.is_learned() || inputs.any(|edge| is_late[edge.node as usize]);
        halves[usize::from(is_late[index])].push(index as NodeIndex);
    }
    halves
}

/// Regions with no edge between them, each a sequence of its own.
fn separate(components: Vec<Vec<NodeIndex>>, depth: usize, work: &mut Vec<Work>) {
    work.push(Work::EndSequence);
    for nodes in components {
        work.push(Work::Open { nodes, depth });
        work.push(Work::EndSequence);
    }
}

struct Regions<'a> {
    architecture: &'a Architecture,
    consumers: &'a [Vec<NodeIndex>],
    labels: &'a [u64],
    /// Edges on the longest path from each node to an end.
    level: Vec<u32>,
    /// The set that each node was last put into.
    set: Vec<u32>,
    sets: u32,
    parts: Parts<'a>,
}

impl<'a> Regions<'a> {
    fn new(architecture: &'a Architecture, ordered: &'a Ordered) -> Self {
        let consumers = &ordered.consumers;
        let mut level = vec![0; consumers.len()];
        for (node, readers) in consumers.iter().enumerate().rev() {
            let readers = readers.iter().map(|reader| level[*reader as usize] + 1);
            level[node] = readers.max().unwrap_or(0);
        }
        Self {
            architecture,
            consumers,
            labels: &ordered.labels,
            level,
            set: vec![0; consumers.len()],
            sets: 0,
            parts: Parts::new(architecture),
        }
    }

    /// Cuts a connected region, or keeps it when it is small and has no waist of one value.
    fn open(&mut self, mut nodes: Vec<NodeIndex>, depth: usize, work: &mut Vec<Work>) {
        nodes.sort_unstable_by_key(|node| (std::cmp::Reverse(self.level[*node as usize]), *node));
        let alive = self.alive(&nodes);
        let fewest = alive.iter().map(|(_, alive)| *alive).min();
        if fewest.is_none() || (fewest > Some(1) && self.is_block(&nodes)) {
            return work.push(Work::Keep(nodes));
        }
        if fewest > Some(1) && self.open_apart(&nodes, depth, work) {
            return;
        }
        let bound = if depth < DEEPEST { fewest } else { None };
        let is_waist = |alive: usize| bound.is_none_or(|bound| alive <= bound.max(1));
        let cuts = alive.iter().filter(|(_, alive)| is_waist(*alive));
        let begins = iter::once(0).chain(cuts.map(|(cut, _)| *cut));
        let mut end = nodes.len();
        // Work is done last first.
        for begin in self
            .side_by_side(&nodes, begins.collect())
            .into_iter()
            .rev()
        {
            self.pass_on(&nodes[begin..end], depth + 1, work);
            end = begin;
        }
    }

    /// Where slices of a sorted region begin, those that go on with the same separate branches
    /// taken together: branches are to be opened one by one, not cut across.
    fn side_by_side(&mut self, nodes: &[NodeIndex], begins: Vec<usize>) -> Vec<usize> {
        let ends = begins.iter().skip(1).copied().chain([nodes.len()]);
        let mut kept = Vec::new();
        self.parts.clear();
        for (begin, end) in begins.iter().copied().zip(ends) {
            let was_apart = self.parts.count() > 1;
            self.parts.add(&nodes[begin..end]);
            if !was_apart || self.parts.count() == 1 {
                self.parts.clear();
                self.parts.add(&nodes[begin..end]);
                kept.push(begin);
            }
        }
        kept
    }

    /// Where a sorted region can be cut between two levels, and how many of its values are alive
    /// there: computed before and read not far after.
    fn alive(&mut self, nodes: &[NodeIndex]) -> Vec<(usize, usize)> {
        let set = self.put_into_new_set(nodes);
        let level = |place: usize| self.level[nodes[place] as usize];
        let cuts: Vec<usize> = (1..nodes.len())
            .filter(|place| level(*place) != level(place - 1))
            .collect();
        let mut change = vec![0isize; cuts.len() + 1];
        for node in nodes {
            let readers = self.consumers[*node as usize].iter();
            let inside = readers.filter(|reader| self.set[**reader as usize] == set);
            let own = self.level[*node as usize];
            let near = inside
                .map(|reader| self.level[*reader as usize])
                .filter(|level| own - level <= FAR);
            let Some(last) = near.min() else {
                continue;
            };
            // A cut is passed when its lower side is at or above the last reader.
            let passed = |bound: u32| cuts.partition_point(|cut| level(*cut) >= bound);
            change[passed(own)] += 1;
            change[passed(last)] -= 1;
        }
        let running = change.iter().scan(0isize, |alive, change| {
            *alive += change;
            Some(*alive as usize)
        });
        cuts.into_iter().zip(running).collect()
    }

    /// Opens the branches of a region one by one when only its first or its last node holds them
    /// together. Says whether that was so.
    fn open_apart(&mut self, nodes: &[NodeIndex], depth: usize, work: &mut Vec<Work>) -> bool {
        for (single, rest) in self.ends(nodes) {
            let branches = self.components(rest);
            if branches.iter().filter(|branch| branch.len() > 1).count() > 1 {
                // Work is done last first: a node that comes before its branches is pushed last.
                let comes_first = single == nodes[0];
                if !comes_first {
                    work.push(Work::Keep(vec![single]));
                }
                separate(branches, depth + 1, work);
                if comes_first {
                    work.push(Work::Keep(vec![single]));
                }
                return true;
            }
        }
        false
    }

    /// The last and the first node of a sorted region, each with the rest, where it is alone on its
    /// level.
    fn ends<'n>(&self, nodes: &'n [NodeIndex]) -> Vec<(NodeIndex, &'n [NodeIndex])> {
        let level = |node: &NodeIndex| self.level[*node as usize];
        let mut ends = Vec::new();
        if let [rest @ .., before, last] = nodes
            && level(before) != level(last)
        {
            ends.push((*last, &nodes[..rest.len() + 1]));
        }
        if let [first, after, ..] = nodes
            && level(first) != level(after)
        {
            ends.push((*first, &nodes[1..]));
        }
        ends
    }

    fn pass_on(&mut self, nodes: &[NodeIndex], depth: usize, work: &mut Vec<Work>) {
        let mut components = self.components(nodes);
        match components.pop() {
            Some(nodes) if components.is_empty() && self.is_block(&nodes) => {
                work.push(Work::Keep(nodes));
            }
            Some(nodes) if components.is_empty() => work.push(Work::Open { nodes, depth }),
            last => {
                components.extend(last);
                separate(components, depth, work);
            }
        }
    }

    /// Whether a connected region stays whole: it is small, and no stack of several blocks.
    fn is_block(&mut self, nodes: &[NodeIndex]) -> bool {
        nodes.len() <= LARGEST && !self.is_stack(nodes)
    }

    /// Whether the products on the longest path repeat, as those of a dense block's layers do. Those
    /// of a gate do not count: they see pooled values only.
    fn is_stack(&mut self, nodes: &[NodeIndex]) -> bool {
        let mut ascending = nodes.to_vec();
        ascending.sort_unstable();
        let mut kinds = BTreeSet::new();
        let mut is_pooled = vec![false; nodes.len()];
        let mut depths = vec![0; nodes.len()];
        for (place, index) in ascending.iter().enumerate() {
            let node = &self.architecture.nodes()[*index as usize];
            let operands = node.inputs.iter();
            let inside = |edge: &Edge| ascending.binary_search(&edge.node).ok();
            let before: Vec<usize> = operands.filter_map(inside).collect();
            is_pooled[place] = pools_everything(&node.operator)
                || (!before.is_empty() && before.iter().all(|operand| is_pooled[*operand]));
            let deepest = before.iter().map(|operand| depths[*operand]).max();
            let counts = is_product(node) && !is_pooled[place];
            depths[place] = deepest.unwrap_or(0) + usize::from(counts);
            if counts {
                kinds.insert(self.labels[*index as usize]);
            }
        }
        let depth = depths.into_iter().max().unwrap_or(0);
        depth >= SHALLOWEST_STACK && depth >= 2 * kinds.len()
    }

    fn put_into_new_set(&mut self, nodes: &[NodeIndex]) -> u32 {
        self.sets += 1;
        for node in nodes {
            self.set[*node as usize] = self.sets;
        }
        self.sets
    }

    /// The parts of `nodes` between which there is no edge.
    fn components(&mut self, nodes: &[NodeIndex]) -> Vec<Vec<NodeIndex>> {
        let set = self.put_into_new_set(nodes);
        let mut components = Vec::new();
        for start in nodes {
            if self.set[*start as usize] == set {
                components.push(self.component(*start, set));
            }
        }
        components
    }

    /// Everything in `set` that is connected with `start`; it leaves the set.
    fn component(&mut self, start: NodeIndex, set: u32) -> Vec<NodeIndex> {
        self.sets += 1;
        self.set[start as usize] = self.sets;
        let mut component = vec![start];
        let mut at = 0;
        while at < component.len() {
            let node = component[at] as usize;
            let operands = self.architecture.nodes()[node].inputs.iter();
            let neighbours = operands
                .map(|edge| edge.node)
                .chain(self.consumers[node].iter().copied());
            for neighbour in neighbours {
                if self.set[neighbour as usize] == set {
                    self.set[neighbour as usize] = self.sets;
                    component.push(neighbour);
                }
            }
            at += 1;
        }
        component
    }
}
