//! A graph folded to its distinct neighbourhoods: what message passing has to work out.
//!
//! Nodes that look alike for `r` hops have the same vector after `r` rounds, so each distinct
//! neighbourhood is one row, however often a block repeats and however many graphs share it. Rows
//! are named by colours (Weisfeiler-Lehman over what is read and what reads); whatever is summed is
//! summed in the order of colours, which makes every sum bit-equal under renumbering.

use crate::random;
use std::collections::HashMap;

/// A directed graph with coloured nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digraph {
    /// What each node is.
    pub colours: Vec<u64>,
    /// The nodes that each node reads, once per edge.
    pub inputs: Vec<Vec<u32>>,
}

/// Rounds after which two motifs of one hash are told apart.
const SIGNATURE_ROUNDS: usize = 3;

/// A row of the round before, and how often it occurs.
pub type Counted = (u32, u32);

/// One distinct neighbourhood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The node itself, in the round before.
    pub own: u32,
    /// What it reads, in the round before.
    pub before: Vec<Counted>,
    /// What reads it, in the round before.
    pub after: Vec<Counted>,
}

/// The distinct rows of any number of graphs.
#[derive(Clone, Debug)]
pub struct Fold {
    /// Colours of the nodes themselves: the rows of round 0.
    first: Distinct,
    rounds: Vec<Round>,
}

/// The rows of one graph: for each round, round 0 included, those that occur, by colour.
pub type Folded = Vec<Vec<Counted>>;

#[derive(Clone, Debug, Default)]
struct Distinct {
    row: HashMap<u64, u32>,
    colours: Vec<u64>,
}

#[derive(Clone, Debug, Default)]
struct Round {
    distinct: Distinct,
    rows: Vec<Row>,
}

impl Fold {
    /// Nothing yet, for so many rounds of message passing.
    pub fn new(rounds: usize) -> Self {
        Self {
            first: Distinct::default(),
            rounds: vec![Round::default(); rounds],
        }
    }

    /// The colour of each row of round 0: what its features belong to.
    pub fn colours(&self) -> &[u64] {
        &self.first.colours
    }

    /// The rows of each round but round 0.
    pub fn rounds(&self) -> impl Iterator<Item = &[Row]> {
        self.rounds.iter().map(|round| round.rows.as_slice())
    }

    /// The rows of round `round`, counted from 1.
    pub fn rows(&self, round: usize) -> &[Row] {
        &self.rounds[round - 1].rows
    }

    /// Folds one more graph into the rows.
    pub fn add(&mut self, graph: &Digraph) -> Folded {
        let readers = readers(graph);
        let mut colours = graph.colours.clone();
        let mut rows: Vec<u32> = colours
            .iter()
            .map(|colour| self.first.row(*colour).0)
            .collect();
        let mut folded = vec![counted(&rows, &colours)];
        for round in &mut self.rounds {
            let next = refined(graph, &readers, &colours);
            let next_rows = (0..next.len()).map(|node| {
                let (row, is_new) = round.distinct.row(next[node]);
                if is_new {
                    round.rows.push(Row {
                        own: rows[node],
                        before: neighbours(&graph.inputs[node], &rows, &colours),
                        after: neighbours(&readers[node], &rows, &colours),
                    });
                }
                row
            });
            rows = next_rows.collect();
            colours = next;
            folded.push(counted(&rows, &colours));
        }
        folded
    }
}

impl Distinct {
    /// The row of `colour`, and whether it is new.
    fn row(&mut self, colour: u64) -> (u32, bool) {
        let next = self.colours.len() as u32;
        let row = *self.row.entry(colour).or_insert(next);
        if row == next {
            self.colours.push(colour);
        }
        (row, row == next)
    }
}

/// A number for the whole graph, whatever its numbering.
pub fn signature(graph: &Digraph) -> u64 {
    let readers = readers(graph);
    let mut colours = graph.colours.clone();
    for _ in 0..SIGNATURE_ROUNDS {
        colours = refined(graph, &readers, &colours);
    }
    colours.sort_unstable();
    random::sequence(0, colours)
}

fn readers(graph: &Digraph) -> Vec<Vec<u32>> {
    let mut readers = vec![Vec::new(); graph.colours.len()];
    for (node, inputs) in (0..).zip(&graph.inputs) {
        for input in inputs {
            readers[*input as usize].push(node);
        }
    }
    readers
}

/// Colours after one more round.
fn refined(graph: &Digraph, readers: &[Vec<u32>], colours: &[u64]) -> Vec<u64> {
    let sorted = |nodes: &[u32]| {
        let mut around: Vec<u64> = nodes.iter().map(|node| colours[*node as usize]).collect();
        around.sort_unstable();
        around
    };
    (0..colours.len())
        .map(|node| {
            let before = random::sequence(1, sorted(&graph.inputs[node]));
            let after = random::sequence(2, sorted(&readers[node]));
            random::sequence(colours[node], [before, after])
        })
        .collect()
}

fn neighbours(nodes: &[u32], rows: &[u32], colours: &[u64]) -> Vec<Counted> {
    let of = |nodes: &[u32]| -> (Vec<u32>, Vec<u64>) {
        let pairs = nodes.iter().map(|node| *node as usize);
        pairs.map(|node| (rows[node], colours[node])).unzip()
    };
    let (rows, colours) = of(nodes);
    counted(&rows, &colours)
}

/// Distinct rows in the order of their colours.
fn counted(rows: &[u32], colours: &[u64]) -> Vec<Counted> {
    let mut pairs: Vec<(u64, u32)> = colours.iter().copied().zip(rows.iter().copied()).collect();
    pairs.sort_unstable();
    let alike = pairs.chunk_by(|one, other| one == other);
    alike
        .map(|alike| (alike[0].1, alike.len() as u32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(colours: &[u64]) -> Digraph {
        let inputs = (0..colours.len() as u32).map(|node| node.checked_sub(1));
        Digraph {
            colours: colours.to_vec(),
            inputs: inputs.map(|input| input.into_iter().collect()).collect(),
        }
    }

    #[test]
    fn a_repeated_block_costs_no_more_rows_however_often_it_repeats() {
        let rows = |length| {
            let mut fold = Fold::new(2);
            let folded = fold.add(&chain(&vec![7; length]));
            let counts: Vec<usize> = folded.iter().map(Vec::len).collect();
            (counts, fold.rounds().map(<[Row]>::len).collect::<Vec<_>>())
        };
        // Two hops see the ends from two nodes on either side.
        assert_eq!(rows(10), (vec![1, 3, 5], vec![3, 5]));
        assert_eq!(rows(1_000), rows(10));
    }

    #[test]
    fn what_reads_and_what_is_read_are_told_apart() {
        let mut fold = Fold::new(1);
        fold.add(&chain(&[1, 2, 3]));
        let middle = &fold.rows(1)[1];
        assert_eq!(
            (middle.own, &middle.before, &middle.after),
            (1, &vec![(0, 1)], &vec![(2, 1)])
        );
        assert_ne!(signature(&chain(&[1, 2, 3])), signature(&chain(&[3, 2, 1])));
    }

    #[test]
    fn graphs_share_rows() {
        let mut fold = Fold::new(3);
        let one = fold.add(&chain(&[1, 2, 3]));
        let other = fold.add(&chain(&[1, 2, 3]));
        assert_eq!(one, other);
        assert_eq!(fold.rows(3).len(), 3);
    }
}
