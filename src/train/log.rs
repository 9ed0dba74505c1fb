//! The log of a stage, in CSV: one line for each look at the validation families.

use super::Error;
use super::checkpoint::{State, failed};
use std::fs;
use std::path::{Path, PathBuf};

const HEADER: &str = "step,loss,validation_map@20,seconds\n";

/// A file of lines.
pub(super) struct Log {
    path: PathBuf,
    text: String,
}

impl Log {
    /// The log in `folder`, without the lines after `step`: they will be written again.
    pub(super) fn open(folder: &Path, step: usize) -> Result<Self, Error> {
        let path = folder.join("log.csv");
        let before = fs::read_to_string(&path).unwrap_or_default();
        let kept = before.lines().skip(1).filter(|line| {
            let of = line
                .split(',')
                .next()
                .and_then(|of| of.parse::<usize>().ok());
            of.is_some_and(|of| of <= step)
        });
        let text = kept.fold(HEADER.to_owned(), |text, line| format!("{text}{line}\n"));
        Ok(Self { path, text })
    }

    pub(super) fn write(&mut self, state: &State) -> Result<(), Error> {
        let validation = state
            .validation
            .map_or(String::new(), |map| format!("{map:.4}"));
        self.text.push_str(&format!(
            "{},{:.4},{validation},{:.1}\n",
            state.step, state.loss, state.seconds
        ));
        fs::write(&self.path, &self.text).map_err(|error| failed(&self.path, &error))
    }
}
