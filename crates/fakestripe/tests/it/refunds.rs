//! Refunds and their limits.

use crate::client::{Server, text};

const REFUNDS: &str = "/v1/refunds";

#[tokio::test]
async fn refunds_cannot_exceed_the_captured_amount() {
    let server = Server::start().await;
    let intent = text(&server.pay("pm_card_visa", &[]).await.ok(), "id");
    let part = [("payment_intent", intent.as_str()), ("amount", "1500")];
    let refund = server.post(REFUNDS, &part).await.ok();
    assert_eq!(refund["amount"], 1500);
    assert_eq!(refund["status"], "succeeded");
    let rejected = server.post(REFUNDS, &part).await;
    assert_eq!(rejected.status, 400);
    assert_eq!(rejected.error("param"), "amount");
    assert_eq!(
        rejected.error("message"),
        "Refund amount ($15.00 usd) is greater than unrefunded amount on charge ($5.00 usd)"
    );
    let rest = [("payment_intent", intent.as_str())];
    assert_eq!(server.post(REFUNDS, &rest).await.ok()["amount"], 500);
    let rejected = server.post(REFUNDS, &rest).await;
    assert_eq!(rejected.error("code"), "charge_already_refunded");
    let charge = server.get(&format!("/v1/charges/{}", text(&refund, "charge"))).await.ok();
    assert_eq!(charge["refunded"], true);
    assert_eq!(charge["amount_refunded"], 2000);
    assert_eq!(charge["refunds"]["data"].as_array().unwrap().len(), 2);
    let listed = server.get(&format!("{REFUNDS}?payment_intent={intent}")).await.ok();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    let events = server.events().await;
    let of_refunds = events.iter().filter(|kind| *kind == "refund.created");
    assert_eq!(of_refunds.count(), 2);
}

#[tokio::test]
async fn uncaptured_intent_cannot_be_refunded() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual")];
    let intent = text(&server.pay("pm_card_visa", &manual).await.ok(), "id");
    let form = [("payment_intent", intent.as_str())];
    let rejected = server.post(REFUNDS, &form).await;
    assert_eq!(rejected.status, 400);
    assert!(rejected.error("message").contains("does not have a successful charge"));
    let rejected = server.post(REFUNDS, &[("charge", "ch_no")]).await;
    assert_eq!(rejected.error("code"), "resource_missing");
    let rejected = server.post(REFUNDS, &[]).await;
    assert_eq!(rejected.error("code"), "parameter_missing");
}
