//! One schedule: a seed decides, step by step, what happens next.

mod advance;
mod fault_profile;
mod relay;
mod start;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use common::clock::Clock;
use futures::future::BoxFuture;
use platform::outbox::event::OutboxEvent;
use platform::stream::subscription::{Applied, Failure, Subscription};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use testkit::app::request::Response;
use tokio::sync::oneshot;

use self::fault_profile::FaultProfile;
use crate::context::SimContext;
use crate::fleet::{MAX_ANNOUNCE_INTERVAL, ORDER_TTL, SERVICES, SimulatedFleet};
use crate::network::{Message, Network};
use crate::task::SteppedTask;

/// A scenario that has not ended after this many actions is stuck.
const MAX_ACTIONS: u32 = 20_000;
/// A scenario that takes longer than this in real time is stuck as well.
const TIMEOUT: Duration = Duration::from_secs(60);
/// A scenario with more idle rounds than this since an event was last applied, although time advances, is stuck as
/// well.
const MAX_IDLE_ROUNDS: u32 = 40;

/// A task that was started on an instance.
struct RunningTask {
    task: SteppedTask<TaskOutput>,
    kind: TaskKind,
    service: usize,
    instance: usize,
    name: String,
}

enum TaskKind {
    /// The handler of the newest of these messages, for all of them. The messages are delivered again unless the
    /// handler succeeds.
    Handler(Vec<Message>),
    /// A request, with the receiver of the response.
    Request(Option<oneshot::Sender<Option<Response>>>),
    /// A background job. Some jobs must not crash, because only snapshots of all entities (a resync) would repair the
    /// loss.
    Job { crashable: bool },
}

enum TaskOutput {
    Handled(Result<Applied, Failure>),
    Response(Response),
    Done(Result<(), String>),
}

struct Consumer {
    service: usize,
    entity: &'static str,
    instances: Vec<Subscription>,
}

#[derive(Clone, Copy)]
enum Action {
    Deliver,
    PublishOutbox,
    ResumeTask,
    StartRequest,
    WakeUser,
    StartJob,
    Webhook,
    AdvanceClock,
    CardFault,
}

pub(crate) struct Schedule<'a> {
    fleet: &'a mut SimulatedFleet,
    context: Arc<SimContext>,
    rng: StdRng,
    faults: FaultProfile,
    consumers: Vec<Consumer>,
    network: Network,
    running: Vec<RunningTask>,
    /// Services whose outboxes may contain events, or that have snapshots to publish.
    dirty_outboxes: BTreeSet<usize>,
    /// The snapshots of announced entities by service and instance, which are lost if that instance crashes.
    announced: BTreeMap<(usize, usize), Vec<OutboxEvent>>,
    /// Events that were published and may still be in their outbox.
    published: HashSet<String>,
    /// Number of idle rounds since a handler last applied an event.
    idle_rounds: u32,
}

impl<'a> Schedule<'a> {
    /// The schedule of a seed; the reference run without one.
    pub(crate) fn new(
        fleet: &'a mut SimulatedFleet,
        context: Arc<SimContext>,
        network: Network,
        seed: Option<u64>,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.unwrap_or_default());
        let faults = match seed {
            Some(_) => FaultProfile::random(&mut rng),
            None => FaultProfile { in_order: true, ..FaultProfile::default() },
        };
        context.note(format!("{faults:?}"));
        let subscriptions = fleet.subscriptions().into_iter();
        let consumers =
            subscriptions.map(|(service, instances)| Consumer { service, entity: instances[0].entity, instances });
        Self {
            consumers: consumers.collect(),
            fleet,
            context,
            rng,
            faults,
            network,
            running: Vec::new(),
            dirty_outboxes: BTreeSet::new(),
            announced: BTreeMap::new(),
            published: HashSet::new(),
            idle_rounds: 0,
        }
    }

    pub(crate) fn into_network(self) -> Network {
        self.network
    }

    /// Runs a scenario to its end, then lets the fleet recover.
    pub(crate) async fn run(&mut self, scenario: BoxFuture<'static, Result<()>>) -> Result<(), String> {
        let began = Instant::now();
        let mut scenario = SteppedTask::new(scenario);
        let mut actions = 0;
        loop {
            while scenario.is_runnable() {
                if let Some(result) = scenario.poll() {
                    result.map_err(|error| format!("{error:#}"))?;
                    return self.recover(began).await;
                }
            }
            actions += 1;
            if actions > MAX_ACTIONS || began.elapsed() > TIMEOUT || self.idle_rounds > MAX_IDLE_ROUNDS {
                return Err(format!("the scenario is stuck after {actions} actions"));
            }
            self.step().await?;
        }
    }

    /// Stops the faults and lets the fleet recover: lost events are announced again, and holds expire.
    async fn recover(&mut self, began: Instant) -> Result<(), String> {
        let resync = self.faults.drop_announcements;
        self.faults = FaultProfile { in_order: self.faults.in_order, ..FaultProfile::default() };
        self.context.heal_partitions();
        self.fleet.card_network.set_faults(&json!({})).await;
        self.note("the scenario has ended; faults stop");
        self.settle(began).await?;
        self.fleet.clock.advance(MAX_ANNOUNCE_INTERVAL);
        self.start_jobs();
        // If snapshots were dropped, only the resync below repairs the loss.
        if !resync {
            self.start_announcers();
        }
        self.settle(began).await?;
        if resync {
            self.resync().await?;
            self.settle(began).await?;
        }
        self.fleet.clock.advance(ORDER_TTL);
        self.start_jobs();
        self.settle(began).await
    }

    /// Runs until no action is possible and no message is delayed.
    async fn settle(&mut self, began: Instant) -> Result<(), String> {
        loop {
            if began.elapsed() > TIMEOUT {
                return Err("the fleet does not settle".to_owned());
            }
            if self.possible_actions().is_empty() {
                let Some(due) = self.network.next_due() else { return Ok(()) };
                self.fleet.clock.advance(due.since(self.fleet.clock.now()));
            } else {
                self.step().await?;
            }
        }
    }

    /// The actions that make progress without waiting, with their weights.
    fn possible_actions(&mut self) -> Vec<(u32, Action)> {
        let partitions = self.context.partitions.lock().unwrap().clone();
        let is_partitioned =
            |consumer: &Consumer| partitions.contains(&(consumer.entity, SERVICES[consumer.service].0));
        self.network.partitioned =
            (0..self.consumers.len()).filter(|index| is_partitioned(&self.consumers[*index])).collect();
        let has_deliverable = !self.network.deliverable(self.fleet.clock.now()).is_empty();
        let has_requests = !self.context.pending_requests.lock().unwrap().is_empty();
        let resume_weight = if self.running.len() > 6 { 40 } else { 8 };
        let actions = [
            (has_requests, 8, Action::StartRequest),
            (has_deliverable, 10, Action::Deliver),
            (!self.running.is_empty(), resume_weight, Action::ResumeTask),
            (!self.dirty_outboxes.is_empty(), 6, Action::PublishOutbox),
        ];
        actions.into_iter().filter(|(possible, ..)| *possible).map(|(_, weight, action)| (weight, action)).collect()
    }

    async fn step(&mut self) -> Result<(), String> {
        self.fleet.clock.advance(Duration::from_millis(self.rng.random_range(1..20)));
        let mut actions = self.possible_actions();
        if actions.is_empty() {
            return self.idle().await;
        }
        if self.faults.in_order {
            let (_, action) = actions[0];
            return self.execute(action).await;
        }
        if !self.context.paused_users.lock().unwrap().is_empty() {
            actions.push((2, Action::WakeUser));
        }
        // Every random profile suspends tasks, so this condition means that faults are injected.
        if self.faults.suspend > 0.0 {
            actions.extend([(1, Action::StartJob), (1, Action::AdvanceClock)]);
            if self.faults.duplicate > 0.0 {
                actions.push((1, Action::Webhook));
            }
            if self.faults.card_faults > 0.0 {
                actions.push((1, Action::CardFault));
            }
        }
        let action = actions.choose_weighted(&mut self.rng, |(weight, _)| *weight).unwrap().1;
        self.execute(action).await
    }

    async fn execute(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Deliver => return self.deliver().await,
            Action::PublishOutbox => return self.publish_outbox().await,
            Action::StartRequest => return self.start_request().await,
            Action::ResumeTask => {
                let index = self.rng.random_range(0..self.running.len());
                let running = self.running.swap_remove(index);
                return self.advance(running).await;
            }
            Action::WakeUser => {
                let mut paused = self.context.paused_users.lock().unwrap();
                let index = self.rng.random_range(0..paused.len());
                paused.swap_remove(index).send(()).ok();
            }
            Action::StartJob => {
                let (job, instance) = (self.rng.random_range(0..4), self.rng.random_range(0..2));
                let service = self.rng.random_range(0..SERVICES.len());
                match job {
                    0 => self.fire_timers(instance),
                    1 => self.reconcile(instance),
                    _ => self.announce(service, instance),
                }
            }
            Action::Webhook => self.start_webhook(),
            Action::AdvanceClock => {
                let millis = self.rng.random_range(50..3_000);
                self.fleet.clock.advance(Duration::from_millis(millis));
            }
            Action::CardFault => {
                if self.rng.random_bool(self.faults.card_faults) {
                    let faults = ["error500AfterProcessing", "error500BeforeProcessing", "latencyMs"];
                    let fault = *faults.choose(&mut self.rng).unwrap();
                    let fault = json!({ fault: if fault == "latencyMs" { 5 } else { 1 } });
                    self.note(format!("the card network: {fault}"));
                    self.fleet.card_network.set_faults(&fault).await;
                }
            }
        }
        Ok(())
    }

    /// Handles a round without a possible action: wakes the paused users. Unless an event was applied since the last
    /// such round, it first advances time until something is due.
    async fn idle(&mut self) -> Result<(), String> {
        self.idle_rounds += 1;
        let paused = std::mem::take(&mut *self.context.paused_users.lock().unwrap());
        if paused.is_empty() {
            return Err("the scenario waits for nothing".to_owned());
        }
        if self.idle_rounds > 1 {
            let pause = Duration::from_secs(30 << self.idle_rounds.min(20)).min(MAX_ANNOUNCE_INTERVAL);
            let due = self.network.next_due().map(|due| due.since(self.fleet.clock.now()));
            self.fleet.clock.advance(due.unwrap_or(pause));
            if due.is_none() {
                self.start_jobs();
                self.start_announcers();
                // The snapshot of a settled state is published only once; if it was lost too, a resync is needed.
                if self.faults.drop_announcements && self.idle_rounds.is_multiple_of(5) {
                    self.resync().await?;
                }
            }
        }
        for user in paused {
            user.send(()).ok();
        }
        Ok(())
    }

    fn choose_instance(&mut self) -> usize {
        if self.faults.in_order { 0 } else { self.rng.random_range(0..2) }
    }

    fn note(&self, line: impl Into<String>) {
        self.context.note(line);
    }

    /// Whether an event with this probability occurs.
    fn happens(&mut self, probability: f64) -> bool {
        self.rng.random_bool(probability)
    }
}
