//! The HTTP client of one user of the public API, and the requests that several commands send.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

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
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};

/// How long to wait until an entity is known to other services, or an order has a status.
const PROPAGATION_TIMEOUT: Duration = Duration::from_secs(30);

/// A client with its own cookies, which is signed in after a sign-up or sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    client: Client,
    base: String,
}

impl Session {
    /// Creates a session with a preconfigured HTTP client.
    pub(crate) fn with_client(client: ClientBuilder, base: &str) -> Result<Self> {
        let client = client.cookie_store(true).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, base: base.to_owned() })
    }

    /// Signs up a new user with a unique email address.
    pub(crate) async fn sign_up(client: ClientBuilder, base: &str, name: &str) -> Result<Self> {
        static SIGN_UPS: AtomicU64 = AtomicU64::new(0);
        let session = Self::with_client(client, base)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        let number = SIGN_UPS.fetch_add(1, Ordering::Relaxed);
        let email = format!("{}-{now}-{number}@example.com", name.to_lowercase());
        session.send(&sign_up(&email, "a long enough secret", name)).await?;
        Ok(session)
    }

    /// Sends a request. If the response is an error, the error names the request and wraps an [`ApiError`]; see
    /// [`status_of`].
    pub(crate) async fn send<E: Endpoint>(&self, request: &E) -> Result<E::Response> {
        let (_, response) = self.exchange(request).await?;
        response.with_context(|| format!("{} {}", E::METHOD, request.path()))
    }

    /// Sends a request and retries it while the status is 404 or 503: the entity has not reached the other service yet.
    pub(crate) async fn send_retrying<E: Endpoint>(&self, request: &E) -> Result<E::Response> {
        self.send_while(&[404, 503], request).await
    }

    /// Sends a request and retries it while the status is one of these.
    pub(crate) async fn send_while<E: Endpoint>(&self, retried: &[u16], request: &E) -> Result<E::Response> {
        self.send_while_with_key(retried, request, None).await
    }

    /// Sends a request that creates an entity, and retries it while the status is 503. Such a request may have created
    /// the entity, so all attempts have the same idempotency key.
    pub(crate) async fn create_retrying<E: Endpoint>(&self, request: &E, key: &str) -> Result<E::Response> {
        self.send_while_with_key(&[503], request, Some(key)).await
    }

    async fn send_while_with_key<E: Endpoint>(
        &self,
        retried: &[u16],
        request: &E,
        key: Option<&str>,
    ) -> Result<E::Response> {
        let deadline = Instant::now() + PROPAGATION_TIMEOUT;
        loop {
            let (_, response) = self.exchange_with_key(request, key).await?;
            match response.with_context(|| format!("{} {}", E::METHOD, request.path())) {
                Err(error)
                    if status_of(&error).is_some_and(|status| retried.contains(&status))
                        && Instant::now() <= deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                response => return response,
            }
        }
    }

    /// Sends a request. Returns the status, and the parsed response or its error.
    pub(crate) async fn exchange<E: Endpoint>(&self, request: &E) -> Result<(u16, Result<E::Response, ApiError>)> {
        self.exchange_with_key(request, None).await
    }

    /// Like [`Session::exchange`], with an idempotency key, which makes it safe to repeat the request.
    pub(crate) async fn exchange_with_key<E: Endpoint>(
        &self,
        request: &E,
        key: Option<&str>,
    ) -> Result<(u16, Result<E::Response, ApiError>)> {
        let target = request.target()?;
        let mut http = self.request(E::METHOD, &target);
        if let Some(body) = request.body() {
            http = http.json(body);
        }
        if let Some(key) = key {
            http = http.header("idempotency-key", key);
        }
        let named = || format!("{} {target}", E::METHOD);
        let response = http.send().await.with_context(named)?;
        let status = response.status();
        let body = response.bytes().await.with_context(named)?;
        Ok((status.as_u16(), E::parse_response(status, &body)))
    }

    /// Gets a page. Returns the status and the complete text.
    pub(crate) async fn page(&self, path: &str) -> Result<(u16, String)> {
        let response = self.request(Method::GET, path).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }

    /// Creates a request that no type of the API describes.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// Polls an order until it has this status.
    pub(crate) async fn wait_for(&self, id: OrderId, status: OrderStatus) -> Result<()> {
        let deadline = Instant::now() + PROPAGATION_TIMEOUT;
        loop {
            let current = self.send(&ReadOrder { id }).await?.status;
            if current == status {
                return Ok(());
            }
            ensure!(Instant::now() <= deadline, "{id:?} is still {current:?}, not {status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Returns the status of the response in an error of a [`Session`].
pub(crate) fn status_of(error: &anyhow::Error) -> Option<u16> {
    error.downcast_ref().map(ApiError::status)
}

/// Creates the request of a sign-up.
pub(crate) fn sign_up(email: &str, password: &str, name: &str) -> SignUp {
    let (email, password) = (Text::new(email), Password::new(password));
    SignUp { body: NewUser { email, password, display_name: Text::non_blank(name) } }
}

/// Creates a listing in euros with the required fields only.
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
        seats: None,
        quantity: None,
        split: None,
        description: None,
    })
}

/// Creates the request that orders a ticket.
pub(crate) fn order(ticket_id: TicketId) -> CreateOrder {
    CreateOrder { body: NewOrder { ticket_id, quantity: None } }
}

/// Creates the request that pays for an order.
pub(crate) fn payment(order_id: OrderId, method: &str) -> CreatePayment {
    CreatePayment { body: NewPayment { order_id, payment_method: Text::new(method) } }
}
