//! How many reads a purchase makes and how many documents it writes, counted by MongoDB. Counts, unlike times, are the
//! same on every machine. docs/performance.md says what each read and each write is for.

use std::time::{Duration, Instant};

use async_nats::Subscriber;
use common::id::{OrderId, TicketId};
use e2e::backlog::backlog;
use e2e::database_work::{Operations, Work, operations};
use e2e::test_fleet::{TestFleet, listing};
use e2e::user_client::UserClient;
use futures::StreamExt;
use mongodb::Client;
use serde_json::Value;

/// Disables periodic work during the test, such as the search for unpublished events and the announcer.
const QUIET: [(&str, &str); 9] = [
    ("OUTBOX_SWEEP_INTERVAL", "1h"),
    ("GAUGE_INTERVAL", "1h"),
    ("CLEANUP_INTERVAL", "1h"),
    ("RECONCILE_AFTER", "1h"),
    ("PROVIDER_SWEEP_INTERVAL", "1h"),
    ("TIMER_SWEEP_INTERVAL", "1h"),
    ("ANNOUNCE_AFTER", "2h"),
    ("ORDER_TTL", "2h"),
    ("ANNOUNCE_PER_SECOND", "0"),
];
const WARM_UPS: usize = 5;
const REPEATS: u16 = 20;
/// For how long the fleet is measured at rest.
const REST: Duration = Duration::from_secs(10);
/// How long the last write of a series may take: the removal of published events from the outboxes.
const TAIL: Duration = Duration::from_secs(2);
const EVENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Allowed deviation of an average, for MongoDB's own background work.
const TOLERANCE: f64 = 0.1;

/// What a step may cost on average: its name, the reads, and the documents written. A replica's first version is an
/// upsert, which MongoDB does not count among the documents.
const BUDGET: [(&str, f64, f64); 3] = [("listing", 3.0, 2.0), ("order", 14.0, 12.0), ("paying", 26.0, 22.0)];

/// Prints what one of the repeats did in each collection, on average.
#[expect(clippy::print_stdout, reason = "shows where the work of a step over its budget is")]
fn print_operations(step: &str, before: &Operations, after: &Operations) {
    println!("{step}: reads and writes by collection");
    for (name, after) in after {
        let before = before.get(name).copied().unwrap_or_default();
        let [reads, writes] = [0_usize, 1].map(|kind| (after[kind] - before[kind]) / f64::from(REPEATS));
        if reads + writes >= TOLERANCE {
            println!("  {name:<32} {reads:>6.2} {writes:>6.2}");
        }
    }
}

/// A fleet with one seller and one buyer, watched without reading from it.
struct Shop {
    fleet: TestFleet,
    seller: UserClient,
    buyer: UserClient,
    listed: Subscriber,
    confirmed: Subscriber,
    sold: Subscriber,
}

impl Shop {
    async fn open() -> Self {
        let fleet = TestFleet::start(&QUIET).await.unwrap();
        let nats = async_nats::connect(fleet.processes.servers().nats_url()).await.unwrap();
        let subscribe = async |kind: &str| nats.subscribe(format!("ticketing.{kind}.v1")).await.unwrap();
        let (listed, confirmed) = (subscribe("ticket.created").await, subscribe("order.confirmed").await);
        let sold = subscribe("ticket.sold").await;
        nats.flush().await.unwrap();
        let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
        Self { fleet, seller, buyer, listed, confirmed, sold }
    }

    async fn list(&mut self) -> TicketId {
        let ticket = self.seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
        wait_for_event(&mut self.listed, &ticket.to_string()).await;
        self.wait_until_handled().await;
        ticket
    }

    async fn order(&mut self, ticket: TicketId) -> OrderId {
        let order = self.buyer.create_order(ticket).await.unwrap().id;
        wait_for_event(&mut self.confirmed, &order.to_string()).await;
        self.wait_until_handled().await;
        order
    }

    async fn pay(&mut self, order: OrderId, ticket: TicketId) {
        assert_eq!(self.buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
        wait_for_event(&mut self.sold, &ticket.to_string()).await;
        self.wait_until_handled().await;
    }

    async fn wait_until_handled(&self) {
        let began = Instant::now();
        while backlog(&self.fleet).await.unwrap() > 0 {
            assert!(began.elapsed() < EVENT_TIMEOUT, "events stay unhandled");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Waits for the next event, which must be of this entity.
async fn wait_for_event(events: &mut Subscriber, subject: &str) {
    let event = tokio::time::timeout(EVENT_TIMEOUT, events.next()).await.expect("an event in time").unwrap();
    let event: Value = serde_json::from_slice(&event.payload).unwrap();
    assert_eq!(event["subject"], subject);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stdout, reason = "the table is what the test is run for")]
async fn purchase_stays_within_its_budget_of_reads_and_writes() {
    let mut shop = Shop::open().await;
    let mongodb = Client::with_uri_str(shop.fleet.processes.servers().mongodb_url()).await.unwrap();
    for _ in 0..WARM_UPS {
        let ticket = shop.list().await;
        let order = shop.order(ticket).await;
        shop.pay(order, ticket).await;
    }
    tokio::time::sleep(TAIL).await;
    let before = Work::now(&mongodb).await.unwrap();
    tokio::time::sleep(REST).await;
    let (reads, written) = Work::now(&mongodb).await.unwrap().since(before, (0.0, 0.0));
    let rest = (reads / REST.as_secs_f64(), written / REST.as_secs_f64());

    let (mut tickets, mut orders, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    for (step, ..) in BUDGET {
        let (operations_before, before) = (operations(&mongodb).await.unwrap(), Work::now(&mongodb).await.unwrap());
        for index in 0..usize::from(REPEATS) {
            match step {
                "listing" => tickets.push(shop.list().await),
                "order" => orders.push(shop.order(tickets[index]).await),
                _ => shop.pay(orders[index], tickets[index]).await,
            }
        }
        tokio::time::sleep(TAIL).await;
        costs.push(Work::now(&mongodb).await.unwrap().since(before, rest));
        print_operations(step, &operations_before, &operations(&mongodb).await.unwrap());
    }
    println!("at rest, per second: {:.2} reads, {:.2} written", rest.0, rest.1);
    println!("{:>8} {:>6} {:>8} {:>8} {:>8}", "step", "reads", "at most", "written", "at most");
    let mut exceeded = Vec::new();
    for ((step, max_reads, max_written), (reads, written)) in BUDGET.into_iter().zip(costs) {
        let (reads, written) = (reads / f64::from(REPEATS), written / f64::from(REPEATS));
        println!("{step:>8} {reads:>6.2} {max_reads:>8} {written:>8.2} {max_written:>8}");
        if reads > max_reads + TOLERANCE || written > max_written + TOLERANCE {
            exceeded.push(step);
        }
    }
    assert!(exceeded.is_empty(), "over budget: {exceeded:?}");
}
