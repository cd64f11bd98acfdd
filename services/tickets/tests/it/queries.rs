//! The queries use their indexes.

use common::events::order::OrderStatus;
use common::events::ticket::TicketStatus;
use common::identity::Role;
use futures::future::join_all;
use mongodb::bson::{Bson, Document, doc};
use serde_json::json;
use testkit::app::TestApp;

use crate::shows::cancel;
use crate::support::{app, body_with, create_listing, create_listing_with, create_reserved, deliver, order};

/// The indexes and stages of the plan that the database chooses.
async fn plan(app: &TestApp, collection: &str, find: Document) -> (Vec<String>, Vec<String>) {
    let mut command = doc! { "find": collection };
    command.extend(find);
    let explained =
        app.context.database.run_command(doc! { "explain": command, "verbosity": "queryPlanner" }).await.unwrap();
    let (mut indexes, mut stages) = (Vec::new(), Vec::new());
    let winning = explained.get_document("queryPlanner").unwrap().get_document("winningPlan").unwrap();
    walk(&Bson::Document(winning.clone()), &mut indexes, &mut stages);
    (indexes, stages)
}

fn walk(value: &Bson, indexes: &mut Vec<String>, stages: &mut Vec<String>) {
    match value {
        Bson::Document(document) => {
            for (key, value) in document {
                match (key.as_str(), value) {
                    ("indexName", Bson::String(name)) => indexes.push(name.clone()),
                    ("stage", Bson::String(name)) => stages.push(name.clone()),
                    _ => walk(value, indexes, stages),
                }
            }
        }
        Bson::Array(values) => values.iter().for_each(|value| walk(value, indexes, stages)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_queries_read_in_index_order() {
    let app = app().await;
    let (seller, other) = (app.signer.user(), app.signer.user());
    for n in 0..60 {
        create_listing_with(
            &app,
            if n % 3 == 0 { &seller } else { &other },
            &body_with("title", json!(format!("Act {n}"))),
        )
        .await;
    }
    create_reserved(&app, &seller).await;
    let sort = doc! { "_id": -1 };
    for (filter, allowed) in [
        (doc! { "state.status.name": { "$ne": TicketStatus::Withdrawn.as_ref() } }, "_id_"),
        (
            doc! { "state.status.name": TicketStatus::Available.as_ref(), "state.listing.startsAt": { "$gt": "2026" } },
            "status_v1",
        ),
        (doc! { "state.status.name": TicketStatus::Reserved.as_ref() }, "status_v1"),
        (
            doc! { "state.status.name": { "$ne": TicketStatus::Withdrawn.as_ref() }, "state.sellerId": seller.id.to_string() },
            "seller_v1",
        ),
    ] {
        let shown = filter.to_string();
        let (indexes, stages) =
            plan(&app, "tickets", doc! { "filter": filter, "sort": sort.clone(), "limit": 21 }).await;
        assert_eq!(indexes, [allowed], "{shown}");
        assert!(!stages.iter().any(|stage| stage == "SORT" || stage == "COLLSCAN"), "{shown}: {stages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_a_show_reads_its_listings_in_batches() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let listing = create_listing(&app, &seller).await;
    // The show has 130 listings, more than one batch of 100.
    join_all((1..130).map(|_| create_listing(&app, &seller))).await;
    app.wait_until_idle().await;
    let spread = async {
        cancel(&app, &staff, &listing["showId"]).await.expect(200);
    };
    let reads = app.profile_reads(spread).await;
    let of_listings: Vec<_> = reads.iter().filter(|read| read.plan.contains("state.show.id")).collect();
    assert!(!of_listings.is_empty(), "{reads:?}");
    assert!(of_listings.iter().all(|read| read.documents <= 100), "{of_listings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_orders_of_a_listing_are_found_by_index() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    deliver(&app, 0, &order(&app, &ticket)).await;
    let open = [OrderStatus::Created, OrderStatus::AwaitingPayment, OrderStatus::Authorized];
    let open = doc! { "$in": open.map(|status| status.as_ref().to_owned()).to_vec() };
    let filter = doc! { "state.ticket.id": ticket["id"].as_str().unwrap(), "state.status": open };
    let (indexes, stages) = plan(&app, "replica_order", doc! { "filter": filter }).await;
    assert_eq!(indexes, ["open_ticket_v1"], "{stages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn outbox_queries_use_their_indexes() {
    let app = app().await;
    create_listing(&app, &app.signer.user()).await;
    app.wait_until_idle().await;
    let now = "2099-01-01T00:00:00.000Z";
    for (filter, sort, index) in [
        (doc! { "outbox.0.time": { "$exists": true, "$lte": now } }, doc! { "outbox.0.time": 1 }, "outbox_v1"),
        (doc! { "outbox.0.time": { "$exists": true } }, doc! { "outbox.0.time": 1 }, "outbox_v1"),
        (doc! { "announce.at": { "$exists": true, "$lte": now } }, doc! { "announce.at": 1 }, "announce_v1"),
    ] {
        let shown = filter.to_string();
        let (indexes, stages) = plan(&app, "tickets", doc! { "filter": filter, "sort": sort }).await;
        assert_eq!(indexes, [index], "{shown}: {stages:?}");
        assert!(!stages.iter().any(|stage| stage == "SORT" || stage == "COLLSCAN"), "{shown}: {stages:?}");
    }
}
