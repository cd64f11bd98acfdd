//! Poison messages are dead-lettered with a reason, and an operator inspects, replays or drops them, while the fleet
//! keeps working.

use common::events::order::{CancelReason, OrderStatus};
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use mongodb::bson::{Document, doc};
use testkit::app::eventually;
use ticketctl::reports::dead_letters::{
    DeadLetter, DeadLetterContent, DeadLetterList, DeadLettersDropped, DeadLettersReplayed,
};

use crate::operator::Operator;

async fn list(operator: &Operator) -> Vec<DeadLetter> {
    operator.report::<DeadLetterList>(&["dead-letters", "list"]).await.dead_letters
}

/// The arguments of a command about these dead letters.
fn command_line<'a>(command: &'a str, numbers: &'a [String]) -> Vec<&'a str> {
    ["dead-letters", command].into_iter().chain(numbers.iter().map(String::as_str)).collect()
}

fn numbers(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| letter.number.to_string()).collect()
}

fn consumers(letters: &[DeadLetter]) -> Vec<&str> {
    let mut consumers: Vec<_> = letters.iter().map(|letter| letter.consumer.as_str()).collect();
    consumers.sort_unstable();
    consumers
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_messages_are_dead_lettered_and_valid_ones_replayed() {
    // The announcer and the scan are off, so that nothing heals by itself during the test.
    let settings = [("ORDER_TTL", "6s"), ("ANNOUNCE_AFTER", "1h"), ("ANNOUNCE_PER_SECOND", "0")];
    let fleet = TestFleet::start_two_instances(&settings).await.unwrap();
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
    let text = operator.run_ok(&["dead-letters", "list"]).await;
    let line = format!("{}  orders-expiration  ", rejected[0].number);
    assert!(text.lines().any(|known| known.starts_with(&line)) && text.ends_with("\n5 dead letters\n"), "{text}");
    let (poisoned, of_order) = (undecodable[0].number.to_string(), rejected[0].number.to_string());
    let output = operator.run_ok(&["dead-letters", "show", &poisoned]).await;
    for part in ["dead-letter-reason: not a known event", "dead-letter-stream: ticketing-orders", poison] {
        assert!(output.contains(part), "{output}");
    }
    let shown: DeadLetterContent = operator.report(&["dead-letters", "show", &of_order]).await;
    assert_eq!(shown.headers["dead-letter-consumer"], ["orders-expiration"]);
    assert_eq!(shown.message["type"], "expiration.completed.v1");
    assert!(shown.message.to_string().contains(&lost_id), "{shown:?}");

    // With the order restored, the event can be handled.
    orders.insert_one(document.unwrap()).await.unwrap();
    operator.run_unconfirmed(&["dead-letters", "replay", &of_order], "\n1 dead letters").await;
    assert_eq!(list(&operator).await.len(), 5);
    let replayed: DeadLettersReplayed = operator.report(&["dead-letters", "replay", &of_order, "--yes"]).await;
    assert_eq!(replayed.replayed, [rejected[0].number]);
    let cancelled = buyer.wait_for_order(lost, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(cancelled.cancel_reason, Some(CancelReason::Expired));
    seller.wait_for_ticket(ticket, TicketStatus::Available).await.unwrap();

    // A message that is still undecodable is dead-lettered again for each consumer, under a new number.
    let old = numbers(&undecodable);
    operator.run_ok(&[&command_line("replay", &old)[..], &["--yes"]].concat()).await;
    eventually("the dead letters to return", async || list(&operator).await.len() == 4).await;
    let back = list(&operator).await;
    assert_eq!(consumers(&back), order_consumers);
    assert!(numbers(&back).iter().all(|number| !old.contains(number)), "{back:?}");
    for command in ["show", "replay", "drop"] {
        let arguments = command_line(command, &old[..1]);
        operator.run_rejected(&arguments, &format!("there is no dead letter {}", old[0])).await;
    }
    let back_numbers = numbers(&back);
    let drop = command_line("drop", &back_numbers);
    operator.run_unconfirmed(&drop, "dropped permanently").await;
    assert_eq!(list(&operator).await, back);
    let dropped: DeadLettersDropped = operator.report(&[&drop[..], &["--yes"]].concat()).await;
    assert_eq!(dropped.dropped, back.iter().map(|letter| letter.number).collect::<Vec<_>>());
    assert_eq!(list(&operator).await, []);
    invariants::assert_eventually(&fleet).await.unwrap();
}
