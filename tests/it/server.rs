//! The built server in a process of its own, on a port of the system's choice.

use crate::release::Release;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const JSON: &str = "content-type: application/json\r\n";

pub(crate) struct Server {
    process: Child,
    address: String,
    log: Arc<Mutex<String>>,
    release: Option<Release>,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Server {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::over(Release::new(), settings)
    }

    /// Starts over `release` and waits until it is ready.
    pub(crate) fn over(release: Release, settings: &[(&str, &str)]) -> Self {
        let mut process = release
            .netkin()
            .args(["serve", "--listen", "127.0.0.1:0"])
            .envs(settings.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://");
        let server = Self {
            address: address.unwrap().to_owned(),
            process,
            log: read_on(lines),
            release: Some(release),
        };
        while server.get("/health/ready").status != 204 {
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn release(&self) -> &Release {
        self.release.as_ref().unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn send(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream.write_all(request).unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        Reply {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").as_bytes())
    }

    pub(crate) fn post(&self, path: &str, headers: &str, body: &[u8]) -> Reply {
        self.request("POST", path, headers, body)
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    /// Sends JSON, with a key where one is given.
    pub(crate) fn json(&self, method: &str, path: &str, key: &str, body: &Value) -> Reply {
        let key = if key.is_empty() {
            String::new()
        } else {
            format!("authorization: Bearer {key}\r\n")
        };
        self.request(
            method,
            path,
            &format!("{JSON}{key}"),
            body.to_string().as_bytes(),
        )
    }

    /// Ends it at once, as a crash would, and gives back what it left.
    pub(crate) fn kill(mut self) -> Release {
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.release.take().unwrap()
    }

    /// Asks it to end and waits until it has.
    #[cfg(unix)]
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        let process = self.process.id().to_string();
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args(["-TERM", &process]).status().unwrap().success());
        self.process.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads to the end on a thread of its own: a server whose log nobody reads would stand still.
fn read_on(lines: impl BufRead + Send + 'static) -> Arc<Mutex<String>> {
    let log = Arc::new(Mutex::new(String::new()));
    let written = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            written.lock().unwrap().push_str(&(line + "\n"));
        }
    });
    log
}
