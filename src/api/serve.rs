//! Listening, bounded in time, and draining on a signal.
//!
//! Connections are served by hand rather than by `axum::serve`, which has no timeout for slow
//! headers.

use super::{State, refresh, router};
use crate::engine::Models;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::ServiceExt;

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The system gives no threads or signals.
    #[error("cannot start threads: {0}")]
    Threads(String),
    /// The corpus or the model cannot be opened.
    #[error(transparent)]
    Engine(#[from] crate::engine::Error),
}

/// Serves until SIGTERM or SIGINT, then lets running requests finish. `open` finds the
/// models while the server already answers its health routes; `listening` learns the bound address.
///
/// # Errors
/// When the address cannot be bound or no model can be used.
pub async fn serve(
    state: State,
    open: impl FnOnce() -> Result<Models, crate::engine::Error> + Send + 'static,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Error> {
    let listener = bind(&state).await?;
    listening(
        listener
            .local_addr()
            .map_err(|error| refused(&state, &error))?,
    );
    let mut stop = std::pin::pin!(stopped()?);
    let mut loaded = refresh::start(state.clone(), open)?;
    let mut is_loaded = false;
    let connections = GracefulShutdown::new();
    // Once for all connections: making it writes the specification.
    let router = router(state.clone());
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, &router, &state, &connections),
                Err(error) => {
                    // Out of file descriptors: wait instead of spinning.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            outcome = &mut loaded, if !is_loaded => {
                is_loaded = true;
                outcome.map_err(|error| Error::Threads(error.to_string()))??;
                tracing::info!("ready");
            }
            () = &mut stop => break,
        }
    }
    drop(listener);
    drain(connections, &state).await;
    Ok(())
}

async fn bind(state: &State) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(&state.config().listen).await;
    bound.map_err(|error| refused(state, &error))
}

fn refused(state: &State, error: &std::io::Error) -> Error {
    Error::Listen {
        address: state.config().listen.clone(),
        reason: error.to_string(),
    }
}

fn connect(
    stream: tokio::net::TcpStream,
    router: &Router,
    state: &State,
    connections: &GracefulShutdown,
) {
    let _ = stream.set_nodelay(true);
    let router = router.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(state.config().read_timeout_ms));
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

async fn drain(connections: GracefulShutdown, state: &State) {
    tracing::info!("draining");
    let longest = Duration::from_millis(state.config().drain_ms);
    if tokio::time::timeout(longest, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time");
    }
    tracing::info!("stopped");
}

#[cfg(unix)]
fn stopped() -> Result<impl Future<Output = ()>, Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let no_signal = |error: std::io::Error| Error::Threads(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = ()>, Error> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
