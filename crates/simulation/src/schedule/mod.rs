//! One schedule: a seed decides, step by step, what happens next.

mod begin;
mod end;
mod relay;
mod weather;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::clock::Clock;
use platform::outbox::event::OutboxEvent;
use platform::stream::subscription::{Applied, Failure, Subscription};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use testkit::app::request::Response;
use tokio::sync::oneshot;

use crate::activity::Activity;
use crate::fleet::{Fleet, HOLD, LONGEST_SILENCE, SERVICES};
use crate::network::{Message, Network};
use crate::people::Stage;
use crate::scenarios::Play;

pub use self::weather::Weather;

/// A schedule that has not ended by then never will.
const STEPS: u32 = 20_000;
/// The same in real time.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often in a row nothing at all happens, however long one waits, before the scenario counts as stuck.
const VAIN: u32 = 40;

/// Something that was begun on an instance.
struct Begun {
    activity: Activity<End>,
    what: What,
    service: usize,
    instance: usize,
    name: String,
}

enum What {
    /// The handler of a message, which comes again unless it is handled.
    Handler(Message),
    /// A request, with who waits for the answer.
    Request(Option<oneshot::Sender<Option<Response>>>),
    /// Background work; some must not die, since what it would leave undone only a resync heals.
    Work { mortal: bool },
}

enum End {
    Handled(Result<Applied, Failure>),
    Answered(Response),
    Done(Result<(), String>),
}

struct Consumer {
    service: usize,
    entity: &'static str,
    instances: Vec<Subscription>,
}

#[derive(Clone, Copy)]
enum Step {
    Deliver,
    Relay,
    GoOn,
    Answer,
    Look,
    Work,
    Webhook,
    TimePasses,
    CardFault,
}

/// A schedule under way.
pub struct Schedule<'a> {
    fleet: &'a mut Fleet,
    stage: Arc<Stage>,
    rng: StdRng,
    weather: Weather,
    consumers: Vec<Consumer>,
    network: Network,
    begun: Vec<Begun>,
    /// Services whose outboxes may hold something, or who announced something.
    written: BTreeSet<usize>,
    /// What was announced, by service and instance, and is lost if that instance dies.
    announced: BTreeMap<(usize, usize), Vec<OutboxEvent>>,
    /// Events that were published and are still in their outbox.
    published: HashSet<String>,
    /// How often in a row there was nothing to do.
    vain: u32,
    trace: Vec<String>,
}

impl<'a> Schedule<'a> {
    /// The schedule of this seed; the straight one without a seed.
    pub fn new(fleet: &'a mut Fleet, stage: Arc<Stage>, network: Network, seed: Option<u64>) -> Self {
        let mut rng = StdRng::seed_from_u64(seed.unwrap_or_default());
        let weather = if seed.is_some() { Weather::random(&mut rng) } else { Weather::STRAIGHT };
        let lines = fleet.subscriptions().into_iter();
        let consumers =
            lines.map(|(service, instances)| Consumer { service, entity: instances[0].entity, instances }).collect();
        Self {
            fleet,
            stage,
            rng,
            weather,
            consumers,
            network,
            begun: Vec::new(),
            written: BTreeSet::new(),
            announced: BTreeMap::new(),
            published: HashSet::new(),
            vain: 0,
            trace: vec![format!("{weather:?}")],
        }
    }

    /// What happened, for people.
    pub fn trace(&self) -> &[String] {
        &self.trace
    }

    /// What was published.
    pub fn into_network(self) -> Network {
        self.network
    }

    /// Plays a scenario to its end, then lets everything heal.
    pub async fn play(&mut self, play: Play) -> Result<(), String> {
        let began = Instant::now();
        let mut play = Activity::new(play);
        let mut steps = 0;
        loop {
            while play.is_woken() {
                if let Some(end) = play.poll() {
                    end.map_err(|error| format!("{error:#}"))?;
                    return self.heal(began).await;
                }
            }
            steps += 1;
            if steps > STEPS || began.elapsed() > DEADLINE || self.vain > VAIN {
                return Err(format!("the scenario is stuck after {steps} steps"));
            }
            self.step().await?;
        }
    }

    /// Faults have stopped: what was lost is announced again, and every hold comes to its end.
    async fn heal(&mut self, began: Instant) -> Result<(), String> {
        let resync = self.weather.lose_announcements;
        self.weather = Weather { straight: self.weather.straight, ..Weather::CALM };
        self.stage.let_through();
        self.fleet.card_network.faults(&json!({})).await;
        self.note("the scenario has ended; faults stop");
        self.settle(began).await?;
        self.fleet.clock.advance(LONGEST_SILENCE);
        self.background_work(!resync);
        self.settle(began).await?;
        if resync {
            self.resync().await?;
            self.settle(began).await?;
        }
        self.fleet.clock.advance(HOLD);
        self.background_work(false);
        self.settle(began).await?;
        Ok(())
    }

    /// Goes on until there is nothing left to do.
    async fn settle(&mut self, began: Instant) -> Result<(), String> {
        loop {
            if began.elapsed() > DEADLINE {
                return Err("it does not settle".to_owned());
            }
            if self.possible().is_empty() {
                let Some(due) = self.network.next_due() else { return Ok(()) };
                self.fleet.clock.advance(due.since(self.fleet.clock.now()));
            } else {
                self.step().await?;
            }
        }
    }

    /// What can be done at all, without waiting for anything.
    fn possible(&mut self) -> Vec<(u32, Step)> {
        let withheld = self.stage.withheld.lock().unwrap().clone();
        let is_withheld = |consumer: &Consumer| withheld.contains(&(consumer.entity, SERVICES[consumer.service].0));
        self.network.withheld =
            (0..self.consumers.len()).filter(|place| is_withheld(&self.consumers[*place])).collect();
        let deliverable = !self.network.deliverable(self.fleet.clock.now()).is_empty();
        let asked = !self.stage.asked.lock().unwrap().is_empty();
        let crowded = self.begun.len() > 6;
        let steps = [
            (asked, 8, Step::Answer),
            (deliverable, 10, Step::Deliver),
            (!self.begun.is_empty(), if crowded { 40 } else { 8 }, Step::GoOn),
            (!self.written.is_empty(), 6, Step::Relay),
        ];
        steps.into_iter().filter(|(possible, ..)| *possible).map(|(_, weight, step)| (weight, step)).collect()
    }

    async fn step(&mut self) -> Result<(), String> {
        self.fleet.clock.advance(Duration::from_millis(self.rng.random_range(1..20)));
        let mut steps = self.possible();
        if steps.is_empty() {
            return self.nothing_to_do().await;
        }
        if self.weather.straight {
            let (_, step) = steps[0];
            return self.take(step).await;
        }
        if !self.stage.pausing.lock().unwrap().is_empty() {
            steps.push((2, Step::Look));
        }
        if self.weather.rest > 0.0 {
            steps.extend([(1, Step::Work), (1, Step::TimePasses)]);
            if self.weather.repeat > 0.0 {
                steps.push((1, Step::Webhook));
            }
            if self.weather.card_faults > 0.0 {
                steps.push((1, Step::CardFault));
            }
        }
        let step = steps.choose_weighted(&mut self.rng, |(weight, _)| *weight).unwrap().1;
        self.take(step).await
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Deliver => self.deliver().await,
            Step::Relay => self.relay().await,
            Step::GoOn => {
                let place = self.rng.random_range(0..self.begun.len());
                let begun = self.begun.swap_remove(place);
                self.go_on(begun).await
            }
            Step::Answer => self.answer().await,
            Step::Look => {
                let mut pausing = self.stage.pausing.lock().unwrap();
                let place = self.rng.random_range(0..pausing.len());
                pausing.swap_remove(place).send(()).ok();
                Ok(())
            }
            Step::Work => {
                let (work, instance) = (self.rng.random_range(0..4), self.rng.random_range(0..2));
                let service = self.rng.random_range(0..SERVICES.len());
                match work {
                    0 => self.fire(instance),
                    1 => self.reconcile(instance),
                    _ => self.announce(service, instance),
                }
                Ok(())
            }
            Step::Webhook => {
                self.webhook();
                Ok(())
            }
            Step::TimePasses => {
                let millis = self.rng.random_range(50..3_000);
                self.fleet.clock.advance(Duration::from_millis(millis));
                Ok(())
            }
            Step::CardFault => {
                let faults =
                    [json!({ "error500AfterWork": 1 }), json!({ "error500BeforeWork": 1 }), json!({ "latencyMs": 5 })];
                if self.rng.random_bool(self.weather.card_faults) {
                    let fault = faults.choose(&mut self.rng).unwrap();
                    self.note(format!("the card network: {fault}"));
                    self.fleet.card_network.faults(fault).await;
                }
                Ok(())
            }
        }
    }

    /// Everybody waits: people look again, or time passes until something is due.
    async fn nothing_to_do(&mut self) -> Result<(), String> {
        self.vain += 1;
        let pausing = std::mem::take(&mut *self.stage.pausing.lock().unwrap());
        if pausing.is_empty() {
            return Err("the scenario waits for nothing".to_owned());
        }
        if self.vain > 1 {
            let pause = Duration::from_secs(30 << self.vain.min(20)).min(LONGEST_SILENCE);
            let due = self.network.next_due().map(|due| due.since(self.fleet.clock.now()));
            self.fleet.clock.advance(due.unwrap_or(pause));
            if due.is_none() {
                self.background_work(true);
                // A state that rests is announced once: if that was lost too, somebody has to ask.
                if self.weather.lose_announcements && self.vain.is_multiple_of(5) {
                    self.resync().await?;
                }
            }
        }
        for person in pausing {
            person.send(()).ok();
        }
        Ok(())
    }

    fn an_instance(&mut self) -> usize {
        if self.weather.straight { 0 } else { self.rng.random_range(0..2) }
    }

    fn note(&mut self, line: impl Into<String>) {
        self.trace.push(line.into());
    }

    fn happens(&mut self, chance: f64) -> bool {
        self.rng.random_bool(chance)
    }
}
