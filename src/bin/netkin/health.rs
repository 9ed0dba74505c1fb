//! Asks a server on this machine whether it is ready: what a container's health check runs.

use crate::failure::Failure;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

/// Nothing when the server that listens on `listen` is ready.
pub(crate) fn run(listen: &str) -> Result<String, Failure> {
    let unhealthy = |reason: String| Failure::Unhealthy {
        address: listen.to_owned(),
        reason,
    };
    let status = status(listen).map_err(|error| unhealthy(error.to_string()))?;
    if status.starts_with("HTTP/1.1 204") {
        return Ok(String::new());
    }
    Err(unhealthy(format!(
        "it answers {}",
        status.lines().next().unwrap_or_default()
    )))
}

fn status(listen: &str) -> std::io::Result<String> {
    let mut address = listen
        .to_socket_addrs()?
        .next()
        .ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    // A server that listens everywhere is asked here.
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream
        .write_all(b"GET /health/ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = String::new();
    stream.read_to_string(&mut status)?;
    Ok(status)
}
