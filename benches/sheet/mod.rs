//! A section of `docs/benchmarks.md`: rounds of timing, and the text that they fill.
//!
//! Ways to do one thing take turns, so that whatever else the machine does falls on all of them
//! alike; and budgets name the slowest of a hundred runs. Benchmark frameworks offer neither, hence
//! this file. A benchmark prints its section; `scripts/bench` puts the sections together.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code, missing_docs, clippy::print_stdout)]

use std::time::{Duration, Instant};

/// Durations of one way, shortest first, in milliseconds.
pub(crate) struct Times(Vec<f64>);

impl Times {
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Self {
        Self::of_ms(durations.into_iter().map(|time| time.as_secs_f64() * 1e3))
    }

    pub(crate) fn of_ms(durations: impl IntoIterator<Item = f64>) -> Self {
        let mut durations: Vec<f64> = durations.into_iter().collect();
        durations.sort_by(f64::total_cmp);
        Self(durations)
    }

    /// The duration that the share `share` of all runs does not exceed.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let place = (share * last as f64).round() as usize;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Fastest, p50 and p99 as cells of a table.
    pub(crate) fn cells(&self) -> [String; 3] {
        [0.0, 0.5, 0.99].map(|share| milliseconds(self.quantile(share)))
    }
}

/// Runs every way once a round, after one round that does not count.
pub(crate) fn take_turns(rounds: usize, ways: &mut [&mut dyn FnMut(usize)]) -> Vec<Times> {
    let mut durations = vec![Vec::with_capacity(rounds); ways.len()];
    for round in 0..=rounds {
        for (way, durations) in ways.iter_mut().zip(&mut durations) {
            let started = Instant::now();
            way(round);
            if round > 0 {
                durations.push(started.elapsed());
            }
        }
    }
    durations.into_iter().map(Times::of).collect()
}

pub(crate) fn milliseconds(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.3}")
    } else {
        format!("{value:.1}")
    }
}

/// How a figure stands to its budget.
pub(crate) fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

/// The text of one section.
pub(crate) struct Sheet(String);

impl Sheet {
    pub(crate) fn new(title: &str) -> Self {
        Self(format!("## {title}\n"))
    }

    pub(crate) fn paragraph(&mut self, text: &str) {
        self.0 += &format!("\n{text}\n");
    }

    pub(crate) fn table(&mut self, header: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let header: Vec<String> = header.iter().map(|cell| (*cell).to_owned()).collect();
        self.0 += &format!("\n{}|{}\n", line(&header), "---|".repeat(header.len()));
        self.0.extend(rows.iter().map(|row| line(row)));
    }

    pub(crate) fn print(&self) {
        println!("{}", self.0);
    }
}

/// A row: what was measured, then its cells.
pub(crate) fn row(what: impl Into<String>, cells: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(what.into()).chain(cells).collect()
}

/// A figure of a process in MB (10⁶ bytes), as Linux states it: `VmRSS` or `VmHWM`.
pub(crate) fn process_mb(process: &str, figure: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(figure))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
