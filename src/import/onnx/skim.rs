//! Copies the parts of an ONNX file that hold structure, and lets payloads of large tensors pass
//! by. What it keeps is an ONNX file again, read by the same code as a whole one.
//!
//! Memory is bounded by the budget, depth by an explicit stack. The two readers must agree on
//! every file: what is dropped here is what `message` and `tensor` would not look at.

use super::Error;
use super::budget::Budget;
use super::message::Reading;
use super::tensor::{ELSEWHERE, LOCATION, Payload};
use super::wire::{Field, Message};
use std::io::{BufRead, ErrorKind, Read};

/// Bytes of a length whose value is known only when its message ends: a padded varint.
const LENGTH_BYTES: usize = 5;

/// The messages that hold others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Function,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

/// What becomes of a length-delimited field.
enum Plan {
    Open(Kind),
    /// Copied; a list or a text longer than this is cut there, and refused or ignored later.
    Keep {
        most: u64,
    },
    Drop,
}

/// A message that is being copied.
struct Open {
    kind: Kind,
    /// Where it ends in the file.
    end: u64,
    /// Where its length stands in the copy.
    length_at: usize,
    payload: Payload,
}

/// The kept parts, and where in the file they come from.
pub(super) struct Skimmed {
    pub(super) kept: Vec<u8>,
    /// Positions in the copy and in the file of what follows each cut.
    cuts: Vec<(usize, u64)>,
}

impl Skimmed {
    /// The position in the file of a position in the copy.
    pub(super) fn in_file(&self, at: usize) -> usize {
        let after = self.cuts.partition_point(|(kept, _)| *kept <= at);
        match self.cuts.get(after.wrapping_sub(1)) {
            Some((kept, file)) => *file as usize + (at - kept),
            None => at,
        }
    }
}

struct Skim<'b, 'l, R> {
    source: R,
    at: u64,
    open: Vec<Open>,
    graphs: usize,
    copy: Skimmed,
    budget: &'b mut Budget<'l>,
}

/// Skims a whole file.
pub(super) fn skim(source: impl BufRead, budget: &mut Budget<'_>) -> Reading<Skimmed> {
    let mut skim = Skim {
        source,
        at: 0,
        open: vec![],
        graphs: 0,
        copy: Skimmed {
            kept: vec![],
            cuts: vec![],
        },
        budget,
    };
    loop {
        skim.close_ended()?;
        if skim.open.is_empty() && skim.is_at_end()? {
            return Ok(skim.copy);
        }
        skim.field()?;
    }
}

impl<R: BufRead> Skim<'_, '_, R> {
    fn kind(&self) -> Kind {
        self.open.last().map_or(Kind::Model, |open| open.kind)
    }

    /// Where the innermost message ends; the file's own end is unknown.
    fn end(&self) -> u64 {
        self.open.last().map_or(u64::MAX, |open| open.end)
    }

    fn field(&mut self) -> Reading<()> {
        self.mark_cut()?;
        let tag = self.varint()?;
        let number = match u32::try_from(tag >> 3) {
            Ok(number) if number > 0 => number,
            _ => return self.damaged("a field number is out of range"),
        };
        match tag & 7 {
            0 => {
                let value = self.varint()?;
                self.number(number, Field::Varint(value))
            }
            1 => {
                let value = u64::from_le_bytes(self.fixed()?);
                self.number(number, Field::Fixed64(value))
            }
            2 => {
                let len = self.varint()?;
                if len > self.end().saturating_sub(self.at) {
                    return self.damaged("a field is longer than what is left");
                }
                self.delimited(number, len)
            }
            5 => {
                let value = u32::from_le_bytes(self.fixed()?);
                self.number(number, Field::Fixed32(value))
            }
            3 | 4 => self.damaged("protobuf groups are not part of ONNX"),
            _ => self.damaged("an unknown kind of field"),
        }
    }

    /// Copies a number where numbers matter.
    fn number(&mut self, number: u32, field: Field<'_>) -> Reading<()> {
        let matters = match (self.kind(), number, field) {
            (Kind::Attribute, 2 | 7, Field::Fixed32(_)) => true,
            (Kind::Attribute, 3 | 8 | 20, Field::Varint(_)) => true,
            (Kind::Sparse, 3, Field::Varint(_)) => true,
            (Kind::Tensor, 1, Field::Varint(dim)) => {
                self.payload().meet_dim(dim as i64);
                true
            }
            (Kind::Tensor, 2 | LOCATION, Field::Varint(_)) => true,
            (Kind::Tensor, number, field) if Payload::is_payload(number) => {
                self.payload().admits(field.len())
            }
            _ => false,
        };
        if !matters {
            return Ok(());
        }
        let (wire, value) = match field {
            Field::Varint(value) => (0, varint_bytes(value)),
            Field::Fixed64(value) => (1, value.to_le_bytes().to_vec()),
            Field::Fixed32(value) => (5, value.to_le_bytes().to_vec()),
            Field::Bytes(_) => return Ok(()),
        };
        self.put(&varint_bytes(u64::from(number) << 3 | wire))?;
        self.put(&value)
    }

    fn payload(&mut self) -> &mut Payload {
        let open = self.open.last_mut();
        &mut open.expect("only an open tensor has a payload").payload
    }

    fn delimited(&mut self, number: u32, len: u64) -> Reading<()> {
        match self.plan(number, len) {
            Plan::Open(kind) => self.open(kind, number, len),
            Plan::Keep { most } => self.keep(number, len, most),
            Plan::Drop => self.skip(len),
        }
    }

    /// Mirrors what `message` and `tensor` read.
    fn plan(&mut self, number: u32, len: u64) -> Plan {
        let limits = self.budget.limits;
        let whole = Plan::Keep { most: u64::MAX };
        // One more than allowed, so that the reader sees it is too long.
        let name = Plan::Keep {
            most: limits.name_bytes as u64 + 1,
        };
        let list = |bytes: u64| Plan::Keep {
            most: (limits.list as u64 + 1).saturating_mul(bytes),
        };
        let dims = Plan::Keep {
            most: (limits.rank as u64 + 1).saturating_mul(10),
        };
        match (self.kind(), number) {
            (Kind::Model, 2 | 3) => name,
            (Kind::Model, 7) => Plan::Open(Kind::Graph),
            (Kind::Model, 25) => Plan::Open(Kind::Function),
            (Kind::Graph, 1) => Plan::Open(Kind::Node),
            (Kind::Graph, 2) => name,
            (Kind::Graph, 5) => Plan::Open(Kind::Tensor),
            (Kind::Graph, 11..=13) => whole,
            (Kind::Graph, 15) => Plan::Open(Kind::Sparse),
            (Kind::Function, 1 | 4 | 5 | 10 | 13) => name,
            (Kind::Function, 7) => Plan::Open(Kind::Node),
            (Kind::Function, 11) => Plan::Open(Kind::Attribute),
            (Kind::Function, 12) => whole,
            (Kind::Node, 1..=4 | 7 | 8) => name,
            (Kind::Node, 5) => Plan::Open(Kind::Attribute),
            (Kind::Attribute, 1 | 4 | 9 | 21) => name,
            (Kind::Attribute, 7) => list(4),
            (Kind::Attribute, 8) => list(10),
            (Kind::Attribute, 5) => Plan::Open(Kind::Tensor),
            (Kind::Attribute, 6 | 11) => Plan::Open(Kind::Graph),
            (Kind::Attribute, 22) => Plan::Open(Kind::Sparse),
            (Kind::Sparse, 1) => Plan::Open(Kind::Tensor),
            (Kind::Sparse, 3) => dims,
            (Kind::Tensor, 1) => dims,
            (Kind::Tensor, 8) => name,
            (Kind::Tensor, number) if Payload::is_payload(number) => {
                if self.payload().admits(len) {
                    whole
                } else {
                    Plan::Drop
                }
            }
            _ => Plan::Drop,
        }
    }

    fn open(&mut self, kind: Kind, number: u32, len: u64) -> Reading<()> {
        if kind == Kind::Graph {
            // The same count as in `message`: the outermost graph is at depth 0.
            self.budget.check_depth(self.graphs)?;
            self.graphs += 1;
        }
        self.put(&varint_bytes(u64::from(number) << 3 | 2))?;
        let length_at = self.copy.kept.len();
        self.put(&[0; LENGTH_BYTES])?;
        self.open.push(Open {
            kind,
            end: self.at + len,
            length_at,
            payload: Payload::new(),
        });
        self.mark_cut()
    }

    /// Writes the lengths of messages that end here.
    fn close_ended(&mut self) -> Reading<()> {
        while let Some(open) = self.open.pop_if(|open| open.end == self.at) {
            if open.payload.is_dropped {
                self.put(&varint_bytes(u64::from(LOCATION) << 3))?;
                self.put(&varint_bytes(ELSEWHERE))?;
            }
            if open.kind == Kind::Graph {
                self.graphs -= 1;
            }
            let start = open.length_at + LENGTH_BYTES;
            let len = self.copy.kept.len() - start;
            for (place, byte) in self.copy.kept[open.length_at..start].iter_mut().enumerate() {
                let more = if place + 1 < LENGTH_BYTES { 0x80 } else { 0 };
                *byte = (len >> (7 * place)) as u8 & 0x7f | more;
            }
            self.mark_cut()?;
        }
        Ok(())
    }

    fn keep(&mut self, number: u32, len: u64, most: u64) -> Reading<()> {
        let kept = len.min(most);
        self.put(&varint_bytes(u64::from(number) << 3 | 2))?;
        self.put(&varint_bytes(kept))?;
        self.mark_cut()?;
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        self.take_room(kept)?;
        let start = self.copy.kept.len();
        let copied = (&mut self.source)
            .take(kept as u64)
            .read_to_end(&mut self.copy.kept)
            .map_err(unreadable)?;
        self.at += copied as u64;
        if copied < kept {
            return self.damaged("a field is longer than what is left");
        }
        if self.kind() == Kind::Tensor && number == 1 {
            self.meet_dims(start)?;
        }
        self.skip(len - kept as u64)
    }

    /// Tells the payload about the packed dimensions that were just copied.
    fn meet_dims(&mut self, start: usize) -> Reading<()> {
        let bytes = self.copy.kept.split_off(start);
        let offset = self.at as usize - bytes.len();
        let packed = Field::Bytes(Message {
            bytes: &bytes,
            offset,
        });
        let payload = self.payload();
        packed.integers(|dim| {
            payload.meet_dim(dim as i64);
            Ok(())
        })?;
        self.copy.kept.extend(bytes);
        Ok(())
    }

    fn skip(&mut self, len: u64) -> Reading<()> {
        let mut left = len;
        while left > 0 {
            let here = self.fill()?;
            if here == 0 {
                return self.damaged("a field is longer than what is left");
            }
            let step = left.min(here as u64);
            self.source.consume(step as usize);
            self.at += step;
            left -= step;
        }
        Ok(())
    }

    fn varint(&mut self) -> Reading<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = match self.byte()? {
                Some(byte) => byte,
                None => return self.damaged("an integer ends too early"),
            };
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.damaged("an integer is longer than ten bytes")
    }

    fn fixed<const N: usize>(&mut self) -> Reading<[u8; N]> {
        let mut bytes = [0; N];
        for place in &mut bytes {
            *place = match self.byte()? {
                Some(byte) => byte,
                None => return self.damaged("a field is longer than what is left"),
            };
        }
        Ok(bytes)
    }

    /// The next byte of the innermost message.
    fn byte(&mut self) -> Reading<Option<u8>> {
        if self.at >= self.end() || self.is_at_end()? {
            return Ok(None);
        }
        let byte = self.source.fill_buf().map_err(unreadable)?.first().copied();
        self.source.consume(1);
        self.at += 1;
        Ok(byte)
    }

    fn is_at_end(&mut self) -> Reading<bool> {
        Ok(self.fill()? == 0)
    }

    /// Bytes ready to be read; none at the end of the file.
    fn fill(&mut self) -> Reading<usize> {
        loop {
            match self.source.fill_buf() {
                Ok(ready) => return Ok(ready.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Reading<()> {
        self.take_room(bytes.len())?;
        self.copy.kept.extend(bytes);
        Ok(())
    }

    fn take_room(&mut self, bytes: usize) -> Reading<()> {
        self.budget.take_bytes(bytes)?;
        // A longer copy would not fit the lengths in it.
        let len = self.copy.kept.len().saturating_add(bytes);
        self.budget.check("bytes of graph", len, u32::MAX as usize)
    }

    /// Remembers that copy and file go on from here together.
    fn mark_cut(&mut self) -> Reading<()> {
        let here = (self.copy.kept.len(), self.at);
        match self.copy.cuts.last_mut() {
            Some(last) if last.0 == here.0 => *last = here,
            Some(last) if here.1 - last.1 == (here.0 - last.0) as u64 => {}
            _ => {
                self.budget.take_items::<(usize, u64)>(1)?;
                self.copy.cuts.push(here);
            }
        }
        Ok(())
    }

    fn damaged<T>(&self, problem: &'static str) -> Reading<T> {
        Err(Error::Damaged {
            offset: usize::try_from(self.at).unwrap_or(usize::MAX),
            problem,
        })
    }
}

fn unreadable(error: std::io::Error) -> Error {
    Error::Unreadable(error.to_string())
}

fn varint_bytes(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(10);
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
