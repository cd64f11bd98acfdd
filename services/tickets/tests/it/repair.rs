//! Tests of the repairs on the admin port: POST /release releases a listing whose order is cancelled or lost, and
//! POST /raise writes a listing again with the state that its replicas have.

use common::events::order::{OrderState, OrderStatus};
use common::id::OrderId;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;

use crate::support::{
    app, body_of, create_listing, create_listing_with, create_reserved, create_sold, deliver, last_event, order_event,
    order_of, read, with_status, withdraw,
};

/// The version of the newest order of these tests.
const NEWEST: u64 = 3;

async fn release(app: &TestApp, ticket: &Value, order: OrderId, order_is_lost: bool) -> Response {
    let body = json!({ "id": ticket["id"], "orderId": order, "orderIsLost": order_is_lost, "orderVersion": NEWEST });
    app.admin("POST", "/release").json(&body).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_of_a_lost_order_is_released() {
    let app = app().await;
    let (ticket, order) = create_reserved(&app, &app.signer.user()).await;
    // According to the replica, the order still waits for the listing, which would be reserved for it again.
    release(&app, &ticket, order.id, true).await.expect(409);
    deliver(&app, 1, &with_status(&order, OrderStatus::AwaitingPayment)).await;
    release(&app, &ticket, order.id, false).await.expect(409);
    release(&app, &ticket, OrderId::new(), true).await.expect(409);
    // The caller has read an older replica of the order, or none: `orders` has written the order again since (a raise).
    for version in [json!(0), json!(null)] {
        let body = json!({ "id": ticket["id"], "orderId": order.id, "orderIsLost": true, "orderVersion": version });
        let rejected = app.admin("POST", "/release").json(&body).send().await.expect(409).json();
        assert!(rejected["type"].as_str().unwrap().ends_with("order-changed"), "{rejected}");
    }
    assert_eq!(read(&app, &ticket).await["status"], "reserved");
    let released = release(&app, &ticket, order.id, true).await.expect(200).json();
    assert_eq!(released, json!({ "status": "available" }));
    assert_eq!(read(&app, &ticket).await["status"], "available");
}

#[tokio::test(flavor = "multi_thread")]
async fn release_frees_the_seats_of_the_lost_order_and_no_others() {
    let app = app().await;
    let body = body_of(json!({ "quantity": 3, "split": "any" }));
    let ticket = create_listing_with(&app, &app.signer.user(), &body).await;
    let [lost, other] = [&[0], &[1]].map(|slots| order_of(&app, &ticket, slots));
    for order in [&lost, &other] {
        deliver(&app, 0, order).await;
    }
    deliver(&app, 1, &with_status(&lost, OrderStatus::AwaitingPayment)).await;
    let released = release(&app, &ticket, lost.id, true).await.expect(200).json();
    assert_eq!(released, json!({ "status": "available" }));
    release(&app, &ticket, lost.id, true).await.expect(409);
    app.wait_until_idle().await;
    let event = last_event(&app, &ticket).await;
    assert_eq!((event.kind.as_str(), event.entityversion), ("ticket.released.v1", 3));
    let seat = |status: &str, order: Option<OrderId>| json!({ "name": null, "status": status, "orderId": order });
    let expected = [seat("available", None), seat("reserved", Some(other.id)), seat("available", None)];
    assert_eq!(event.data["seats"], json!(expected));
    // A state whose blocks and seats differ in number is not restored.
    let mut state = event.data;
    state["seats"] = json!([seat("available", None)]);
    let body = json!({ "id": ticket["id"], "above": 3, "state": state });
    app.admin("POST", "/raise").json(&body).send().await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_that_is_not_reserved_for_the_order_is_not_changed() {
    let app = app().await;
    let seller = app.signer.user();
    let sold = create_sold(&app, &seller).await;
    let order: OrderId = last_event(&app, &sold).await.data["seats"][0]["orderId"].as_str().unwrap().parse().unwrap();
    release(&app, &sold, order, true).await.expect(409);
    assert_eq!(release(&app, &sold, order, false).await.expect(200).json(), json!({ "status": "sold" }));
    let available = create_listing(&app, &seller).await;
    assert_eq!(release(&app, &available, order, false).await.expect(200).json(), json!({ "status": "available" }));
    release(&app, &json!({ "id": OrderId::new() }), order, true).await.expect(404);
}

/// The process crashed after it had stored the order, before it sold the ticket.
#[tokio::test(flavor = "multi_thread")]
async fn listing_of_a_completed_order_is_sold_and_not_released() {
    let app = app().await;
    let (ticket, order) = create_reserved(&app, &app.signer.user()).await;
    let completed = order_event(&app, NEWEST, &with_status(&order, OrderStatus::Completed));
    app.context.replica::<OrderState>().put_if_newer(&completed).await.unwrap();
    let rejected = release(&app, &ticket, order.id, true).await.expect(409).json();
    assert!(rejected["type"].as_str().unwrap().ends_with("order-completed"), "{rejected}");
    assert_eq!(read(&app, &ticket).await["status"], "sold");
}

/// Simulates that the database was restored to a moment before a sale. The listing `other` plays the restored one: it
/// is available and has a low version. The raise gives it the state of the listing that was sold, and a higher version.
#[tokio::test(flavor = "multi_thread")]
async fn raised_listing_has_the_state_of_its_replicas() {
    let app = app().await;
    let seller = app.signer.user();
    let other = create_listing(&app, &seller).await;
    let sold = create_sold(&app, &seller).await;
    app.wait_until_idle().await;
    let known = last_event(&app, &sold).await;
    let mut state = known.data.clone();
    state["id"] = other["id"].clone();
    let body = json!({ "id": other["id"], "above": known.entityversion, "state": state });
    let raised = app.admin("POST", "/raise").json(&body).send().await.expect(200).json();
    assert_eq!(raised, json!({ "version": known.entityversion + 1, "isWritten": true }));
    let restored = read(&app, &other).await;
    assert_eq!((&restored["status"], &restored["version"]), (&json!("sold"), &json!(known.entityversion + 1)));
    app.wait_until_idle().await;
    let event = last_event(&app, &other).await;
    assert_eq!((event.entityversion, event.data), (known.entityversion + 1, state));
}

/// After the restore to a moment before the replicas' version, the seller withdraws the listing. It stays withdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_listing_is_not_put_up_for_sale_again() {
    let app = app().await;
    let seller = app.signer.user();
    let listing = create_listing(&app, &seller).await;
    app.wait_until_idle().await;
    let state = last_event(&app, &listing).await.data;
    let mut of_another_seller = state.clone();
    of_another_seller["sellerId"] = json!(app.signer.user().id);
    let body = json!({ "id": listing["id"], "above": 3, "state": of_another_seller });
    app.admin("POST", "/raise").json(&body).send().await.expect(400);
    withdraw(&app, &seller, &listing).await.expect(204);
    let body = json!({ "id": listing["id"], "above": 3, "state": state });
    let rejected = app.admin("POST", "/raise").json(&body).send().await.expect(409).json();
    assert!(rejected["type"].as_str().unwrap().ends_with("changed-since"), "{rejected}");
    assert_eq!(read(&app, &listing).await["status"], "withdrawn");
}
