//! The service under test with its own fakestripe, and shared test helpers.

use std::time::Duration;

use common::aggregate::Versioned;
use common::clock::{Clock, SystemClock};
use common::events::envelope::Envelope;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, PaymentId, ShowId, TicketId};
use common::money::Money;
use common::seats::Blocks;
use payments::domain::payment::Payment;
use payments::providers::stripe;
use payments::state::AppState;
use platform::config;
use serde_json::{Value, json};
use testkit::app::request::Response;
use testkit::app::users::User;
use testkit::app::{TestApp, eventually};

pub(crate) const VISA: &str = "pm_card_visa";
pub(crate) const DECLINED: &str = "pm_card_visa_chargeDeclined";
pub(crate) const SECURE: &str = "pm_card_threeDSecure2Required";
pub(crate) const SECRET: &str = "whsec_test";

/// The service and its payment provider.
pub(crate) struct Shop {
    pub(crate) app: TestApp,
    pub(crate) stripe: String,
    http: reqwest::Client,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(&[]).await
    }

    pub(crate) async fn open_with(settings: &[(&str, &str)]) -> Self {
        Self::open_with_provider_clock(0, settings).await
    }

    /// The provider's clock is this many seconds ahead.
    pub(crate) async fn open_with_provider_clock(ahead: i64, settings: &[(&str, &str)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = format!("http://{}", listener.local_addr().unwrap());
        let clock = fakestripe::Clock::new(move || SystemClock.now().as_seconds() + ahead);
        let config = fakestripe::Config { clock, ..fakestripe::Config::default() };
        tokio::spawn(fakestripe::serve(listener, config));
        let mut all = vec![
            ("STRIPE_KEY", "sk_test_1"),
            ("STRIPE_URL", stripe.as_str()),
            ("STRIPE_WEBHOOK_SECRETS", SECRET),
            // Disables the reconciler, unless a test overrides it.
            ("RECONCILE_AFTER", "1h"),
        ];
        all.extend(settings);
        let app = TestApp::start(payments::NAME, payments::build, &all).await;
        Self { app, stripe, http: reqwest::Client::new() }
    }

    /// An order of this buyer that awaits its payment, in the service's replica.
    pub(crate) async fn order(&self, buyer: &User) -> OrderState {
        let order = self.new_order(buyer, OrderStatus::AwaitingPayment);
        self.publish_order(OrderChange::Confirmed, 1, &order).await;
        order
    }

    pub(crate) fn new_order(&self, buyer: &User, status: OrderStatus) -> OrderState {
        let now = self.app.clock.now();
        let ticket = TicketTerms {
            id: TicketId::new(),
            title: "Cats".into(),
            venue: "Palladium".into(),
            city: None,
            starts_at: "2099-01-01T00:00:00Z".parse().unwrap(),
            time_zone: "UTC".into(),
            section: None,
            row: None,
            blocks: Blocks::one_seat(),
        };
        let price: Money = serde_json::from_value(json!({ "amount": 12_550, "currency": "USD" })).unwrap();
        OrderState {
            id: OrderId::new(),
            buyer_id: buyer.id,
            status,
            cancel_reason: None,
            refusal: None,
            payment_id: None,
            ticket,
            show_id: ShowId::new(),
            slots: vec![0],
            seats: vec![None],
            unit_price: price.clone(),
            price,
            expires_at: now.plus(Duration::from_secs(900)),
            created_at: now,
            updated_at: now,
        }
    }

    /// Publishes a state of an order and waits until the service has handled it.
    pub(crate) async fn publish_order(
        &self,
        change: OrderChange,
        version: u64,
        order: &OrderState,
    ) -> Envelope<OrderState> {
        let event = self.app.publish(change, order.id, version, order.clone()).await;
        self.app.wait_until_idle().await;
        event
    }

    pub(crate) async fn pay(&self, buyer: &User, order: &OrderState, method: &str) -> Response {
        let body = json!({ "orderId": order.id, "paymentMethod": method });
        self.app.request("POST", "/api/payments").as_user(buyer).json(&body).send().await
    }

    pub(crate) async fn read(&self, buyer: &User, payment: &Value) -> Value {
        let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
        self.app.request("GET", &path).as_user(buyer).send().await.expect(200).json()
    }

    pub(crate) async fn refresh(&self, buyer: &User, payment: &Value) -> Response {
        let path = format!("/api/payments/{}/refresh", payment["id"].as_str().unwrap());
        self.app.request("POST", &path).as_user(buyer).send().await
    }

    /// Waits until the payment has this status.
    pub(crate) async fn wait_for_status(&self, buyer: &User, payment: &Value, status: &str) -> Value {
        eventually(&format!("the payment to be {status}"), async || {
            self.read(buyer, payment).await["status"] == status
        })
        .await;
        self.read(buyer, payment).await
    }

    /// Stores a payment whose process crashed before it called the provider, created `ahead` of the present time.
    /// `extra` is appended to its request.
    pub(crate) async fn insert_abandoned_payment(
        &self,
        order: &OrderState,
        method: &str,
        ahead: Duration,
        extra: &str,
    ) -> Value {
        let id = PaymentId::new();
        let request = stripe::prepare(id, order, method) + extra;
        let now = self.app.clock.now().plus(ahead);
        let (payment, change) = Payment::start(id, order, 1, stripe::NAME, request, now);
        self.app.context.store::<Payment>().insert(payment, change).await.unwrap();
        json!({ "id": id })
    }

    /// The application state, for calling a flow directly.
    pub(crate) fn new_state(&self) -> AppState {
        let settings = [
            ("mongodb-url", "mongodb://127.0.0.1:1"),
            ("nats-url", "nats://127.0.0.1:1"),
            ("public-url", "http://127.0.0.1:1"),
            ("jwks", self.app.signer.jwks.as_str()),
            ("stripe-key", "sk_test_1"),
            ("stripe-url", self.stripe.as_str()),
            ("stripe-webhook-secrets", SECRET),
            ("provider-timeout", "250ms"),
        ];
        let flags = settings.iter().map(|(name, value)| format!("--{name}={value}").into());
        let arguments = std::iter::once(payments::NAME.into()).chain(flags);
        let (_, config) = config::parse::<payments::config::Config>(payments::NAME, arguments).expect("valid settings");
        AppState::new(config, &self.app.context).unwrap()
    }

    /// The stored payment.
    pub(crate) async fn stored(&self, payment: &Value) -> Versioned<Payment> {
        self.app.context.store::<Payment>().get(id(payment)).await.unwrap().unwrap()
    }

    /// Sends a change to the provider directly, as its dashboard does.
    pub(crate) async fn change_at_provider(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/v1{path}", self.stripe);
        let response = self.http.post(url).bearer_auth("sk_test_1").form(form).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Runs the reconciler for every payment that is not final.
    pub(crate) async fn reconcile(&self) -> Value {
        self.app.admin("POST", "/reconcile").send().await.expect(200).json()
    }

    /// Sets fakestripe's faults.
    pub(crate) async fn faults(&self, faults: &Value) {
        let url = format!("{}/_fake/faults", self.stripe);
        let request = self.http.put(url).header("content-type", "application/json").body(faults.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// Passes or fails 3-D Secure like a buyer.
    pub(crate) async fn authenticate(&self, payment: &Value, outcome: &str) {
        let intent = payment["providerRef"].as_str().unwrap();
        let url = format!("{}/_fake/payment_intents/{intent}/authenticate", self.stripe);
        let body = json!({ "outcome": outcome }).to_string();
        let request = self.http.post(url).header("content-type", "application/json").body(body);
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// The cardholder disputes the charge of a payment.
    pub(crate) async fn dispute(&self, payment: &Value) {
        let intent = payment["providerRef"].as_str().unwrap();
        let url = format!("{}/_fake/payment_intents/{intent}/dispute", self.stripe);
        assert!(self.http.post(url).send().await.unwrap().status().is_success());
    }

    /// The provider's whole state.
    pub(crate) async fn provider_state(&self) -> Value {
        let text = self.http.get(format!("{}/_fake/state", self.stripe)).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The statuses of all intents at the provider, oldest first.
    pub(crate) async fn intents(&self) -> Vec<String> {
        let state = self.provider_state().await;
        let intents = state["paymentIntents"].as_array().unwrap();
        intents.iter().map(|intent| intent["status"].as_str().unwrap().to_owned()).collect()
    }

    /// The idempotency keys of the refunds that the provider made, oldest first.
    pub(crate) async fn refund_keys(&self) -> Vec<String> {
        let state = self.provider_state().await;
        let refunds = state["events"].as_array().unwrap().iter().filter(|event| event["type"] == "refund.created");
        refunds.map(|event| event["request"]["idempotency_key"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The published changes of a payment, by version.
    pub(crate) async fn history(&self, payment: &Value) -> Vec<String> {
        self.app.wait_until_idle().await;
        let mut history = self.app.history("payments", payment["id"].as_str().unwrap()).await;
        history.sort_by_key(|(_, version)| *version);
        history.into_iter().map(|(kind, _)| kind.trim_end_matches(".v1").replace("payment.", "")).collect()
    }
}

pub(crate) fn id(payment: &Value) -> PaymentId {
    payment["id"].as_str().unwrap().parse().unwrap()
}

/// The order, authorised by this payment.
pub(crate) fn authorized_by(order: &OrderState, payment: &Value) -> OrderState {
    OrderState { status: OrderStatus::Authorized, payment_id: Some(id(payment)), ..order.clone() }
}

/// The order, cancelled for this reason.
pub(crate) fn cancelled(order: &OrderState, reason: CancelReason) -> OrderState {
    OrderState { status: OrderStatus::Cancelled, cancel_reason: Some(reason), ..order.clone() }
}
