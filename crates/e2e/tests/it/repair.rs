//! `ticketctl audit --repair`: requests to the services repair databases that were restored to different moments, and
//! the damage of lost events. The announcer and the scan are off, so that nothing else repairs them.

use std::time::Duration;

use async_nats::jetstream::consumer::{Consumer, pull};
use common::api::orders::CancelOrder;
use common::api::users::{Profile, UpdateProfile};
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::{OrderId, PaymentId, TicketId};
use common::text::Text;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use e2e::user_client::UserClient;
use futures::TryStreamExt;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use testkit::app::eventually;
use ticketctl::reports::repair::{CommandOutcome, RepairReport};

use crate::operator::Operator;

const SETTINGS: [(&str, &str); 4] =
    [("ANNOUNCE_AFTER", "1h"), ("ANNOUNCE_PER_SECOND", "0"), ("RECONCILE_AFTER", "1h"), ("ORDER_TTL", "1h")];

struct Shop {
    fleet: TestFleet,
    operator: Operator,
    client: Client,
    seller: UserClient,
    buyer: UserClient,
}

struct Sale {
    ticket: TicketId,
    order: OrderId,
    payment: PaymentId,
    /// The document of the order before it was paid.
    unpaid: Document,
}

impl Shop {
    async fn open() -> Self {
        let fleet = TestFleet::start(&SETTINGS).await.unwrap();
        let client = Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
        let (seller, buyer) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Ben").await.unwrap());
        Self { operator: Operator::for_fleet(&fleet), fleet, client, seller, buyer }
    }

    /// The document of an entity, with an empty outbox, since its events have been published.
    async fn document(&self, (database, collection): (&str, &str), id: impl ToString) -> Document {
        let documents = self.client.database(database).collection::<Document>(collection);
        let mut found = documents.find_one(doc! { "_id": id.to_string() }).await.unwrap().unwrap();
        found.insert("outbox", Vec::<Document>::new());
        found
    }

    /// Replaces a document by an earlier state of it.
    async fn set_back(&self, (database, collection): (&str, &str), document: &Document) {
        let documents = self.client.database(database).collection::<Document>(collection);
        let id = doc! { "_id": document.get_str("_id").unwrap() };
        assert_eq!(documents.replace_one(id, document).await.unwrap().modified_count, 1);
    }

    async fn delete(&self, (database, collection): (&str, &str), id: impl ToString) {
        let documents = self.client.database(database).collection::<Document>(collection);
        assert_eq!(documents.delete_one(doc! { "_id": id.to_string() }).await.unwrap().deleted_count, 1);
    }

    async fn hold(&self, title: &str) -> (TicketId, OrderId) {
        let ticket = self.seller.create_listing(listing(title, 4_500)).await.unwrap();
        let order = self.buyer.create_order(ticket).await.unwrap().id;
        self.buyer.wait_for_order(order, OrderStatus::AwaitingPayment).await.unwrap();
        (ticket, order)
    }

    async fn sell(&self, title: &str) -> Sale {
        let (ticket, order) = self.hold(title).await;
        let unpaid = self.document(("orders", "orders"), order).await;
        let payment = self.buyer.pay(order, "pm_card_visa").await.unwrap().body.id;
        self.buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
        self.seller.wait_for_ticket(ticket, TicketStatus::Sold).await.unwrap();
        Sale { ticket, order, payment, unpaid }
    }

    async fn stop(&self, service: &str) {
        self.fleet.processes.service(service).unwrap().stop().await.unwrap();
    }

    async fn restart(&self, service: &str) {
        self.fleet.processes.service(service).unwrap().restart().await.unwrap();
    }

    /// Acknowledges the next events of a consumer whose service is stopped, so that the service misses them.
    async fn lose_events(&self, source: &str, consumer: &str, count: usize) {
        let stream = self.fleet.jetstream().await.unwrap().get_stream(format!("ticketing-{source}")).await.unwrap();
        let consumer: Consumer<pull::Config> = stream.get_consumer(consumer).await.unwrap();
        let batch = consumer.fetch().max_messages(count).expires(Duration::from_secs(20)).messages().await.unwrap();
        let messages: Vec<_> = batch.try_collect().await.unwrap();
        assert_eq!(messages.len(), count);
        for message in messages {
            message.double_ack().await.unwrap();
        }
    }

    /// Cancels an order such that neither `tickets` nor `payments` learns of it: the listing stays reserved, and the
    /// payment authorised.
    async fn cancel_unnoticed(&self) -> (TicketId, OrderId, PaymentId) {
        let (ticket, order) = self.hold("Aida").await;
        self.stop("orders").await;
        let payment = self.buyer.pay(order, "pm_card_visa").await.unwrap().body;
        assert_eq!(payment.status, PaymentStatus::Authorized);
        // One event for the start of the payment, and one for its authorisation.
        self.lose_events("payments", "orders-payment", 2).await;
        self.restart("orders").await;
        for service in ["tickets", "payments"] {
            self.stop(service).await;
        }
        self.buyer.send_until_definitive(&CancelOrder { id: order }, None).await.unwrap();
        for service in ["tickets", "payments"] {
            self.lose_events("orders", &format!("{service}-order"), 1).await;
            self.restart(service).await;
        }
        (ticket, order, payment.id)
    }

    /// Runs the repair, and asserts that no violation remains.
    async fn repair(&self) -> RepairReport {
        let arguments = ["--output", "json", "audit", "--repair", "--yes", "--wait", "12"];
        let finished = self.operator.run(&arguments).await;
        let report: RepairReport = serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("{finished:?}"));
        assert!(report.last_audit().findings.is_empty(), "{report:?}");
        assert_eq!(finished.code, Some(0), "{finished:?}");
        report
    }
}

/// The outcome and the details of a command of the repair; `None` if it was not run.
fn outcome(report: &RepairReport, command: &str) -> Option<(CommandOutcome, String)> {
    let found = report.commands.iter().find(|result| result.command == command);
    found.map(|result| (result.outcome, result.detail.clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_of_different_moments_are_repaired() {
    let shop = Shop::open().await;
    let older = shop.sell("Tosca").await;
    let lost = shop.sell("Carmen").await;
    let (_, unpaid) = shop.hold("Fidelio").await;
    let users = ("auth", "users");
    let seller = shop.client.database("tickets").collection::<Document>("tickets");
    let seller = seller.find_one(doc! { "_id": older.ticket.to_string() }).await.unwrap().unwrap();
    let seller = seller.get_document("state").unwrap().get_str("sellerId").unwrap().to_owned();
    let before = shop.document(users, &seller).await;
    shop.seller.send(&UpdateProfile { body: Profile { display_name: Text::new("Maria") } }).await.unwrap();
    invariants::assert_eventually(&shop.fleet).await.unwrap();
    let nothing: RepairReport = shop.operator.report(&["audit", "--repair", "--wait", "0"]).await;
    assert!(nothing.commands.is_empty() && nothing.after.is_none(), "{nothing:?}");
    let release = ["release", &older.ticket.to_string(), &older.order.to_string()];
    for (arguments, reason) in [
        (&["void", &older.payment.to_string()][..], "which is completed and needs it"),
        (&release[..], "has no seat that is reserved for order"),
    ] {
        shop.operator.run_rejected(arguments, reason).await;
    }
    shop.operator.run_rejected(&["raise", "orders", &older.order.to_string()], "orders is not behind").await;

    // `orders` returns to a moment before one order was paid and another one was created, and `auth` to a moment before
    // the seller changed her name. `web` loses a listing.
    shop.set_back(("orders", "orders"), &older.unpaid).await;
    shop.delete(("orders", "orders"), lost.order).await;
    shop.set_back(users, &before).await;
    shop.delete(("web", "replica_ticket"), older.ticket).await;
    let raise = format!("ticketctl raise orders {}", older.order);
    shop.operator.run_unconfirmed(&["audit", "--repair", "--wait", "0"], &raise).await;

    let report = shop.repair().await;
    let done = |detail: String| Some((CommandOutcome::Done, detail));
    // A completed order has version 3: it was created, confirmed, authorised and completed.
    let versions = "was written at version 4";
    assert_eq!(outcome(&report, &raise), done(format!("order {} {versions}", older.order)));
    let raise = format!("ticketctl raise orders {}", lost.order);
    assert_eq!(outcome(&report, &raise), done(format!("order {} {versions}", lost.order)));
    let raise = format!("ticketctl raise auth {seller}");
    assert_eq!(outcome(&report, &raise), done(format!("user {seller} was written at version 2")));
    // An order that can be restored keeps its payment, so the plan does not refund it.
    assert_eq!(outcome(&report, &format!("ticketctl void {}", lost.payment)), None);
    for sale in [&older, &lost] {
        shop.buyer.wait_for_order(sale.order, OrderStatus::Completed).await.unwrap();
        let payment = shop.buyer.wait_for_payment(sale.payment, PaymentStatus::Captured).await.unwrap();
        assert_eq!(payment.refunded, None);
    }
    // The fleet works: consumers apply the next versions of the entities that `raise` wrote.
    assert_eq!(shop.buyer.pay(unpaid, "pm_card_visa").await.unwrap().status, 201);
    shop.buyer.wait_for_order(unpaid, OrderStatus::Completed).await.unwrap();
    shop.seller.send(&UpdateProfile { body: Profile { display_name: Text::new("Mara K") } }).await.unwrap();
    invariants::assert_eventually_after_repair(&shop.fleet).await.unwrap();
}

/// Neither `tickets` nor `payments` learns that the order was cancelled, until the repair.
#[tokio::test(flavor = "multi_thread")]
async fn listing_and_payment_of_a_cancelled_order_are_freed() {
    let shop = Shop::open().await;
    let (ticket, order, payment) = shop.cancel_unnoticed().await;
    shop.seller.wait_for_ticket(ticket, TicketStatus::Reserved).await.unwrap();
    shop.buyer.wait_for_payment(payment, PaymentStatus::Authorized).await.unwrap();
    // The services do not act on the operator's request alone: they don't know yet that the order has ended.
    let release = shop.operator.run(&["release", &ticket.to_string(), &order.to_string(), "--yes"]).await;
    assert!(release.code == Some(1) && release.stderr.contains("has not ended"), "{release:?}");
    let void = shop.operator.run(&["void", &payment.to_string(), "--yes"]).await;
    assert!(void.code == Some(1) && void.stderr.contains("not closed for this payment"), "{void:?}");

    let report = shop.repair().await;
    let commands: Vec<_> = report.commands.iter().map(|result| result.command.as_str()).collect();
    let resync = format!("ticketctl resync orders --ids {order}");
    assert!(commands.contains(&resync.as_str()), "{commands:?}");
    assert!(report.commands.iter().all(|result| result.outcome != CommandOutcome::Failed), "{report:?}");
    shop.seller.wait_for_ticket(ticket, TicketStatus::Available).await.unwrap();
    shop.buyer.wait_for_payment(payment, PaymentStatus::Voided).await.unwrap();
    invariants::assert_eventually_after_repair(&shop.fleet).await.unwrap();
}

/// An order is lost, and the operator returns the money instead of restoring the order.
#[tokio::test(flavor = "multi_thread")]
async fn money_of_a_lost_order_is_returned_on_request() {
    let shop = Shop::open().await;
    let lost = shop.sell("Norma").await;
    // All replicas have received the order.
    invariants::assert_eventually(&shop.fleet).await.unwrap();
    shop.delete(("orders", "orders"), lost.order).await;
    let payment = lost.payment.to_string();
    shop.operator.run_rejected(&["void", &payment, "--yes"], "can be restored: raise it first").await;
    let plan = format!("payments voids or refunds payment {payment}, because orders does not have the order");
    shop.operator.run_unconfirmed(&["void", &payment, "--order-is-lost"], &plan).await;
    let done = shop.operator.run_ok(&["void", &payment, "--order-is-lost", "--yes"]).await;
    assert!(done.contains("nothing of it is authorised or charged"), "{done}");
    eventually("the refund", async || {
        let payment = shop.buyer.wait_for_payment(lost.payment, PaymentStatus::Captured).await.unwrap();
        payment.refunded.is_some_and(|refunded| refunded.amount.amount == 4_500)
    })
    .await;
}

/// `payments` returns to a moment before it captured a payment. It learns of the capture from the provider, and does
/// not charge twice.
#[tokio::test(flavor = "multi_thread")]
async fn payment_that_was_set_back_is_looked_up_at_the_provider() {
    let shop = Shop::open().await;
    let sale = shop.sell("Medea").await;
    let payments = ("payments", "payments");
    let mut earlier = shop.document(payments, sale.payment).await;
    assert_eq!(earlier.insert("version", 1_i64).and_then(|version| version.as_i64()), Some(2));
    let state = earlier.get_document_mut("state").unwrap();
    state.insert("status", doc! { "name": PaymentStatus::Authorized.as_ref() });
    // Keeps only the entries of the authorisation.
    state.get_array_mut("ledger").unwrap().truncate(2);
    shop.set_back(payments, &earlier).await;

    // The stream still has the event of the capture that `payments` lost. After the raise, the audit does not report
    // it.
    let report = shop.repair().await;
    let written = format!("payment {} was written at version 3", sale.payment);
    let raise = format!("ticketctl raise payments {}", sale.payment);
    assert_eq!(outcome(&report, &raise), Some((CommandOutcome::Done, written)));
    let payment = shop.buyer.wait_for_payment(sale.payment, PaymentStatus::Captured).await.unwrap();
    assert_eq!((payment.version, payment.refunded), (4, None));
    let provider = shop.fleet.fakestripe_state().await.unwrap();
    let intents = provider["paymentIntents"].as_array().unwrap();
    assert_eq!((intents.len(), intents[0]["amount_received"].as_i64()), (1, Some(4_500)));
}
