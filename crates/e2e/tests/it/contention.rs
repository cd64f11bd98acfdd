//! Contention: a ticket is sold once and an order charged once under concurrent requests.

use std::collections::BTreeMap;

use common::api::orders::{CancelOrder, CreateOrder, NewOrder, ReadOrder};
use common::api::tickets::ReplaceListing;
use common::events::order::OrderStatus;
use e2e::exchange::status;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing, with_seats};
use futures::future::join_all;
use futures::{StreamExt, stream};

const BUYERS_PER_TICKET: usize = 200;
const TICKETS: usize = 50;
const CONCURRENT_TICKETS: usize = 2;
/// The blocks of a listing, and how many seats each of its buyers orders.
const LAYOUTS: [(&[u8], u8); 5] = [(&[1], 1), (&[4], 4), (&[1], 1), (&[2, 2, 2], 2), (&[1, 1, 1, 1, 1, 1, 1, 1], 1)];

#[tokio::test(flavor = "multi_thread")]
async fn each_seat_of_50_listings_goes_to_one_of_200_concurrent_buyers() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let seller = fleet.token_user().unwrap();
    let buyers: Vec<_> = (0..BUYERS_PER_TICKET).map(|_| fleet.token_user().unwrap()).collect();
    let tickets = join_all((0..TICKETS).map(|n| {
        let (seller, (blocks, quantity)) = (&seller, LAYOUTS[n % LAYOUTS.len()]);
        let listing = with_seats(listing(&format!("Night {n}"), 1_000), blocks);
        async move { (seller.create_listing(listing).await.unwrap(), blocks, quantity) }
    }))
    .await;
    // Waits until `orders` has every listing; before that, some buyers would get 404.
    for (ticket, ..) in &tickets {
        let order = buyers[0].create_order(*ticket).await.unwrap();
        assert_eq!(buyers[0].send(&CancelOrder { id: order.id }).await.unwrap().status, 200);
    }
    let all = stream::iter(tickets)
        .map(|(ticket, blocks, quantity)| {
            let buyers = &buyers;
            async move {
                let request = CreateOrder { body: NewOrder { ticket_id: ticket, quantity: Some(quantity) } };
                let responses = join_all(buyers.iter().map(|buyer| buyer.send(&request))).await;
                let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
                for response in responses {
                    *statuses.entry(status(response).unwrap()).or_default() += 1;
                }
                (statuses, usize::from(blocks.iter().sum::<u8>() / quantity))
            }
        })
        .buffer_unordered(CONCURRENT_TICKETS)
        .collect::<Vec<_>>()
        .await;
    assert_eq!(all.len(), TICKETS);
    for (statuses, orders) in all {
        assert_eq!(statuses, BTreeMap::from([(201, orders), (409, BUYERS_PER_TICKET - orders)]));
    }
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn order_paid_five_times_concurrently_is_charged_once() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    for n in 0..10 {
        let ticket = seller.create_listing(listing(&format!("Night {n}"), 1_000)).await.unwrap();
        let order = buyer.create_order(ticket).await.unwrap().id;
        let responses = join_all((0..5).map(|_| buyer.pay(order, "pm_card_visa"))).await;
        let mut paid: Vec<_> = responses.into_iter().map(|response| status(response).unwrap()).collect();
        paid.sort_unstable();
        assert_eq!(paid, [201, 409, 409, 409, 409]);
        buyer.wait_for_order(order, OrderStatus::Completed).await.unwrap();
    }
    let state = fleet.fakestripe_state().await.unwrap();
    let charges = state["charges"].as_array().unwrap();
    assert_eq!(charges.iter().filter(|charge| charge["captured"] == true).count(), 10);
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ticket_is_never_sold_at_an_outdated_price() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    let rounds = join_all((0..20).map(|n| {
        let (seller, buyer) = (seller.clone(), buyer.clone());
        async move {
            let ticket = seller.create_listing(listing(&format!("Night {n}"), 1_000)).await.unwrap();
            let edit = ReplaceListing { id: ticket, body: listing(&format!("Night {n}"), 2_000) };
            let (order, edited) = tokio::join!(buyer.create_order(ticket), seller.send(&edit));
            let order = order.unwrap();
            let paid = buyer.pay(order.id, "pm_card_visa").await;
            let order_after = buyer.send(&ReadOrder { id: order.id }).await.unwrap().body;
            match (status(edited).unwrap(), order.price.amount) {
                // The edit came first and the order was created at the old price: refused, with the new price.
                (200, 1_000) => {
                    let rejected = paid.unwrap_err();
                    assert_eq!(rejected.status(), Some(409), "{rejected:?} {order_after:?}");
                    assert_eq!(order_after.refusal.unwrap().price.unwrap().amount, 2_000);
                }
                // The order was created at the new price, or the ticket was reserved before the edit.
                (200, 2_000) | (409, 1_000) => assert_eq!(paid.unwrap().status, 201, "{order_after:?}"),
                other => panic!("{other:?} {order_after:?}"),
            }
        }
    }));
    assert_eq!(rounds.await.len(), 20);
    invariants::assert_eventually(&fleet).await.unwrap();
}
