//! `netkin corpus export`: every format read back by a reader that is not netkin's writer.

use crate::release::Release;
use netkin::corpus::{self, Corpus, Entry};
use netkin::graph::Shape;
use netkin::import::{Limits, canonical::canonicalise, json};
use parquet::file::reader::SerializedFileReader;
use parquet::record::Field;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::process::Output;

#[derive(Deserialize)]
struct Line<'a> {
    entry: Entry,
    #[serde(borrow)]
    graph: &'a RawValue,
}

fn export(release: &Release, format: &str, out: &Path) -> Output {
    release
        .netkin()
        .args(["corpus", "export", "--format", format, "--out"])
        .arg(out)
        .output()
        .unwrap()
}

/// The bytes that an export wrote, where nothing else may be left.
fn exported(release: &Release, format: &str) -> Vec<u8> {
    let folder = release.path().join("out");
    std::fs::create_dir_all(&folder).unwrap();
    let out = folder.join("corpus");
    let output = export(release, format, &out);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(listed(&folder), ["corpus"]);
    std::fs::read(out).unwrap()
}

fn listed(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    let name = |file: std::fs::DirEntry| file.file_name().to_string_lossy().into_owned();
    files.map(|file| name(file.unwrap())).collect()
}

fn stored(assets: &Path) -> Corpus {
    Corpus::read(std::fs::read(assets.join("corpus/netkin.corpus")).unwrap()).unwrap()
}

fn ids(corpus: &Corpus) -> Vec<&str> {
    let entries = corpus.entries().iter();
    entries.map(|entry| entry.id.as_str()).collect()
}

fn digest_of(graph: &str) -> String {
    let limits = Limits::default();
    let raw = json::read(graph.as_bytes(), &limits).unwrap();
    let architecture = canonicalise(&raw, &limits).unwrap();
    architecture.digests().exact.to_string()
}

#[test]
fn lines_hold_the_stored_entries_and_graphs_of_their_digests() {
    let release = Release::new();
    let text = String::from_utf8(exported(&release, "jsonl")).unwrap();
    let lines: Vec<Line<'_>> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let corpus = stored(release.path());
    assert_eq!(lines.len(), corpus.entries().len());
    for (line, entry) in lines.iter().zip(corpus.entries()) {
        assert_eq!(&line.entry, entry);
        assert_eq!(digest_of(line.graph.get()), entry.exact.to_string());
    }
}

#[test]
fn standard_output_carries_the_lines_and_nothing_else() {
    let release = Release::new();
    let output = export(&release, "jsonl", Path::new("-"));
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(output.stdout, exported(&release, "jsonl"));
}

/// Every row, by column.
fn rows(table: Vec<u8>) -> Vec<BTreeMap<String, Field>> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&table).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let rows = reader.into_iter().map(|row| row.unwrap().into_columns());
    rows.map(BTreeMap::from_iter).collect()
}

fn text(field: &Field) -> &str {
    match field {
        Field::Str(text) => text,
        other => panic!("no text: {other}"),
    }
}

fn items(field: &Field) -> &[Field] {
    match field {
        Field::ListInternal(list) => list.elements(),
        other => panic!("no list: {other}"),
    }
}

fn number(field: &Field) -> f32 {
    match field {
        Field::Float(number) => *number,
        other => panic!("no number: {other}"),
    }
}

#[test]
fn a_table_has_a_row_for_each_entry_with_its_embedding_and_graph() {
    let release = Release::new();
    let rows = rows(exported(&release, "parquet"));
    let corpus = stored(release.path());
    assert_eq!(rows.len(), corpus.entries().len());
    for (row, entry) in rows.iter().zip(corpus.entries()) {
        assert_eq!(text(&row["id"]), entry.id);
        assert_eq!(text(&row["family"]), entry.family);
        assert_eq!(text(&row["kind"]), entry.kind.name());
        assert_eq!(row["parameters"], Field::ULong(entry.parameters));
        assert_eq!(row["paper"], Field::Null);
        assert_eq!(items(&row["aliases"]).len(), entry.aliases.len());
        assert_eq!(text(&row["exact_digest"]), entry.exact.to_string());
        assert_eq!(digest_of(text(&row["graph"])), entry.exact.to_string());
        let embedding: Vec<f32> = items(&row["embedding"]).iter().map(number).collect();
        assert_unit(&embedding);
    }
}

fn assert_unit(vector: &[f32]) {
    let length: f32 = vector.iter().map(|value| value * value).sum();
    assert!((length - 1.0).abs() < 1e-5, "{length}");
}

/// One array of an archive: its bytes.
fn array(archive: &[u8], name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(archive)).unwrap();
    let mut file = archive.by_name(&format!("{name}.npy")).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn array_of_texts(archive: &[u8], name: &str) -> Vec<String> {
    let bytes = array(archive, name);
    npyz::NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

#[test]
fn arrays_hold_unit_vectors_and_their_labels() {
    let release = Release::new();
    let archive = exported(&release, "npz");
    let corpus = stored(release.path());
    assert_eq!(array_of_texts(&archive, "ids"), ids(&corpus));
    for (place, entry) in corpus.entries().iter().enumerate() {
        let label = |name| array_of_texts(&archive, name).swap_remove(place);
        assert_eq!(label("family"), entry.family);
        assert_eq!(label("coarse_family"), entry.coarse_family);
        assert_eq!(label("exact_digest"), entry.exact.to_string());
    }
    let bytes = array(&archive, "embeddings");
    let embeddings = npyz::NpyFile::new(&bytes[..]).unwrap();
    let shape = embeddings.shape().to_vec();
    assert_eq!(shape[0], corpus.entries().len() as u64);
    let numbers: Vec<f32> = embeddings.into_vec().unwrap();
    numbers.chunks(shape[1] as usize).for_each(assert_unit);
}

/// Puts a corpus of many entries in place, with aliases, shapes and papers of every sort.
fn vary(release: &Release) -> Corpus {
    const COUNT: usize = 1_100;
    let old = stored(release.path());
    let entries: Vec<Entry> = (0..COUNT)
        .map(|place| Entry {
            id: format!("many/{place}"),
            name: place.to_string(),
            aliases: (0..place % 3)
                .map(|alias| format!("{place}-{alias}"))
                .collect(),
            input_shapes: shapes(place % 5),
            paper: [None, Some(String::new()), Some(place.to_string())][place % 3].clone(),
            ..old.entries()[place % old.entries().len()].clone()
        })
        .collect();
    let graph = |place: usize| old.graph(place % old.entries().len());
    let bytes = corpus::write("many", &entries, graph).unwrap();
    std::fs::write(release.path().join("corpus/netkin.corpus"), bytes).unwrap();
    stored(release.path())
}

fn shapes(which: usize) -> Vec<Shape> {
    let image = Shape::known(&[1, 3, 8, 8]);
    let text = Shape(vec![Some(1), None]);
    match which {
        0 => vec![],
        1 => vec![image],
        2 => vec![text.clone(), image, text],
        3 => vec![Shape::default()],
        _ => vec![text, Shape::default(), Shape(vec![None])],
    }
}

#[test]
fn a_table_keeps_lists_and_what_is_missing_over_several_groups_of_rows() {
    let release = Release::new();
    let corpus = vary(&release);
    let rows = rows(exported(&release, "parquet"));
    assert_eq!(rows.len(), corpus.entries().len());
    for (row, entry) in rows.iter().zip(corpus.entries()) {
        assert_eq!(text(&row["id"]), entry.id);
        let aliases: Vec<&str> = items(&row["aliases"]).iter().map(text).collect();
        assert_eq!(aliases, entry.aliases);
        let shapes = items(&row["input_shapes"]).iter();
        assert_eq!(shapes.map(shape).collect::<Vec<_>>(), entry.input_shapes);
        let paper = entry.paper.clone().filter(|paper| !paper.is_empty());
        let paper = paper.map_or(Field::Null, Field::Str);
        assert_eq!(row["paper"], paper);
        let graph: serde_json::Value = serde_json::from_str(text(&row["graph"])).unwrap();
        assert_eq!(graph["name"], entry.name);
    }
}

fn shape(field: &Field) -> Shape {
    let dim = |field: &Field| match field {
        Field::ULong(dim) => Some(*dim),
        Field::Null => None,
        other => panic!("no dimension: {other}"),
    };
    Shape(items(field).iter().map(dim).collect())
}

#[test]
fn the_shipped_embeddings_are_exported_as_they_are_kept() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let release = Release::new();
    let output = release
        .netkin()
        .env("NETKIN_ENGINE_ASSETS_DIR", repository)
        .args(["corpus", "export", "--format", "npz", "--out", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{:?}", output.stderr);
    let made = release.path().join("state");
    assert!(!made.exists(), "embeddings were made anew");
    let ids_there = array_of_texts(&output.stdout, "ids");
    assert_eq!(ids_there, ids(&stored(repository)));
}

#[test]
fn an_export_replaces_what_was_there() {
    let release = Release::new();
    let out = release.path().join("old");
    std::fs::write(&out, "old").unwrap();
    assert!(export(&release, "jsonl", &out).status.success());
    assert_eq!(std::fs::read(&out).unwrap(), exported(&release, "jsonl"));
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let release = Release::new();
    let (link, file) = (release.path().join("link"), release.path().join("file"));
    std::fs::write(&file, "old").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(export(&release, "jsonl", &link).status.success());
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::read(&file).unwrap(), exported(&release, "jsonl"));
}

#[test]
fn a_place_that_cannot_be_written_is_named_in_one_sentence() {
    let release = Release::new();
    for out in [release.path().to_owned(), release.path().join("no/such")] {
        let output = export(&release, "npz", &out);
        assert_eq!(output.status.code(), Some(2));
        let message = String::from_utf8(output.stderr).unwrap();
        let start = format!("netkin: cannot write {}: ", out.display());
        assert!(message.starts_with(&start), "{message}");
        assert_eq!(message.lines().count(), 1);
    }
}

/// Half an export beside a damaged block would look like a whole one.
#[test]
fn an_export_that_fails_leaves_the_old_file_and_no_other() {
    let release = Release::new();
    let folder = release.path().join("out");
    std::fs::create_dir_all(&folder).unwrap();
    let out = folder.join("corpus");
    std::fs::write(&out, "old").unwrap();
    let corpus = release.path().join("corpus/netkin.corpus");
    std::fs::write(&corpus, with_a_damaged_block(&corpus)).unwrap();
    let output = export(&release, "jsonl", &out);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("block 0"), "{message}");
    assert_eq!(std::fs::read(&out).unwrap(), b"old");
    assert_eq!(listed(&folder), ["corpus"]);
}

/// The file with its last bytes changed and a checksum that holds.
fn with_a_damaged_block(corpus: &Path) -> Vec<u8> {
    const CHECKSUM: std::ops::Range<usize> = 12..44;
    let mut bytes = std::fs::read(corpus).unwrap();
    let end = bytes.len();
    bytes[end - 8..].fill(0xff);
    let checksum = blake3::hash(&bytes[CHECKSUM.end..]);
    bytes[CHECKSUM].copy_from_slice(checksum.as_bytes());
    bytes
}
