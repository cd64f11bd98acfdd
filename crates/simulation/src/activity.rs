//! Something that is under way, and gets only as far as it is let.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::task::AtomicWaker;

/// How long an activity that is let run may wait for something outside before others get their turn.
const PATIENCE: Duration = Duration::from_millis(20);

/// A future that is polled by hand: between two polls it lies still, as a process does that gets no CPU,
/// and when it is dropped it has ended between two of its awaits, as a process does that dies.
pub struct Activity<T> {
    future: BoxFuture<'static, T>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// Whether the future has reason to be polled.
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

impl<T> Activity<T> {
    /// Something that is yet to begin.
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        let woken = Arc::new(Woken { flag: AtomicBool::new(true), listener: AtomicWaker::new() });
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&woken)), woken }
    }

    /// Whether it has reason to go on.
    pub fn is_woken(&self) -> bool {
        self.woken.flag.load(Ordering::SeqCst)
    }

    /// Lets it go on at most so many times, and waits no longer than is sensible while it waits itself.
    pub async fn go_on(&mut self, times: u32) -> Option<T> {
        for _ in 0..times {
            if tokio::time::timeout(PATIENCE, self.woken.wait()).await.is_err() {
                return None;
            }
            if let Some(end) = self.poll() {
                return Some(end);
            }
        }
        None
    }

    /// Polls once if there is reason to.
    pub fn poll(&mut self) -> Option<T> {
        if !self.woken.flag.swap(false, Ordering::SeqCst) {
            return None;
        }
        match self.future.as_mut().poll(&mut Context::from_waker(&self.waker)) {
            Poll::Ready(end) => Some(end),
            Poll::Pending => None,
        }
    }
}
