//! `ticketctl follow` on a fleet whose services are stopped.

use async_nats::jetstream;
use common::id::OrderId;
use ticketctl::reports::follow::OrderHistory;

use crate::audit::Sold;
use crate::operator::Operator;

/// Asserts that a paid order is shown with all that happened to it, and that nobody lags behind.
pub(crate) async fn assert_complete(operator: &Operator, sold: &Sold) {
    let Sold { fleet, ticket, order, payment, .. } = sold;
    let history: OrderHistory = operator.report(&["follow", order]).await;
    let mut kinds: Vec<_> = history.events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!((kinds[0], kinds.last().copied()), ("order.created.v1", Some("ticket.sold.v1")), "{history:?}");
    kinds.sort_unstable();
    let expected = [
        "order.authorized.v1",
        "order.completed.v1",
        "order.confirmed.v1",
        "order.created.v1",
        "payment.authorized.v1",
        "payment.captured.v1",
        "payment.started.v1",
        "ticket.reserved.v1",
        "ticket.sold.v1",
    ];
    assert_eq!(kinds, expected, "{history:?}");
    let stored = history.entities.iter().map(|found| {
        let lags = found.replicas.values().any(|copy| *copy != found.version);
        assert!(!lags && found.unpublished == 0, "{found:?}");
        (found.entity.as_str(), found.id.as_str(), found.status.split(", ").next().unwrap())
    });
    let expected = [
        ("order", order.as_str(), "completed"),
        ("ticket", ticket.as_str(), "sold"),
        ("payment", payment.as_str(), "captured"),
        ("timer", order.as_str(), "closed"),
    ];
    assert_eq!(stored.collect::<Vec<_>>(), expected);
    assert_eq!((history.dead_letters.len(), history.unchecked.len()), (0, 0));
    let text = operator.run_ok(&["follow", order]).await;
    assert!(text.contains(&format!("order {order}: completed, paymentId {payment}, ")), "{text}");

    let unread: OrderHistory = Operator::for_databases(fleet).report(&["follow", order]).await;
    assert_eq!((unread.entities.len(), unread.events.len(), unread.unchecked.len()), (4, 0, 1));
    let unknown = operator.run(&["follow", &OrderId::new().to_string()]).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("no database and no stream has the order"), "{unknown:?}");
}

/// Asserts that a dead letter about an order is shown with it.
pub(crate) async fn assert_dead_letter_is_shown(operator: &Operator, jetstream: &jetstream::Context, order: &str) {
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("dead-letter-consumer", "tickets-order");
    let (subject, payload) = ("ticketing.dead-letter.tickets.order", format!("{{\"subject\":\"{order}\"}}"));
    jetstream.publish_with_headers(subject, headers, payload.into()).await.unwrap().await.unwrap();
    let history: OrderHistory = operator.report(&["follow", order]).await;
    let consumers: Vec<_> = history.dead_letters.iter().map(|letter| letter.consumer.as_str()).collect();
    assert_eq!(consumers, ["tickets-order"]);
}
