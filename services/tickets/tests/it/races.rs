//! Concurrent changes of a listing by its seller and by orders.

use std::sync::Arc;

use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{RefusalReason, TicketState, TicketStatus};
use common::money::Money;
use serde_json::json;

use crate::support::{app, body_with, create_listing, order, order_event, path, put, read, with_status, withdraw};

/// No event shows a reservation at terms that the order did not agree to.
#[tokio::test(flavor = "multi_thread")]
async fn listing_is_never_reserved_at_an_outdated_price() {
    const TICKETS: usize = 40;
    let app = Arc::new(app().await);
    let seller = app.signer.user();
    let mut pairs = Vec::new();
    for _ in 0..TICKETS {
        let ticket = create_listing(&app, &seller).await;
        let order = order(&app, &ticket);
        pairs.push((ticket, order));
    }
    let mut work = Vec::new();
    for (index, (ticket, order)) in pairs.iter().enumerate() {
        let edits = {
            let (app, seller, ticket) = (Arc::clone(&app), seller.clone(), ticket.clone());
            async move {
                let mut edits = 0;
                for amount in [13_000, 12_550, 14_000] {
                    let response = put(&app, &seller, &ticket, &body_with("price.amount", json!(amount))).send().await;
                    if response.status == 200 {
                        edits += 1;
                    } else {
                        assert_eq!(response.expect(409).problem(), "ticket-reserved");
                    }
                }
                edits
            }
        };
        let (app, order) = (Arc::clone(&app), order.clone());
        let ordering = async move {
            app.publish(OrderChange::Created, order.id, 0, order).await;
            0
        };
        // Alternate which of the two starts first.
        if index % 2 == 0 {
            work.extend([tokio::spawn(edits), tokio::spawn(ordering)]);
        } else {
            work.extend([tokio::spawn(ordering), tokio::spawn(edits)]);
        }
    }
    let mut edits = 0;
    for work in work {
        edits += work.await.unwrap();
    }
    assert!(edits > 0, "at least one edit succeeds");
    app.wait_until_idle().await;
    let events = app.events("tickets").await;
    for (ticket, order) in &pairs {
        let mut mine: Vec<_> = events.iter().filter(|event| ticket["id"] == event.subject).collect();
        mine.sort_by_key(|event| event.entityversion);
        let states: Vec<TicketState> =
            mine.iter().map(|event| serde_json::from_value(event.data.clone()).unwrap()).collect();
        for (event, state) in mine.iter().zip(&states) {
            if state.has_seats_for(order.id, &order.slots) {
                assert_eq!(state.price, order.unit_price, "reserved at an outdated price: {}", event.kind);
                assert_eq!(state.terms, order.ticket);
            }
        }
        let last = states.last().unwrap();
        let refusal = last.refusals.iter().find(|refused| refused.order_id == order.id);
        match (last.status, refusal) {
            (TicketStatus::Reserved, None) => assert!(last.has_seats_for(order.id, &order.slots)),
            (TicketStatus::Available, Some(refused)) => {
                assert_eq!(refused.refusal.reason, RefusalReason::PriceChanged);
                assert!(refused.refusal.price.as_ref().is_some_and(|price| *price != order.unit_price));
            }
            other => panic!("neither reserved nor refused: {other:?}"),
        }
        assert_eq!(json!(last.status), read(&app, ticket).await["status"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_withdrawal_and_order_end_in_withdrawn_or_reserved() {
    let app = app().await;
    let seller = app.signer.user();
    for _ in 0..20 {
        let ticket = create_listing(&app, &seller).await;
        let order = order(&app, &ticket);
        let event = order_event(&app, 0, &order);
        let (handled, withdrawn) = tokio::join!(app.handle(&event), withdraw(&app, &seller, &ticket));
        handled.unwrap();
        let after = read(&app, &ticket).await;
        if withdrawn.status == 204 {
            assert_eq!(after["status"], "withdrawn");
        } else {
            assert_eq!(withdrawn.expect(409).problem(), "ticket-reserved");
            assert_eq!(after["status"], "reserved");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_order_does_not_revert_a_price_change() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    let edited = put(&app, &seller, &ticket, &body_with("price.amount", json!(20_000))).send().await.expect(200).json();
    // An order at the old price arrives late; the listing is reserved for one at the new price.
    let late = order(&app, &ticket);
    let fresh = order(&app, &edited);
    for order in [&late, &fresh] {
        app.handle(&order_event(&app, 0, order)).await.unwrap();
    }
    let after = read(&app, &ticket).await;
    assert_eq!((&after["status"], &after["price"]), (&json!("reserved"), &edited["price"]));
    let price: Money = serde_json::from_value(after["price"].clone()).unwrap();
    assert_eq!(price, fresh.unit_price);
    app.handle(&order_event(&app, 1, &with_status(&late, OrderStatus::Cancelled))).await.unwrap();
    assert_eq!(app.request("GET", &path(&ticket)).send().await.json()["status"], "reserved");
}
