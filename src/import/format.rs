//! Tells the format of some bytes and calls its importer.

use super::{Limits, RawGraph, json, onnx};
use serde::Serialize;

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
    /// A broken raw graph.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// A broken ONNX model.
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
}

/// Beginnings of formats that are refused: running or unpacking them is dangerous or useless.
const REFUSED: &[(&[u8], &str, &str)] = &[
    (
        b"PK\x03\x04",
        "a zip archive (a torch checkpoint or .keras file?)",
        "export the model to ONNX or trace it with the netkin Python client",
    ),
    (
        b"\x80\x02",
        "a Python pickle",
        "pickles can run code and are never opened; export the model to ONNX",
    ),
    (
        b"\x80\x03",
        "a Python pickle",
        "pickles can run code and are never opened; export the model to ONNX",
    ),
    (
        b"\x80\x04",
        "a Python pickle",
        "pickles can run code and are never opened; export the model to ONNX",
    ),
    (
        b"\x80\x05",
        "a Python pickle",
        "pickles can run code and are never opened; export the model to ONNX",
    ),
    (
        b"\x89HDF",
        "an HDF5 file",
        "it holds weights; export the model to ONNX",
    ),
    (b"\x1f\x8b", "gzip data", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it first"),
];

/// Reads a model in whichever format it is.
///
/// # Errors
/// When the format is unknown or refused, or its importer refuses the content.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<(Format, RawGraph), Error> {
    if let Some((_, what, advice)) = REFUSED.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(Error::Refused(what, advice));
    }
    match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => Err(Error::Empty),
        Some(b'{') => Ok((Format::NetkinGraph, json::read(bytes, limits)?)),
        Some(_) => Ok((Format::Onnx, onnx::read(bytes, limits)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pickles_and_archives_are_refused_whatever_their_name() {
        for bytes in [&b"\x80\x04\x95rest"[..], b"PK\x03\x04rest", b"\x89HDF\r\n"] {
            assert!(matches!(
                read(bytes, &Limits::default()),
                Err(Error::Refused(..))
            ));
        }
    }

    #[test]
    fn nothing_is_refused_as_nothing() {
        assert!(matches!(
            read(b" \n", &Limits::default()),
            Err(Error::Empty)
        ));
    }
}
