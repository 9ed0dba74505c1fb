//! Embeddings of a corpus on disk, so that a start costs a read and not a re-embedding.
//!
//! Half precision: embeddings that were just made are used as reading would give them back, so
//! that every start gives the same answers. The file names the corpus and the model it belongs to and ends in a checksum: a file that does
//! not match in every byte is ignored and made anew.

use crate::embedding::Embedding;
use half::f16;
use std::io::Write;
use std::path::Path;

const MAGIC: &[u8; 8] = b"netkinE2";
const CHECKSUM_BYTES: usize = 32;

/// What the embeddings were made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// Checksum of the corpus and version of the model.
    pub(super) text: String,
    /// Number of entries.
    pub(super) count: usize,
    /// Numbers of one embedding.
    pub(super) dim: usize,
}

impl Key {
    fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(blake3::hash(self.text.as_bytes()).as_bytes());
        header.extend_from_slice(&(self.count as u64).to_le_bytes());
        header.extend_from_slice(&(self.dim as u64).to_le_bytes());
        header
    }
}

/// The embeddings in `path`, when the file is whole and belongs to `key`.
pub(super) fn read(path: &Path, key: &Key) -> Option<Vec<Embedding>> {
    let bytes = std::fs::read(path).ok()?;
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(CHECKSUM_BYTES)?)?;
    if blake3::hash(content).as_bytes() != checksum {
        return None;
    }
    let numbers = content.strip_prefix(key.header().as_slice())?;
    let row_bytes = key.dim.checked_mul(2).filter(|bytes| *bytes > 0)?;
    if numbers.len() != row_bytes.checked_mul(key.count)? {
        return None;
    }
    numbers.chunks_exact(row_bytes).map(embedding).collect()
}

fn embedding(row: &[u8]) -> Option<Embedding> {
    let (numbers, _) = row.as_chunks::<2>();
    let numbers = numbers.iter().map(|bytes| f16::from_le_bytes(*bytes));
    Embedding::normalised(numbers.map(f16::to_f32).collect()).ok()
}

/// What reading gives back once `embedding` has been written.
pub(super) fn rounded(embedding: &Embedding) -> Embedding {
    let numbers = embedding.as_slice().iter();
    let numbers = numbers.map(|number| f16::from_f32(*number).to_f32());
    // Some component of a unit vector is far from zero, unless there are very many.
    Embedding::normalised(numbers.collect()).unwrap_or_else(|_| embedding.clone())
}

/// Writes the embeddings beside `path` and renames, so that a reader never sees half a file.
pub(super) fn write(path: &Path, key: &Key, embeddings: &[Embedding]) -> std::io::Result<()> {
    let mut content = key.header();
    for embedding in embeddings {
        for number in embedding.as_slice() {
            content.extend_from_slice(&f16::from_f32(*number).to_le_bytes());
        }
    }
    let checksum = *blake3::hash(&content).as_bytes();
    content.extend_from_slice(&checksum);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension(format!("tmp{}", std::process::id()));
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(&content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key {
            text: text.to_owned(),
            count: 2,
            dim: 2,
        }
    }

    #[test]
    fn a_damaged_or_foreign_file_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.embeddings");
        let rows = vec![
            Embedding::normalised(vec![1.0, 0.0]).unwrap(),
            Embedding::normalised(vec![0.6, 0.8]).unwrap(),
        ];
        write(&path, &key("one"), &rows).unwrap();
        let again: Vec<Embedding> = rows.iter().map(rounded).collect();
        assert_eq!(read(&path, &key("one")), Some(again));
        assert!(read(&path, &key("two")).is_none());
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path, &key("one")).is_none());
    }
}
