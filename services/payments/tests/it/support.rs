//! The service under test beside a fakestripe of its own, and what its tests say again and again.

use std::time::Duration;

use common::aggregate::Versioned;
use common::clock::Clock;
use common::events::envelope::Envelope;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::ticket::TicketTerms;
use common::id::{OrderId, PaymentId, TicketId};
use payments::domain::payment::{Payment, Start};
use payments::providers::{Authorization, stripe};
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

/// The service and its card network.
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
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stripe = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(fakestripe::serve(listener, fakestripe::Config::default()));
        let mut all = vec![
            ("STRIPE_KEY", "sk_test_1"),
            ("STRIPE_URL", stripe.as_str()),
            ("STRIPE_WEBHOOK_SECRETS", SECRET),
            // Far away: a test that wants the reconciler says so.
            ("RECONCILE_AFTER", "1h"),
        ];
        all.extend(settings);
        let app = TestApp::start(payments::NAME, payments::build, &all).await;
        Self { app, stripe, http: reqwest::Client::new() }
    }

    /// An order of this buyer that waits for its payment, known to the service.
    pub(crate) async fn order(&self, buyer: &User) -> OrderState {
        let order = self.new_order(buyer, OrderStatus::AwaitingPayment);
        self.tell(OrderChange::Confirmed, 1, &order).await;
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
            seat: None,
        };
        OrderState {
            id: OrderId::new(),
            buyer_id: buyer.id,
            status,
            cancel_reason: None,
            refusal: None,
            payment_id: None,
            ticket,
            price: serde_json::from_value(json!({ "amount": 12_550, "currency": "USD" })).unwrap(),
            expires_at: now.plus(Duration::from_secs(900)),
            created_at: now,
            updated_at: now,
        }
    }

    /// Publishes a state of an order and waits until the service has handled it.
    pub(crate) async fn tell(&self, change: OrderChange, version: u64, order: &OrderState) -> Envelope<OrderState> {
        let event = self.app.publish(change, order.id, version, order.clone()).await;
        self.app.wait_until_idle().await;
        event
    }

    pub(crate) async fn pay(&self, buyer: &User, order: &OrderState, method: &str) -> Response {
        let body = json!({ "orderId": order.id, "paymentMethod": method });
        self.app.request("POST", "/api/payments").by(buyer).json(&body).send().await
    }

    pub(crate) async fn read(&self, buyer: &User, payment: &Value) -> Value {
        let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
        self.app.request("GET", &path).by(buyer).send().await.expect(200).json()
    }

    pub(crate) async fn refresh(&self, buyer: &User, payment: &Value) -> Response {
        let path = format!("/api/payments/{}/refresh", payment["id"].as_str().unwrap());
        self.app.request("POST", &path).by(buyer).send().await
    }

    /// Waits until the buyer sees the payment in this state.
    pub(crate) async fn becomes(&self, buyer: &User, payment: &Value, status: &str) -> Value {
        eventually(&format!("the payment to be {status}"), async || {
            self.read(buyer, payment).await["status"] == status
        })
        .await;
        self.read(buyer, payment).await
    }

    /// A payment as a process leaves it behind that dies between its write and its call, so long after now. What is
    /// given `more` of stands in its request beside what this release asks for.
    pub(crate) async fn left_behind(&self, order: &OrderState, method: &str, ahead: Duration, more: &str) -> Value {
        let id = PaymentId::new();
        let amount = order.price.clone();
        let authorization = Authorization { payment: id, order: order.id, amount, method: method.to_owned() };
        let request = stripe::prepare(&authorization).unwrap() + more;
        let start = Start {
            order_id: order.id,
            buyer_id: order.buyer_id,
            amount: order.price.clone(),
            provider: "stripe",
            request,
        };
        let (payment, change) = Payment::start(id, start, self.app.clock.now().plus(ahead));
        self.app.context.store::<Payment>().insert(payment, change).await.unwrap();
        json!({ "id": id })
    }

    /// What the service's handlers share, for a flow that is called by hand.
    pub(crate) fn shared(&self) -> AppState {
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
        let (_, own) = config::parse::<payments::config::Config>(payments::NAME, arguments).expect("the settings");
        AppState::new(own, &self.app.context).unwrap()
    }

    /// The payment as it is stored.
    pub(crate) async fn stored(&self, payment: &Value) -> Versioned<Payment> {
        self.app.context.store::<Payment>().get(id(payment)).await.unwrap().unwrap()
    }

    /// What a person does in the card network's dashboard.
    pub(crate) async fn dashboard(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/v1{path}", self.stripe);
        let answer = self.http.post(url).bearer_auth("sk_test_1").form(form).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The service looks at every payment that is not over.
    pub(crate) async fn reconcile(&self) -> Value {
        self.app.admin("POST", "/reconcile").send().await.expect(200).json()
    }

    /// Sets fakestripe's faults.
    pub(crate) async fn faults(&self, faults: &Value) {
        let url = format!("{}/_fake/faults", self.stripe);
        let request = self.http.put(url).header("content-type", "application/json").body(faults.to_string());
        assert!(request.send().await.unwrap().status().is_success());
    }

    /// Passes or fails 3-D Secure as the buyer would.
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

    /// Everything at the card network.
    pub(crate) async fn payload(&self) -> Value {
        let text = self.http.get(format!("{}/_fake/state", self.stripe)).send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The statuses of all intents at the card network, oldest first.
    pub(crate) async fn intents(&self) -> Vec<String> {
        let state = self.payload().await;
        let intents = state["paymentIntents"].as_array().unwrap();
        intents.iter().map(|intent| intent["status"].as_str().unwrap().to_owned()).collect()
    }

    /// The change events of a payment, in the order of their versions.
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

/// The order, won by this payment.
pub(crate) fn won(order: &OrderState, payment: &Value) -> OrderState {
    OrderState { status: OrderStatus::Authorized, payment_id: Some(id(payment)), ..order.clone() }
}

/// The order, closed for this reason.
pub(crate) fn cancelled(order: &OrderState, reason: CancelReason) -> OrderState {
    OrderState { status: OrderStatus::Cancelled, cancel_reason: Some(reason), ..order.clone() }
}
