//! Listening, bounded in time and in connections, and draining on a signal.
//!
//! Connections are served by hand rather than by `axum::serve`, which has no timeout for slow
//! headers.

use super::{Config, State, follow, refresh, router};
use crate::engine::Models;
use crate::store;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tower::ServiceExt;

/// After the signal the address is given up in the first pause between two connections…
const PAUSE: Duration = Duration::from_millis(1);
/// …or after this time, where there is none.
const LAST_CALL: Duration = Duration::from_secs(1);

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
    /// The database cannot be used, and waiting would not help.
    #[error("cannot use the database: {0}")]
    Store(#[from] crate::store::Error),
}

/// What a server needs besides its state.
pub struct Sources<Open, Reload> {
    /// Finds the models.
    pub open: Open,
    /// Where entries and keys are kept.
    pub store: store::Config,
    /// Reads the settings anew, on SIGHUP.
    pub reload: Reload,
}

/// Serves until SIGTERM or SIGINT, then lets running requests finish. Health routes are answered while
/// `sources` are still being opened; `listening` learns the bound address.
///
/// # Errors
/// When the address cannot be bound, no model or no database can be used.
pub async fn serve<Open, Reload>(
    state: State,
    sources: Sources<Open, Reload>,
    listening: impl FnOnce(SocketAddr),
) -> Result<(), Error>
where
    Open: FnOnce() -> Result<Models, crate::engine::Error> + Send + 'static,
    Reload: Fn() -> Option<Config> + Send + 'static,
{
    let listener = bind(&state).await?;
    listening(
        listener
            .local_addr()
            .map_err(|error| refused(&state, &error))?,
    );
    let mut stop = std::pin::pin!(stopped()?);
    reload_on_signal(state.clone(), sources.reload)?;
    let mut opened = std::pin::pin!(opened(state.clone(), sources.open, sources.store));
    let mut is_opened = false;
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(state.config().connections));
    // Once for all connections: making it writes the specification.
    let router = router(state.clone());
    loop {
        tokio::select! {
            accepted = accepted(&listener, &places) => match accepted {
                Ok((stream, place)) => connect(stream, place, &router, &state, &connections),
                Err(error) => {
                    // Out of file descriptors: wait instead of spinning.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            outcome = &mut opened, if !is_opened => {
                is_opened = true;
                outcome?;
                tracing::info!("ready");
            }
            () = &mut stop => break,
        }
    }
    let last_call = Instant::now() + LAST_CALL;
    // Who was let in by the system before the signal is answered, too.
    while let Ok(Ok((stream, place))) = timeout(PAUSE, accepted(&listener, &places)).await {
        connect(stream, place, &router, &state, &connections);
        if Instant::now() > last_call {
            break;
        }
    }
    drop(listener);
    drain(connections, &state).await;
    Ok(())
}

/// The database first: the engine that answers has all of its entries from the start.
async fn opened(
    state: State,
    open: impl FnOnce() -> Result<Models, crate::engine::Error> + Send + 'static,
    config: store::Config,
) -> Result<(), Error> {
    let store = follow::open(&config).await?;
    state.set_store(store.clone());
    // Keys before the first request that needs one.
    if let Err(error) = state.follow(&store).await {
        tracing::warn!(%error, "keys not loaded yet");
    }
    let loaded = refresh::start(state.clone(), open)?;
    loaded
        .await
        .map_err(|error| Error::Threads(error.to_string()))??;
    tokio::spawn(follow::follow(state, store, config.url));
    Ok(())
}

/// The next connection, once there is a place for it.
async fn accepted(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await;
    let place = place.map_err(std::io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
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
    stream: TcpStream,
    place: OwnedSemaphorePermit,
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
        drop(place);
    });
}

async fn drain(connections: GracefulShutdown, state: &State) {
    tracing::info!("draining");
    let longest = Duration::from_millis(state.config().drain_ms);
    if timeout(longest, connections.shutdown()).await.is_err() {
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

/// Takes over the limits of the settings whenever SIGHUP comes.
#[cfg(unix)]
fn reload_on_signal(
    state: State,
    reload: impl Fn() -> Option<Config> + Send + 'static,
) -> Result<(), Error> {
    use tokio::signal::unix::{SignalKind, signal};
    let hangup = signal(SignalKind::hangup());
    let mut hangup = hangup.map_err(|error| Error::Threads(error.to_string()))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(config) = reload() {
                state.set_limits(&config);
                tracing::info!("limits read anew");
            }
        }
    });
    Ok(())
}

#[cfg(not(unix))]
fn reload_on_signal(
    _: State,
    _: impl Fn() -> Option<Config> + Send + 'static,
) -> Result<(), Error> {
    Ok(())
}

#[cfg(not(unix))]
fn stopped() -> Result<impl Future<Output = ()>, Error> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
