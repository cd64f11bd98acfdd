//! Poison messages are dead-lettered with a reason, and an operator inspects, replays or drops them, while the fleet
//! keeps working.

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use mongodb::bson::{Document, doc};
use testkit::app::eventually;

use crate::operator::Operator;

/// One line of `dead-letters list`.
#[derive(Debug, Clone, PartialEq)]
struct DeadLetter {
    number: String,
    consumer: String,
    reason: String,
}

async fn list(operator: &Operator) -> Vec<DeadLetter> {
    let output = operator.run_ok(&["dead-letters", "list"]).await;
    let mut lines: Vec<_> = output.lines().collect();
    let last = lines.pop().unwrap();
    assert_eq!(last, format!("{} dead letters", lines.len()), "{output}");
    let letter = |line: &str| {
        let columns: Vec<_> = line.split("  ").map(ToOwned::to_owned).collect();
        let [number, consumer, attempts, subject, reason] = columns.try_into().expect("five columns");
        assert!(attempts.ends_with(" attempts") && subject.starts_with("ticketing."), "{line}");
        DeadLetter { number, consumer, reason }
    };
    lines.into_iter().map(letter).collect()
}

fn consumers(letters: &[DeadLetter]) -> Vec<&str> {
    let mut consumers: Vec<_> = letters.iter().map(|letter| letter.consumer.as_str()).collect();
    consumers.sort_unstable();
    consumers
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_are_dead_lettered_and_valid_ones_replayed() {
    // Anti-entropy is off, so that nothing heals by itself during the test.
    let fleet = TestFleet::start_two_instances(&[("ORDER_TTL", "6s"), ("ANNOUNCE_AFTER", "1h")]).await.unwrap();
    let operator = Operator::for_fleet(&fleet);
    let nats = async_nats::connect(fleet.processes.servers().nats.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(nats);
    let mongodb = mongodb::Client::with_uri_str(fleet.processes.servers().mongodb_url()).await.unwrap();
    let orders = mongodb.database("orders").collection::<Document>("orders");
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    assert_eq!(list(&operator).await, []);

    // `orders` loses an order, as after restoring a backup, so that it rejects the expiration event.
    let ticket = seller.create_listing(listing("Tosca", 4_500)).await.unwrap();
    let lost = buyer.create_order(ticket).await.unwrap().id;
    buyer.wait_for_order(lost, OrderStatus::AwaitingPayment).await.unwrap();
    let lost_id = lost.to_string();
    let published = doc! { "_id": &lost_id, "outbox.0": { "$exists": false } };
    let mut document = None;
    eventually("the order's events to be published", async || {
        document = orders.find_one_and_delete(published.clone()).await.unwrap();
        document.is_some()
    })
    .await;
    let order_consumers = ["expiration-order", "payments-order", "tickets-order", "web-order"];
    let poison = "\u{1}\u{2} no event";
    jetstream.publish("ticketing.order.created.v1", poison.into()).await.unwrap().await.unwrap();

    // Later messages are not blocked.
    for n in 0..5 {
        let ticket = seller.create_listing(listing(&format!("Night {n}"), 2_000)).await.unwrap();
        let order = buyer.create_order(ticket).await.unwrap().id;
        assert_eq!(buyer.pay(order, "pm_card_visa").await.unwrap().status, 201);
        buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
        seller.wait_for_ticket(ticket, TicketStatus::Sold).await.unwrap();
    }
    eventually("five dead letters", async || list(&operator).await.len() == 5).await;
    let all = list(&operator).await;
    let (rejected, undecodable): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|letter| letter.consumer == "orders-expiration");
    assert_eq!(consumers(&undecodable), order_consumers);
    assert!(undecodable.iter().all(|letter| letter.reason.starts_with("not a known event: ")), "{undecodable:?}");
    assert_eq!(rejected[0].reason, format!("there is no order {lost}"));
    let output = operator.run_ok(&["dead-letters", "show", &undecodable[0].number]).await;
    for part in ["dead-letter-reason: not a known event", "dead-letter-stream: ticketing-orders", poison] {
        assert!(output.contains(part), "{output}");
    }
    let output = operator.run_ok(&["dead-letters", "show", &rejected[0].number]).await;
    for part in ["dead-letter-consumer: orders-expiration", "\"type\": \"expiration.completed.v1\"", &lost_id] {
        assert!(output.contains(part), "{output}");
    }

    // With the order restored, the event can be handled.
    orders.insert_one(document.unwrap()).await.unwrap();
    operator.run_ok(&["dead-letters", "replay", &rejected[0].number]).await;
    let cancelled = buyer.wait_for_order(lost, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(cancelled.cancel_reason, Some(CancelReason::Expired));
    seller.wait_for_ticket(ticket, TicketStatus::Available).await.unwrap();

    // A message that is still undecodable is dead-lettered again for each consumer, under a new number.
    let numbers = |letters: &[DeadLetter]| letters.iter().map(|letter| letter.number.clone()).collect::<Vec<_>>();
    let old = numbers(&undecodable);
    let command_line = |command, numbers: &[String]| [&["dead-letters".to_owned(), command], numbers].concat();
    let replay = command_line("replay".to_owned(), &old);
    operator.run_ok(&replay.iter().map(String::as_str).collect::<Vec<_>>()).await;
    eventually("the dead letters to return", async || list(&operator).await.len() == 4).await;
    let back = list(&operator).await;
    assert_eq!(consumers(&back), order_consumers);
    assert!(numbers(&back).iter().all(|number| !old.contains(number)), "{back:?}");
    for command in ["show", "replay", "drop"] {
        let (succeeded, output) = operator.run(&["dead-letters", command, &old[0]]).await;
        assert!(!succeeded && output.contains(&format!("there is no dead letter {}", old[0])), "{output}");
    }
    let drop = command_line("drop".to_owned(), &numbers(&back));
    operator.run_ok(&drop.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(list(&operator).await, []);
    invariants::assert_eventually(&fleet).await.unwrap();
}
