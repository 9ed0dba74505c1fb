//! Which family an entry belongs to: the curated table `corpus/families.tsv`.
//!
//! A row names a package, a module, and a prefix of the entry's name (empty for the whole
//! module); the row with the longest matching prefix wins. The table is the ground truth of the
//! evaluation, so nothing here guesses: an entry without a row has no family.

use std::collections::BTreeMap;

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// The family, one name across packages.
    pub family: String,
    /// The coarse family.
    pub coarse_family: String,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The first line names other columns.
    #[error(
        "the families table must start with the columns package, module, prefix, family, coarse_family, why, separated by tabs"
    )]
    Header,
    /// A row with missing cells.
    #[error("line {line} of the families table {problem}")]
    Row {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        problem: &'static str,
    },
}

/// The table: for each package and module, prefixes and their families.
#[derive(Clone, Debug, Default)]
pub struct Families(BTreeMap<(String, String), BTreeMap<String, Family>>);

impl Families {
    /// Reads the table.
    ///
    /// # Errors
    /// When the header or a row is malformed, or two rows decide the same names.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().enumerate();
        let header: Vec<_> = lines.next().map_or(vec![], |(_, line)| cells(line));
        if header
            != [
                "package",
                "module",
                "prefix",
                "family",
                "coarse_family",
                "why",
            ]
        {
            return Err(Error::Header);
        }
        let mut families = Self::default();
        for (index, line) in lines {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            families.add(line).map_err(|problem| Error::Row {
                line: index + 1,
                problem,
            })?;
        }
        Ok(families)
    }

    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let cells = cells(line);
        let [package, module, prefix, family, coarse_family, ..] = cells[..] else {
            return Err("has fewer than five columns");
        };
        if family.is_empty() || coarse_family.is_empty() {
            return Err("names no family or no coarse family");
        }
        let prefix = if prefix == "*" { "" } else { prefix };
        let family = Family {
            family: family.into(),
            coarse_family: coarse_family.into(),
        };
        let prefixes = self.0.entry((package.into(), module.into())).or_default();
        match prefixes.insert(prefix.into(), family) {
            None => Ok(()),
            Some(_) => Err("repeats package, module and prefix of an earlier line"),
        }
    }

    /// The family of the entry `name`: the longest matching prefix in its module, or else in the
    /// rows of its package whose module is `*`.
    pub fn of(&self, package: &str, module: &str, name: &str) -> Option<&Family> {
        [module, "*"].into_iter().find_map(|module| {
            self.0
                .get(&(package.to_owned(), module.to_owned()))?
                .iter()
                .filter(|(prefix, _)| name.starts_with(prefix.as_str()))
                .max_by_key(|(prefix, _)| prefix.len())
                .map(|(_, family)| family)
        })
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split('\t').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "package\tmodule\tprefix\tfamily\tcoarse_family\twhy\n";

    #[test]
    fn the_longest_matching_prefix_wins() {
        let table = format!(
            "{HEADER}timm\tresnet\t\tresnet\tconvnet\t\ntimm\tresnet\tresnext\tresnext\tconvnet\tgrouped\n\
             timm\t*\t\tother\tconvnet\t\n"
        );
        let families = Families::parse(&table).unwrap();
        let family = |module, name| families.of("timm", module, name).map(|row| &*row.family);
        assert_eq!(family("resnet", "resnext50_32x4d"), Some("resnext"));
        assert_eq!(family("resnet", "resnet18"), Some("resnet"));
        assert_eq!(family("vgg", "vgg11"), Some("other"));
        assert_eq!(families.of("torchvision", "vgg", "vgg11"), None);
    }

    #[test]
    fn a_bad_table_names_its_line() {
        assert_eq!(Families::parse("a\tb").unwrap_err(), Error::Header);
        let error = Families::parse(&format!("{HEADER}timm\tresnet\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2 of the families table has fewer than five columns"
        );
        let twice = format!("{HEADER}a\tb\t\tc\td\t\na\tb\t\te\tf\t\n");
        assert!(
            Families::parse(&twice)
                .unwrap_err()
                .to_string()
                .contains("line 3")
        );
    }
}
