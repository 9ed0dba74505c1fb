//! The program `netkin`: parse, settings, telemetry, one call.
// Answers go to standard output and errors to standard error: printing is this program's work.
#![allow(clippy::print_stderr)]

mod args;
mod commands;
mod export;
mod failure;
mod health;
mod keys;
mod progress;
mod render;
mod replace;

use args::{Arguments, Format};
use clap::Parser;
use failure::Failure;
use netkin::settings::Settings;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Canonicalising makes many small allocations, and the system's allocator is slow at giving them
/// back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = arguments.command.format();
    match run(arguments).and_then(|answer| write(&answer)) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough, as in `netkin … | head`.
        Err(Failure::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("netkin: {failure}");
            if format == Format::Json {
                let problem = serde_json::to_string_pretty(&failure.problem());
                let _ = write(&problem.unwrap_or_default());
            }
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Result<String, Failure> {
    let settings = settings(arguments.config.as_deref())?;
    netkin::telemetry::start_logs(&settings.log)?;
    let config = arguments.config;
    commands::run(arguments.command, settings, move || {
        server(config.as_deref())
    })
}

/// The settings of the server as they are now; those that are wrong are logged and change nothing.
fn server(config: Option<&Path>) -> Option<netkin::api::Config> {
    let settings = settings(config);
    settings
        .map_err(|error| tracing::error!(%error, "settings not read anew"))
        .ok()
        .map(|settings| settings.server)
}

fn settings(config: Option<&Path>) -> Result<Settings, Failure> {
    let file = match config {
        Some(path) => Some(
            std::fs::read_to_string(path).map_err(|error| Failure::File {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?,
        ),
        None => None,
    };
    let mut settings = Settings::gather(file.as_deref(), |name| std::env::var(name).ok())?;
    commands::place(&mut settings);
    Ok(settings)
}

fn write(answer: &str) -> Result<(), Failure> {
    if answer.is_empty() {
        return Ok(());
    }
    let mut output = std::io::stdout().lock();
    output.write_all(answer.as_bytes())?;
    if !answer.ends_with('\n') {
        output.write_all(b"\n")?;
    }
    Ok(output.flush()?)
}
