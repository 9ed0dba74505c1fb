//! Describe: what netkin sees in a model.

use super::{Description, Engine, Error, Motifs, Operators, Query};
use crate::graph::{Architecture, Operator, OperatorGroup};
use crate::motif::{Splitter, Waists, macro_graph};
use std::collections::{BTreeMap, BTreeSet};

impl Engine {
    /// Size, digests, operators and motifs of `query`.
    ///
    /// # Errors
    /// When the query cannot be read.
    pub fn describe(&self, query: &Query) -> Result<Description, Error> {
        let understood = self.understand(query)?;
        let architecture = &understood.architecture;
        Ok(Description {
            flops: architecture.flops(),
            depth: depth(architecture),
            operators: operators(architecture),
            motifs: motifs(architecture),
            unknown_operators: unknown_operators(architecture),
            query: understood.summary,
        })
    }
}

fn operators(architecture: &Architecture) -> Vec<Operators> {
    let mut counts = BTreeMap::<String, usize>::new();
    for node in architecture.nodes() {
        if node.operator != Operator::Input {
            *counts.entry(node.operator.to_string()).or_default() += 1;
        }
    }
    let mut operators: Vec<Operators> = counts
        .into_iter()
        .map(|(operator, count)| Operators { operator, count })
        .collect();
    operators.sort_by_key(|operator| std::cmp::Reverse(operator.count));
    operators
}

fn motifs(architecture: &Architecture) -> Vec<Motifs> {
    let motifs = macro_graph(architecture, &Waists.split(architecture)).motifs;
    motifs
        .into_iter()
        .map(|motif| Motifs {
            name: motif.name,
            operators: motif.size,
            count: motif.count,
            hash: format!("{:016x}", motif.hash),
        })
        .collect()
}

fn unknown_operators(architecture: &Architecture) -> Vec<String> {
    let unknown: BTreeSet<String> = architecture
        .nodes()
        .iter()
        .filter(|node| node.operator.group() == OperatorGroup::Unknown)
        .map(|node| node.operator.to_string())
        .collect();
    unknown.into_iter().collect()
}

fn depth(architecture: &Architecture) -> usize {
    let mut depths = Vec::with_capacity(architecture.nodes().len());
    for node in architecture.nodes() {
        let before = node.inputs.iter().map(|edge| depths[edge.node as usize]);
        let own = usize::from(node.operator != Operator::Input);
        depths.push(before.max().unwrap_or(0) + own);
    }
    depths.into_iter().max().unwrap_or(0)
}
