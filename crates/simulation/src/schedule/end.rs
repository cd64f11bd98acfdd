//! How what was begun goes on: to its end, or to its death.

use std::time::Duration;

use common::clock::Clock;
use platform::stream::subscription::{Applied, Failure};
use rand::Rng;

use super::{Begun, End, Schedule, What};

impl Schedule<'_> {
    /// Lets something go on: to its end, or to where it lies still for a while, or dies.
    pub(super) async fn go_on(&mut self, mut begun: Begun) -> Result<(), String> {
        let rests = !self.weather.straight && self.happens(self.weather.rest);
        let times = if rests { self.rng.random_range(1..16) } else { 1_000 };
        let mut end = begun.activity.go_on(times).await;
        while end.is_none() && self.weather.straight {
            end = begun.activity.go_on(times).await;
        }
        self.drain_queue(begun.service, begun.instance);
        if let Some(end) = end {
            return self.end(begun, end);
        }
        let mortal = !matches!(begun.what, What::Work { mortal: false });
        if rests && mortal && self.happens(self.weather.crash) {
            self.crash(begun);
        } else {
            self.begun.push(begun);
        }
        Ok(())
    }

    /// It ends between two of its awaits; what its instance had in memory may be gone as well.
    pub(super) fn crash(&mut self, begun: Begun) {
        self.note(format!("† {} ({})", begun.name, begun.instance));
        let Begun { activity, what, service, instance, .. } = begun;
        drop(activity);
        match what {
            What::Handler(message) => self.network.waiting.push(message),
            What::Request(reply) => drop(reply),
            What::Work { .. } => {}
        }
        // What it wrote last, nobody was told of.
        self.written.insert(service);
        if self.weather.lose_announcements && self.happens(0.5) {
            self.announced.remove(&(service, instance));
        }
    }

    pub(super) fn end(&mut self, begun: Begun, end: End) -> Result<(), String> {
        let (name, instance) = (begun.name, begun.instance);
        match (end, begun.what) {
            (End::Handled(Ok(applied)), What::Handler(message)) => {
                self.note(format!("→ {name} ({instance}): {applied:?}"));
                if applied == Applied::Applied {
                    self.vain = 0;
                }
                // The acknowledgement is lost.
                if self.happens(self.weather.repeat / 2.0) {
                    self.network.waiting.push(message);
                }
            }
            (End::Handled(Err(Failure::Retry { after, cause })), What::Handler(mut message)) => {
                self.note(format!("→ {name} ({instance}): again later, {cause}"));
                message.not_before = self.fleet.clock.now().plus(after.unwrap_or(Duration::from_millis(100)));
                self.network.waiting.push(message);
            }
            (End::Handled(Err(Failure::Reject(reason))), _) => return Err(format!("{name} was rejected: {reason}")),
            (End::Answered(answer), What::Request(reply)) => {
                self.note(format!("→ {name} ({instance}): {} {}", answer.status, answer.problem()));
                if answer.status >= 500 && answer.status != 503 {
                    return Err(format!("{name} was answered with {} {}", answer.status, answer.text()));
                }
                let lost = self.happens(self.weather.crash / 4.0);
                if let Some(reply) = reply.filter(|_| !lost) {
                    reply.send(Some(answer)).ok();
                }
            }
            (End::Done(result), _) => result.map_err(|error| format!("{name}: {error}"))?,
            _ => unreachable!("each kind of activity ends in its own way"),
        }
        Ok(())
    }
}
