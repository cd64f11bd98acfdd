//! Queries of a million listings examine no more documents than queries of a thousand, and take hardly longer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::aggregate::{Aggregate as _, Versioned};
use common::clock::Clock;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::Blocks;
use common::timestamp::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::IndexModel;
use mongodb::bson::{Document, RawDocumentBuf, doc, serialize_to_vec};
use mongodb::options::{Acknowledgment, WriteConcern};
use testkit::app::TestApp;
use tickets::domain::show_link::ShowLink;
use tickets::domain::ticket::{ListingDetails, Ticket};

use crate::support::app;

const MANY: usize = 1_000_000;
const FEW: usize = 1_000;
/// Number of documents per insert.
const BATCH: usize = 10_000;
/// Number of sellers; each has enough listings to fill a page even among a thousand.
const SELLERS: usize = 20;
/// Length of the cycle of a seller's statuses: one listing withdrawn, two sold, one reserved, the others available.
const STATUS_CYCLE: usize = 20;
/// Number of listings with the rare word, regardless of the number of listings.
const RARE_LISTINGS: usize = 20;
/// Number of rounds, and of requests for each URL in a round.
const ROUNDS: usize = 25;
const SAMPLES: usize = 12;
/// Maximum ratio of the medians with a million and with a thousand listings.
const MAX_LATENCY_RATIO: f64 = 1.2;

/// A service with this many listings, oldest first.
struct Fixture {
    app: TestApp,
    sellers: Vec<UserId>,
    ids: Vec<TicketId>,
}

impl Fixture {
    async fn with_listings(count: usize) -> Self {
        let fixture = Self {
            app: app().await,
            sellers: (0..SELLERS).map(|_| UserId::new()).collect(),
            ids: (0..count).map(|_| TicketId::new()).collect(),
        };
        let listings = fixture.app.context.database.collection::<RawDocumentBuf>("tickets");
        // Drops the service's indexes and recreates them after the bulk insert, which is faster.
        let indexes: Vec<IndexModel> = listings.list_indexes().await.unwrap().try_collect().await.unwrap();
        listings.drop_indexes().await.unwrap();
        let quickly = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        let usual: Vec<_> = (0..SELLERS * STATUS_CYCLE)
            .map(|n| Template::of(&fixture.listing(n % SELLERS, n / SELLERS, "Jazz")))
            .collect();
        let rare = Template::of(&fixture.listing(0, STATUS_CYCLE - 1, "Zanzibar"));
        stream::iter(fixture.ids.chunks(BATCH).zip((0..).step_by(BATCH)))
            .for_each_concurrent(2, async |(ids, first)| {
                let documents = ids.iter().zip(first..).map(|(id, n)| {
                    let template = if n % (count / RARE_LISTINGS) == 0 { &rare } else { &usual[n % usual.len()] };
                    template.with(*id)
                });
                let documents: Vec<_> = documents.collect();
                listings.insert_many(documents).ordered(false).write_concern(quickly.clone()).await.unwrap();
            })
            .await;
        listings.create_indexes(indexes.into_iter().filter(|index| index.keys != doc! { "_id": 1 })).await.unwrap();
        fixture
    }

    /// A listing of this seller, with the status at this place of the cycle.
    fn listing(&self, seller: usize, place: usize, word: &str) -> Versioned<Ticket> {
        let now = self.app.clock.now();
        let details = ListingDetails {
            title: format!("{word} {seller}"),
            venue: if seller.is_multiple_of(2) { "Town Hall" } else { "Park" }.to_owned(),
            city: None,
            starts_at: "2099-06-01T19:30:00Z".parse::<Timestamp>().unwrap(),
            time_zone: "UTC".to_owned(),
            price: Money { amount: 12_550, currency: "USD".parse().unwrap() },
            face_value: None,
            category: None,
            section: None,
            row: None,
            blocks: Blocks::one_seat(),
            description: None,
        };
        let show = ShowLink::new(ShowId::new(), None);
        let (ticket, _) = Ticket::list(self.ids[0], self.sellers[seller], show, details, vec![None], now);
        let mut state = ticket.payload();
        let (status, order_id) = match place {
            0 => (TicketStatus::Withdrawn, None),
            1 | 2 => (TicketStatus::Sold, Some(OrderId::new())),
            3 => (TicketStatus::Reserved, Some(OrderId::new())),
            _ => (TicketStatus::Available, None),
        };
        state.status = status;
        (state.seats[0].status, state.seats[0].order_id) = (status, order_id);
        Versioned { version: u64::from(place < 4), state: Ticket::from_payload(state).unwrap() }
    }

    /// Equivalent URLs in every fixture, with the maximum number of documents that each may examine.
    fn urls(&self, n: usize) -> Vec<(&'static str, String, i64)> {
        // A listing in the middle half, a different one for each `n`.
        let middle = self.ids[self.ids.len() / 4 + n * 7_919 % (self.ids.len() / 2)];
        let (cursor, seller) = (middle.as_uuid().simple(), self.sellers[n % SELLERS]);
        let list = |query: &str| format!("/api/tickets?{query}");
        vec![
            ("one ticket", format!("/api/tickets/{middle}"), 1),
            ("the first page", "/api/tickets".to_owned(), 50),
            ("a page in the middle", list(&format!("cursor={cursor}")), 50),
            ("available", list("status=available"), 30),
            ("available, in the middle", list(&format!("status=available&cursor={cursor}")), 30),
            ("sold", list("status=sold"), 30),
            ("a seller's", list(&format!("seller={seller}")), 50),
            ("a seller's available", list(&format!("seller={seller}&status=available")), 50),
            ("a common word", list("q=hall"), 50),
            ("a common word, in the middle", list(&format!("q=hall&cursor={cursor}")), 50),
            ("a rare word", list("q=zanzibar"), 30),
            ("a common and a rare word", list("q=hall+zanzibar"), 30),
            ("available with a common word", list("q=hall&status=available"), 50),
        ]
    }

    async fn time(&self, path: &str) -> Duration {
        let began = Instant::now();
        self.app.request("GET", path).send().await.expect(200);
        began.elapsed()
    }

    /// The database's profile entry for each URL.
    async fn costs(&self) -> Vec<(&'static str, Document, i64)> {
        let database = &self.app.context.database;
        let profile = database.collection::<Document>("system.profile");
        let mut costs = Vec::new();
        database.run_command(doc! { "profile": 2 }).await.unwrap();
        for (name, path, allowed) in self.urls(0) {
            self.app.request("GET", &path).send().await.expect(200);
            let filter =
                doc! { "ns": format!("{}.tickets", database.name()), "op": "query", "command.find": "tickets" };
            let mut found: Vec<Document> = profile
                .find(filter)
                .sort(doc! { "$natural": -1 })
                .limit(20)
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            // Excludes the periodic queries for unpublished events and for snapshots that are due.
            found.retain(|entry| {
                let filter = entry.get_document("command").and_then(|command| command.get_document("filter"));
                filter.is_ok_and(|filter| filter.keys().all(|key| key == "_id" || key.starts_with("state.")))
            });
            costs.push((name, found.swap_remove(0), allowed));
        }
        database.run_command(doc! { "profile": 0 }).await.unwrap();
        profile.drop().await.unwrap();
        costs
    }
}

#[derive(serde::Serialize)]
struct Stored<'a> {
    _id: &'a str,
    version: i64,
    state: &'a Ticket,
    outbox: [(); 0],
}

/// A stored listing that is copied by overwriting the id in its bytes, which avoids serialising a million documents.
struct Template {
    bytes: Vec<u8>,
    /// Offsets of the id in the bytes.
    offsets: Vec<usize>,
}

impl Template {
    fn of(ticket: &Versioned<Ticket>) -> Self {
        let id = ticket.id.to_string();
        let version = i64::try_from(ticket.version).unwrap();
        let bytes = serialize_to_vec(&Stored { _id: &id, version, state: &ticket.state, outbox: [] }).unwrap();
        let offsets: Vec<_> =
            (0..bytes.len() - id.len()).filter(|at| bytes[*at..].starts_with(id.as_bytes())).collect();
        assert_eq!(offsets.len(), 2, "_id and state.id");
        Self { bytes, offsets }
    }

    fn with(&self, id: TicketId) -> RawDocumentBuf {
        let mut bytes = self.bytes.clone();
        let id = id.to_string();
        for offset in &self.offsets {
            bytes[*offset..*offset + id.len()].copy_from_slice(id.as_bytes());
        }
        RawDocumentBuf::from_bytes(bytes).unwrap()
    }
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_does_not_grow_with_the_number_of_listings() {
    let began = Instant::now();
    let (thousand, million) = (Fixture::with_listings(FEW).await, Fixture::with_listings(MANY).await);
    eprintln!("filled in {:?}", began.elapsed());
    let mut faults = Vec::new();
    for (name, cost, allowed) in million.costs().await {
        let examined = cost.get_i32("keysExamined").unwrap().max(cost.get_i32("docsExamined").unwrap());
        let plan = cost.get_str("planSummary").unwrap();
        eprintln!("{name}: {plan} {} {}", cost.get_i32("keysExamined").unwrap(), cost.get_i32("docsExamined").unwrap());
        if plan.contains("COLLSCAN") || cost.contains_key("hasSortStage") || i64::from(examined) > allowed {
            faults.push(format!("{name} costs {examined} documents by {plan}"));
        }
    }
    // Alternates between the two, so that other load on the machine affects both alike.
    let mut ratios: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut medians: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
    for round in 0..ROUNDS {
        let pairs = thousand.urls(round).into_iter().zip(million.urls(round));
        for ((name, few, _), (_, many, _)) in pairs {
            let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
            for _ in 0..SAMPLES {
                of_few.push(thousand.time(&few).await.as_secs_f64());
                of_many.push(million.time(&many).await.as_secs_f64());
            }
            let (few, many) = (median(&mut of_few), median(&mut of_many));
            let all = medians.entry(name).or_default();
            all[0].push(few);
            all[1].push(many);
            ratios.entry(name).or_default().push(many / few);
        }
    }
    for (name, mut ratios) in ratios {
        let ratio = median(&mut ratios);
        let [few, many] = medians.get_mut(name).unwrap();
        eprintln!("{name}: {:.2} ms {:.2} ms, {ratio:.3}", median(few) * 1e3, median(many) * 1e3);
        if ratio > MAX_LATENCY_RATIO {
            faults.push(format!("{name} takes {ratio:.2} times as long"));
        }
    }
    assert!(faults.is_empty(), "with a million listings:\n{}", faults.join("\n"));
    eprintln!("all in {:?}", began.elapsed());
}
