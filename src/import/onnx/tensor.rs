//! Tensors: shape, type, and the values of small ones. Payloads of large ones are skipped.

use super::budget::Budget;
use super::message::{Reading, each, name};
use super::wire::{Field, Message};
use crate::graph::Shape;
use crate::import::RawValue;

/// Values of tensors up to this many elements are kept.
const MOST_VALUES: u64 = 1024;

/// No encoding of that many values is longer: ten bytes hold any integer.
const MOST_BYTES: usize = 10 * MOST_VALUES as usize;

/// `data_location`, and its value for data that lies elsewhere.
pub(super) const LOCATION: u32 = 14;
pub(super) const ELSEWHERE: u64 = 1;

#[derive(Default)]
pub(super) struct Tensor<'a> {
    pub(super) name: &'a str,
    pub(super) dims: Vec<i64>,
    pub(super) kind: u64,
    pub(super) values: Option<Vec<f64>>,
}

impl Tensor<'_> {
    pub(super) fn shape(&self) -> Shape {
        Shape(
            self.dims
                .iter()
                .map(|dim| u64::try_from(*dim).ok())
                .collect(),
        )
    }

    pub(super) fn into_value(self) -> RawValue {
        RawValue::Constant {
            shape: self.shape(),
            values: self.values,
        }
    }

    /// Of this type, zero is the least value: as a zero point it means something else.
    pub(super) fn is_unsigned_byte(&self) -> bool {
        self.kind == 2
    }

    /// Elements that training would change: those of float and quantised tensors.
    pub(super) fn parameters(&self) -> u64 {
        let trainable = matches!(self.kind, 1 | 2 | 3 | 10 | 11 | 16..=23);
        let elements = self.shape().elements().filter(|count| *count > 1);
        elements.filter(|_| trainable).unwrap_or(0)
    }
}

/// Decides which payload fields of one tensor are worth keeping. Both readers ask it, field by
/// field in the order of the file, so that they keep the same.
pub(super) struct Payload {
    /// Product of the dimensions met so far.
    elements: u64,
    bytes: usize,
    pub(super) is_dropped: bool,
}

impl Payload {
    pub(super) fn new() -> Self {
        Self {
            elements: 1,
            bytes: 0,
            is_dropped: false,
        }
    }

    pub(super) fn is_payload(number: u32) -> bool {
        matches!(number, 4 | 5 | 7 | 9 | 10 | 11)
    }

    pub(super) fn meet_dim(&mut self, dim: i64) {
        self.elements = self
            .elements
            .saturating_mul(u64::try_from(dim).unwrap_or(0));
    }

    /// Whether a payload field of `len` bytes is kept.
    pub(super) fn admits(&mut self, len: u64) -> bool {
        let len = usize::try_from(len).unwrap_or(usize::MAX).max(10);
        self.bytes = self.bytes.saturating_add(len);
        self.is_dropped |= self.elements > MOST_VALUES || self.bytes > MOST_BYTES;
        !self.is_dropped
    }
}

pub(super) fn tensor<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Tensor<'a>> {
    budget.take_items::<Tensor<'_>>(1)?;
    let mut tensor = Tensor::default();
    let mut payload = Payload::new();
    let mut parts: Vec<(u32, Field<'a>)> = Vec::new();
    each(message, |number, field| {
        match (number, field) {
            (1, field) => dims(&mut tensor.dims, field, budget, |dim| payload.meet_dim(dim))?,
            (2, Field::Varint(kind)) => tensor.kind = kind,
            (8, Field::Bytes(text)) => tensor.name = name(text, budget)?,
            (LOCATION, Field::Varint(location)) => payload.is_dropped |= location == ELSEWHERE,
            (number, field) if Payload::is_payload(number) && payload.admits(field.len()) => {
                parts.push((number, field));
            }
            _ => {}
        }
        Ok(())
    })?;
    let count = tensor.shape().elements();
    if let Some(count) = count.filter(|count| !payload.is_dropped && *count <= MOST_VALUES) {
        budget.take_bytes(8 * count as usize)?;
        tensor.values = values(tensor.kind, &parts, count as usize)?;
    }
    Ok(tensor)
}

/// A sparse tensor: only its name and shape matter.
pub(super) fn sparse<'a>(message: Message<'a>, budget: &mut Budget<'_>) -> Reading<Tensor<'a>> {
    budget.take_items::<Tensor<'_>>(1)?;
    let mut dense = Tensor::default();
    each(message, |number, field| {
        match (number, field) {
            (1, Field::Bytes(values)) => {
                let values = tensor(values, budget)?;
                (dense.name, dense.kind) = (values.name, values.kind);
            }
            (3, field) => dims(&mut dense.dims, field, budget, |_| {})?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(dense)
}

/// Adds the dimensions in one field, packed or not.
fn dims(
    dims: &mut Vec<i64>,
    field: Field<'_>,
    budget: &mut Budget<'_>,
    mut meet: impl FnMut(i64),
) -> Reading<()> {
    field.integers(|dim| {
        budget.take_bytes(16)?;
        budget.check_rank(dims.len() + 1)?;
        dims.push(dim as i64);
        meet(dim as i64);
        Ok(())
    })
}

/// Values in any of the encodings; `None` when they are absent or of another number.
fn values(kind: u64, parts: &[(u32, Field<'_>)], count: usize) -> Reading<Option<Vec<f64>>> {
    let mut values = Vec::with_capacity(count);
    for (number, field) in parts {
        match (number, field) {
            (9, Field::Bytes(raw)) => raw_values(kind, raw.bytes, &mut values),
            (4, Field::Bytes(raw)) => raw_values(1, raw.bytes, &mut values),
            (10, Field::Bytes(raw)) => raw_values(11, raw.bytes, &mut values),
            (4, Field::Fixed32(bits)) => values.push(f64::from(f32::from_bits(*bits))),
            (10, Field::Fixed64(bits)) => values.push(f64::from_bits(*bits)),
            (5 | 7 | 11, field) => field.integers(|value| {
                values.push(integer_value(kind, value));
                Ok(())
            })?,
            _ => {}
        }
    }
    Ok((values.len() == count).then_some(values))
}

/// An element that the file holds as an integer; 16-bit floats are held as their bits.
fn integer_value(kind: u64, value: u64) -> f64 {
    match kind {
        10 => half::f16::from_bits(value as u16).to_f64(),
        16 => half::bf16::from_bits(value as u16).to_f64(),
        12 | 13 => value as f64,
        _ => value as i64 as f64,
    }
}

fn raw_values(kind: u64, bytes: &[u8], values: &mut Vec<f64>) {
    fn each<const N: usize>(bytes: &[u8], values: &mut Vec<f64>, read: impl Fn([u8; N]) -> f64) {
        values.extend(bytes.chunks_exact(N).map(|chunk| {
            let mut fixed = [0; N];
            fixed.copy_from_slice(chunk);
            read(fixed)
        }));
    }
    match kind {
        1 => each(bytes, values, |b| f64::from(f32::from_le_bytes(b))),
        2 | 9 => each(bytes, values, |b: [u8; 1]| f64::from(b[0])),
        3 => each(bytes, values, |b: [u8; 1]| f64::from(b[0] as i8)),
        4 => each(bytes, values, |b| f64::from(u16::from_le_bytes(b))),
        5 => each(bytes, values, |b| f64::from(i16::from_le_bytes(b))),
        6 => each(bytes, values, |b| f64::from(i32::from_le_bytes(b))),
        7 => each(bytes, values, |b| i64::from_le_bytes(b) as f64),
        10 => each(bytes, values, |b| half::f16::from_le_bytes(b).to_f64()),
        11 => each(bytes, values, f64::from_le_bytes),
        12 => each(bytes, values, |b| f64::from(u32::from_le_bytes(b))),
        13 => each(bytes, values, |b| u64::from_le_bytes(b) as f64),
        16 => each(bytes, values, |b| half::bf16::from_le_bytes(b).to_f64()),
        _ => {}
    }
}
