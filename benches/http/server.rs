//! Servers as processes of their own: `netkin serve`, and one with an empty route to compare with.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code, clippy::print_stderr)]

use crate::sheet::process_mb;
use axum::Json;
use axum::routing::post;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const EMPTY_ROUTE: &str = "--empty-route";
const ADDRESS: &str = "listening on http://";
const PAUSE: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs until it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
    started: Instant,
}

impl Server {
    /// `netkin serve` over `assets` with the settings it ships with; its log goes to a file.
    pub(crate) fn netkin(assets: &Path, data: &Path) -> Self {
        Self::with_database(assets, data, "")
    }

    /// The same with its entries in the database at `url`; in a file below `data` without one.
    pub(crate) fn with_database(assets: &Path, data: &Path, url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netkin"));
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.env("NETKIN_ENGINE_ASSETS_DIR", assets);
        command.env("NETKIN_DATA_DIR", data);
        command.env("DATABASE_URL", url);
        Self::start(command)
    }

    /// This program, started again, serves the empty route.
    pub(crate) fn empty() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.arg(EMPTY_ROUTE);
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        let log = tempfile::NamedTempFile::new().expect("there is a temporary folder");
        let stderr = log.reopen().expect("the file is ours");
        command.stdout(Stdio::null()).stderr(stderr);
        let started = Instant::now();
        let process = command.spawn().expect("the server can be started");
        let address = wait(started, || {
            let text = std::fs::read_to_string(log.path()).ok()?;
            let rest = text.split(ADDRESS).nth(1)?;
            rest.lines().next()?.parse().ok()
        });
        Self {
            process,
            address,
            started,
        }
    }

    /// From the start of the process until it answers that it is ready.
    pub(crate) fn time_to_ready(&self) -> Duration {
        wait(self.started, || is_ready(self.address).then_some(()));
        self.started.elapsed()
    }

    pub(crate) fn resident_mb(&self) -> f64 {
        let mb = process_mb(&self.process.id().to_string(), "VmRSS");
        mb.unwrap_or(f64::NAN)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait<T>(started: Instant, mut outcome: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(outcome) = outcome() {
            return outcome;
        }
        assert!(started.elapsed() < PATIENCE, "the server does not start");
        std::thread::sleep(PAUSE);
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 2"))
}

/// A JSON route that does nothing, served as axum serves.
pub(crate) fn serve_empty_route() {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    runtime.block_on(async {
        let route = post(|| async { Json(serde_json::json!({})) });
        let router = axum::Router::new().route("/v1/search", route);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        eprintln!("{ADDRESS}{address}");
        let _ = axum::serve(listener, router).await;
    });
}
