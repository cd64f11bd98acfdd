//! Sellers and orders at the same listings at the same moment.

use std::sync::Arc;

use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{RefusalReason, TicketState, TicketStatus};
use common::money::Money;
use serde_json::json;

use crate::support::{app, body_with, list, order, path, put, read, told, with, withdraw};

/// Every event of the listing tells of a hold at the terms that the order agreed to.
#[tokio::test(flavor = "multi_thread")]
async fn a_price_edited_while_being_ordered_is_never_sold_at_the_replaced_one() {
    const TICKETS: usize = 40;
    let app = Arc::new(app().await);
    let seller = app.signer.user();
    let mut pairs = Vec::new();
    for _ in 0..TICKETS {
        let ticket = list(&app, &seller).await;
        let order = order(&app, &ticket);
        pairs.push((ticket, order));
    }
    let mut work = Vec::new();
    for (turn, (ticket, order)) in pairs.iter().enumerate() {
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
        // Which of them is first differs from listing to listing.
        if turn % 2 == 0 {
            work.extend([tokio::spawn(edits), tokio::spawn(ordering)]);
        } else {
            work.extend([tokio::spawn(ordering), tokio::spawn(edits)]);
        }
    }
    let mut edits = 0;
    for work in work {
        edits += work.await.unwrap();
    }
    assert!(edits > 0, "somebody edited");
    app.wait_until_idle().await;
    let events = app.events("tickets").await;
    for (ticket, order) in &pairs {
        let mut mine: Vec<_> = events.iter().filter(|event| ticket["id"] == event.subject).collect();
        mine.sort_by_key(|event| event.entityversion);
        let states: Vec<TicketState> =
            mine.iter().map(|event| serde_json::from_value(event.data.clone()).unwrap()).collect();
        for (event, state) in mine.iter().zip(&states) {
            if state.order_id == Some(order.id) {
                assert_eq!(state.price, order.price, "held at a price that was replaced: {}", event.kind);
                assert_eq!(state.terms, order.ticket);
            }
        }
        let last = states.last().unwrap();
        let refusal = last.refusals.iter().find(|refused| refused.order_id == order.id);
        match (last.status, refusal) {
            (TicketStatus::Reserved, None) => assert_eq!(last.order_id, Some(order.id)),
            (TicketStatus::Available, Some(refused)) => {
                assert_eq!(refused.refusal.reason, RefusalReason::PriceChanged);
                assert!(refused.refusal.price.as_ref().is_some_and(|price| *price != order.price));
            }
            other => panic!("neither held nor refused: {other:?}"),
        }
        assert_eq!(json!(last.status), read(&app, ticket).await["status"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_withdrawn_while_being_ordered_is_either_held_or_withdrawn() {
    let app = app().await;
    let seller = app.signer.user();
    for _ in 0..20 {
        let ticket = list(&app, &seller).await;
        let order = order(&app, &ticket);
        let event = told(&app, 0, &order);
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
async fn an_answer_that_was_given_stays_true() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = list(&app, &seller).await;
    let edited = put(&app, &seller, &ticket, &body_with("price.amount", json!(20_000))).send().await.expect(200).json();
    // An order at the old price comes late, one at the new price holds it.
    let late = order(&app, &ticket);
    let fresh = order(&app, &edited);
    for order in [&late, &fresh] {
        app.handle(&told(&app, 0, order)).await.unwrap();
    }
    let after = read(&app, &ticket).await;
    assert_eq!((&after["status"], &after["price"]), (&json!("reserved"), &edited["price"]));
    let price: Money = serde_json::from_value(after["price"].clone()).unwrap();
    assert_eq!(price, fresh.price);
    app.handle(&told(&app, 1, &with(&late, OrderStatus::Cancelled))).await.unwrap();
    assert_eq!(app.request("GET", &path(&ticket)).send().await.json()["status"], "reserved");
}
