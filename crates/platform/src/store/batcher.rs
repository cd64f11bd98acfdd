//! Batches concurrent calls.
//!
//! # Why
//! A database command costs far more than one statement in it, and a journaled command also costs a flush. While one
//! batch is in flight, the next one accumulates: a lone call runs at once, a thousand concurrent calls become a few
//! commands, and no call waits for others to arrive.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

/// Maximum number of calls in a batch.
const BATCH_SIZE: usize = 256;

/// Batches calls with an argument of type `I` and a result of type `O`.
pub struct Batcher<I, O>(mpsc::UnboundedSender<(I, oneshot::Sender<O>)>);

impl<I, O> Clone for Batcher<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Runs at most `max_in_flight` batches at once. `run` returns one result per argument, in the same order.
    #[expect(clippy::disallowed_methods, reason = "ends with its last caller, so that it outlives every task")]
    pub fn new<F, R>(max_in_flight: usize, run: F) -> Self
    where
        F: Fn(Vec<I>) -> R + Send + 'static,
        R: Future<Output = Vec<O>> + Send + 'static,
    {
        let (queue, mut calls) = mpsc::unbounded_channel::<(I, oneshot::Sender<O>)>();
        let permits = Arc::new(Semaphore::new(max_in_flight));
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
                if calls.recv_many(&mut batch, BATCH_SIZE).await == 0 {
                    return;
                }
                // A call that was cancelled before it ran must not take effect later.
                batch.retain(|(_, caller)| !caller.is_closed());
                if batch.is_empty() {
                    continue;
                }
                let (items, callers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
                let results = run(items);
                tokio::spawn(async move {
                    for (caller, result) in callers.into_iter().zip(results.await) {
                        // Fails when the call was cancelled meanwhile.
                        caller.send(result).ok();
                    }
                    drop(permit);
                });
            }
        });
        Self(queue)
    }

    /// Makes the call. Returns `None` if its batch panicked, or if the process is ending.
    pub async fn call(&self, item: I) -> Option<O> {
        let (caller, result) = oneshot::channel();
        self.0.send((item, caller)).ok()?;
        result.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::sync::watch;

    use super::*;

    #[tokio::test]
    async fn calls_during_a_batch_form_the_next_batch() {
        let (gate, open) = watch::channel(false);
        let batcher = Batcher::new(1, move |items: Vec<u32>| {
            let mut open = open.clone();
            async move {
                open.wait_for(|open| *open).await.unwrap();
                let count = items.len();
                items.into_iter().map(|item| (item, count)).collect()
            }
        });
        let calls = (0..10).map(|item| batcher.call(item));
        let (results, ()) = tokio::join!(join_all(calls), async {
            // The first call has started alone; the others have arrived meanwhile.
            tokio::task::yield_now().await;
            gate.send(true).unwrap();
        });
        let results: Vec<_> = results.into_iter().map(Option::unwrap).collect();
        assert!(results.iter().map(|(item, _)| *item).eq(0..10), "each caller gets its own result: {results:?}");
        // Each of the n calls in a batch adds 1/n, so the sum is the number of batches.
        let batches: f64 = results.iter().map(|(_, count)| 1.0 / f64::from(u32::try_from(*count).unwrap())).sum();
        assert!(batches < 2.5, "ten concurrent calls are one or two batches: {results:?}");
    }

    #[tokio::test]
    async fn cancelled_call_is_not_made() {
        let (gate, open) = watch::channel(false);
        let made = Arc::new(std::sync::Mutex::new(Vec::new()));
        let batcher = Batcher::new(1, {
            let made = Arc::clone(&made);
            move |items: Vec<u32>| {
                made.lock().unwrap().extend_from_slice(&items);
                let mut open = open.clone();
                async move {
                    open.wait_for(|open| *open).await.unwrap();
                    items
                }
            }
        });
        let first = batcher.call(1);
        tokio::pin!(first);
        assert!(futures::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
        let mut cancelled = Box::pin(batcher.call(2));
        assert!(futures::poll!(&mut cancelled).is_pending());
        drop(cancelled);
        gate.send(true).unwrap();
        assert_eq!(first.await, Some(1));
        assert_eq!(batcher.call(3).await, Some(3));
        assert_eq!(*made.lock().unwrap(), [1, 3]);
    }

    #[tokio::test]
    async fn panic_fails_only_its_own_batch() {
        let batcher = Batcher::new(1, |items: Vec<u32>| async move {
            assert!(!items.contains(&13), "unlucky");
            items
        });
        assert_eq!(batcher.call(13).await, None);
        assert_eq!(batcher.call(7).await, Some(7));
    }
}
