//! Which entries a search or a list may return. Filters are exact: they never cost a hit.

use super::Error;
use crate::corpus::{Entry, Kind};

/// Bounds on a number, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Lower bound.
    pub min: Option<u64>,
    /// Upper bound.
    pub max: Option<u64>,
}

impl Range {
    fn holds(self, value: u64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn check(self, field: &'static str) -> Result<(), Error> {
        match (self.min, self.max) {
            (Some(min), Some(max)) if min > max => Err(Error::EmptyRange { field, min, max }),
            _ => Ok(()),
        }
    }
}

/// What an entry must satisfy; the default admits every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Its family, or its coarse family.
    pub family: Option<String>,
    /// Its package.
    pub source: Option<String>,
    /// Its task.
    pub task: Option<String>,
    /// Its name or id contains this, whatever the case.
    pub name: Option<String>,
    /// Only published models, or only composed ones.
    pub published: Option<bool>,
    /// Its trainable parameters.
    pub parameters: Range,
    /// Its floating-point operations.
    pub flops: Range,
}

impl Filter {
    /// # Errors
    /// When a range is empty.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.parameters.check("parameters")?;
        self.flops.check("flops")
    }

    /// True when `entry` may be returned.
    pub fn admits(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        (is(&self.family, &entry.family) || is(&self.family, &entry.coarse_family))
            && is(&self.source, &entry.package)
            && is(&self.task, &entry.task)
            && self.admits_name(entry)
            && self
                .published
                .is_none_or(|published| published == (entry.kind == Kind::Published))
            && self.parameters.holds(entry.parameters)
            && self.flops.holds(entry.flops)
    }

    fn admits_name(&self, entry: &Entry) -> bool {
        let Some(part) = &self.name else { return true };
        let part = part.to_lowercase();
        entry.id.to_lowercase().contains(&part) || entry.name.to_lowercase().contains(&part)
    }
}
