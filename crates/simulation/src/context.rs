//! What the users and the scheduler share during one schedule: requests, pauses, partitions, and the seats of listings.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::Method;
use common::api::tickets::NewListing;
use common::id::TicketId;
use common::text::Text;
use e2e::test_fleet::{listing, with_seats};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use testkit::app::request::Response;
use tokio::sync::oneshot;

use crate::card_network::CardNetwork;
use crate::clock::ManualClock;

/// How many seats of a listing a buyer orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Orders {
    /// All of them.
    Whole,
    /// Any number that can be ordered.
    Part,
}

/// The seats of the listings in one schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Layout {
    /// The number of seats in each block of a listing.
    pub(crate) blocks: &'static [u8],
    pub(crate) orders: Orders,
}

const fn whole(blocks: &'static [u8]) -> Layout {
    Layout { blocks, orders: Orders::Whole }
}

const fn part(blocks: &'static [u8]) -> Layout {
    Layout { blocks, orders: Orders::Part }
}

/// The layouts of schedules that must end like their reference run: what one buyer gets does not depend on the others.
pub(crate) const WHOLE: [Layout; 3] = [whole(&[1]), whole(&[2]), whole(&[2, 1])];

/// The layouts of all other schedules.
pub(crate) const PARTS: [Layout; 10] = [
    part(&[1]),
    part(&[1]),
    part(&[2]),
    part(&[1, 1]),
    part(&[1, 1, 1]),
    part(&[2, 2]),
    part(&[2, 2, 2]),
    part(&[3, 3]),
    part(&[1, 2, 1]),
    part(&[1, 1, 1, 1, 1, 1, 1, 1]),
];

#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) service: &'static str,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The session cookie.
    pub(crate) cookie: String,
    pub(crate) body: Option<Value>,
    /// The `Idempotency-Key`.
    pub(crate) key: Option<String>,
}

/// A request that waits to be scheduled.
pub(crate) struct PendingRequest {
    pub(crate) request: Request,
    /// Receives the response, or `None` if the connection broke.
    pub(crate) reply: oneshot::Sender<Option<Response>>,
}

/// State that the users and the scheduler share during one schedule.
pub(crate) struct SimContext {
    pub(crate) clock: ManualClock,
    pub(crate) card_network: Arc<CardNetwork>,
    pub(crate) pending_requests: Mutex<Vec<PendingRequest>>,
    /// Users who wait before they poll again.
    pub(crate) paused_users: Mutex<Vec<oneshot::Sender<()>>>,
    /// Entity and service: the entity's events are withheld from the service.
    pub(crate) partitions: Mutex<Vec<(&'static str, &'static str)>>,
    /// The entity type and the body of each 2xx response.
    pub(crate) acknowledged: Mutex<Vec<(&'static str, Value)>>,
    /// The newest version that was read, by path.
    pub(crate) last_read_versions: Mutex<HashMap<String, u64>>,
    keys: AtomicU32,
    layout: Layout,
    /// What the seller entered last, by listing.
    pub(crate) listings: Mutex<BTreeMap<TicketId, NewListing>>,
    /// Draws the numbers of seats.
    rng: Mutex<StdRng>,
    /// What has happened so far, for the message of a failure.
    trace: Mutex<Vec<String>>,
}

impl SimContext {
    pub(crate) fn new(clock: ManualClock, card_network: Arc<CardNetwork>, layout: Layout, seed: u64) -> Arc<Self> {
        Arc::new(Self {
            clock,
            card_network,
            pending_requests: Mutex::default(),
            paused_users: Mutex::default(),
            partitions: Mutex::default(),
            acknowledged: Mutex::default(),
            last_read_versions: Mutex::default(),
            keys: AtomicU32::new(1),
            layout,
            listings: Mutex::default(),
            rng: Mutex::new(StdRng::seed_from_u64(seed)),
            trace: Mutex::default(),
        })
    }

    /// Appends a line to the trace.
    pub(crate) fn note(&self, line: impl Into<String>) {
        self.trace.lock().unwrap().push(line.into());
    }

    /// The lines of the trace.
    pub(crate) fn trace(&self) -> String {
        self.trace.lock().unwrap().join("\n")
    }

    /// Withholds an entity's events from a service.
    pub(crate) fn partition(&self, entity: &'static str, service: &'static str) {
        self.partitions.lock().unwrap().push((entity, service));
    }

    pub(crate) fn heal_partitions(&self) {
        self.partitions.lock().unwrap().clear();
    }

    /// Waits until the scheduler wakes this user.
    pub(crate) async fn pause(&self) {
        let (wake, woken) = oneshot::channel();
        self.paused_users.lock().unwrap().push(wake);
        // The sender is dropped only together with the whole scenario.
        woken.await.ok();
    }

    pub(crate) fn key(&self) -> String {
        format!("key-{}", self.keys.fetch_add(1, Ordering::SeqCst))
    }

    /// A listing with the seats of this schedule, or with these. No two listings have the same seats.
    pub(crate) fn listing(&self, title: &str, price: i64, blocks: Option<&[u8]>) -> NewListing {
        let row = Text::non_blank(&self.key());
        with_seats(NewListing { row, ..listing(title, price) }, blocks.unwrap_or(self.layout.blocks))
    }

    /// How many seats of a listing a buyer orders; `None` leaves it to the service.
    pub(crate) fn quantity(&self, ticket: TicketId) -> Option<u8> {
        let blocks = self.listings.lock().unwrap()[&ticket].blocks().unwrap();
        let mut rng = self.rng.lock().unwrap();
        match self.layout.orders {
            Orders::Whole if blocks.sizes().len() == 1 => None,
            Orders::Whole => u8::try_from(blocks.seats()).ok(),
            Orders::Part if rng.random_bool(0.2) => None,
            Orders::Part => blocks.quantities(|_| true).choose(&mut *rng).and_then(|seats| u8::try_from(*seats).ok()),
        }
    }
}
