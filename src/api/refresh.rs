//! Keeps the server's model in step with the folder of models, on a thread of its own.
//!
//! A new model is loaded beside the one that serves and takes its place in one step; one that
//! cannot be used changes nothing. Nobody waits for any of it: requests are answered all the while.

use super::{Error, State};
use crate::engine::{self, Engine, Folder, Loading, Models};
use crate::store;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Loads the first model and then follows the folder until the process ends. The receiver learns
/// when the first model serves, or why none can.
pub(super) fn start(
    state: State,
    open: impl FnOnce() -> Result<Models, engine::Error> + Send + 'static,
) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (sender, ready) = oneshot::channel();
    let runtime = Handle::current();
    let follow = move || match first(&state, open, &runtime) {
        Ok(models) => {
            let _ = sender.send(Ok(()));
            follow(models, &state, &runtime);
        }
        Err(error) => {
            let _ = sender.send(Err(error.into()));
        }
    };
    let thread = std::thread::Builder::new().name("netkin-refresh".to_owned());
    thread.spawn(follow).map_err(no_threads)?;
    Ok(ready)
}

/// On every core: nobody is answered yet.
fn first(
    state: &State,
    open: impl FnOnce() -> Result<Models, engine::Error>,
    runtime: &Handle,
) -> Result<Models, engine::Error> {
    let mut models = open()?;
    match refresh(&mut models, state, runtime)? {
        Some(error) if !models.is_served() => Err(error),
        _ => Ok(models),
    }
}

/// On a few threads: the others go on answering.
fn follow(mut models: Models, state: &State, runtime: &Handle) {
    let config = state.config();
    if config.refresh_ms == 0 {
        return;
    }
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(config.refresh_threads)
        .thread_name(|number| format!("netkin-refresh-{number}"))
        .build();
    let threads = match threads {
        Ok(threads) => threads,
        Err(error) => {
            tracing::error!(%error, "no threads for new models: they are not loaded");
            return;
        }
    };
    loop {
        std::thread::sleep(Duration::from_millis(config.refresh_ms));
        if let Err(error) = threads.install(|| refresh(&mut models, state, runtime)) {
            tracing::warn!(%error, "models not looked at");
        }
    }
}

/// Loads models until the newest that can be used serves. Returns why the first one that was
/// refused cannot.
fn refresh(
    models: &mut Models,
    state: &State,
    runtime: &Handle,
) -> Result<Option<engine::Error>, engine::Error> {
    let mut first_refused = None;
    while let Some(folder) = models.look()? {
        let name = folder.name();
        match load(models, &folder, state, runtime) {
            Ok(engine) => {
                tracing::info!(
                    model = name,
                    version = engine.model_version(),
                    "model serves"
                );
                state.set_engine(engine);
                models.serve(folder);
            }
            Err(error) => {
                tracing::error!(model = name, %error, "model refused");
                models.refuse(folder, &error);
                first_refused.get_or_insert(error);
            }
        }
    }
    state.set_models(models.list(None));
    Ok(first_refused)
}

fn load(
    models: &Models,
    folder: &Folder,
    state: &State,
    runtime: &Handle,
) -> Result<Arc<Engine>, engine::Error> {
    let progress = |done, total| {
        let loading = Loading {
            folder,
            done,
            total,
        };
        state.set_models(models.list(Some(loading)));
    };
    progress(0, models.entry_count());
    // A model must not end the thread that could load the next one.
    let loaded = catch_unwind(AssertUnwindSafe(|| {
        let engine = Arc::new(models.load(folder, &progress)?);
        runtime.block_on(caught_up(&engine, state))?;
        Ok(engine)
    }));
    loaded.unwrap_or_else(|_| Err(models.panicked(folder)))
}

/// Waits until `engine` has all entries of the database, which may be away for a while.
async fn caught_up(engine: &Arc<Engine>, state: &State) -> Result<(), engine::Error> {
    let Ok(store) = state.store() else {
        return Ok(());
    };
    loop {
        match engine.catch_up(store).await {
            Err(engine::Error::Store(store::Error::Unavailable(reason))) => {
                tracing::warn!(reason, "added entries not loaded; trying again");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            outcome => return outcome,
        }
    }
}

fn no_threads(error: std::io::Error) -> Error {
    Error::Threads(error.to_string())
}
