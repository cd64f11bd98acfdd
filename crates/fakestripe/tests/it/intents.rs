//! The life cycle of a `PaymentIntent`.

use crate::client::{Server, text};

const INTENTS: &str = "/v1/payment_intents";

#[tokio::test]
async fn manual_capture_authorizes_then_captures() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual"), ("metadata[order]", "o1")];
    let intent = server.pay("pm_card_visa", &manual).await.ok();
    assert_eq!(intent["status"], "requires_capture");
    assert_eq!(intent["amount_capturable"], 2000);
    assert_eq!(intent["metadata"]["order"], "o1");
    let id = text(&intent, "id");
    let path = format!("{INTENTS}/{id}/capture");
    let intent = server.post(&path, &[("amount_to_capture", "1500")]).await.ok();
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["amount_received"], 1500);
    assert_eq!(intent["amount_capturable"], 0);
    let path = format!("{INTENTS}/{id}?expand[]=latest_charge");
    let charge = server.get(&path).await.ok()["latest_charge"].clone();
    assert_eq!(charge["captured"], true);
    assert_eq!(charge["amount_captured"], 1500);
    assert_eq!(charge["amount_refunded"], 500);
    assert_eq!(
        server.events().await,
        [
            "payment_intent.created",
            "charge.succeeded",
            "payment_intent.amount_capturable_updated",
            "charge.captured",
            "payment_intent.succeeded",
        ]
    );
}

#[tokio::test]
async fn automatic_capture_succeeds_immediately() {
    let server = Server::start().await;
    let intent = server.pay("pm_card_mastercard", &[]).await.ok();
    assert_eq!(intent["status"], "succeeded");
    assert_eq!(intent["amount_received"], 2000);
    let events = server.events().await;
    assert_eq!(events.last().unwrap(), "payment_intent.succeeded");
}

#[tokio::test]
async fn intent_is_created_updated_and_confirmed_separately() {
    let server = Server::start().await;
    let form = [("amount", "900"), ("currency", "EUR")];
    let intent = server.post(INTENTS, &form).await.ok();
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["currency"], "eur");
    let path = format!("{INTENTS}/{}", text(&intent, "id"));
    let early = server.post(&format!("{path}/confirm"), &[]).await;
    assert_eq!(early.error("code"), "payment_intent_unexpected_state");
    let form = [("payment_method", "pm_card_visa"), ("amount", "950")];
    let intent = server.post(&path, &form).await.ok();
    assert_eq!(intent["status"], "requires_confirmation");
    assert_eq!(intent["amount"], 950);
    let intent = server.post(&format!("{path}/confirm"), &[]).await.ok();
    assert_eq!(intent["status"], "succeeded");
    let late = server.post(&path, &[("amount", "1000")]).await;
    assert_eq!(late.error("code"), "payment_intent_unexpected_state");
    let form = [("metadata[note]", "late"), ("description", "d")];
    let intent = server.post(&path, &form).await.ok();
    assert_eq!(intent["metadata"]["note"], "late");
    let intent = server.post(&path, &[("metadata[note]", "")]).await.ok();
    assert!(intent["metadata"].as_object().unwrap().is_empty());
}

#[tokio::test]
async fn cancelled_authorization_is_released_and_cannot_be_captured() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual")];
    let intent = server.pay("pm_card_visa", &manual).await.ok();
    let path = format!("{INTENTS}/{}", text(&intent, "id"));
    let form = [("cancellation_reason", "abandoned")];
    let intent = server.post(&format!("{path}/cancel"), &form).await.ok();
    assert_eq!(intent["status"], "canceled");
    assert_eq!(intent["cancellation_reason"], "abandoned");
    for command in ["capture", "confirm", "cancel"] {
        let rejected = server.post(&format!("{path}/{command}"), &[]).await;
        assert_eq!(rejected.status, 400);
        assert_eq!(rejected.error("code"), "payment_intent_unexpected_state");
        assert_eq!(rejected.json["error"]["payment_intent"]["status"], "canceled");
    }
    let charge = format!("/v1/charges/{}", text(&intent, "latest_charge"));
    let charge = server.get(&charge).await.ok();
    assert_eq!(charge["refunded"], true);
    assert_eq!(charge["captured"], false);
}

#[tokio::test]
async fn capture_cannot_exceed_the_amount_or_repeat() {
    let server = Server::start().await;
    let manual = [("capture_method", "manual")];
    let intent = server.pay("pm_card_visa", &manual).await.ok();
    let path = format!("{INTENTS}/{}/capture", text(&intent, "id"));
    let rejected = server.post(&path, &[("amount_to_capture", "2001")]).await;
    assert_eq!(rejected.error("code"), "amount_too_large");
    server.post(&path, &[]).await.ok();
    let again = server.post(&path, &[]).await;
    assert_eq!(again.error("code"), "payment_intent_unexpected_state");
}

#[tokio::test]
async fn declined_card_is_402_and_another_can_be_tried() {
    let server = Server::start().await;
    let cases = [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ];
    for (method, decline_code) in cases {
        let declined = server.pay(method, &[("capture_method", "manual")]).await;
        assert_eq!(declined.status, 402);
        assert_eq!(declined.error("type"), "card_error");
        assert_eq!(declined.error("code"), "card_declined");
        assert_eq!(declined.error("decline_code"), decline_code);
        assert!(declined.error("charge").starts_with("ch_"));
        assert!(declined.error("doc_url").ends_with("/card-declined"));
        assert!(declined.error("request_log_url").contains("/req_"));
        let intent = &declined.json["error"]["payment_intent"];
        assert_eq!(intent["status"], "requires_payment_method");
        assert_eq!(intent["last_payment_error"]["decline_code"], decline_code);
        let path = format!("{INTENTS}/{}/confirm", text(intent, "id"));
        let form = [("payment_method", "pm_card_visa")];
        let intent = server.post(&path, &form).await.ok();
        assert_eq!(intent["status"], "requires_capture");
        assert!(intent["last_payment_error"].is_null());
    }
    let events = server.events().await;
    let expected = ["charge.failed", "payment_intent.payment_failed"];
    assert_eq!(events[1..3], expected);
}

#[tokio::test]
async fn payment_method_from_a_number_behaves_as_its_card() {
    let server = Server::start().await;
    let form = |number| {
        [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2034"),
            ("card[cvc]", "123"),
        ]
    };
    let path = "/v1/payment_methods";
    let good = server.post(path, &form("4242424242424242")).await.ok();
    let paid = server.pay(&text(&good, "id"), &[]).await.ok();
    assert_eq!(paid["status"], "succeeded");
    let bad = server.post(path, &form("4000000000009995")).await.ok();
    let declined = server.pay(&text(&bad, "id"), &[]).await;
    assert_eq!(declined.error("decline_code"), "insufficient_funds");
    let wrong = server.post(path, &form("4242424242424241")).await;
    assert_eq!(wrong.error("code"), "incorrect_number");
    let shown = server.get(&format!("{path}/{}", text(&good, "id"))).await.ok();
    assert_eq!(shown["card"]["last4"], "4242");
}
