//! From an architecture to sequences of pieces: parts that are read one after the other.
//!
//! Levels count from the end, so that a side branch lies beside the operator that reads it and not
//! beside where it could first be computed. A region is a set of nodes between two levels; since
//! levels only fall along an edge, cutting at a level never makes a cycle, and parts without an
//! edge between them cannot either.

use super::LARGEST;
use crate::graph::{Architecture, NodeIndex};

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
pub(super) fn sequences(
    architecture: &Architecture,
    consumers: &[Vec<NodeIndex>],
) -> Vec<Sequence> {
    let mut regions = Regions::new(architecture, consumers);
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
    /// Edges on the longest path from each node to an end.
    level: Vec<u32>,
    /// The set that each node was last put into.
    set: Vec<u32>,
    sets: u32,
}

impl<'a> Regions<'a> {
    fn new(architecture: &'a Architecture, consumers: &'a [Vec<NodeIndex>]) -> Self {
        let mut level = vec![0; consumers.len()];
        for (node, readers) in consumers.iter().enumerate().rev() {
            let readers = readers.iter().map(|reader| level[*reader as usize] + 1);
            level[node] = readers.max().unwrap_or(0);
        }
        Self {
            architecture,
            consumers,
            level,
            set: vec![0; consumers.len()],
            sets: 0,
        }
    }

    /// Cuts a connected region, or keeps it when it is small and has no waist of one value.
    fn open(&mut self, mut nodes: Vec<NodeIndex>, depth: usize, work: &mut Vec<Work>) {
        nodes.sort_unstable_by_key(|node| (std::cmp::Reverse(self.level[*node as usize]), *node));
        let alive = self.alive(&nodes);
        let fewest = alive.iter().map(|(_, alive)| *alive).min();
        match fewest {
            None => return work.push(Work::Keep(nodes)),
            Some(fewest) if fewest > 1 && nodes.len() <= LARGEST => {
                return work.push(Work::Keep(nodes));
            }
            Some(_) => {}
        }
        if fewest > Some(1) && self.open_apart(&nodes, depth, work) {
            return;
        }
        let bound = if depth < DEEPEST { fewest } else { None };
        let is_waist = |alive: usize| bound.is_none_or(|bound| alive == bound);
        let cuts = alive
            .iter()
            .filter(|(_, alive)| is_waist(*alive))
            .map(|(cut, _)| *cut);
        // Work is done last first.
        let mut end = nodes.len();
        for cut in cuts.rev().chain([0]) {
            self.pass_on(&nodes[cut..end], depth + 1, work);
            end = cut;
        }
    }

    /// Where a sorted region can be cut between two levels, and how many of its values are alive
    /// there: computed before and read after.
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
            let Some(last) = inside.map(|reader| self.level[*reader as usize]).min() else {
                continue;
            };
            // A cut is passed when its lower side is at or above the last reader.
            let passed = |bound: u32| cuts.partition_point(|cut| level(*cut) >= bound);
            let own = self.level[*node as usize];
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
        let (first, last) = (&nodes[..1], &nodes[nodes.len() - 1..]);
        for (single, rest) in [(last, &nodes[..nodes.len() - 1]), (first, &nodes[1..])] {
            let branches = self.components(rest);
            if branches.len() > 1 && branches.iter().filter(|branch| branch.len() > 1).count() > 1 {
                separate(branches, depth + 1, work);
                work.push(Work::Keep(single.to_vec()));
                return true;
            }
        }
        false
    }

    fn pass_on(&mut self, nodes: &[NodeIndex], depth: usize, work: &mut Vec<Work>) {
        let mut components = self.components(nodes);
        match components.pop() {
            Some(nodes) if components.is_empty() && nodes.len() > LARGEST => {
                work.push(Work::Open { nodes, depth });
            }
            Some(nodes) if components.is_empty() => work.push(Work::Keep(nodes)),
            last => {
                components.extend(last);
                separate(components, depth, work);
            }
        }
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
