//! The shipped corpus: one checksummed file of entries and their raw graphs.
//!
//! The entries can be read alone; graphs lie behind them in compressed blocks that are decoded on
//! demand, in the torch dialect, so that new canonical rules need no new tracing. Bytes in, bytes
//! out: never touches the disk. A damaged or truncated file is refused, never half read.

mod candidate;
mod columns;
mod entry;
mod families;
mod file;
mod pack;
mod verify;

pub use entry::{Entry, Kind, NasSpace, Stats};
pub use families::{Error as FamiliesError, Families, Family};
pub use file::{Block, Corpus, Error, write};
pub use pack::{Clash, Failure, Options, PackError, Packed, Report, Source, pack};
pub use verify::verify;
