//! Writes how known networks are cut into motifs, for people to judge.

use crate::files::{read, write};
use anyhow::{Context, Result};
use netkin::corpus::Corpus;
use netkin::graph::Architecture;
use netkin::import::{Limits, canonical};
use netkin::motif::{MacroGraph, Splitter, Waists, macro_graph};
use std::fmt::Write;
use std::path::Path;

/// Networks whose blocks a reader knows, of as many kinds as there are.
pub(crate) const KNOWN: [&str; 10] = [
    "timm/resnet50",
    "timm/vgg16",
    "timm/densenet121",
    "timm/mobilenetv3_large_100",
    "timm/convnext_tiny",
    "torchvision/googlenet",
    "timm/swin_tiny_patch4_window7_224",
    "transformers/bert-base-uncased",
    "transformers/llama-7b",
    "segmentation-models-pytorch/unet-resnet33ts",
];

const INTRODUCTION: &str = "\
# Motifs of known networks

How `netkin describe` cuts ten networks of the corpus: at the waists of the dataflow, where fewer values are alive than
on either side (`src/motif/waists/`). A motif's name is its operators in topological order (`dw` is depthwise, `/2` a
stride, `+skip` adds a value that came into the motif); before it stands the name that the literature has for the block,
where a rule of `src/motif/name/block.rs` recognises it. Widths play no part. The line under a table is the network in
topological order.

Written by `cargo run --release --bin netkin-train -- motifs`.
";

/// Writes the cuts of these entries to `out`.
pub(crate) fn run(corpus: &Path, ids: &[String], out: &Path) -> Result<String> {
    let place = || format!("reading the corpus {}", corpus.display());
    let corpus = Corpus::read(read(corpus)?).with_context(place)?;
    let mut text = INTRODUCTION.to_owned();
    for id in ids {
        section(&mut text, id, &stored(&corpus, id)?)?;
    }
    write(out, text.as_bytes())?;
    Ok(format!("{}: {} networks", out.display(), ids.len()))
}

fn stored(corpus: &Corpus, id: &str) -> Result<Architecture> {
    let mut entries = corpus.entries().iter();
    let index = entries
        .position(|entry| entry.id == id)
        .with_context(|| format!("the corpus has no entry `{id}`"))?;
    let raw = corpus.graph(index)?;
    canonical::canonicalise(&raw, &Limits::default())
        .with_context(|| format!("canonicalising {id}"))
}

fn section(text: &mut String, id: &str, architecture: &Architecture) -> Result<()> {
    let graph = macro_graph(architecture, &Waists.split(architecture));
    writeln!(
        text,
        "\n## {id}\n\n{} nodes, {} motifs, {} of them distinct.\n\n| | count | operators | motif |\n|---|---:|---:|---|",
        architecture.nodes().len(),
        graph.occurrences.len(),
        graph.motifs.len(),
    )?;
    for (place, motif) in graph.motifs.iter().enumerate() {
        let (letter, name) = (letter(place), &motif.name);
        let (count, size) = (motif.count, motif.size);
        writeln!(text, "| {letter} | {count} | {size} | {name} |")?;
    }
    writeln!(text, "\n{}", in_order(&graph))?;
    Ok(())
}

/// A, B, …, Z, A2, B2, ….
fn letter(place: usize) -> String {
    let letter = char::from(b'A' + (place % 26) as u8);
    match place / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// The letters of all occurrences, repeated ones counted.
fn in_order(graph: &MacroGraph) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for occurrence in &graph.occurrences {
        match runs.last_mut() {
            Some((motif, times)) if *motif == occurrence.motif => *times += 1,
            _ => runs.push((occurrence.motif, 1)),
        }
    }
    let runs = runs.into_iter().map(|(motif, times)| match times {
        1 => letter(motif),
        _ => format!("{}×{times}", letter(motif)),
    });
    runs.collect::<Vec<_>>().join(" ")
}
