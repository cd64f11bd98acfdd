//! Starts tasks: deliveries, requests, webhooks and background jobs.

use std::fmt::{Display, Write};

use common::api::admin::{RESYNC, Resync};
use common::clock::Clock;
use hmac::{Hmac, Mac};
use platform::stream::subscription::GroupSummary;
use rand::Rng;
use rand::seq::IndexedRandom;
use serde_json::json;
use sha2::Sha256;
use testkit::app::request::Request as HttpRequest;

use super::{RunningTask, Schedule, TaskKind, TaskOutput};
use crate::context::PendingRequest;
use crate::fleet::{SERVICES, WEBHOOK_SECRET};
use crate::network::{Message, short_id};
use crate::task::SteppedTask;

impl Schedule<'_> {
    /// Starts every background job except the announcers.
    pub(super) fn start_jobs(&mut self) {
        self.note("background jobs");
        // All outboxes are searched for events as well: a crashed handler's write may have taken effect after the
        // crash.
        self.dirty_outboxes.extend(0..SERVICES.len());
        let instance = self.choose_instance();
        self.fire_timers(instance);
        self.reconcile(instance);
        self.sweep_orphans(instance);
    }

    /// Starts the announcer of every service, which publishes snapshots of unchanged entities.
    pub(super) fn start_announcers(&mut self) {
        for service in 0..SERVICES.len() {
            let instance = self.choose_instance();
            self.announce(service, instance);
        }
    }

    /// Delivers a message to one of its consumer's instances, perhaps together with others about the same entity.
    /// Perhaps keeps it for a duplicate delivery.
    pub(super) async fn deliver(&mut self) -> Result<(), String> {
        let deliverable = self.network.deliverable(self.fleet.clock.now());
        let message = if self.faults.in_order {
            self.network.queue.remove(deliverable[0])
        } else {
            let index = *deliverable.choose(&mut self.rng).unwrap();
            self.network.queue.swap_remove(index)
        };
        // Half of the duplicates are delivered at any later time. The rest are redelivered after the first delivery
        // finished, because its acknowledgement was lost.
        if self.happens(self.faults.duplicate / 2.0) {
            self.network.queue.push(Message { is_redelivered: true, ..message.clone() });
        }
        let instance = self.choose_instance();
        let consumer = &self.consumers[message.consumer];
        let (service, handler) = (consumer.service, consumer.instances[instance].clone());
        let mut messages = Vec::new();
        if self.happens(self.faults.group) {
            messages = self.network.take_others_of_entity(&message, self.fleet.clock.now());
        }
        messages.push(message);
        messages.sort_by_key(|message| (message.version, message.is_snapshot));
        let newest = &messages[messages.len() - 1];
        let summary = GroupSummary {
            has_snapshot: messages.iter().any(|message| message.is_snapshot),
            is_redelivered: messages.iter().any(|message| message.is_redelivered),
            has_noted: false,
        };
        let payload = newest.payload.clone();
        let task = SteppedTask::new(async move { TaskOutput::Handled(handler.handle_newest(&payload, summary).await) });
        let mut name = format!("{} at {}", newest.name, SERVICES[service].0);
        if messages.len() > 1 {
            write!(name, ", for {} messages", messages.len()).unwrap();
        }
        self.advance(RunningTask { task, kind: TaskKind::Handler(messages), service, instance, name }).await
    }

    /// Starts the handling of a user's request.
    pub(super) async fn start_request(&mut self) -> Result<(), String> {
        let PendingRequest { request, reply } = {
            let mut pending = self.context.pending_requests.lock().unwrap();
            let index = if self.faults.in_order { 0 } else { self.rng.random_range(0..pending.len()) };
            pending.remove(index)
        };
        let service = service_index(request.service);
        let instance = self.choose_instance();
        let name = format!("{} {}", request.method, request.path);
        let routes = self.fleet.routes(request.service, instance);
        let mut http = HttpRequest::new(routes, request.method.as_str(), &request.path);
        http = http.header("cookie", &request.cookie);
        if let Some(key) = &request.key {
            http = http.header("idempotency-key", key);
        }
        if let Some(body) = &request.body {
            http = http.json(body);
        }
        let task = SteppedTask::new(async move { TaskOutput::Response(http.send().await) });
        self.advance(RunningTask { task, kind: TaskKind::Request(Some(reply)), service, instance, name }).await
    }

    /// Starts a webhook of the card network about any payment.
    pub(super) fn start_webhook(&mut self) {
        let payments = self.network.events.get("payment").map(Vec::as_slice).unwrap_or_default();
        let known: Vec<&str> = payments.iter().filter_map(|event| event["data"]["providerRef"].as_str()).collect();
        let Some(intent) = known.choose(&mut self.rng).map(|intent| (*intent).to_owned()) else { return };
        let object = json!({ "object": "payment_intent", "id": intent });
        let body = json!({ "id": "evt_1", "type": "payment_intent.updated", "data": { "object": object } }).to_string();
        let time = self.fleet.clock.now().as_seconds();
        let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        let instance = self.choose_instance();
        let http = HttpRequest::new(self.fleet.routes(payments::NAME, instance), "POST", payments::routes::WEBHOOK);
        let http = http.header("stripe-signature", signature).body(body);
        let task = SteppedTask::new(async move { TaskOutput::Response(http.send().await) });
        let (name, service) = (format!("a webhook about {}", short_id(&intent)), service_index(payments::NAME));
        self.running.push(RunningTask { task, kind: TaskKind::Request(None), service, instance, name });
    }

    fn start_job<T, E: Display>(
        &mut self,
        name: String,
        (service, instance): (usize, usize),
        crashable: bool,
        job: impl Future<Output = Result<T, E>> + Send + 'static,
    ) {
        let job = async move { TaskOutput::Done(job.await.map(drop).map_err(|error| error.to_string())) };
        let (task, kind) = (SteppedTask::new(job), TaskKind::Job { crashable });
        self.running.push(RunningTask { task, kind, service, instance, name });
    }

    pub(super) fn fire_timers(&mut self, instance: usize) {
        let name = format!("firing of timers by {instance}");
        // A second run on the same instance would only wait for the first one.
        if self.running.iter().any(|running| running.name == name) {
            return;
        }
        let state = self.fleet.expiration[instance].clone();
        let job = async move { expiration::flows::fire_due::fire_due(&state).await };
        self.start_job(name, (service_index(expiration::NAME), instance), true, job);
    }

    pub(super) fn reconcile(&mut self, instance: usize) {
        let (state, tasks) = (self.fleet.payments[instance].clone(), self.fleet.tasks.clone());
        let job = async move { payments::reconciler::run_once(&state, &tasks, state.config.reconcile_after).await };
        let name = format!("reconciler of payments by {instance}");
        self.start_job(name, (service_index(payments::NAME), instance), true, job);
    }

    fn sweep_orphans(&mut self, instance: usize) {
        let state = self.fleet.payments[instance].clone();
        let job = async move {
            // Errors are ignored: the card network may fail, and the next sweep retries.
            payments::flows::resolve_orphans::sweep(&state).await.ok();
            Ok::<_, String>(())
        };
        let name = format!("sweep of the card network by {instance}");
        self.start_job(name, (service_index(payments::NAME), instance), true, job);
    }

    pub(super) fn announce(&mut self, service: usize, instance: usize) {
        let job = self.fleet.services[service].instances[instance].announce_due();
        let name = format!("announcer of {} by {instance}", SERVICES[service].0);
        // A crash loses snapshots, so the announcer may crash only in schedules in which snapshots may be lost.
        self.start_job(name, (service, instance), self.faults.drop_announcements, job);
    }

    /// Makes every owner announce all its entities.
    pub(super) async fn resync(&mut self) -> Result<(), String> {
        self.note("resync");
        for service in 0..SERVICES.len() {
            let instance = self.choose_instance();
            let routes = self.fleet.services[service].instances[instance].running.admin.clone();
            let response = HttpRequest::new(routes, "POST", RESYNC).json(&json!(Resync::everything())).send().await;
            if response.status != 200 {
                return Err(format!("resync returned {}", response.text()));
            }
            self.drain_queue(service, instance);
        }
        Ok(())
    }

    /// Collects what an instance wrote and announced.
    pub(super) fn drain_queue(&mut self, service: usize, instance: usize) {
        let (announced, wrote) = self.fleet.services[service].instances[instance].drain_queue();
        if wrote || !announced.is_empty() {
            self.dirty_outboxes.insert(service);
        }
        self.announced.entry((service, instance)).or_default().extend(announced);
    }
}

fn service_index(name: &str) -> usize {
    SERVICES.iter().position(|(known, _)| *known == name).unwrap()
}
