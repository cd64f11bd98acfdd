//! Advances tasks: to completion, to a suspension or to a crash.

use std::time::Duration;

use common::clock::Clock;
use common::timestamp::Timestamp;
use platform::stream::subscription::{Applied, Failure};
use rand::Rng;

use super::{RunningTask, Schedule, TaskKind, TaskOutput};
use crate::network::Message;

impl Schedule<'_> {
    /// Polls a task until it completes, or is suspended or crashes.
    pub(super) async fn advance(&mut self, mut running: RunningTask) -> Result<(), String> {
        let suspends = !self.faults.in_order && self.happens(self.faults.suspend);
        // A task that is not to be suspended gets more polls than it needs, and stops early only if I/O is slow.
        let polls = if suspends { self.rng.random_range(1..16) } else { 1_000 };
        let mut output = running.task.poll_up_to(polls).await;
        while output.is_none() && self.faults.in_order {
            output = running.task.poll_up_to(polls).await;
        }
        self.drain_queue(running.service, running.instance);
        if let Some(output) = output {
            return self.complete(running, output);
        }
        let is_crashable = !matches!(running.kind, TaskKind::Job { crashable: false });
        if suspends && is_crashable && self.happens(self.faults.crash) {
            self.crash(running);
        } else {
            self.running.push(running);
        }
        Ok(())
    }

    /// Crashes a task at an await point. Snapshots in the memory of its instance may be lost as well.
    fn crash(&mut self, running: RunningTask) {
        self.note(format!("† {} ({})", running.name, running.instance));
        let RunningTask { task, kind, service, instance, .. } = running;
        drop(task);
        if let TaskKind::Handler(messages) = kind {
            self.redeliver(messages, self.fleet.clock.now());
        }
        // Its last write may not have been signalled to the relay.
        self.dirty_outboxes.insert(service);
        if self.faults.drop_announcements && self.happens(0.5) {
            self.announced.remove(&(service, instance));
        }
    }

    fn redeliver(&mut self, messages: Vec<Message>, not_before: Timestamp) {
        let again = messages.into_iter().map(|message| Message { not_before, is_redelivered: true, ..message });
        self.network.queue.extend(again);
    }

    fn complete(&mut self, running: RunningTask, output: TaskOutput) -> Result<(), String> {
        let (name, instance) = (running.name, running.instance);
        match (output, running.kind) {
            (TaskOutput::Handled(Ok(applied)), TaskKind::Handler(messages)) => {
                self.note(format!("→ {name} ({instance}): {applied:?}"));
                if applied == Applied::Applied {
                    self.idle_rounds = 0;
                }
                // The acknowledgement is lost.
                if self.happens(self.faults.duplicate / 2.0) {
                    self.redeliver(messages, self.fleet.clock.now());
                }
            }
            (TaskOutput::Handled(Err(Failure::Retry { after, cause })), TaskKind::Handler(messages)) => {
                self.note(format!("→ {name} ({instance}): retry, {cause}"));
                let not_before = self.fleet.clock.now().plus(after.unwrap_or(Duration::from_millis(100)));
                self.redeliver(messages, not_before);
            }
            (TaskOutput::Handled(Err(Failure::Reject(reason))), _) => {
                return Err(format!("{name} was rejected: {reason}"));
            }
            (TaskOutput::Response(response), TaskKind::Request(reply)) => {
                self.note(format!("→ {name} ({instance}): {} {}", response.status, response.problem()));
                if response.status >= 500 && response.status != 503 {
                    return Err(format!("{name} returned {} {}", response.status, response.text()));
                }
                let is_lost = self.happens(self.faults.crash / 4.0);
                if let Some(reply) = reply.filter(|_| !is_lost) {
                    reply.send(Some(response)).ok();
                }
            }
            (TaskOutput::Done(result), _) => result.map_err(|error| format!("{name}: {error}"))?,
            _ => unreachable!("each kind of task has its own kind of output"),
        }
        Ok(())
    }
}
