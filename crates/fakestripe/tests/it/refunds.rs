//! Refunds and their limits.

use crate::client::{Server, text};

const REFUNDS: &str = "/v1/refunds";

#[tokio::test]
async fn never_more_than_was_captured() {
    let server = Server::start().await;
    let intent = text(&server.pay("pm_card_visa", &[]).await.ok(), "id");
    let part = [("payment_intent", intent.as_str()), ("amount", "1500")];
    let refund = server.post(REFUNDS, &part).await.ok();
    assert_eq!(refund["amount"], 1500);
    assert_eq!(refund["status"], "succeeded");
    let refused = server.post(REFUNDS, &part).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.error("param"), "amount");
    assert_eq!(
        refused.error("message"),
        "Refund amount ($15.00 usd) is greater than unrefunded amount on charge ($5.00 usd)"
    );
    let rest = [("payment_intent", intent.as_str())];
    assert_eq!(server.post(REFUNDS, &rest).await.ok()["amount"], 500);
    let refused = server.post(REFUNDS, &rest).await;
    assert_eq!(refused.error("code"), "charge_already_refunded");
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
async fn only_what_was_captured() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual")];
    let intent = text(&server.pay("pm_card_visa", &manual).await.ok(), "id");
    let form = [("payment_intent", intent.as_str())];
    let refused = server.post(REFUNDS, &form).await;
    assert_eq!(refused.status, 400);
    assert!(refused.error("message").contains("does not have a successful charge"));
    let refused = server.post(REFUNDS, &[("charge", "ch_no")]).await;
    assert_eq!(refused.error("code"), "resource_missing");
    let refused = server.post(REFUNDS, &[]).await;
    assert_eq!(refused.error("code"), "parameter_missing");
}
