//! What is begun: deliveries, requests, webhooks, background work.

use common::api::admin::{RESYNC, Resync};
use common::clock::Clock;
use hmac::{Hmac, Mac};
use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::json;
use sha2::Sha256;

use super::{Begun, End, Schedule, What};
use crate::activity::Activity;
use crate::fleet::{SERVICES, WEBHOOK_SECRET};
use crate::network::tail;
use crate::people::{Asked, Request};

impl Schedule<'_> {
    /// All background work has its turn, that of the announcers if it is wanted.
    pub(super) fn background_work(&mut self, announcers: bool) {
        self.note("background work");
        // A sweep of all outboxes is part of it: what a dead handler had sent may have been written late.
        self.written.extend(0..SERVICES.len());
        let instance = self.an_instance();
        self.fire(instance);
        self.reconcile(instance);
        self.sweep(instance);
        for service in 0..SERVICES.len() {
            if announcers {
                let instance = self.an_instance();
                self.announce(service, instance);
            }
        }
    }

    /// A message goes to one of its consumer's instances; the network may keep it to deliver it again.
    pub(super) async fn deliver(&mut self) -> Result<(), String> {
        let deliverable = self.network.deliverable(self.fleet.clock.now());
        let message = if self.weather.straight {
            self.network.waiting.remove(deliverable[0])
        } else {
            let place = *deliverable.choose(&mut self.rng).unwrap();
            self.network.waiting.swap_remove(place)
        };
        if self.happens(self.weather.repeat / 2.0) {
            self.network.waiting.push(message.clone());
        }
        let instance = self.an_instance();
        let consumer = &self.consumers[message.consumer];
        let (service, handler) = (consumer.service, consumer.instances[instance].clone());
        let payload = message.payload.clone();
        let activity = Activity::new(async move { End::Handled(handler.handle(&payload).await) });
        let name = format!("{} at {}", message.name, SERVICES[service].0);
        self.go_on(Begun { activity, what: What::Handler(message), service, instance, name }).await
    }

    /// A person's request reaches an instance.
    pub(super) async fn answer(&mut self) -> Result<(), String> {
        let Asked { request, reply } = {
            let mut asked = self.stage.asked.lock().unwrap();
            let place = if self.weather.straight { 0 } else { self.rng.random_range(0..asked.len()) };
            asked.remove(place)
        };
        let service = SERVICES.iter().position(|(name, _)| *name == request.service).unwrap();
        let instance = self.an_instance();
        let name = format!("{} {}", request.method, request.path);
        let activity = self.request(service, instance, &request);
        self.go_on(Begun { activity, what: What::Request(Some(reply)), service, instance, name }).await
    }

    pub(super) fn request(&self, service: usize, instance: usize, request: &Request) -> Activity<End> {
        let routes = self.fleet.routes(SERVICES[service].0, instance);
        let mut http = testkit::app::request::Request::new(routes, request.method.as_str(), &request.path);
        http = http.header("cookie", &request.cookie);
        if let Some(key) = &request.key {
            http = http.header("idempotency-key", key);
        }
        if let Some(body) = &request.body {
            http = http.json(body);
        }
        Activity::new(async move { End::Answered(http.send().await) })
    }

    /// The card network tells of a payment, whatever there is to tell.
    pub(super) fn webhook(&mut self) {
        let payments = self.network.events.get("payment").map(Vec::as_slice).unwrap_or_default();
        let known: Vec<&str> = payments.iter().filter_map(|event| event["data"]["providerRef"].as_str()).collect();
        let Some(intent) = known.choose(&mut self.rng).map(|intent| (*intent).to_owned()) else { return };
        let object = json!({ "object": "payment_intent", "id": intent });
        let body = json!({ "id": "evt_1", "type": "payment_intent.updated", "data": { "object": object } }).to_string();
        let time = self.fleet.clock.now().as_seconds();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        let instance = self.an_instance();
        let routes = self.fleet.routes(payments::NAME, instance);
        let name = format!("a webhook about {}", tail(&intent));
        let http = testkit::app::request::Request::new(routes, "POST", payments::routes::WEBHOOK);
        let http = http.header("stripe-signature", signature).body(body);
        let activity = Activity::new(async move { End::Answered(http.send().await) });
        self.begin(activity, What::Request(None), payments::NAME, instance, name);
    }

    pub(super) fn begin(&mut self, activity: Activity<End>, what: What, service: &str, instance: usize, name: String) {
        let service = SERVICES.iter().position(|(known, _)| *known == service).unwrap();
        self.begun.push(Begun { activity, what, service, instance, name });
    }

    pub(super) fn fire(&mut self, instance: usize) {
        let name = format!("firing of timers by {instance}");
        // Of two rounds on one instance the second would only wait for the first.
        if self.begun.iter().any(|begun| begun.name == name) {
            return;
        }
        let state = self.fleet.expiration[instance].clone();
        let round = async move {
            let fired = expiration::flows::fire_due::fire_due(&state).await;
            End::Done(fired.map(|_| ()).map_err(|error| error.to_string()))
        };
        self.begin(Activity::new(round), What::Work { mortal: true }, expiration::NAME, instance, name);
    }

    pub(super) fn reconcile(&mut self, instance: usize) {
        let (state, tasks) = (self.fleet.payments[instance].clone(), self.fleet.tasks().clone());
        let round = async move {
            let looked = payments::reconciler::round(&state, &tasks, state.config.reconcile_after).await;
            End::Done(looked.map(|_| ()).map_err(|error| error.to_string()))
        };
        let name = format!("reconciler of payments by {instance}");
        self.begin(Activity::new(round), What::Work { mortal: true }, payments::NAME, instance, name);
    }

    pub(super) fn sweep(&mut self, instance: usize) {
        let state = self.fleet.payments[instance].clone();
        let round = async move {
            // Whatever it answers: the card network may fail, and the next one finds the same.
            payments::flows::settle_orphans::sweep(&state).await.ok();
            End::Done(Ok(()))
        };
        let name = format!("sweep of the card network by {instance}");
        self.begin(Activity::new(round), What::Work { mortal: true }, payments::NAME, instance, name);
    }

    pub(super) fn announce(&mut self, service: usize, instance: usize) {
        let round = self.fleet.services[service].instances[instance].announce_due();
        let round = async move { End::Done(round.await.map(|_| ()).map_err(|error| error.to_string())) };
        let name = format!("announcer of {} by {instance}", SERVICES[service].0);
        let mortal = self.weather.lose_announcements;
        self.begin(Activity::new(round), What::Work { mortal }, SERVICES[service].0, instance, name);
    }

    /// Every owner is asked to announce everything.
    pub(super) async fn resync(&mut self) -> Result<(), String> {
        self.note("resync");
        for service in 0..SERVICES.len() {
            let instance = self.an_instance();
            let routes = self.fleet.services[service].instances[instance].running.admin.clone();
            let request = testkit::app::request::Request::new(routes, "POST", RESYNC);
            let answer = request.json(&json!(Resync::everything())).send().await;
            if answer.status != 200 {
                return Err(format!("resync was answered with {}", answer.text()));
            }
            self.drain_queue(service, instance);
        }
        Ok(())
    }

    /// Takes note of what an instance wrote and announced.
    pub(super) fn drain_queue(&mut self, service: usize, instance: usize) {
        let (announced, wrote) = self.fleet.services[service].instances[instance].drain_queue();
        if wrote || !announced.is_empty() {
            self.written.insert(service);
        }
        self.announced.entry((service, instance)).or_default().extend(announced);
    }
}
