//! async-stripe, the client that `payments` uses, deserializes every response. Its deserialization is strict.

use std::collections::HashMap;

use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, ConfirmPaymentIntent, CreatePaymentIntent, ListPaymentIntent,
    RetrievePaymentIntent,
};
use stripe_core::refund::CreateRefund;
use stripe_shared::{ApiErrorsCode, PaymentIntentCaptureMethod, PaymentIntentStatus};
use stripe_types::Currency;

use crate::client::Server;

fn client(server: &Server) -> Client {
    ClientBuilder::new("sk_test_rust").url(server.url.as_str()).build().unwrap()
}

fn manual_capture_intent(method: &str) -> CreatePaymentIntent {
    CreatePaymentIntent::new(2000, Currency::USD)
        .capture_method(PaymentIntentCaptureMethod::Manual)
        .payment_method(method)
        .confirm(true)
        .metadata(HashMap::from([("order".to_owned(), "o1".to_owned())]))
}

#[tokio::test]
async fn authorize_capture_and_refund_deserialize() {
    let server = Server::start().await;
    let client = client(&server);
    let key = IdempotencyKey::new("rust-1").unwrap();
    let request = manual_capture_intent("pm_card_visa").customize().request_strategy(RequestStrategy::Idempotent(key));
    let intent = request.send(&client).await.unwrap();
    assert_eq!(intent.status, PaymentIntentStatus::RequiresCapture);
    assert_eq!(intent.metadata["order"], "o1");
    let captured = CapturePaymentIntent::new(intent.id.clone());
    let captured = captured.send(&client).await.unwrap();
    assert_eq!(captured.status, PaymentIntentStatus::Succeeded);
    let retrieved = RetrievePaymentIntent::new(intent.id.clone()).expand(vec!["latest_charge".into()]);
    let retrieved = retrieved.send(&client).await.unwrap();
    let charge = retrieved.latest_charge.unwrap().into_object().unwrap();
    assert_eq!(charge.amount_captured, 2000);
    let refund = CreateRefund::new().payment_intent(intent.id.as_str());
    assert_eq!(refund.send(&client).await.unwrap().amount, 2000);
    let listed = ListPaymentIntent::new().limit(5).send(&client).await.unwrap();
    assert_eq!(listed.data.len(), 1);
}

#[tokio::test]
async fn confirm_and_cancel_deserialize() {
    let server = Server::start().await;
    let client = client(&server);
    let created = CreatePaymentIntent::new(2000, Currency::EUR).capture_method(PaymentIntentCaptureMethod::Manual);
    let created = created.send(&client).await.unwrap();
    let confirmed = ConfirmPaymentIntent::new(created.id.clone()).payment_method("pm_card_visa");
    let confirmed = confirmed.send(&client).await.unwrap();
    assert_eq!(confirmed.status, PaymentIntentStatus::RequiresCapture);
    let cancelled = CancelPaymentIntent::new(created.id).send(&client).await.unwrap();
    assert_eq!(cancelled.status, PaymentIntentStatus::Canceled);
    let late = CapturePaymentIntent::new(cancelled.id).send(&client).await;
    let Err(StripeError::Stripe(error, 400)) = late else {
        panic!("{late:?}");
    };
    assert_eq!(error.code, Some(ApiErrorsCode::PaymentIntentUnexpectedState));
    let status = error.payment_intent.unwrap().status;
    assert_eq!(status, PaymentIntentStatus::Canceled);
}

#[tokio::test]
async fn three_d_secure_response_deserializes() {
    let server = Server::start().await;
    let client = client(&server);
    let with_sdk = manual_capture_intent("pm_card_threeDSecure2Required");
    let with_sdk = with_sdk.send(&client).await.unwrap();
    assert_eq!(with_sdk.status, PaymentIntentStatus::RequiresAction);
    assert_eq!(with_sdk.next_action.unwrap().type_, "use_stripe_sdk");
    let with_redirect = manual_capture_intent("pm_card_threeDSecure2Required").return_url("http://shop.test/");
    let with_redirect = with_redirect.send(&client).await.unwrap();
    let redirect = with_redirect.next_action.unwrap().redirect_to_url.unwrap();
    assert!(redirect.url.unwrap().contains("/3ds/pi_"));
}

#[tokio::test]
async fn card_decline_deserializes() {
    let server = Server::start().await;
    let client = client(&server);
    for (method, reason) in [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ] {
        let declined = manual_capture_intent(method).send(&client).await;
        let Err(StripeError::Stripe(error, 402)) = declined else {
            panic!("{declined:?}");
        };
        assert_eq!(error.code, Some(ApiErrorsCode::CardDeclined));
        assert_eq!(error.decline_code.as_deref(), Some(reason));
        let intent = error.payment_intent.unwrap();
        assert_eq!(intent.status, PaymentIntentStatus::RequiresPaymentMethod);
        assert!(intent.last_payment_error.is_some());
    }
    let unknown = manual_capture_intent("pm_none").send(&client).await;
    let Err(StripeError::Stripe(error, 400)) = unknown else {
        panic!("{unknown:?}");
    };
    assert_eq!(error.code, Some(ApiErrorsCode::ResourceMissing));
}
