//! What the network sees of an architecture: motifs as small graphs, and the macro graph.
//!
//! A motif's graph holds its nodes and, as a node of no kind, each value that comes in: so a
//! shortcut around a block is seen. Values that the very same nodes read count as one, as in the
//! motif's hash. The invariant: widths, names and numbering play no part.

use super::config::Cutting;
use super::fold::{Digraph, signature};
use crate::graph::{Architecture, Node, NodeIndex, Operator, Value};
use crate::motif::{MacroGraph, macro_graph};
use crate::random;
use std::collections::BTreeMap;

/// Label of a value from outside.
const OUTSIDE: u64 = 1;

/// A motif by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MotifGraph {
    /// Its nodes, coloured by their features.
    pub graph: Digraph,
    /// The features of each node, sorted: hashes of its operator and attributes.
    pub features: Vec<Vec<u64>>,
}

/// An architecture in motifs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    /// The distinct motifs by hash.
    pub motifs: BTreeMap<u64, MotifGraph>,
    /// The macro graph: occurrences coloured by the hashes of their motifs.
    pub graph: Digraph,
}

impl Sketch {
    /// `architecture` in motifs of this cutting.
    pub fn new(architecture: &Architecture, cutting: Cutting) -> Self {
        let cut = cutting.splitter().split(architecture);
        Self::of(architecture, &macro_graph(architecture, &cut))
    }

    /// `architecture` in the motifs of its macro graph.
    pub fn of(architecture: &Architecture, parts: &MacroGraph) -> Self {
        let features: Vec<Vec<u64>> = architecture.nodes().iter().map(features).collect();
        let mut motifs = BTreeMap::<u64, (u64, MotifGraph)>::new();
        let mut local = Local::new(architecture, &features);
        for occurrence in &parts.occurrences {
            let hash = parts.motifs[occurrence.motif].hash;
            let motif = local.graph(&occurrence.nodes);
            let signature = signature(&motif.graph);
            // A hash that two graphs share stands for the smaller one, whatever the numbering.
            match motifs.get(&hash) {
                Some((known, _)) if *known <= signature => {}
                _ => drop(motifs.insert(hash, (signature, motif))),
            }
        }
        let motifs = motifs.into_iter();
        let occurrences = parts.occurrences.iter();
        let colours = occurrences.clone();
        Self {
            motifs: motifs.map(|(hash, (_, motif))| (hash, motif)).collect(),
            graph: Digraph {
                colours: colours
                    .map(|occurrence| parts.motifs[occurrence.motif].hash)
                    .collect(),
                inputs: occurrences
                    .map(|occurrence| occurrence.inputs.iter().map(|at| *at as u32).collect())
                    .collect(),
            },
        }
    }
}

/// The surroundings of a motif: itself and every node next to it. For training.
pub fn context(
    architecture: &Architecture,
    consumers: &[Vec<NodeIndex>],
    motif: &[NodeIndex],
) -> MotifGraph {
    let mut nodes = motif.to_vec();
    for node in motif {
        let inputs = &architecture.nodes()[*node as usize].inputs;
        nodes.extend(inputs.iter().map(|edge| edge.node));
        nodes.extend(&consumers[*node as usize]);
    }
    nodes.sort_unstable();
    nodes.dedup();
    let place = |node: NodeIndex| nodes.binary_search(&node).ok();
    let inputs = |node: &NodeIndex| {
        let inputs = architecture.nodes()[*node as usize].inputs.iter();
        inputs
            .filter_map(|edge| Some(place(edge.node)? as u32))
            .collect()
    };
    let of = |node: &NodeIndex| features(&architecture.nodes()[*node as usize]);
    let features: Vec<Vec<u64>> = nodes.iter().map(of).collect();
    MotifGraph {
        graph: Digraph {
            colours: features.iter().map(|of| colour(of)).collect(),
            inputs: nodes.iter().map(inputs).collect(),
        },
        features,
    }
}

/// A node that is in no motif at the moment.
const NOWHERE: u32 = u32::MAX;

/// Takes motifs out of one architecture.
struct Local<'a> {
    architecture: &'a Architecture,
    features: &'a [Vec<u64>],
    /// Where each node stands in the motif at hand; `NOWHERE` between two calls.
    place: Vec<u32>,
}

impl<'a> Local<'a> {
    fn new(architecture: &'a Architecture, features: &'a [Vec<u64>]) -> Self {
        Self {
            architecture,
            features,
            place: vec![NOWHERE; features.len()],
        }
    }

    fn graph(&mut self, nodes: &[NodeIndex]) -> MotifGraph {
        for (place, node) in (0..).zip(nodes) {
            self.place[*node as usize] = place;
        }
        let inside = nodes
            .iter()
            .map(|node| self.features[*node as usize].clone());
        let mut features: Vec<Vec<u64>> = inside.collect();
        let mut inputs: Vec<Vec<u32>> = nodes.iter().map(|node| self.inside(*node)).collect();
        for readers in self.outside(nodes) {
            for reader in readers {
                inputs[reader as usize].push(features.len() as u32);
            }
            features.push(vec![OUTSIDE]);
        }
        inputs.resize(features.len(), Vec::new());
        for node in nodes {
            self.place[*node as usize] = NOWHERE;
        }
        MotifGraph {
            graph: Digraph {
                colours: features.iter().map(|of| colour(of)).collect(),
                inputs,
            },
            features,
        }
    }

    fn inside(&self, node: NodeIndex) -> Vec<u32> {
        let inputs = self.architecture.nodes()[node as usize].inputs.iter();
        let places = inputs.map(|edge| self.place[edge.node as usize]);
        places.filter(|place| *place != NOWHERE).collect()
    }

    /// For each value from outside its distinct readers; values that are read alike count once.
    fn outside(&self, nodes: &[NodeIndex]) -> Vec<Vec<u32>> {
        let mut readers = BTreeMap::<(NodeIndex, u16), Vec<u32>>::new();
        for (place, node) in (0..).zip(nodes) {
            for edge in &self.architecture.nodes()[*node as usize].inputs {
                if self.place[edge.node as usize] == NOWHERE {
                    readers
                        .entry((edge.node, edge.port))
                        .or_default()
                        .push(place);
                }
            }
        }
        let mut readers: Vec<Vec<u32>> = readers.into_values().collect();
        readers.iter_mut().for_each(Vec::dedup);
        readers.sort_unstable();
        readers.dedup();
        readers
    }
}

fn colour(features: &[u64]) -> u64 {
    random::sequence(0, features.iter().copied())
}

/// The features of one operator: its kind, its attributes but widths, and both together.
fn features(node: &Node) -> Vec<u64> {
    let operator = match &node.operator {
        Operator::Unknown { domain, name } => {
            random::sequence(2, [random::text(domain), random::text(name)])
        }
        known => random::sequence(3, [random::text(known.name())]),
    };
    let mut features = vec![operator];
    for (key, value) in node.attributes.iter().filter(|(key, _)| !key.is_width()) {
        let attribute = random::sequence(4, [random::text(key.name()), value_hash(value)]);
        features.push(attribute);
        features.push(random::sequence(5, [operator, attribute]));
    }
    features.sort_unstable();
    features
}

fn value_hash(value: &Value) -> u64 {
    match value {
        Value::Int(value) => random::mix(*value as u64),
        Value::Ints(values) => random::sequence(1, values.iter().map(|value| *value as u64)),
        Value::Word(word) => random::text(word),
    }
}
