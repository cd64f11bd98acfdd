//! The in-memory state: tables of objects, the event log and the clock. No HTTP in here.

pub(crate) mod expand;
pub(crate) mod money;
pub(crate) mod page;

use serde_json::Value;

use crate::config::Clock;
use crate::error::ApiError;
use crate::id::new_id;
use crate::objects::charge::{self, Charge};
use crate::objects::event::{self, Event};
use crate::objects::intent::{self, Intent};
use crate::objects::payment_method::{self, PaymentMethod};
use crate::objects::refund::{self, Refund};
use crate::table::Table;

/// All objects and events; one lock guards the whole store, so each request is atomic.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) methods: Table<PaymentMethod>,
    pub(crate) events: Table<Event>,
    /// Events not yet handed to delivery.
    pub(crate) undelivered: Vec<Value>,
    /// Whether a webhook endpoint is set: new events then have one pending delivery.
    pub(crate) has_webhook: bool,
    clock: Clock,
}

/// Properties of a request besides its parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// Base URL of this server for browsers, without a trailing slash.
    pub(crate) base_url: String,
    /// Sent with the publishable key: the client secret is required.
    pub(crate) is_publishable: bool,
}

impl Store {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn intent(&self, id: &str) -> Result<&Intent, ApiError> {
        self.intents.get(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
    }

    pub(crate) fn intent_mut(&mut self, id: &str) -> Result<&mut Intent, ApiError> {
        self.intents.get_mut(id).ok_or_else(|| ApiError::no_such("payment_intent", id, "intent"))
    }

    /// Appends an event with the object as it is now.
    pub(crate) fn emit(&mut self, context: &Context, kind: &str, object: Value) {
        let event = Event {
            id: new_id("evt"),
            created: self.now(),
            kind: kind.to_owned(),
            object,
            pending_webhooks: u32::from(self.has_webhook),
            request_id: context.request_id.clone(),
            idempotency_key: context.idempotency_key.clone(),
        };
        self.undelivered.push(event::render(&event));
        self.events.insert(event);
    }

    pub(crate) fn emit_intent(&mut self, context: &Context, kind: &str, id: &str) {
        if let Some(object) = self.intents.get(id).map(intent::render) {
            self.emit(context, kind, object);
        }
    }

    pub(crate) fn emit_charge(&mut self, context: &Context, kind: &str, id: &str) {
        if let Some(object) = self.charge_json(id) {
            self.emit(context, kind, object);
        }
    }

    /// A charge with its refunds embedded.
    pub(crate) fn charge_json(&self, id: &str) -> Option<Value> {
        self.charges.get(id).map(|charge| charge::render(charge, &self.refunds))
    }

    /// Any object by its id, for `expand`.
    pub(crate) fn object(&self, id: &str) -> Option<Value> {
        match id.split('_').next()? {
            "pi" => self.intents.get(id).map(intent::render),
            "ch" => self.charge_json(id),
            "re" => self.refunds.get(id).map(refund::render),
            "pm" => self.methods.get(id).map(payment_method::render),
            _ => None,
        }
    }
}
