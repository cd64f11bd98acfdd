//! Listings of several seats: choice of seats, races for them, refusals, and the reservation of each order's own seats.

use common::events::ticket::{TicketChange, TicketStatus};
use common::seats::Slot;
use mongodb::bson::{Document, doc};
use serde_json::json;
use tokio::task::JoinSet;

use crate::scenarios::TestEvent;
use crate::support::{
    add_listing, app, changes, complete_order, expected_changes, id_of, listing_of, path, place, place_quantity,
    post_quantity, read, reserved_seats, slots_of, with_refusal,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_block_is_sold_once_to_concurrent_buyers() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    // The blocks, the number of seats that each of twenty buyers wants, and how many get them.
    for (blocks, quantity, winners) in
        [(&[2, 2, 2][..], 2, 3), (&[2, 2, 2][..], 2, 3), (&[1; 6][..], 1, 6), (&[6][..], 6, 1)]
    {
        let ticket = add_listing(&app, listing_of(&app, blocks)).await;
        let mut requests = JoinSet::new();
        for n in 0..20 {
            let body = json!({ "ticketId": ticket.terms.id, "quantity": quantity });
            let instance = if n % 2 == 0 { &app } else { &other };
            requests.spawn(instance.request("POST", "/api/orders").as_user(&app.signer.user()).json(&body).send());
        }
        let (placed, rejected): (Vec<_>, Vec<_>) =
            requests.join_all().await.into_iter().partition(|response| response.status == 201);
        assert!(
            rejected.iter().all(|response| (response.status, response.problem().as_str()) == (409, "ticket-taken"))
        );
        assert_eq!(placed.len(), winners, "{blocks:?}");
        let mut slots: Vec<Vec<Slot>> = placed.iter().map(|response| slots_of(&response.json())).collect();
        slots.sort_unstable();
        assert_eq!(slots.concat(), ticket.terms.blocks.slots(), "each seat is in one order");
        let whole = ticket.terms.blocks.runs(quantity, |_| true);
        assert!(slots.iter().all(|slots| whole.contains(slots)), "whole blocks: {slots:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn order_takes_the_lowest_free_blocks_at_the_price_of_its_seats() {
    let app = app().await;
    let ticket = add_listing(&app, listing_of(&app, &[2, 2, 2])).await;
    let buyers: [_; 4] = std::array::from_fn(|_| app.signer.user());
    let first = place_quantity(&app, &buyers[0], &ticket, 4).await;
    assert_eq!((&first["slots"], &first["seats"]), (&json!([0, 1, 2, 3]), &json!(["14", "15", "16", "17"])));
    assert_eq!((&first["quantity"], &first["ticket"]["seat"]), (&json!(4), &json!(null)));
    assert_eq!((&first["unitPrice"]["amount"], &first["price"]["amount"]), (&json!(12_550), &json!(50_200)));

    let refused = post_quantity(&app, &buyers[1], &ticket, 4).await.expect(409);
    assert_eq!((refused.problem().as_str(), &refused.json()["quantities"]), ("no-seats", &json!([2])));
    let broken = post_quantity(&app, &buyers[1], &ticket, 1).await.expect(409);
    assert_eq!((broken.problem().as_str(), &broken.json()["quantities"]), ("no-seats", &json!([2])));
    // The same holds for an order of all seats, which is inserted before the open orders are read.
    let whole = post_quantity(&app, &buyers[1], &ticket, 6).await.expect(409);
    assert_eq!((whole.problem().as_str(), &whole.json()["quantities"]), ("no-seats", &json!([2])));
    let again = post_quantity(&app, &buyers[0], &ticket, 2).await.expect(409);
    assert_eq!(again.problem(), "held-already");

    // Without a quantity, an order takes the smallest number of seats that can still be ordered.
    let second = place(&app, &buyers[1], &ticket).await;
    assert_eq!(second["slots"], json!([4, 5]));
    let taken = post_quantity(&app, &buyers[2], &ticket, 2).await.expect(409);
    assert_eq!((taken.problem().as_str(), taken.json().get("quantities")), ("ticket-taken", None));

    app.request("DELETE", &path(&first)).as_user(&buyers[0]).send().await.expect(200);
    assert_eq!(place_quantity(&app, &buyers[3], &ticket, 2).await["slots"], json!([0, 1]));
    assert_eq!(place_quantity(&app, &buyers[2], &ticket, 2).await["slots"], json!([2, 3]));
    let changes = changes(&app, &second).await;
    assert_eq!(changes, expected_changes(&["created"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn buyer_has_one_hold_of_a_listing_at_a_time() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    let (buyer, ticket) = (app.signer.user(), add_listing(&app, listing_of(&app, &[1; 8])).await);
    let mut requests = JoinSet::new();
    for n in 0..20 {
        let instance = if n % 2 == 0 { &app } else { &other };
        let body = json!({ "ticketId": ticket.terms.id });
        requests.spawn(instance.request("POST", "/api/orders").as_user(&buyer).json(&body).send());
    }
    let (placed, rejected): (Vec<_>, Vec<_>) =
        requests.join_all().await.into_iter().partition(|response| response.status == 201);
    assert_eq!(placed.len(), 1);
    assert!(rejected.iter().all(|response| response.problem() == "held-already"));
    // A buyer who has paid may order more seats of the listing, as long as some are free.
    let (buyer, ticket) = (app.signer.user(), add_listing(&app, listing_of(&app, &[1, 1])).await);
    complete_order(&app, &buyer, &ticket).await;
    place(&app, &buyer, &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn order_of_a_whole_listing_reads_no_others() {
    let app = app().await;
    for (blocks, reads_orders) in [(&[1][..], false), (&[4][..], false), (&[2, 2][..], true)] {
        let (buyer, ticket) = (app.signer.user(), add_listing(&app, listing_of(&app, blocks)).await);
        let reads = app.profile_reads(async { drop(place(&app, &buyer, &ticket).await) }).await;
        let has_read = reads.iter().any(|read| read.collection == "orders" && read.plan.contains("state.slots"));
        assert_eq!(has_read, reads_orders, "{blocks:?}: {reads:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_after_a_collision_is_causally_consistent_with_the_insert() {
    let app = app().await;
    let ticket = add_listing(&app, listing_of(&app, &[2, 2])).await;
    place_quantity(&app, &app.signer.user(), &ticket, 2).await;
    app.wait_until_idle().await;
    app.profile_reads(async {
        let refused = post_quantity(&app, &app.signer.user(), &ticket, 4).await.expect(409);
        assert_eq!(refused.problem(), "no-seats");
    })
    .await;
    let filter = doc! {
        "command.find": "orders",
        "command.readConcern.level": "majority",
        "command.readConcern.afterClusterTime": { "$exists": true },
    };
    let profile = app.context.database.collection::<Document>("system.profile");
    assert!(profile.find_one(filter).await.unwrap().is_some(), "a majority read after the time of the insert");
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_gets_the_same_seats() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    let (buyer, ticket) = (app.signer.user(), add_listing(&app, listing_of(&app, &[2, 2, 2])).await);
    let post = |instance: &testkit::app::TestApp| {
        let body = json!({ "ticketId": ticket.terms.id, "quantity": 2 });
        instance.request("POST", "/api/orders").as_user(&buyer).header("idempotency-key", "k1").json(&body).send()
    };
    let mut requests = JoinSet::new();
    for n in 0..20 {
        requests.spawn(post(if n % 2 == 0 { &app } else { &other }));
    }
    let responses = requests.join_all().await;
    let first = responses[0].json();
    for response in responses {
        assert_eq!(response.expect(201).json(), first);
    }
    // A repeat returns the first response, even after its order was cancelled and its seats are free.
    let rival = place_quantity(&app, &app.signer.user(), &ticket, 2).await;
    assert_eq!((slots_of(&first), slots_of(&rival)), (vec![0, 1], vec![2, 3]));
    app.request("DELETE", &path(&first)).as_user(&buyer).send().await.expect(200);
    assert_eq!(post(&app).await.expect(201).json(), first);
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 3);
}

/// A request that collides with the order of another buyer reads the orders again. Then it may see the order that its
/// own repeat has placed.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_gets_the_same_seats_among_concurrent_orders() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for round in 0..10 {
        let (buyer, ticket) = (app.signer.user(), add_listing(&app, listing_of(&app, &[2; 4])).await);
        let body = json!({ "ticketId": ticket.terms.id, "quantity": 2 });
        let (mut repeats, mut rivals) = (JoinSet::new(), JoinSet::new());
        for n in 0..12 {
            let instance = if n % 2 == 0 { &app } else { &other };
            if n % 4 == 0 {
                let rival = app.signer.user();
                rivals.spawn(instance.request("POST", "/api/orders").as_user(&rival).json(&body).send());
            }
            let request = instance.request("POST", "/api/orders").as_user(&buyer).json(&body);
            repeats.spawn(request.header("idempotency-key", format!("k{round}")).send());
        }
        let responses = repeats.join_all().await;
        let first = responses[0].json();
        for response in responses {
            assert_eq!(response.expect(201).json(), first);
        }
        for response in rivals.join_all().await {
            response.expect(201);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_order_is_confirmed_when_all_its_seats_are_reserved() {
    let app = app().await;
    let ticket = add_listing(&app, listing_of(&app, &[2, 2, 2])).await;
    let buyers: [_; 3] = std::array::from_fn(|_| app.signer.user());
    let mut orders = Vec::new();
    for buyer in &buyers {
        orders.push(place_quantity(&app, buyer, &ticket, 2).await);
    }
    let expect = async |statuses: [&str; 3]| {
        for ((buyer, order), status) in buyers.iter().zip(&orders).zip(statuses) {
            assert_eq!(read(&app, buyer, order).await["status"], status);
        }
    };
    // `tickets` reserves the first order's seats and refuses the second order. Of the third, it holds only some seats,
    // which never happens: that order waits.
    let held = reserved_seats(&with_refusal(&ticket, id_of(&orders[1])), id_of(&orders[0]), &slots_of(&orders[0]));
    let partly = reserved_seats(&held, id_of(&orders[2]), &[4]);
    TestEvent::ticket(&app, TicketChange::Reserved, 1, partly).handle(&app).await.unwrap();
    expect(["awaitingPayment", "cancelled", "created"]).await;
    // Seats that were held when the seller withdrew the rest stay with their orders.
    let mut withdrawn = reserved_seats(&held, id_of(&orders[2]), &slots_of(&orders[2]));
    (withdrawn.status, withdrawn.seats[2].status) = (TicketStatus::Withdrawn, TicketStatus::Withdrawn);
    TestEvent::ticket(&app, TicketChange::Withdrawn, 2, withdrawn).handle(&app).await.unwrap();
    expect(["awaitingPayment", "cancelled", "awaitingPayment"]).await;
    // The cancellation of the show cancels all unpaid orders.
    let mut cancelled = held.clone();
    cancelled.show_cancelled = true;
    TestEvent::ticket(&app, TicketChange::Updated, 3, cancelled).handle(&app).await.unwrap();
    expect(["cancelled"; 3]).await;
}
