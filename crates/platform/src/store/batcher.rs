//! Calls that come at the same time, done together.
//!
//! # Why
//! To a database a command costs far more than a statement in it, and a journaled one a flush beside.
//! While one group of calls is under way the next one gathers: so a call that comes alone is made at
//! once, a thousand at once make a few commands, and nobody waits for others to come.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};

/// How many calls one group has at most.
const LIMIT: usize = 256;

/// Gathers calls that take an `I` and yield an `O` each.
pub struct Batcher<I, O>(mpsc::UnboundedSender<(I, oneshot::Sender<O>)>);

impl<I, O> Clone for Batcher<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I: Send + 'static, O: Send + 'static> Batcher<I, O> {
    /// Groups of which at most `at_once` are under way. `run` yields one result for each call, in their order.
    #[expect(clippy::disallowed_methods, reason = "ends with its last caller, so that it outlives every task")]
    pub fn new<F, R>(at_once: usize, run: F) -> Self
    where
        F: Fn(Vec<I>) -> R + Send + 'static,
        R: Future<Output = Vec<O>> + Send + 'static,
    {
        let (queue, mut calls) = mpsc::unbounded_channel::<(I, oneshot::Sender<O>)>();
        let room = Arc::new(Semaphore::new(at_once));
        tokio::spawn(async move {
            let mut gathered = Vec::new();
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                if calls.recv_many(&mut gathered, LIMIT).await == 0 {
                    return;
                }
                // Who has given up was told nothing, and must find nothing done later on.
                gathered.retain(|(_, caller)| !caller.is_closed());
                if gathered.is_empty() {
                    continue;
                }
                let (items, callers): (Vec<_>, Vec<_>) = gathered.drain(..).unzip();
                let results = run(items);
                tokio::spawn(async move {
                    for (caller, result) in callers.into_iter().zip(results.await) {
                        // Who has given up meanwhile does not care.
                        caller.send(result).ok();
                    }
                    drop(place);
                });
            }
        });
        Self(queue)
    }

    /// Makes the call; `None` when its group came to no end, which only a panic or the process' end does.
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
    async fn what_comes_while_a_group_is_under_way_is_one_group() {
        let (gate, open) = watch::channel(false);
        let group = Batcher::new(1, move |items: Vec<u32>| {
            let mut open = open.clone();
            async move {
                open.wait_for(|open| *open).await.unwrap();
                let count = items.len();
                items.into_iter().map(|item| (item, count)).collect()
            }
        });
        let calls = (0..10).map(|item| group.call(item));
        let (answers, ()) = tokio::join!(join_all(calls), async {
            // The first has begun by itself; the others have come meanwhile.
            tokio::task::yield_now().await;
            gate.send(true).unwrap();
        });
        let answers: Vec<_> = answers.into_iter().map(Option::unwrap).collect();
        assert!(answers.iter().map(|(item, _)| *item).eq(0..10), "each caller has its own answer: {answers:?}");
        let groups: f64 = answers.iter().map(|(_, count)| 1.0 / f64::from(u32::try_from(*count).unwrap())).sum();
        assert!(groups < 2.5, "ten calls at once are one group or two: {answers:?}");
    }

    #[tokio::test]
    async fn a_call_whose_caller_has_given_up_is_not_made() {
        let (gate, open) = watch::channel(false);
        let made = Arc::new(std::sync::Mutex::new(Vec::new()));
        let group = Batcher::new(1, {
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
        let first = group.call(1);
        tokio::pin!(first);
        assert!(futures::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
        let mut given_up = Box::pin(group.call(2));
        assert!(futures::poll!(&mut given_up).is_pending());
        drop(given_up);
        gate.send(true).unwrap();
        assert_eq!(first.await, Some(1));
        assert_eq!(group.call(3).await, Some(3));
        assert_eq!(*made.lock().unwrap(), [1, 3]);
    }

    #[tokio::test]
    async fn a_panic_is_that_of_its_group_alone() {
        let group = Batcher::new(1, |items: Vec<u32>| async move {
            assert!(!items.contains(&13), "unlucky");
            items
        });
        assert_eq!(group.call(13).await, None);
        assert_eq!(group.call(7).await, Some(7));
    }
}
