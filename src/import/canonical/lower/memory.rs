//! Bounds what is remembered of constants: a node of a few bytes can compute thousands of elements.
//!
//! Beyond the bounds values and shapes are unknown, which costs precision and never an error. Only
//! a file made to harm gets there, so the order of its nodes may then matter.

use super::{fold, infer};
use crate::import::canonical::work::{Operand, Static};

/// Elements over all constants; real files have some ten thousand.
const MOST_ELEMENTS: usize = 1 << 21;

/// Remembers results while there is room.
pub(super) struct Memory {
    left: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            left: MOST_ELEMENTS,
        }
    }
}

impl Memory {
    pub(super) fn remembered(&mut self, values: Vec<Operand>) -> Vec<Operand> {
        let remember = |value| match value {
            Operand::Static(value) => Operand::Static(self.bounded(value)),
            other => other,
        };
        values.into_iter().map(remember).collect()
    }

    fn bounded(&mut self, value: Static) -> Static {
        Static {
            shape: infer::kept(value.shape),
            values: value.values.filter(|values| self.takes(values.len())),
        }
    }

    fn takes(&mut self, elements: usize) -> bool {
        let fits = elements <= self.left && elements as u64 <= fold::MOST_VALUES;
        if fits {
            self.left -= elements;
        }
        fits
    }
}
