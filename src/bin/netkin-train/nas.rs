//! Writes down cells of the spaces of neural architecture search and counts distinct networks.

use crate::files::{json, write};
use crate::provenance::{machine, today};
use anyhow::{Context, Result};
use indicatif::{ParallelProgressIterator, ProgressBar, ProgressStyle};
use netkin::corpus::NasSpace;
use netkin::graph::Digest;
use netkin::import::nas::{self, space};
use netkin::import::{Limits, canonical};
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
        ("nasbench101", space::nasbench101_sample(DRAWN, SEED)),
        ("nasbench201", space::nasbench201().collect()),
    ];
    let mut counts = BTreeMap::new();
    for (space, cells) in &spaces {
        let packed = zstd::encode_all(cells.join("\n").as_bytes(), 19)
            .with_context(|| format!("compressing the cells of {space}"))?;
        write(&out.join(format!("{space}.cells.zst")), &packed)?;
        let distinct = distinct(space, cells.par_iter().cloned(), cells.len())?.len();
        let cells = cells.len();
        counts.insert(space.to_string(), NasSpace { cells, distinct });
    }
    let whole = space::nasbench101();
    let classes = whole.len();
    let cells = whole.into_par_iter().map(|code| code.text());
    let digests = distinct("nasbench101", cells, classes)?.len();
    write(&out.join("counts.json"), &json(&counts)?)?;
    let page = page(&counts, classes, digests)?;
    write(report, page.as_bytes())?;
    Ok(page)
}

/// The distinct exact digests of the cells' networks; cells in which nothing flows have none.
fn distinct(
    space: &str,
    cells: impl IndexedParallelIterator<Item = String>,
    count: usize,
) -> Result<BTreeSet<Digest>> {
    let style = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {eta}")
        .context("the template of the progress bar")?;
    let bar = ProgressBar::new(count as u64)
        .with_style(style)
        .with_message(space.to_owned());
    let limits = Limits::default();
    Ok(cells
        .progress_with(bar)
        .filter_map(|cell| {
            let raw = nas::read(&format!("nas:{space}:{cell}"), &limits).ok()?;
            let architecture = canonical::canonicalise(&raw, &limits).ok()?;
            Some(architecture.digests().exact)
        })
        .collect())
}

fn page(counts: &BTreeMap<String, NasSpace>, classes: usize, digests: usize) -> Result<String> {
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
| NAS-Bench-101, cells up to isomorphism | 423,624 (Ying et al., 2019) | {classes} classes, {digests} digests |
| NAS-Bench-201, distinct topologies | 6,466 (Dong and Yang, 2020) | {} |

All of NAS-Bench-101 was enumerated: every cell of two to seven vertices and at most nine edges in which each vertex
lies on a path from input to output, once up to isomorphism, and then each one's network was built and its digest
taken. In NAS-Bench-201 a cell counts where something flows from its input to its output.

Fewer digests than classes: some cells that differ become one architecture when canonicalised, or the digest cannot
tell their networks apart. Which of the two, and for which cells, has not been examined yet.
",
        all.cells,
        all.distinct,
        sampled.cells,
        sampled.distinct,
        darts.cells,
        darts.distinct,
        all.distinct,
        date = today()?,
        machine = machine(),
    ))
}
