//! What may become an entry: a description and a graph, from a builder's line or a packed corpus.

use super::{Entry, Failure, Families, Kind, Options, columns};
use crate::graph::{Architecture, Shape};
use crate::import::{Limits, RawGraph, json};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Line<'a> {
    entry: Described,
    #[serde(borrow)]
    graph: Option<&'a RawValue>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Described {
    id: String,
    name: String,
    package: String,
    #[serde(default)]
    package_version: Option<String>,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    framework: Option<String>,
    kind: Kind,
    #[serde(default)]
    input_shapes: Option<Vec<Shape>>,
    #[serde(default)]
    paper: Option<String>,
    #[serde(default)]
    licence: Option<String>,
    /// Names of the same design, known from an earlier packing.
    #[serde(skip)]
    aliases: Vec<String>,
}

impl From<&Entry> for Described {
    fn from(entry: &Entry) -> Self {
        let entry = entry.clone();
        Self {
            id: entry.id,
            name: entry.name,
            package: entry.package,
            package_version: Some(entry.package_version),
            module: Some(entry.module),
            task: Some(entry.task),
            framework: Some(entry.framework),
            kind: entry.kind,
            input_shapes: Some(entry.input_shapes),
            paper: entry.paper,
            licence: entry.licence,
            aliases: entry.aliases,
        }
    }
}

/// An entry with its graph, encoded alone so that thousands fit in memory.
pub(super) struct Candidate {
    pub(super) entry: Entry,
    pub(super) graph: Vec<u8>,
}

/// The candidate that a builder's line describes; `place` names the line in messages.
pub(super) fn from_line<E: std::fmt::Display>(
    place: &str,
    line: &str,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E>,
) -> Result<Candidate, Failure> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| Failure {
        id: place.to_owned(),
        problem: error.to_string(),
    })?;
    let fail = |problem: String| Failure {
        id: line.entry.id.clone(),
        problem,
    };
    if let Some(error) = line.error {
        return Err(fail(error));
    }
    let Some(text) = line.graph else {
        return Err(fail("has neither a graph nor an error".into()));
    };
    let raw = json::read(text.get().as_bytes(), options.limits)
        .map_err(|error| fail(error.to_string()))?;
    from_graph(raw, line.entry, options, canonicalise)
}

/// The candidate of a packed entry; its digests, counts and family are found anew.
pub(super) fn from_entry<E: std::fmt::Display>(
    entry: &Entry,
    graph: RawGraph,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E>,
) -> Result<Candidate, Failure> {
    from_graph(graph, entry.into(), options, canonicalise)
}

fn from_graph<E: std::fmt::Display>(
    raw: RawGraph,
    described: Described,
    options: &Options<'_>,
    canonicalise: impl Fn(&RawGraph, &Limits) -> Result<Architecture, E>,
) -> Result<Candidate, Failure> {
    let fail = |problem: String| Failure {
        id: described.id.clone(),
        problem,
    };
    let architecture =
        canonicalise(&raw, options.limits).map_err(|error| fail(error.to_string()))?;
    let graph = columns::encode(&[raw]).map_err(|problem| fail(problem.into()))?;
    let entry = entry(described, &architecture, options.families);
    Ok(Candidate { entry, graph })
}

fn entry(described: Described, architecture: &Architecture, families: &Families) -> Entry {
    let digests = architecture.digests();
    let module = described.module.unwrap_or_default();
    let family = families.of(&described.package, &module, &described.name);
    Entry {
        family: family.map_or_else(String::new, |row| row.family.clone()),
        coarse_family: family.map_or_else(String::new, |row| row.coarse_family.clone()),
        id: described.id,
        name: described.name,
        aliases: described.aliases,
        package: described.package,
        package_version: described.package_version.unwrap_or_default(),
        module,
        task: described.task.unwrap_or_default(),
        framework: described.framework.unwrap_or_default(),
        kind: described.kind,
        parameters: architecture.parameters,
        flops: architecture.flops(),
        operators: architecture.operator_count() as u64,
        input_shapes: described.input_shapes.unwrap_or_default(),
        exact: digests.exact,
        coarse: digests.coarse,
        paper: stated(described.paper),
        licence: stated(described.licence),
    }
}
/// Builders write an empty text where the package states nothing.
fn stated(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
