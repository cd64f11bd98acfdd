//! One person at the public API, with their cookies, and the requests that several commands send.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use common::api::orders::{CreateOrder, NewOrder, ReadOrder};
use common::api::payments::{CreatePayment, NewPayment};
use common::api::tickets::NewListing;
use common::api::users::{NewUser, Password, SignUp};
use common::api::{ApiError, Endpoint};
use common::events::order::OrderStatus;
use common::id::{OrderId, TicketId};
use common::money::Money;
use common::text::Text;
use reqwest::{Client, ClientBuilder};

/// How long something that other services have yet to hear of is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// Signed in once the sign-up or sign-in has been answered.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    client: Client,
    base: String,
}

impl Session {
    pub(crate) fn new(base: &str) -> Result<Self> {
        Self::through(Client::builder(), base)
    }

    /// By a client that knows how the shop is reached.
    pub(crate) fn through(client: ClientBuilder, base: &str) -> Result<Self> {
        let client = client.cookie_store(true).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, base: base.to_owned() })
    }

    /// Sends a request. The error of a response names the request and holds a [`ApiError`]; see [`status_of`].
    pub(crate) async fn send<E: Endpoint>(&self, request: &E) -> Result<E::Answer> {
        let (_, answer) = self.exchange(request).await?;
        answer.with_context(|| format!("{} {}", E::METHOD, request.path()))
    }

    /// Sends a request, again while the status is 404 or 503: another service has not heard of the entity yet.
    pub(crate) async fn send_patiently<E: Endpoint>(&self, request: &E) -> Result<E::Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.send(request).await {
                Err(error) if matches!(status_of(&error), Some(404 | 503)) && Instant::now() <= deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Sends a request: the status of the response, and the answer or why there is none.
    pub(crate) async fn exchange<E: Endpoint>(&self, request: &E) -> Result<(u16, Result<E::Answer, ApiError>)> {
        let target = request.target()?;
        let mut http = self.client.request(E::METHOD, format!("{}{target}", self.base));
        if let Some(body) = request.body() {
            http = http.json(body);
        }
        let named = || format!("{} {target}", E::METHOD);
        let response = http.send().await.with_context(named)?;
        let status = response.status();
        let body = response.bytes().await.with_context(named)?;
        Ok((status.as_u16(), E::read(status, &body)))
    }

    /// Gets a page and reads it to its end; the status.
    pub(crate) async fn page(&self, path: &str) -> Result<u16> {
        let response = self.client.get(format!("{}{path}", self.base)).send().await?;
        let status = response.status().as_u16();
        response.bytes().await?;
        Ok(status)
    }

    /// Reads an order until it has this status.
    pub(crate) async fn wait_for(&self, id: OrderId, status: OrderStatus) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.send(&ReadOrder { id }).await?.status;
            if now == status {
                return Ok(());
            }
            ensure!(Instant::now() <= deadline, "{id:?} is still {now:?} and not {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The status of the response that an error of a [`Session`] is about.
pub(crate) fn status_of(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref().map(ApiError::status)
}

/// The request that opens an account.
pub(crate) fn sign_up(email: &str, password: &str, name: &str) -> SignUp {
    let (email, password) = (Text::new(email), Password::new(password));
    SignUp { body: NewUser { email, password, display_name: Text::non_blank(name) } }
}

/// A ticket in euros, with nothing but what every listing has.
pub(crate) fn listing(title: &str, venue: &str, starts_at: &str, cents: i64) -> Result<NewListing> {
    Ok(NewListing {
        title: Text::new(title),
        venue: Text::new(venue),
        city: None,
        starts_at: starts_at.parse()?,
        time_zone: None,
        price: Money { amount: cents, currency: "EUR".parse()? },
        face_value: None,
        category: None,
        section: None,
        row: None,
        seat: None,
        description: None,
    })
}

/// The request that holds a ticket.
pub(crate) fn order(ticket_id: TicketId) -> CreateOrder {
    CreateOrder { body: NewOrder { ticket_id } }
}

/// The request that pays for an order with this payment method.
pub(crate) fn payment(order_id: OrderId, method: &str) -> CreatePayment {
    CreatePayment { body: NewPayment { order_id, payment_method: Text::new(method) } }
}
