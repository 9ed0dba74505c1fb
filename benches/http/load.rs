//! Keep-alive connections that ask as fast as they are answered.

// Every benchmark compiles this file and uses its own part of it.
#![allow(dead_code)]

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// What one server did in one stretch of time.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) latencies: Vec<Duration>,
}

/// Asks `address` for `time` over `connections`, which start at different places of `bodies`.
pub(crate) fn load(
    address: SocketAddr,
    path: &'static str,
    bodies: &Arc<[Bytes]>,
    connections: usize,
    time: Duration,
) -> Load {
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    let started = Instant::now();
    let latencies = runtime.block_on(async {
        let ask = |number| {
            tokio::spawn(connection(
                (address, path),
                Arc::clone(bodies),
                number * bodies.len() / connections,
                time,
            ))
        };
        let connections: Vec<_> = (0..connections).map(ask).collect();
        let mut latencies = Vec::new();
        for connection in connections {
            latencies.extend(connection.await.expect("every request is answered"));
        }
        latencies
    });
    Load {
        per_second: latencies.len() as f64 / started.elapsed().as_secs_f64(),
        latencies,
    }
}

async fn connection(
    (address, path): (SocketAddr, &'static str),
    bodies: Arc<[Bytes]>,
    mut place: usize,
    time: Duration,
) -> Vec<Duration> {
    let stream = TcpStream::connect(address).await;
    let stream = stream.expect("the server listens");
    stream.set_nodelay(true).expect("TCP has this option");
    let (mut requests, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .expect("the server speaks HTTP");
    tokio::spawn(connection);
    let started = Instant::now();
    let mut latencies = Vec::new();
    while started.elapsed() < time {
        let body = bodies[place % bodies.len()].clone();
        place += 1;
        let asked = Instant::now();
        ask(&mut requests, path, body).await;
        latencies.push(asked.elapsed());
    }
    latencies
}

async fn ask(requests: &mut http1::SendRequest<Full<Bytes>>, path: &str, body: Bytes) {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Full::new(body))
        .expect("the parts are valid");
    requests.ready().await.expect("the connection stays open");
    let response = requests.send_request(request).await;
    let response = response.expect("the connection stays open");
    assert!(response.status().is_success(), "{}", response.status());
    let body = response.into_body().collect().await;
    body.expect("the answer is whole");
}
