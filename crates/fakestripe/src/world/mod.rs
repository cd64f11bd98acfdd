//! The state: tables of what exists, the event log and time. No HTTP in here.

pub(crate) mod expand;
pub(crate) mod money;
pub(crate) mod page;

use serde_json::Value;

use crate::config::Clock;
use crate::id::new_id;
use crate::objects::charge::{self, Charge};
use crate::objects::event::{self, Event};
use crate::objects::intent::{self, Intent};
use crate::objects::payment_method::{self, PaymentMethod};
use crate::objects::refund::{self, Refund};
use crate::table::Table;

/// Everything that the server knows; one lock guards it, so each call is atomic.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) intents: Table<Intent>,
    pub(crate) charges: Table<Charge>,
    pub(crate) refunds: Table<Refund>,
    pub(crate) methods: Table<PaymentMethod>,
    pub(crate) events: Table<Event>,
    /// Events that no webhook task has taken up yet.
    pub(crate) unsent: Vec<Value>,
    /// Whether a webhook is set: an event then begins with one pending delivery.
    pub(crate) hooked: bool,
    clock: Clock,
}

/// What a call brings along besides its parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    pub(crate) request_id: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    /// Where browsers reach this server, without a slash at the end.
    pub(crate) base_url: String,
    /// Called from a page with the publishable key: the client secret is required.
    pub(crate) publishable: bool,
}

impl World {
    /// An empty one, in which it is as late as this clock says.
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Appends an event about the object as it is now.
    pub(crate) fn emit(&mut self, caller: &Caller, kind: &str, object: Value) {
        let event = Event {
            id: new_id("evt"),
            created: self.now(),
            kind: kind.to_owned(),
            object,
            pending: u32::from(self.hooked),
            request_id: caller.request_id.clone(),
            idempotency_key: caller.idempotency_key.clone(),
        };
        self.unsent.push(event::render(&event));
        self.events.insert(event);
    }

    /// Appends an event about an intent.
    pub(crate) fn emit_intent(&mut self, caller: &Caller, kind: &str, id: &str) {
        if let Some(object) = self.intents.get(id).map(intent::render) {
            self.emit(caller, kind, object);
        }
    }

    /// Appends an event about a charge.
    pub(crate) fn emit_charge(&mut self, caller: &Caller, kind: &str, id: &str) {
        if let Some(object) = self.charge_json(id) {
            self.emit(caller, kind, object);
        }
    }

    /// A charge with its refunds in it.
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
