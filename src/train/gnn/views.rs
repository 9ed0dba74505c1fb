//! Other views of a macro graph that do the same: runs of one motif made longer or shorter.
//!
//! Depth is what members of a family differ in most, so a network with a block more or less should
//! stay where it is.

use crate::model::motif_gnn::Digraph;
use crate::random::Random;

/// Share of a run's members that are dropped, and share that are doubled.
const SHARE: f64 = 0.25;

/// `graph` with some members of its runs dropped and others doubled.
pub(super) fn view(graph: &Digraph, random: &mut Random) -> Digraph {
    let mut view = Digraph::default();
    // For each node the one that its readers read now.
    let mut now: Vec<u32> = Vec::with_capacity(graph.colours.len());
    for (node, inputs) in graph.inputs.iter().enumerate() {
        let colour = graph.colours[node];
        let like = |input: &&u32| graph.colours[**input as usize] == colour;
        let inputs: Vec<u32> = match inputs.iter().find(like) {
            None => inputs.iter().map(|input| now[*input as usize]).collect(),
            Some(before) => {
                let chance = random.unit();
                if chance < SHARE {
                    now.push(now[*before as usize]);
                    continue;
                }
                let read: Vec<u32> = inputs.iter().map(|input| now[*input as usize]).collect();
                if chance < 2.0 * SHARE {
                    let (first, before) = (view.colours.len() as u32, now[*before as usize]);
                    push(&mut view, colour, read.clone());
                    let again = |input: u32| if input == before { first } else { input };
                    read.into_iter().map(again).collect()
                } else {
                    read
                }
            }
        };
        now.push(view.colours.len() as u32);
        push(&mut view, colour, inputs);
    }
    view
}

fn push(graph: &mut Digraph, colour: u64, mut inputs: Vec<u32>) {
    inputs.sort_unstable();
    inputs.dedup();
    graph.colours.push(colour);
    graph.inputs.push(inputs);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_changes_how_often_motifs_repeat_and_nothing_else() {
        let graph = Digraph {
            colours: vec![1, 7, 7, 7, 7, 2],
            inputs: vec![vec![], vec![0], vec![1], vec![2], vec![3], vec![4]],
        };
        let mut lengths = Vec::new();
        for seed in 0..20 {
            let view = view(&graph, &mut Random::new(seed));
            let mut motifs = view.colours.clone();
            motifs.dedup();
            assert_eq!(motifs, [1, 7, 2]);
            let chain = (0..view.colours.len() as u32).map(|node| node.checked_sub(1));
            let chain: Vec<Vec<u32>> = chain.map(|input| input.into_iter().collect()).collect();
            assert_eq!(view.inputs, chain);
            lengths.push(view.colours.len());
        }
        assert!(lengths.iter().any(|length| *length < 6), "{lengths:?}");
        assert!(lengths.iter().any(|length| *length > 6), "{lengths:?}");
    }

    #[test]
    fn a_graph_without_runs_has_one_view() {
        let graph = Digraph {
            colours: vec![1, 2, 1],
            inputs: vec![vec![], vec![0], vec![1]],
        };
        assert_eq!(view(&graph, &mut Random::new(1)), graph);
    }
}
