//! Agreement between exporters: does one model give one architecture, whichever tool wrote it?
//!
//! Each model is exported through several routes. Its reference is the torch trace of the same
//! module. A route agrees when its exact digest equals the reference's; it is recalled when, among
//! the references of all models and the corpus, nothing is nearer than its own reference.
//! Relevance here is identity, so nothing is removed from the candidates.

use crate::embedding::Embedding;
use crate::graph::{Architecture, Digest, Digests};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// One model through one route.
pub struct Export {
    /// The model's name, the same for all of its routes.
    pub model: String,
    /// What kind of network it is, such as `convolutional`.
    pub kind: String,
    /// How it was exported.
    pub route: String,
    /// What the import made of it.
    pub architecture: Architecture,
    /// Its embedding.
    pub embedding: Embedding,
}

/// What one route achieved, or all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Exports compared with their reference.
    pub exports: usize,
    /// Those with the reference's exact digest.
    pub same_exact: usize,
    /// Those with the reference's coarse digest.
    pub same_coarse: usize,
    /// Those whose nearest candidate is their reference.
    pub recalled: usize,
}

/// One export that differs from its reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// The model.
    pub model: String,
    /// The route.
    pub route: String,
    /// True when only widths differ.
    pub widths_only: bool,
    /// True when the reference is found all the same.
    pub recalled: bool,
    /// Operators with attributes that one side has more of: `-2 slice part=1/2` is missing here.
    pub difference: Vec<String>,
    /// Why, as found by hand; empty where nobody has looked yet.
    pub cause: String,
}

/// Why exports of some models through some routes differ, written down by hand.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cause {
    /// The models.
    pub models: Vec<String>,
    /// The routes.
    pub routes: Vec<String>,
    /// What the exporter did.
    pub cause: String,
}

/// The whole comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// Number of models.
    pub models: usize,
    /// Candidates for recall: the references and the corpus.
    pub candidates: usize,
    /// Over all routes.
    pub total: Tally,
    /// By route.
    pub routes: BTreeMap<String, Tally>,
    /// By kind of network.
    pub kinds: BTreeMap<String, Tally>,
    /// Every export that differs.
    pub disagreements: Vec<Disagreement>,
    /// Every export that is not recalled.
    pub confusions: Vec<Confusion>,
}

/// One export for which another candidate is as near as its own reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The model.
    pub model: String,
    /// The route.
    pub route: String,
    /// The candidate that is as near or nearer.
    pub taken_for: String,
}

/// An entry of the corpus, as a candidate.
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its digests.
    pub digests: Digests,
    /// Its embedding.
    pub embedding: Embedding,
}

/// Route of the reference.
pub const REFERENCE: &str = "trace";

/// Compares every export with the reference of its model; `corpus` adds candidates for recall.
pub fn agreement(exports: &[Export], corpus: &[Candidate]) -> Agreement {
    let references: Vec<&Export> = exports
        .iter()
        .filter(|export| export.route == REFERENCE)
        .collect();
    let candidates = candidates(&references, corpus);
    let mut result = Agreement {
        models: references.len(),
        candidates: candidates.len(),
        total: Tally::default(),
        routes: BTreeMap::new(),
        kinds: BTreeMap::new(),
        disagreements: Vec::new(),
        confusions: Vec::new(),
    };
    for export in exports.iter().filter(|export| export.route != REFERENCE) {
        let own = references.iter().find(|other| other.model == export.model);
        if let Some(reference) = own {
            let taken_for = nearest_stranger(export, reference, &candidates);
            result.count(export, reference, taken_for);
        }
    }
    result
}

/// The references and those entries of the corpus that are none of them.
fn candidates(references: &[&Export], corpus: &[Candidate]) -> Vec<Candidate> {
    let references = references.iter().map(|reference| Candidate {
        id: reference.model.clone(),
        digests: reference.architecture.digests(),
        embedding: reference.embedding.clone(),
    });
    let mut candidates: Vec<Candidate> = references.collect();
    let known: BTreeSet<Digest> = candidates.iter().map(|known| known.digests.exact).collect();
    let strangers = corpus
        .iter()
        .filter(|entry| !known.contains(&entry.digests.exact));
    candidates.extend(strangers.map(|entry| Candidate {
        id: entry.id.clone(),
        digests: entry.digests,
        embedding: entry.embedding.clone(),
    }));
    candidates
}

/// The candidate that comes before the reference. One of equal digest is the same design: finding
/// it is right. Among equals a duplicate comes first, as in a search.
fn nearest_stranger(
    export: &Export,
    reference: &Export,
    candidates: &[Candidate],
) -> Option<String> {
    let own = reference.architecture.digests().exact;
    let duplicate = export.architecture.digests().exact == own;
    let best = export.embedding.similarity(&reference.embedding);
    candidates
        .iter()
        .filter(|candidate| candidate.digests.exact != own)
        .map(|candidate| (export.embedding.similarity(&candidate.embedding), candidate))
        .filter(|(similarity, _)| *similarity > best || (*similarity == best && !duplicate))
        .max_by(|one, other| one.0.cmp(&other.0))
        .map(|(_, candidate)| candidate.id.clone())
}

impl Agreement {
    /// Writes beside each disagreement why it remains.
    pub fn explain(&mut self, causes: &[Cause]) {
        for entry in &mut self.disagreements {
            let known = causes.iter().find(|known| {
                known.models.contains(&entry.model) && known.routes.contains(&entry.route)
            });
            entry.cause = known.map_or_else(String::new, |known| known.cause.clone());
        }
    }

    fn count(&mut self, export: &Export, reference: &Export, taken_for: Option<String>) {
        let recalled = taken_for.is_none();
        self.confusions.extend(taken_for.map(|taken_for| Confusion {
            model: export.model.clone(),
            route: export.route.clone(),
            taken_for,
        }));
        let (ours, theirs) = (
            export.architecture.digests(),
            reference.architecture.digests(),
        );
        let same_exact = ours.exact == theirs.exact;
        let same_coarse = ours.coarse == theirs.coarse;
        let routes = self.routes.entry(export.route.clone()).or_default();
        let kinds = self.kinds.entry(export.kind.clone()).or_default();
        for tally in [&mut self.total, routes, kinds] {
            tally.exports += 1;
            tally.same_exact += usize::from(same_exact);
            tally.same_coarse += usize::from(same_coarse);
            tally.recalled += usize::from(recalled);
        }
        if !same_exact {
            self.disagreements.push(Disagreement {
                model: export.model.clone(),
                route: export.route.clone(),
                widths_only: same_coarse,
                recalled,
                difference: difference(&export.architecture, &reference.architecture),
                cause: String::new(),
            });
        }
    }
}

/// Operators with their attributes, counted, that the two sides do not share.
fn difference(ours: &Architecture, theirs: &Architecture) -> Vec<String> {
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (architecture, step) in [(ours, 1), (theirs, -1)] {
        for node in architecture.nodes() {
            let mut label = node.operator.to_string();
            for (key, value) in node.attributes.iter() {
                // Writing to a String cannot fail.
                let _ = write!(label, " {}={value}", key.name());
            }
            *counts.entry(label).or_default() += step;
        }
    }
    let differing = counts.into_iter().filter(|(_, count)| *count != 0);
    differing
        .map(|(label, count)| format!("{count:+} {label}"))
        .collect()
}

/// The comparison as Markdown; `heading` holds date, machine and model.
pub fn markdown(agreement: &Agreement, heading: &str) -> String {
    let mut page = format!("# Agreement between exporters\n\n{heading}\n\n");
    let _ = writeln!(
        page,
        "{} models, {} exports, each compared with the torch trace of the same module. An export agrees when its \
         exact digest equals the trace's; it is recalled when none of the {} candidates (the traces and the corpus) \
         comes before its own trace.\n",
        agreement.models, agreement.total.exports, agreement.candidates
    );
    table(&mut page, "route", &agreement.routes, &agreement.total);
    table(&mut page, "kind", &agreement.kinds, &agreement.total);
    page.push_str("## Every disagreement\n\n| model | route | widths only | recalled | difference to the trace | cause |\n|---|---|---|---|---|---|\n");
    for entry in &agreement.disagreements {
        let Disagreement {
            model,
            route,
            cause,
            ..
        } = entry;
        let (widths_only, recalled) = (yes(entry.widths_only), yes(entry.recalled));
        let difference = shortened(&entry.difference);
        let _ = writeln!(
            page,
            "| {model} | {route} | {widths_only} | {recalled} | {difference} | {cause} |"
        );
    }
    page.push_str("\n## Every export that is not recalled\n\n| model | route | as near or nearer |\n|---|---|---|\n");
    for Confusion {
        model,
        route,
        taken_for,
    } in &agreement.confusions
    {
        let _ = writeln!(page, "| {model} | {route} | {taken_for} |");
    }
    page
}

/// The first operators of a difference, and how many are left out.
fn shortened(difference: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut shown = difference[..difference.len().min(SHOWN)].join(", ");
    if difference.is_empty() {
        shown.push_str("same operators, other edges");
    }
    if difference.len() > SHOWN {
        let _ = write!(shown, ", and {} more", difference.len() - SHOWN);
    }
    shown
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn table(page: &mut String, name: &str, rows: &BTreeMap<String, Tally>, total: &Tally) {
    let _ = writeln!(
        page,
        "| {name} | exports | agreement | agreement without widths | recall@1 |\n|---|---|---|---|---|"
    );
    let all = "all".to_string();
    for (label, tally) in rows.iter().chain(std::iter::once((&all, total))) {
        let share = |count: usize| count as f64 / tally.exports.max(1) as f64;
        let _ = writeln!(
            page,
            "| {label} | {} | {:.3} | {:.3} | {:.3} |",
            tally.exports,
            share(tally.same_exact),
            share(tally.same_coarse),
            share(tally.recalled)
        );
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attributes, Edge, Key, Node, Operator};

    fn export(model: &str, route: &str, width: i64, direction: [f32; 2]) -> Export {
        let node = |operator, inputs: &[u32]| Node {
            operator,
            attributes: Attributes::default().with(Key::OutChannels, width),
            inputs: inputs.iter().copied().map(Edge::first).collect(),
            shape: None,
            flops: 0,
        };
        let nodes = vec![node(Operator::Input, &[]), node(Operator::Conv, &[0])];
        Export {
            model: model.into(),
            kind: "convolutional".into(),
            route: route.into(),
            architecture: Architecture::new(None, 0, nodes, vec![]).unwrap(),
            embedding: Embedding::normalised(direction.to_vec()).unwrap(),
        }
    }

    #[test]
    fn a_width_that_differs_is_named() {
        let exports = [
            export("a", REFERENCE, 8, [1.0, 0.0]),
            export("a", "onnx", 16, [1.0, 0.1]),
        ];
        let result = agreement(&exports, &[]);
        assert_eq!(
            (
                result.total.exports,
                result.total.same_exact,
                result.total.same_coarse
            ),
            (1, 0, 1)
        );
        assert_eq!(result.total.recalled, 1);
        assert!(
            result.disagreements[0]
                .difference
                .contains(&"+1 conv out_channels=16".to_string())
        );
    }

    #[test]
    fn a_cause_stands_beside_its_disagreement() {
        let exports = [
            export("a", REFERENCE, 8, [1.0, 0.0]),
            export("a", "onnx", 16, [1.0, 0.1]),
        ];
        let mut result = agreement(&exports, &[]);
        let cause = |routes: &[&str]| Cause {
            models: vec!["a".into()],
            routes: routes.iter().map(ToString::to_string).collect(),
            cause: "the exporter doubles widths".into(),
        };
        result.explain(&[cause(&["keras"])]);
        assert_eq!(result.disagreements[0].cause, "");
        result.explain(&[cause(&["keras"]), cause(&["onnx"])]);
        assert_eq!(result.disagreements[0].cause, "the exporter doubles widths");
        assert!(markdown(&result, "").contains("doubles widths"));
    }

    #[test]
    fn a_nearer_stranger_costs_the_recall() {
        let exports = [
            export("a", REFERENCE, 8, [1.0, 0.0]),
            export("a", "onnx", 8, [1.0, 1.0]),
        ];
        let stranger = export("b", REFERENCE, 9, [1.0, 0.9]);
        let corpus = [Candidate {
            id: "b".into(),
            digests: stranger.architecture.digests(),
            embedding: stranger.embedding,
        }];
        let result = agreement(&exports, &corpus);
        assert_eq!((result.total.same_exact, result.total.recalled), (1, 0));
        assert_eq!(result.confusions[0].taken_for, "b");
    }
}
