//! A future that the scheduler polls step by step.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::task::AtomicWaker;

/// How long a running task may wait for external I/O before other tasks are scheduled.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// A manually polled future. Between polls it is suspended, like a process without CPU; dropping it simulates a crash
/// at an await point.
pub(crate) struct SteppedTask<T> {
    future: BoxFuture<'static, T>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// Whether the future has been woken since its last poll.
struct Woken {
    flag: AtomicBool,
    listener: AtomicWaker,
}

impl Woken {
    async fn wait(&self) {
        poll_fn(|context| {
            self.listener.register(context.waker());
            if self.flag.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.listener.wake();
    }
}

impl<T> SteppedTask<T> {
    /// A task that has not started.
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let woken = Arc::new(Woken { flag: AtomicBool::new(true), listener: AtomicWaker::new() });
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&woken)), woken }
    }

    pub(crate) fn is_runnable(&self) -> bool {
        self.woken.flag.load(Ordering::SeqCst)
    }

    /// Polls at most `times`, waiting up to [`POLL_TIMEOUT`] for each wake-up.
    pub(crate) async fn poll_up_to(&mut self, times: u32) -> Option<T> {
        for _ in 0..times {
            if tokio::time::timeout(POLL_TIMEOUT, self.woken.wait()).await.is_err() {
                return None;
            }
            if let Some(output) = self.poll() {
                return Some(output);
            }
        }
        None
    }

    /// Polls once if runnable.
    pub(crate) fn poll(&mut self) -> Option<T> {
        if !self.woken.flag.swap(false, Ordering::SeqCst) {
            return None;
        }
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}
