//! The bounded pool for engine work.
//!
//! A permit comes first and is held until the work ends, even when nobody waits for the answer any
//! more: that is what bounds memory. No permit left means 503 at once, never a longer queue.

use super::error::Failure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// Threads, a queue of known length, and a deadline.
pub(super) struct Work {
    threads: rayon::ThreadPool,
    permits: Arc<Semaphore>,
    places: usize,
    timeout: Duration,
}

impl Work {
    pub(super) fn new(config: &super::Config) -> Result<Self, rayon::ThreadPoolBuildError> {
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(config.workers)
            .thread_name(|number| format!("netkin-work-{number}"))
            .build()?;
        let permits = threads.current_num_threads() + config.queue;
        Ok(Self {
            permits: Arc::new(Semaphore::new(permits)),
            places: permits,
            timeout: Duration::from_millis(config.timeout_ms),
            threads,
        })
    }

    /// Runs `job` on the pool. A panic in it is a failure of this request alone.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let permit = self.permit();
        if permit.is_err() {
            metrics::counter!("netkin_rejected_total").increment(1);
        }
        self.run_with(permit?, job).await
    }

    /// Jobs that run or wait.
    pub(super) fn held(&self) -> usize {
        self.places - self.permits.available_permits()
    }

    /// A place in the queue, if there is one.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        permit.map_err(|_| {
            Failure::busy(
                "overloaded",
                "The server has more work than it can queue; try again after Retry-After seconds.",
            )
        })
    }

    /// The same in a place that was taken before.
    pub(super) async fn run_with<T: Send + 'static>(
        &self,
        permit: OwnedSemaphorePermit,
        job: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = oneshot::channel();
        self.threads.spawn(move || {
            // Nobody reads the answer of a job whose request has gone: skip it.
            if !sender.is_closed() {
                let outcome = catch_unwind(AssertUnwindSafe(job));
                let _ = sender.send(outcome.unwrap_or_else(|panic| Err(panicked(&*panic))));
            }
            drop(permit);
        });
        match tokio::time::timeout(self.timeout, receiver).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Failure::internal("a worker dropped its job")),
            Err(_) => Err(Failure::busy(
                "timeout",
                "The answer took too long; try again later, or with a smaller model.",
            )),
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::internal(&format!("panic: {}", text.unwrap_or("without a message")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(workers: usize, queue: usize, timeout_ms: u64) -> Work {
        Work::new(&crate::api::Config {
            workers,
            queue,
            timeout_ms,
            ..crate::api::Config::for_tests()
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_panic_fails_its_request_and_the_pool_lives() {
        let work = work(1, 0, 10_000);
        let failed = work.run(|| -> Result<(), Failure> { panic!("boom") }).await;
        assert_eq!(failed.unwrap_err().code, "internal");
        // The permit returns just after the answer does.
        while work.permits.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(work.run(|| Ok(7)).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let work = Arc::new(work(1, 0, 10_000));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = Arc::clone(&work);
        let first = tokio::spawn(async move {
            busy.run(move || {
                let _ = held.recv();
                Ok(1)
            })
            .await
        });
        while work.permits.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = work.run(|| Ok(2)).await.unwrap_err();
        assert_eq!((refused.code, refused.status.as_u16()), ("overloaded", 503));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_slow_job_times_out() {
        let work = work(1, 0, 20);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let failure = work.run(move || {
            let _ = held.recv();
            Ok(())
        });
        assert_eq!(failure.await.unwrap_err().code, "timeout");
        drop(release);
    }
}
