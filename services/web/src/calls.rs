//! Commands to the other services, by their public API, on behalf of whoever looks at a page.

use std::time::Duration;

use common::api::{ApiError, Endpoint, Service};
use common::problem::Problem;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use platform::limits::marker;
use platform::telemetry;
use reqwest::{Client, Url, redirect};

use crate::config::Config;
use crate::session::Session;

/// How long a command may take; a payment waits for the card network elsewhere.
const PATIENCE: Duration = Duration::from_secs(8);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of the other services; cheap to clone.
#[derive(Clone)]
pub struct Calls {
    client: Client,
    auth: Url,
    tickets: Url,
    orders: Url,
    marker: Option<HeaderValue>,
}

/// On which terms a command is carried out.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Makes a second one with the same key harmless: an `Idempotency-Key`.
    pub key: Option<HeaderValue>,
    /// The version that the entity has to be at.
    pub version: Option<u64>,
}

impl Terms {
    /// With the key that a form carries, if it carries one.
    pub fn keyed(key: &str) -> Self {
        Self { key: HeaderValue::from_str(key).ok().filter(|key| !key.is_empty()), version: None }
    }
}

/// A command that was carried out.
#[derive(Debug)]
pub struct Answer<T> {
    /// What was answered.
    pub body: T,
    /// The entity's version, where the answer speaks of one.
    pub version: Option<u64>,
    /// What the browser is to keep: `Set-Cookie` values.
    pub cookies: Vec<HeaderValue>,
}

/// A command that was not carried out.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub problem: Problem,
    /// When asking again may help: the value of `Retry-After`.
    pub retry_after: Option<HeaderValue>,
    /// What the browser is to keep nevertheless.
    pub cookies: Vec<HeaderValue>,
}

impl Refused {
    /// The status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::BAD_GATEWAY)
    }
}

impl Calls {
    /// A client of the services at the configured addresses, and the marker of what was counted here.
    pub fn new(config: &Config, marker: Option<HeaderValue>) -> anyhow::Result<Self> {
        // Internal calls: neither the machine's proxy nor a redirect has a part in them.
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(PATIENCE).build()?;
        let Config { auth_url, tickets_url, orders_url, .. } = config.clone();
        Ok(Self { client, auth: auth_url, tickets: tickets_url, orders: orders_url, marker })
    }

    /// Sends a request of this session.
    pub async fn send<E: Endpoint>(&self, request: &E, session: &Session) -> Result<Answer<E::Answer>, Refused> {
        self.send_on(&Terms::default(), request, session).await
    }

    /// Sends a request that is carried out on these terms alone.
    pub async fn send_on<E: Endpoint>(
        &self,
        terms: &Terms,
        request: &E,
        session: &Session,
    ) -> Result<Answer<E::Answer>, Refused> {
        let (service, method) = (E::SERVICE, E::METHOD);
        let base = match service {
            Service::Auth => &self.auth,
            Service::Tickets => &self.tickets,
            Service::Orders => &self.orders,
            // Browsers pay by themselves.
            Service::Payments => return Err(unavailable()),
        };
        let url = request.target().ok().and_then(|target| base.join(&target).ok()).ok_or_else(unavailable)?;
        let body = request.body();
        let marker = self.marker.as_ref().filter(|_| session.is_counted && method == Method::GET);
        let mut request = self.client.request(method, url).header(FORWARDED_FOR, session.address.to_string());
        if let Some(key) = &terms.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(version) = terms.version {
            request = request.header(header::IF_MATCH, format!("\"{version}\""));
        }
        if let Some(marker) = marker {
            request = request.header(marker::HEADER, marker);
        }
        for cookie in &session.cookies {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(agent) = &session.agent {
            request = request.header(header::USER_AGENT, agent);
        }
        if let Some(trace) = telemetry::traceparent() {
            request = request.header("traceparent", trace);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| away(service, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let cookies = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        let body = response.bytes().await.map_err(|error| away(service, error))?;
        let body = match E::read(status, &body) {
            Ok(body) => body,
            Err(ApiError::Problem(problem)) => {
                return Err(Refused {
                    problem: *problem,
                    retry_after: headers.get(header::RETRY_AFTER).cloned(),
                    cookies,
                });
            }
            Err(error) => {
                tracing::error!(?service, %status, error = telemetry::causes(&error), "an answer can't be read");
                return Err(unavailable());
            }
        };
        let version = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok()?.trim_matches('"').parse().ok());
        Ok(Answer { body, version, cookies })
    }
}

fn away(service: Service, error: reqwest::Error) -> Refused {
    tracing::warn!(?service, error = %error.without_url(), "a service can't be asked");
    unavailable()
}

fn unavailable() -> Refused {
    let error = common::error::Error::Unavailable(None);
    Refused { problem: error.problem(), retry_after: Some(HeaderValue::from_static("2")), cookies: Vec::new() }
}
