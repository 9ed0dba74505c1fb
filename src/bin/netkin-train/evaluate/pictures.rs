//! The pictures that the page shows, under the names it has for them.

use crate::files::write;
use anyhow::{Context, Result};
use netkin::eval::plot;
use netkin::eval::report::{self, Report};
use std::fs;
use std::path::Path;

pub(super) fn draw(report: &Report, out: &Path) -> Result<()> {
    let folder = out.join(report::PICTURES);
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for results in &report.results {
        let title = format!("{}: MAP@20", results.queries);
        let svg = plot::intervals(&title, &results.methods, "map@20")?;
        write(&folder.join(results.picture()), svg.as_bytes())?;
    }
    for trial in report.trials.iter().filter(|trial| trial.is_drawn) {
        if let Some(evaluated) = trial.methods.first() {
            let svg = plot::falling(&trial.title, evaluated)?;
            write(&folder.join(trial.picture()), svg.as_bytes())?;
        }
    }
    for tuned in &report.tuned {
        if let Some(curve) = tuned.curve() {
            let svg = plot::training(&format!("Training of {}", tuned.model), curve)?;
            write(&folder.join(tuned.picture()), svg.as_bytes())?;
        }
    }
    Ok(())
}
