//! Writes down cells of the spaces of neural architecture search and counts distinct networks.

use crate::files::{json, write};
use crate::provenance::{machine, today};
use anyhow::{Context, Result};
use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use netkin::corpus::NasSpace;
use netkin::graph::{Architecture, Digest};
use netkin::import::nas::{self, space};
use netkin::import::{Limits, canonical};
use petgraph::algo::is_isomorphic_matching;
use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Cells drawn from each space that is too large to write down whole.
const DRAWN: usize = 20_000;
const SEED: u64 = 20_261_124;

pub(crate) fn run(out: &Path, report: &Path) -> Result<String> {
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    let spaces: [(&str, Vec<String>); 3] = [
        ("darts", space::darts(DRAWN, SEED).into_iter().collect()),
        (
            "nasbench101",
            space::nasbench101_sample(DRAWN, SEED)
                .iter()
                .map(space::Code::text)
                .collect(),
        ),
        ("nasbench201", space::nasbench201().collect()),
    ];
    let mut counts = BTreeMap::new();
    for (space, cells) in &spaces {
        let packed = zstd::encode_all(cells.join("\n").as_bytes(), 19)
            .with_context(|| format!("compressing the cells of {space}"))?;
        write(&out.join(format!("{space}.cells.zst")), &packed)?;
        let distinct = by_digest(space, cells)?.len();
        let cells = cells.len();
        counts.insert(space.to_string(), NasSpace { cells, distinct });
    }
    write(&out.join("counts.json"), &json(&counts)?)?;
    let whole: Vec<String> = space::nasbench201().collect();
    let nasbench201 = Merged::of("nasbench201", &whole)?;
    let whole = space::nasbench101();
    let whole: Vec<String> = whole.par_iter().map(space::Code::text).collect();
    let nasbench101 = Merged::of("nasbench101", &whole)?;
    let page = page(&counts, &nasbench101, &nasbench201)?;
    write(report, page.as_bytes())?;
    Ok(page)
}

/// What digests make of a whole space.
struct Merged {
    cells: usize,
    digests: usize,
    /// Cells whose digest another cell before them has.
    repeated: usize,
    /// Those of them whose network is not the same graph as the first's: what the digest misses.
    collisions: usize,
}

impl Merged {
    fn of(space: &str, cells: &[String]) -> Result<Self> {
        let groups = by_digest(space, cells)?;
        let collisions = groups
            .par_iter()
            .map(|(_, group)| unlike(space, group))
            .sum::<Result<usize>>()?;
        Ok(Self {
            cells: cells.len(),
            digests: groups.len(),
            repeated: groups.values().map(|group| group.len() - 1).sum(),
            collisions,
        })
    }
}

/// How many cells of a group have another graph than its first.
fn unlike(space: &str, group: &[&String]) -> Result<usize> {
    let graph = |cell: &String| -> Result<_> {
        let network = network(space, cell).context("a cell with a digest has a network")?;
        Ok(labelled_graph(&network))
    };
    let Some((first, others)) = group.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Ok(0);
    };
    let first = graph(first)?;
    let mut count = 0;
    for other in others {
        let same = |one: &String, other: &String| one == other;
        let edges = |one: &(usize, u16), other: &(usize, u16)| one == other;
        count += usize::from(!is_isomorphic_matching(&first, &graph(other)?, same, edges));
    }
    Ok(count)
}

/// Operators with their attributes, joined by operand places that only count where order does.
fn labelled_graph(network: &Architecture) -> DiGraph<String, (usize, u16)> {
    let mut graph = DiGraph::new();
    let indices: Vec<NodeIndex> = network
        .nodes()
        .iter()
        .map(|node| {
            let attributes = node.attributes.iter();
            let attributes = attributes.map(|(key, value)| format!(" {}={value}", key.name()));
            graph.add_node(format!(
                "{}{}",
                node.operator,
                attributes.collect::<String>()
            ))
        })
        .collect();
    for (reader, node) in network.nodes().iter().enumerate() {
        for (place, edge) in node.inputs.iter().enumerate() {
            let place = if node.operator.is_commutative() {
                0
            } else {
                place
            };
            let source = indices[edge.node as usize];
            graph.add_edge(source, indices[reader], (place, edge.port));
        }
    }
    graph
}

/// None of a cell in which nothing flows.
fn network(space: &str, cell: &str) -> Option<Architecture> {
    let limits = Limits::default();
    let raw = nas::read(&format!("nas:{space}:{cell}"), &limits).ok()?;
    canonical::canonicalise(&raw, &limits).ok()
}

/// The cells that have a network, by its exact digest.
fn by_digest<'a>(space: &str, cells: &'a [String]) -> Result<BTreeMap<Digest, Vec<&'a String>>> {
    let style = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {eta}")
        .context("the template of the progress bar")?;
    let bar = ProgressBar::new(cells.len() as u64)
        .with_style(style)
        .with_message(space.to_owned());
    let digests: Vec<(Digest, &String)> = cells
        .par_iter()
        .progress_with(bar)
        .filter_map(|cell| Some((network(space, cell)?.digests().exact, cell)))
        .collect();
    let mut groups: BTreeMap<Digest, Vec<&String>> = BTreeMap::new();
    for (digest, cell) in digests {
        groups.entry(digest).or_default().push(cell);
    }
    Ok(groups)
}

/// Distinct cells of NAS-Bench-201 by the rule of its authors (`to_unique_str` of their code): the
/// operations that a node sums, sorted and written out, where `skip_connect` is what it copies and
/// a sum keeps its zeros.
fn published_rule() -> usize {
    let mut texts = BTreeSet::new();
    for cell in space::nasbench201() {
        let mut nodes = vec!["0".to_owned()];
        for edges in cell.split('+') {
            let terms = edges.split('|').filter_map(|edge| edge.split_once('~'));
            let mut terms: Vec<String> = terms
                .zip(nodes.iter())
                .map(|((op, _), source)| match op {
                    _ if op == "none" || source == "#" => "#".to_owned(),
                    "skip_connect" => source.clone(),
                    op => format!("({source})@{op}"),
                })
                .collect();
            terms.sort();
            nodes.push(terms.join("+"));
        }
        texts.extend(nodes.pop());
    }
    texts.len()
}

fn page(
    counts: &BTreeMap<String, NasSpace>,
    nasbench101: &Merged,
    nasbench201: &Merged,
) -> Result<String> {
    let of = |space: &str| counts.get(space).context("a space was not counted");
    let (darts, sampled, all) = (of("darts")?, of("nasbench101")?, of("nasbench201")?);
    Ok(format!(
        "# Spaces of neural architecture search

{date}, {machine}, by `netkin-train corpus nas`.

Cells are written down as their space writes them, one a line, in `corpus/nas/`; a network is built from a cell on
demand, as `netkin search nas:<space>:<cell>` does. Drawn cells follow from the seed {SEED}.

| space | cells written | distinct by exact digest |
|---|---|---|
| NAS-Bench-201, all | {} | {} |
| NAS-Bench-101, drawn without repetition | {} | {} |
| DARTS, drawn | {} | {} |

## Against the published counts

| space | published | here |
|---|---|---|
| NAS-Bench-101, cells up to isomorphism | 423,624 (Ying et al., 2019) | {} classes, {} digests |
| NAS-Bench-201, distinct topologies | 6,466 (Dong and Yang, 2020) | {published} by the rule of its authors, {} digests |

All of NAS-Bench-101 was enumerated: every cell of two to seven vertices and at most nine edges in which each vertex
lies on a path from input to output, once up to isomorphism, and then each one's network was built and its digest
taken. In NAS-Bench-201 a cell counts where something flows from its input to its output.

Where cells share a digest, their canonical graphs were compared by an exact test of isomorphism (VF2): of the {} cells
of NAS-Bench-101 that share the digest of another, {} have a different graph, and {} of {} of NAS-Bench-201. What is not
such a collision is one network: equal pools of one value are merged when a graph is canonicalised.

The rule of NAS-Bench-201's authors counts otherwise in three ways: a sum keeps the zeros it adds, so cells that compute
the same count twice; one convolution that is read twice and two convolutions that read the same value are written
alike, so they count once; and equal pools are not merged. Here zeros are no operands and two convolutions, which learn
different weights, are not one.
",
        all.cells,
        all.distinct,
        sampled.cells,
        sampled.distinct,
        darts.cells,
        darts.distinct,
        nasbench101.cells,
        nasbench101.digests,
        nasbench201.digests,
        nasbench101.repeated,
        nasbench101.collisions,
        nasbench201.collisions,
        nasbench201.repeated,
        published = published_rule(),
        date = today()?,
        machine = machine(),
    ))
}
