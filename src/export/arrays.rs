//! An archive of NumPy arrays: embeddings and the labels to judge them by.

use super::{Embedded, Error};
use crate::corpus::Entry;
use npyz::{DType, TypeStr, WriterBuilder};
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

type Archive = ZipWriter<Cursor<Vec<u8>>>;

/// Writes `embeddings`, float32 of entries × components, and the texts `ids`, `family`,
/// `coarse_family` and `exact_digest`, one an entry. No array needs pickle to be read.
///
/// # Errors
/// When the format cannot hold the data or `out` fails.
pub fn write_npz(set: &Embedded<'_>, mut out: impl Write) -> Result<(), Error> {
    // A zip archive goes back to fill in lengths, which not every writer can.
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    embeddings(&mut archive, set)?;
    let entries = set.corpus.entries();
    texts(&mut archive, "ids", entries, |entry| entry.id.clone())?;
    texts(&mut archive, "family", entries, |entry| {
        entry.family.clone()
    })?;
    texts(&mut archive, "coarse_family", entries, |entry| {
        entry.coarse_family.clone()
    })?;
    texts(&mut archive, "exact_digest", entries, |entry| {
        entry.exact.to_string()
    })?;
    let bytes = archive.finish().map_err(std::io::Error::from)?.into_inner();
    out.write_all(&bytes)?;
    Ok(out.flush()?)
}

fn embeddings(archive: &mut Archive, set: &Embedded<'_>) -> Result<(), Error> {
    start(archive, "embeddings")?;
    let mut array = npyz::WriteOptions::<f32>::new()
        .default_dtype()
        .shape(&[set.embeddings.len() as u64, set.dim() as u64])
        .writer(archive)
        .begin_nd()?;
    for embedding in set.embeddings {
        array.extend(embedding.as_slice().iter().copied())?;
    }
    Ok(array.finish()?)
}

fn texts(
    archive: &mut Archive,
    name: &str,
    entries: &[Entry],
    part: impl Fn(&Entry) -> String,
) -> Result<(), Error> {
    start(archive, name)?;
    let texts: Vec<String> = entries.iter().map(part).collect();
    let mut array = npyz::WriteOptions::<str>::new()
        .dtype(DType::Plain(text_type(&texts)?))
        .shape(&[texts.len() as u64])
        .writer(archive)
        .begin_nd()?;
    for text in &texts {
        array.push(text)?;
    }
    Ok(array.finish()?)
}

/// NumPy's texts are all as wide as the widest one.
fn text_type(texts: &[String]) -> Result<TypeStr, Error> {
    let width = texts.iter().map(|text| text.chars().count()).max();
    format!("<U{}", width.unwrap_or_default().max(1))
        .parse()
        .map_err(|error: npyz::ParseTypeStrError| Error::Format(error.to_string()))
}

fn start(archive: &mut Archive, name: &str) -> Result<(), Error> {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let file = npyz::npz::file_name_from_array_name(name);
    Ok(archive
        .start_file(file, options)
        .map_err(std::io::Error::from)?)
}
