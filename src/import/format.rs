//! Tells the format of some bytes and calls its importer.

use super::{Limits, RawGraph, json, onnx};
use serde::Serialize;
use std::io::Read;

/// Enough of the beginning to tell formats apart.
const START_BYTES: u64 = 512;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// An ONNX model.
    Onnx,
    /// A raw graph in JSON.
    NetkinGraph,
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to read.
    #[error("the input is empty; give an ONNX model or a netkin graph")]
    Empty,
    /// A format that is never read.
    #[error("the input is {0}; {1}")]
    Refused(&'static str, &'static str),
    /// Some other file.
    #[error(
        "the input is no ONNX model and no netkin graph: {0}; export the model to ONNX or trace it with the netkin Python client"
    )]
    Unknown(&'static str),
    /// A file that could not be read to its end.
    #[error("the input could not be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// A broken raw graph.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// A broken ONNX model.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
}

const PICKLE: (&str, &str) = (
    "a Python pickle",
    "pickles can run code and are never opened; export the model to ONNX",
);

const ZIP: (&str, &str) = (
    "a zip archive (a torch checkpoint, .pt2 or .keras file?)",
    "archives are never opened; export the model to ONNX or trace it with the netkin Python client",
);

const WEIGHTS: &str = "it holds weights and no structure; export the model to ONNX";

/// Beginnings of formats that are refused: running or unpacking them is dangerous or useless.
const REFUSED: &[(&[u8], (&str, &str))] = &[
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"PK\x07\x08", ZIP),
    (b"\x80\x00", PICKLE),
    (b"\x80\x01", PICKLE),
    (b"\x80\x02", PICKLE),
    (b"\x80\x03", PICKLE),
    (b"\x80\x04", PICKLE),
    (b"\x80\x05", PICKLE),
    (b"\x89HDF", ("an HDF5 file", WEIGHTS)),
    (b"GGUF", ("a GGUF file", WEIGHTS)),
    (b"\x93NUMPY", ("a NumPy array", WEIGHTS)),
    (b"\x1f\x8b", ("gzip data", "unpack it first")),
    (b"\x28\xb5\x2f\xfd", ("zstd data", "unpack it first")),
    (b"BZh", ("bzip2 data", "unpack it first")),
    (b"\xfd7zXZ", ("xz data", "unpack it first")),
];

/// Beginnings of files that are given by mistake.
const MISTAKEN: &[(&[u8], &str)] = &[
    (b"\x89PNG", "it is a PNG image"),
    (b"\xff\xd8\xff", "it is a JPEG image"),
    (b"GIF8", "it is a GIF image"),
    (b"%PDF", "it is a PDF document"),
    (b"\x7fELF", "it is a program"),
    (b"MZ", "it is a program"),
];

/// Reads a model in whichever format it is.
///
/// # Errors
/// When the format is unknown or refused, or its importer refuses the content.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<(Format, RawGraph), Error> {
    let start = bytes.len().min(START_BYTES as usize);
    let format = sniff(&bytes[..start])?;
    let raw = match format {
        Format::NetkinGraph => json::read(bytes, limits)?,
        Format::Onnx => onnx::read(bytes, limits)?,
    };
    Ok((format, raw))
}

/// Reads a model in whichever format it is, and of any size: weights are never held.
///
/// # Errors
/// As for [`read`], and when reading fails.
pub fn read_from(mut reader: impl Read, limits: &Limits) -> Result<(Format, RawGraph), Error> {
    let mut start = Vec::new();
    reader.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    let format = sniff(&start)?;
    let whole = start.chain(reader);
    let raw = match format {
        Format::NetkinGraph => json::read(&bounded(whole, limits)?, limits)?,
        Format::Onnx => onnx::read_from(whole, limits)?,
    };
    Ok((format, raw))
}

/// The whole of a file that must fit the memory limit.
fn bounded(reader: impl Read, limits: &Limits) -> Result<Vec<u8>, Error> {
    let limit = limits.memory_bytes;
    let mut bytes = Vec::new();
    reader.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(Error::Json(json::Error::TooLarge {
            place: "the graph".into(),
            what: "bytes",
            found: bytes.len(),
            limit,
        }));
    }
    Ok(bytes)
}

/// The format of a file that begins with `start`.
fn sniff(start: &[u8]) -> Result<Format, Error> {
    if let Some((_, (what, advice))) = find(REFUSED, start) {
        return Err(Error::Refused(what, advice));
    }
    if is_safetensors(start) {
        return Err(Error::Refused("a safetensors file", WEIGHTS));
    }
    if let Some((_, what)) = find(MISTAKEN, start) {
        return Err(Error::Unknown(what));
    }
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None if (start.len() as u64) < START_BYTES => Err(Error::Empty),
        Some(b'{') => Ok(Format::NetkinGraph),
        _ if is_text(start) => Err(Error::Unknown("it is some other text")),
        _ if onnx::is_plausible(start) => Ok(Format::Onnx),
        _ => Err(Error::Unknown("its first bytes are of neither")),
    }
}

fn find<'t, T>(table: &'t [(&[u8], T)], start: &[u8]) -> Option<&'t (&'t [u8], T)> {
    table.iter().find(|(magic, _)| start.starts_with(magic))
}

/// A length of eight bytes, then JSON.
fn is_safetensors(start: &[u8]) -> bool {
    matches!(start, [_, _, _, _, _, 0, 0, 0, b'{', ..])
}

/// Text has no control characters; an ONNX model has them among its first bytes.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    let mut characters = text.chars();
    !characters.any(|character| character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests;
