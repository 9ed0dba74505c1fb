//! Protobuf fields of one message, one at a time, without copying.

use super::Error;

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(Message<'a>),
}

/// The bytes of a message and where in the file they start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) offset: usize,
}

/// Reads the fields of a message in order.
pub(super) struct Fields<'a> {
    message: Message<'a>,
    at: usize,
}

impl<'a> Field<'a> {
    /// Bytes of the value; ten for a number, which no number exceeds.
    pub(super) fn len(self) -> u64 {
        match self {
            Self::Bytes(message) => message.bytes.len() as u64,
            Self::Varint(_) | Self::Fixed32(_) | Self::Fixed64(_) => 10,
        }
    }

    /// Hands over the integers of a repeated field, which may be packed or not.
    pub(super) fn integers(
        self,
        mut give: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match self {
            Self::Varint(value) => give(value),
            Self::Bytes(packed) => {
                let mut fields = packed.fields();
                while !fields.is_done() {
                    give(fields.varint()?)?;
                }
                Ok(())
            }
            Self::Fixed32(_) | Self::Fixed64(_) => Ok(()),
        }
    }
}

impl<'a> Message<'a> {
    pub(super) fn fields(self) -> Fields<'a> {
        Fields {
            message: self,
            at: 0,
        }
    }

    pub(super) fn text(self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes).map_err(|_| Error::Damaged {
            offset: self.offset,
            problem: "a name is not UTF-8",
        })
    }
}

impl<'a> Fields<'a> {
    fn is_done(&self) -> bool {
        self.at >= self.message.bytes.len()
    }

    fn damaged<T>(&self, problem: &'static str) -> Result<T, Error> {
        Err(Error::Damaged {
            offset: self.message.offset + self.at,
            problem,
        })
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.message.bytes.get(self.at).copied() else {
                return self.damaged("an integer ends too early");
            };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        self.damaged("an integer is longer than ten bytes")
    }

    fn take(&mut self, len: u64) -> Result<Message<'a>, Error> {
        let left = self.message.bytes.len() - self.at;
        let Some(len) = usize::try_from(len).ok().filter(|len| *len <= left) else {
            return self.damaged("a field is longer than what is left");
        };
        let taken = Message {
            bytes: &self.message.bytes[self.at..self.at + len],
            offset: self.message.offset + self.at,
        };
        self.at += len;
        Ok(taken)
    }

    /// The number and the wire type of the next field.
    pub(super) fn tag(&mut self) -> Result<(u32, u64), Error> {
        let tag = self.varint()?;
        match u32::try_from(tag >> 3) {
            Ok(number) if number > 0 => Ok((number, tag & 7)),
            _ => self.damaged("a field number is out of range"),
        }
    }

    /// The next field and its number; `None` at the end of the message.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, Error> {
        if self.is_done() {
            return Ok(None);
        }
        let (number, wire) = self.tag()?;
        let field = match wire {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let len = self.varint()?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.fixed()?)),
            3 | 4 => return self.damaged("protobuf groups are not part of ONNX"),
            _ => return self.damaged("an unknown kind of field"),
        };
        Ok(Some((number, field)))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N as u64)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(taken.bytes);
        Ok(bytes)
    }
}
