//! Where a file whose checksum fails is damaged.

use super::{Error, HEADER_BYTES, MOST_BLOCK_BYTES, MOST_METADATA_BYTES, Metadata, decompress};
use super::{bound, number, truncated};

/// The first part that cannot be read, with its bytes. Called only after the checksum has failed.
pub(super) fn located(bytes: &[u8]) -> Error {
    match first_damage(bytes) {
        Err(error) => error,
        // Every part reads: a bit that compression does not notice, or the checksum itself.
        Ok(()) => Error::Damaged {
            part: "the file".into(),
            start: 0,
            end: bytes.len() as u64,
        },
    }
}

fn first_damage(bytes: &[u8]) -> Result<(), Error> {
    let lengths = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let header = || truncated("the header", bytes);
    let (packed, rest) = number(lengths).ok_or_else(header)?;
    let (unpacked, _) = number(rest).ok_or_else(header)?;
    let start = HEADER_BYTES as u64 + 16;
    let list = "the list of entries";
    let json = part(bytes, list, start, packed, unpacked, MOST_METADATA_BYTES)?;
    let damaged = Error::Damaged {
        part: list.into(),
        start,
        end: start + packed,
    };
    let metadata: Metadata = serde_json::from_slice(&json).map_err(|_| damaged)?;
    for (block, place) in metadata.blocks.iter().enumerate() {
        let name = format!("block {block} of graphs");
        let start = (start + packed).saturating_add(place.start);
        part(
            bytes,
            &name,
            start,
            place.packed,
            place.unpacked,
            MOST_BLOCK_BYTES,
        )?;
    }
    Ok(())
}

/// A part after decompression, which notices nearly every change.
fn part(
    bytes: &[u8],
    name: &str,
    start: u64,
    packed: u64,
    unpacked: u64,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let end = start.saturating_add(packed);
    let (Ok(from), Ok(to)) = (usize::try_from(start), usize::try_from(end)) else {
        return Err(Error::Damaged {
            part: "the header".into(),
            start: 0,
            end: HEADER_BYTES as u64 + 16,
        });
    };
    let Some(content) = bytes.get(from..to) else {
        return Err(truncated(name, bytes));
    };
    bound(|| name.into(), unpacked, limit)?;
    decompress(content, unpacked).map_err(|_| Error::Damaged {
        part: name.into(),
        start,
        end,
    })
}
