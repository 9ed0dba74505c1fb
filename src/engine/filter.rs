//! Which entries a search or a list may return. Filters are exact: they never cost a hit.

use super::Error;
use super::facts::Facts;
use serde_json::{Map, Value};

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
    /// Its collection.
    pub collection: Option<String>,
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
    /// Its metadata has each of these fields with this value.
    pub metadata: Map<String, Value>,
}

impl Filter {
    /// # Errors
    /// When a range is empty.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.parameters.check("parameters")?;
        self.flops.check("flops")
    }

    /// True when `entry` may be returned.
    pub(super) fn admits(&self, entry: &Facts<'_>) -> bool {
        let is = |wanted: &Option<String>, value: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(value))
        };
        self.collection
            .as_deref()
            .is_none_or(|wanted| wanted == entry.collection)
            && (is(&self.family, entry.family) || is(&self.family, entry.coarse_family))
            && is(&self.source, entry.source)
            && is(&self.task, entry.task)
            && self.admits_name(entry)
            && self
                .published
                .is_none_or(|published| published == entry.published)
            && self.admits_metadata(entry)
            && self.parameters.holds(entry.parameters)
            && self.flops.holds(entry.flops)
    }

    fn admits_metadata(&self, entry: &Facts<'_>) -> bool {
        let has = |(field, value): (&String, &Value)| {
            entry.metadata.and_then(|metadata| metadata.get(field)) == Some(value)
        };
        self.metadata.iter().all(has)
    }

    fn admits_name(&self, entry: &Facts<'_>) -> bool {
        let Some(part) = &self.name else { return true };
        let part = part.to_lowercase();
        entry.id.to_lowercase().contains(&part) || entry.name.to_lowercase().contains(&part)
    }
}
