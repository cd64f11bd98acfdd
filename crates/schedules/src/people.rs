//! What people do, through the real routes: they ask, wait for what they need, and ask again when they
//! got no answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};
use testkit::app::request::Response;
use tokio::sync::oneshot;

use crate::card_network::CardNetwork;
use crate::clock::HandClock;

/// A request that somebody makes.
#[derive(Clone)]
pub struct Request {
    /// Who answers.
    pub service: &'static str,
    /// `GET`.
    pub method: &'static str,
    /// `/api/orders`.
    pub path: String,
    /// The session.
    pub cookie: String,
    /// The body, if there is one.
    pub body: Option<Value>,
    /// The `Idempotency-Key`, if there is one.
    pub key: Option<String>,
}

/// A request with who waits for its answer; `None` tells that the connection broke.
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Who waits.
    pub reply: oneshot::Sender<Option<Response>>,
}

/// What people share with the schedule.
pub struct Stage {
    /// The time.
    pub clock: HandClock,
    /// Where cards are checked.
    pub card_network: Arc<CardNetwork>,
    /// Requests that wait for their turn.
    pub asked: Mutex<Vec<Asked>>,
    /// People who wait before they look again.
    pub pausing: Mutex<Vec<oneshot::Sender<()>>>,
    /// (entity, service): events that are kept from a service until somebody says otherwise.
    pub withheld: Mutex<Vec<(&'static str, &'static str)>>,
    /// What was answered with 2xx: the entity's name and its view.
    pub acknowledged: Mutex<Vec<(&'static str, Value)>>,
    /// The newest version that was read, by path.
    seen: Mutex<HashMap<String, u64>>,
    keys: Mutex<u32>,
}

impl Stage {
    /// A stage on which nothing has happened yet.
    pub fn new(clock: HandClock, card_network: Arc<CardNetwork>) -> Arc<Self> {
        Arc::new(Self {
            clock,
            card_network,
            asked: Mutex::default(),
            pausing: Mutex::default(),
            withheld: Mutex::default(),
            acknowledged: Mutex::default(),
            seen: Mutex::default(),
            keys: Mutex::default(),
        })
    }

    /// Keeps an entity's events from a service.
    pub fn withhold(&self, entity: &'static str, service: &'static str) {
        self.withheld.lock().unwrap().push((entity, service));
    }

    /// Lets everything through again.
    pub fn let_through(&self) {
        self.withheld.lock().unwrap().clear();
    }

    /// Time passes for everybody.
    pub fn time_passes(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Waits for the schedule to say that it is time to look again.
    pub async fn pause(&self) {
        let (turn, wait) = oneshot::channel();
        self.pausing.lock().unwrap().push(turn);
        // Dropped only together with the whole scenario.
        wait.await.ok();
    }

    fn key(&self) -> String {
        let mut keys = self.keys.lock().unwrap();
        *keys += 1;
        format!("key-{keys}")
    }
}

/// Who somebody is, on whatever stage.
#[derive(Clone)]
pub struct Identity {
    /// Their id.
    pub id: String,
    /// Their session.
    pub cookie: String,
}

/// Somebody with an account.
#[derive(Clone)]
pub struct Person {
    /// Who they are.
    pub identity: Identity,
    /// Where they act.
    pub stage: Arc<Stage>,
}

/// The people of every scenario.
#[derive(Clone)]
pub struct Cast {
    /// Sells.
    pub seller: Person,
    /// Buys.
    pub ann: Person,
    /// Buys.
    pub ben: Person,
    /// Buys.
    pub cleo: Person,
    /// Where they act.
    pub stage: Arc<Stage>,
}

/// A card that works, one that is declined, and one that wants 3-D Secure.
pub const CARDS: [&str; 3] = ["pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_threeDSecure2Required"];
/// A card that works.
pub const VISA: &str = CARDS[0];
/// A card that is declined.
pub const DECLINED: &str = CARDS[1];
/// A card that wants 3-D Secure.
pub const SECURE: &str = CARDS[2];

/// How a payment was answered.
#[derive(Debug, Clone)]
pub struct Paid {
    /// The status code.
    pub status: u16,
    /// The payment, or the problem.
    pub body: Value,
    /// The tail of the problem's type.
    pub problem: String,
}

impl Paid {
    /// The payment's id.
    pub fn id(&self) -> String {
        text(&self.body["id"])
    }

    /// The provider's id of it.
    pub fn intent(&self) -> String {
        text(&self.body["providerRef"])
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A listing at this price.
pub fn listing(title: &str, price: i64) -> Value {
    json!({
        "title": title, "venue": "Concert Hall", "city": "Utrecht", "startsAt": "2099-04-02T18:00:00Z",
        "timeZone": "Europe/Amsterdam", "price": { "amount": price, "currency": "EUR" }, "seat": "7",
    })
}

fn entity_of(path: &str) -> &'static str {
    match path.split('/').nth(2) {
        Some("tickets") => "ticket",
        Some("orders") => "order",
        Some("payments") => "payment",
        _ => "user",
    }
}

impl Person {
    /// Asks once.
    async fn ask(&self, request: Request) -> Result<Option<Response>> {
        let (reply, answer) = oneshot::channel();
        let path = request.path.clone();
        let known = self.stage.seen.lock().unwrap().get(&path).copied();
        self.stage.asked.lock().unwrap().push(Asked { request, reply });
        let Ok(Some(answer)) = answer.await else { return Ok(None) };
        if matches!(answer.status, 200..=299) {
            let view = answer.json();
            if let Some(version) = view["version"].as_u64() {
                if known.is_some_and(|known| version < known) {
                    bail!("15: {path} went back from version {known:?} to {version}");
                }
                let key =
                    if path.matches('/').count() == 3 { path.clone() } else { format!("{path}/{}", text(&view["id"])) };
                let mut seen = self.stage.seen.lock().unwrap();
                let newest = seen.entry(key).or_default();
                *newest = version.max(*newest);
                self.stage.acknowledged.lock().unwrap().push((entity_of(&path), view));
            }
        }
        Ok(Some(answer))
    }

    fn request(&self, service: &'static str, method: &'static str, path: String) -> Request {
        Request { service, method, path, cookie: self.identity.cookie.clone(), body: None, key: None }
    }

    /// Asks until there is an answer that says how it went.
    async fn insist(&self, request: Request) -> Result<Response> {
        loop {
            match self.ask(request.clone()).await? {
                Some(answer) if answer.status == 503 || answer.problem() == "in-flight" => {}
                Some(answer) => return Ok(answer),
                None => {}
            }
            self.stage.pause().await;
        }
    }

    async fn get(&self, service: &'static str, path: String) -> Result<Value> {
        let answer = self.insist(self.request(service, "GET", path)).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(unexpected("a look", &answer)) }
    }

    /// Waits until what is there has this status; the entity.
    async fn sees(&self, service: &'static str, path: String, status: &str) -> Result<Value> {
        loop {
            let view = self.get(service, path.clone()).await?;
            let now = text(&view["status"]);
            if now == status {
                return Ok(view);
            }
            if matches!(now.as_str(), "completed" | "cancelled" | "sold" | "withdrawn") {
                bail!("{path} is {now} and will never be {status}");
            }
            self.stage.pause().await;
        }
    }

    /// Waits until the order has this status.
    pub async fn sees_order(&self, order: &str, status: &str) -> Result<Value> {
        self.sees(orders::NAME, format!("/api/orders/{order}"), status).await
    }

    /// Waits until the listing has this status.
    pub async fn sees_ticket(&self, ticket: &str, status: &str) -> Result<Value> {
        self.sees(tickets::NAME, format!("/api/tickets/{ticket}"), status).await
    }

    /// Waits until the payment has this status.
    pub async fn sees_payment(&self, payment: &str, status: &str) -> Result<Value> {
        self.sees(payments::NAME, format!("/api/payments/{payment}"), status).await
    }

    /// Lists a ticket; its id.
    pub async fn lists(&self, title: &str, price: i64) -> Result<String> {
        let request = Request {
            body: Some(listing(title, price)),
            key: Some(self.stage.key()),
            ..self.request(tickets::NAME, "POST", "/api/tickets".to_owned())
        };
        let answer = self.insist(request).await?;
        if answer.status == 201 { Ok(text(&answer.json()["id"])) } else { Err(unexpected("listing", &answer)) }
    }

    /// Asks another price; whether it was taken.
    pub async fn edits(&self, ticket: &str, title: &str, price: i64) -> Result<bool> {
        let path = format!("/api/tickets/{ticket}");
        let request = Request { body: Some(listing(title, price)), ..self.request(tickets::NAME, "PUT", path.clone()) };
        let answer = self.insist(request).await?;
        match answer.status {
            200 => Ok(true),
            // Perhaps an earlier try went through, and the answer alone was lost.
            409 => Ok(self.get(tickets::NAME, path).await?["price"]["amount"] == price),
            _ => Err(unexpected("editing", &answer)),
        }
    }

    /// Takes the listing back; whether that was possible.
    pub async fn withdraws(&self, ticket: &str) -> Result<bool> {
        let path = format!("/api/tickets/{ticket}");
        let answer = self.insist(self.request(tickets::NAME, "DELETE", path.clone())).await?;
        match answer.status {
            204 => Ok(true),
            409 => Ok(self.get(tickets::NAME, path).await?["status"] == "withdrawn"),
            _ => Err(unexpected("withdrawing", &answer)),
        }
    }

    /// Holds a ticket, waiting for the listing to arrive at orders; the order, or why there is none.
    pub async fn tries_to_order(&self, ticket: &str) -> Result<Result<String, String>> {
        let request = Request {
            body: Some(json!({ "ticketId": ticket })),
            key: Some(self.stage.key()),
            ..self.request(orders::NAME, "POST", "/api/orders".to_owned())
        };
        loop {
            let answer = self.insist(request.clone()).await?;
            match answer.status {
                201 => return Ok(Ok(text(&answer.json()["id"]))),
                409 => return Ok(Err(answer.problem())),
                404 => self.stage.pause().await,
                _ => return Err(unexpected("ordering", &answer)),
            }
        }
    }

    /// Holds a ticket that is there to be held.
    pub async fn orders(&self, ticket: &str) -> Result<String> {
        self.tries_to_order(ticket).await?.map_err(|problem| anyhow!("the order was answered with {problem}"))
    }

    /// Gives an order up; whether that was possible.
    pub async fn cancels(&self, order: &str) -> Result<bool> {
        let path = format!("/api/orders/{order}");
        let answer = self.insist(self.request(orders::NAME, "DELETE", path.clone())).await?;
        match answer.status {
            200 => Ok(true),
            409 => Ok(self.get(orders::NAME, path).await?["cancelReason"] == "buyer"),
            _ => Err(unexpected("cancelling", &answer)),
        }
    }

    /// Pays, waiting for the order to arrive at payments.
    pub async fn pays(&self, order: &str, card: &str) -> Result<Paid> {
        let request = Request {
            body: Some(json!({ "orderId": order, "paymentMethod": card })),
            key: Some(self.stage.key()),
            ..self.request(payments::NAME, "POST", "/api/payments".to_owned())
        };
        loop {
            let answer = self.insist(request.clone()).await?;
            match answer.status {
                201 | 202 | 402 | 409 | 410 => {
                    return Ok(Paid { status: answer.status, body: answer.json(), problem: answer.problem() });
                }
                404 => self.stage.pause().await,
                _ => return Err(unexpected("paying", &answer)),
            }
        }
    }

    /// Pays, and is answered as expected.
    pub async fn pays_and_gets(&self, order: &str, card: &str, status: u16) -> Result<Paid> {
        loop {
            let paid = self.pays(order, card).await?;
            match paid.status {
                // The card network failed, and kept its failure under the payment's key: whatever the card is like,
                // nobody knows yet.
                402 if text(&paid.body["detail"]).starts_with("The bank could not be asked") => {
                    self.stage.pause().await;
                }
                got if got == status => return Ok(paid),
                // The payment before this one is not recorded as over yet.
                409 if paid.problem == "order-being-paid" => self.stage.pause().await,
                _ => bail!("paying with {card} was answered with {paid:?}, not {status}"),
            }
        }
    }

    /// Has a payment looked up at the provider.
    pub async fn refreshes(&self, payment: &str) -> Result<Value> {
        let path = format!("/api/payments/{payment}/refresh");
        let answer = self.insist(self.request(payments::NAME, "POST", path)).await?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(unexpected("refreshing", &answer)) }
    }

    /// Takes another name.
    pub async fn renames(&self, name: &str) -> Result<()> {
        let request = Request {
            body: Some(json!({ "displayName": name })),
            ..self.request(auth::NAME, "PUT", "/api/users/me".to_owned())
        };
        let answer = self.insist(request).await?;
        if answer.status == 200 { Ok(()) } else { Err(unexpected("renaming", &answer)) }
    }
}

fn unexpected(what: &str, answer: &Response) -> anyhow::Error {
    anyhow!("{what} was answered with {} {}", answer.status, answer.text())
}
