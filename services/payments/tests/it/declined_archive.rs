//! Declined payments are archived after 90 days.

use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::id::UserId;
use common::identity::Claims;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::eventually;
use testkit::app::users::{Signer, User};

use crate::support::{DECLINED, SECURE, Shop, VISA};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A user whose access token is valid for 100 days.
fn long_lived_user(signer: &Signer) -> User {
    let id = UserId::new();
    let default = Signer::claims(id);
    let claims = Claims { exp: default.iat + 100 * 86_400, ..default };
    User { id, token: signer.sign(&claims) }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_declined_payments_are_archived_after_90_days() {
    let shop = Shop::open_with(&[("CLEANUP_INTERVAL", "200ms")]).await;
    let buyer = long_lived_user(&shop.app.signer);
    let (order, another) = (shop.order(&buyer).await, shop.order(&buyer).await);
    shop.pay(&buyer, &order, DECLINED).await.expect(402);
    let paid = shop.pay(&buyer, &order, VISA).await.expect(201).json();
    let pending = shop.pay(&buyer, &another, SECURE).await.expect(202).json();
    shop.app.wait_until_idle().await;
    let database = &shop.app.context.database;
    let payments = database.collection::<Document>("payments");
    let declined =
        payments.find_one(doc! { "state.status.name": PaymentStatus::Declined.as_ref() }).await.unwrap().unwrap();
    let archive = database.collection::<Document>("declined_payments");

    shop.app.clock.advance(89 * DAY);
    // A payment that is declined later is not archived.
    let fresh = shop.order(&buyer).await;
    shop.pay(&buyer, &fresh, DECLINED).await.expect(402);
    assert_eq!(
        payments.count_documents(doc! { "state.status.name": PaymentStatus::Declined.as_ref() }).await.unwrap(),
        2
    );

    shop.app.clock.advance(DAY + Duration::from_secs(60));
    let mut archived = None;
    eventually("the payment to be archived", async || {
        archived = archive.find_one(doc! {}).await.unwrap();
        archived.is_some()
            && payments.count_documents(doc! { "state.status.name": PaymentStatus::Declined.as_ref() }).await.unwrap()
                == 1
    })
    .await;
    let state = declined.get_document("state").unwrap();
    let expected = doc! {
        "_id": declined.get_str("_id").unwrap(),
        "orderId": order.id.to_string(),
        "providerRef": state.get_str("providerRef").unwrap(),
        "reason": state.get_document("status").unwrap().get_str("reason").unwrap(),
        "createdAt": state.get_str("createdAt").unwrap(),
        "updatedAt": state.get_str("updatedAt").unwrap(),
    };
    assert_eq!(archived.unwrap(), expected);
    assert_eq!(archive.count_documents(doc! {}).await.unwrap(), 1);
    for payment in [&paid, &pending] {
        assert_eq!(shop.read(&buyer, payment).await["id"], payment["id"]);
    }
    let gone = format!("/api/payments/{}", declined.get_str("_id").unwrap());
    shop.app.request("GET", &gone).as_user(&buyer).send().await.expect(404);
    // A request for snapshots of all payments succeeds in spite of the archived payment.
    let response = shop.app.admin("POST", "/resync").json(&json!({ "all": true })).send().await;
    assert!((200..300).contains(&response.status), "{response:?}");
}
