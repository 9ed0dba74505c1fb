//! Bars for people who wait; nothing where no terminal shows them.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// A bar on standard error over `all` steps of what it is `doing`.
pub(crate) fn bar(doing: &'static str, all: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} {eta}");
    let bar = ProgressBar::new(all as u64).with_message(doing);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
