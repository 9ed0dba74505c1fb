//! Compare: two queries side by side.

use super::query::Understood;
use super::{Comparison, Difference, Engine, Equality, Error, Query};
use crate::graph::{Architecture, Digests, Node, Operator};
use std::collections::BTreeMap;

impl Engine {
    /// Whether `a` and `b` are equal, how similar they are, and which operators differ.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn compare(&self, a: &Query, b: &Query) -> Result<Comparison, Error> {
        let a = self.understand(a)?;
        let b = self.understand(b)?;
        let similarity = self.similarity(&a, &b)?;
        let (shared_operators, differing) = differences(&a.architecture, &b.architecture);
        Ok(Comparison {
            equal: equality(&a.digests, &b.digests),
            model_version: self.model_version().to_owned(),
            similarity,
            shared_operators,
            differing,
            a: a.summary,
            b: b.summary,
        })
    }

    fn similarity(&self, a: &Understood, b: &Understood) -> Result<f32, Error> {
        if a.digests.exact == b.digests.exact {
            return Ok(1.0);
        }
        let a = self.embed("the first", &a.architecture)?;
        let b = self.embed("the second", &b.architecture)?;
        Ok(a.similarity(&b).value())
    }
}

fn equality(a: &Digests, b: &Digests) -> Equality {
    if a.exact == b.exact {
        return Equality::Exact;
    }
    if a.coarse == b.coarse {
        return Equality::Coarse;
    }
    Equality::None
}

fn differences(a: &Architecture, b: &Architecture) -> (usize, Vec<Difference>) {
    let mut counts = BTreeMap::<String, (usize, usize)>::new();
    for label in labels(a) {
        counts.entry(label).or_default().0 += 1;
    }
    for label in labels(b) {
        counts.entry(label).or_default().1 += 1;
    }
    let shared = counts.values().map(|(in_a, in_b)| in_a.min(in_b)).sum();
    let mut differing: Vec<Difference> = counts
        .into_iter()
        .filter(|(_, (in_a, in_b))| in_a != in_b)
        .map(|(operator, (in_a, in_b))| Difference {
            operator,
            in_a,
            in_b,
        })
        .collect();
    differing
        .sort_by_key(|difference| std::cmp::Reverse(difference.in_a.abs_diff(difference.in_b)));
    (shared, differing)
}

fn labels(architecture: &Architecture) -> impl Iterator<Item = String> {
    let nodes = architecture.nodes().iter();
    nodes
        .filter(|node| node.operator != Operator::Input)
        .map(label)
}

/// `conv kernel=3x3 stride=2x2`: what a reader would call the operator.
fn label(node: &Node) -> String {
    let mut label = node.operator.to_string();
    for (key, value) in node.attributes.iter().filter(|(key, _)| !key.is_width()) {
        label.push_str(&format!(" {}={value}", key.name()));
    }
    label
}
