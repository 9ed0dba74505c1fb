//! What one input may still use. Everything that allocates or loops draws on it first.

use super::Error;
use crate::import::{Limits, RawValue};
use std::mem::size_of;

/// Graphs may nest this deep whatever the settings say: readers use the call stack.
const MOST_DEPTH: usize = 64;

/// Counts down while one model is read and assembled.
pub(super) struct Budget<'l> {
    pub(super) limits: &'l Limits,
    /// Nodes in the file.
    read: usize,
    /// Nodes met while inlining. Calls of empty functions produce nothing, yet take time.
    visits: usize,
    /// Nodes of the raw graph.
    produced: usize,
    bytes: usize,
}

impl<'l> Budget<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            read: limits.nodes,
            visits: limits.nodes,
            produced: limits.nodes,
            bytes: limits.memory_bytes,
        }
    }

    pub(super) fn read_node(&mut self) -> Result<(), Error> {
        self.read = self.one_less_node(self.read)?;
        self.take_bytes(256)
    }

    pub(super) fn visit_node(&mut self) -> Result<(), Error> {
        self.visits = self.one_less_node(self.visits)?;
        Ok(())
    }

    pub(super) fn produce_node(&mut self) -> Result<(), Error> {
        self.produced = self.one_less_node(self.produced)?;
        self.take_bytes(256)
    }

    fn one_less_node(&self, left: usize) -> Result<usize, Error> {
        left.checked_sub(1).ok_or(Error::TooLarge {
            what: "nodes",
            limit: self.limits.nodes,
        })
    }

    pub(super) fn take_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(Error::TooLarge {
            what: "bytes of graph",
            limit: self.limits.memory_bytes,
        })?;
        Ok(())
    }

    /// Room for `count` items in a vector or map, which may hold twice what they need.
    pub(super) fn take_items<T>(&mut self, count: usize) -> Result<(), Error> {
        self.take_bytes(count.saturating_mul(2 * size_of::<T>()))
    }

    /// Room for a copy of `value`.
    pub(super) fn take_value(&mut self, value: &RawValue) -> Result<(), Error> {
        let bytes = match value {
            RawValue::Text(text) | RawValue::Other(text) => text.len(),
            RawValue::List(items) => {
                self.take_items::<RawValue>(items.len())?;
                return items.iter().try_for_each(|item| self.take_value(item));
            }
            RawValue::Constant { shape, values } => {
                16 * shape.rank() + 8 * values.as_ref().map_or(0, Vec::len)
            }
            // Attributes of ONNX nodes hold nothing else that is large.
            _ => 0,
        };
        self.take_bytes(bytes)
    }

    pub(super) fn check(
        &self,
        what: &'static str,
        found: usize,
        limit: usize,
    ) -> Result<(), Error> {
        if found > limit {
            Err(Error::TooLarge { what, limit })
        } else {
            Ok(())
        }
    }

    /// Refuses nesting beyond the limit.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Error> {
        let limit = self.limits.depth.min(MOST_DEPTH);
        self.check("nested graphs and functions", depth, limit)
    }

    /// Refuses more dimensions than a shape may have.
    pub(super) fn check_rank(&self, rank: usize) -> Result<(), Error> {
        self.check("dimensions in one shape", rank, self.limits.rank)
    }
}
