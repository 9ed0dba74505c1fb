//! Dataflow order of the nodes in one body, and the names a body takes from outside.

use super::Error;
use super::budget::Budget;
use super::message::{Graph, Node};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Sorts nodes so that producers come first; among nodes that are ready, as in the file.
pub(super) fn sort<'a>(nodes: Vec<Node<'a>>) -> Result<Vec<Node<'a>>, Error> {
    let order = order(&nodes)?;
    let mut nodes: Vec<Option<Node<'a>>> = nodes.into_iter().map(Some).collect();
    Ok(order
        .into_iter()
        .filter_map(|index| nodes[index].take())
        .collect())
}

fn order(nodes: &[Node<'_>]) -> Result<Vec<usize>, Error> {
    let mut producer: HashMap<&str, usize> = HashMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if producer.insert(name, index).is_some() {
                return Err(Error::Duplicate(name.to_string()));
            }
        }
    }
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = vec![0usize; nodes.len()];
    for (index, node) in nodes.iter().enumerate() {
        for before in reads(node).filter_map(|name| producer.get(name)) {
            readers[*before].push(index);
            waiting[index] += 1;
        }
    }
    let mut ready: BinaryHeap<_> = (0..nodes.len())
        .filter(|index| waiting[*index] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for reader in &readers[index] {
            waiting[*reader] -= 1;
            if waiting[*reader] == 0 {
                ready.push(Reverse(*reader));
            }
        }
    }
    match waiting.iter().position(|waits| *waits > 0) {
        Some(stuck) => Err(Error::Cycle(nodes[stuck].described())),
        None => Ok(order),
    }
}

/// What a node reads, its subgraphs' captures included.
fn reads<'n, 'a>(node: &'n Node<'a>) -> impl Iterator<Item = &'a str> + use<'n, 'a> {
    let captures = node.graphs().flat_map(|graph| &graph.captures);
    node.inputs.iter().chain(captures).copied()
}

/// Names that `graph` reads and does not define, each once.
pub(super) fn captures<'a>(
    graph: &Graph<'a>,
    budget: &mut Budget<'_>,
) -> Result<Vec<&'a str>, Error> {
    let inputs = graph.inputs.iter().map(|input| input.name);
    let constants = graph.constants.iter().map(|tensor| tensor.name);
    let computed = graph.nodes.iter().flat_map(|node| &node.outputs).copied();
    let mut known: HashSet<&str> = inputs.chain(constants).chain(computed).collect();
    let outputs = graph.outputs.iter().map(|output| output.name);
    let mut captures = Vec::new();
    for name in graph.nodes.iter().flat_map(reads).chain(outputs) {
        if !name.is_empty() && known.insert(name) {
            budget.take_items::<&str>(1)?;
            captures.push(name);
        }
    }
    Ok(captures)
}
