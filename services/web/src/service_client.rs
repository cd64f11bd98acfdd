//! Client of the other services' public APIs, acting for the viewer of a page.

use std::time::Duration;

use common::api::users::Refresh;
use common::api::versions::{version_of, version_tag};
use common::api::{ApiError, Endpoint, Service};
use common::error::Error;
use common::problem::Problem;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use platform::limits::marker;
use platform::telemetry;
use reqwest::{Client, RequestBuilder, Url, redirect};

use crate::client_context::ClientContext;
use crate::config::Config;

/// Timeout of a request. Calls that wait for the card network are made by the browser itself.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Timeout of a session renewal, after which the page is rendered for a guest.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(3);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of the other services; cheap to clone.
#[derive(Clone)]
pub(crate) struct ServiceClient {
    client: Client,
    auth: Url,
    tickets: Url,
    orders: Url,
    counted_marker: Option<HeaderValue>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct RequestOptions {
    pub idempotency_key: Option<HeaderValue>,
    /// The version that the entity must have.
    pub if_match: Option<u64>,
}

impl RequestOptions {
    /// Options with the idempotency key of a form, unless it is empty. Fails if the key can't be the value of a header.
    pub(crate) fn with_idempotency_key(key: &str) -> Result<Self, Error> {
        let key = HeaderValue::from_str(key).map_err(|_| Error::field("key", "must have visible ASCII characters"))?;
        Ok(Self { idempotency_key: Some(key).filter(|key| !key.is_empty()), if_match: None })
    }
}

#[derive(Debug)]
pub(crate) struct ServiceResponse<T> {
    pub body: T,
    /// The entity's version, from the `ETag` header if there is one.
    pub version: Option<u64>,
    /// `Set-Cookie` values for the browser.
    pub cookies: Vec<HeaderValue>,
}

/// An error response, or an unreachable service.
#[derive(Debug)]
pub(crate) struct ServiceError {
    /// The problem in the response; a 503 problem if there is no valid response.
    pub problem: Problem,
    pub retry_after: Option<HeaderValue>,
    /// `Set-Cookie` values for the browser.
    pub cookies: Vec<HeaderValue>,
}

impl ServiceError {
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::BAD_GATEWAY)
    }
}

/// The outcome of a session renewal, with `Set-Cookie` values for the browser.
#[derive(Debug)]
pub(crate) enum RefreshOutcome {
    Renewed(Vec<HeaderValue>),
    SessionExpired(Vec<HeaderValue>),
    /// The auth service is unreachable or failed; the browser keeps its cookies.
    Unavailable,
}

impl ServiceClient {
    /// A client of the configured services. `counted_marker` tells them that this service has already counted the
    /// browser's request for its rate limit.
    pub(crate) fn new(config: &Config, counted_marker: Option<HeaderValue>) -> anyhow::Result<Self> {
        // Internal calls: ignore the system's proxy, and don't follow redirects.
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(TIMEOUT).build()?;
        let Config { auth_url, tickets_url, orders_url, .. } = config.clone();
        Ok(Self { client, auth: auth_url, tickets: tickets_url, orders: orders_url, counted_marker })
    }

    pub(crate) async fn send<E: Endpoint>(
        &self,
        request: &E,
        client: &ClientContext,
    ) -> Result<ServiceResponse<E::Response>, ServiceError> {
        self.send_with(&RequestOptions::default(), request, client).await
    }

    pub(crate) async fn send_with<E: Endpoint>(
        &self,
        options: &RequestOptions,
        request: &E,
        client: &ClientContext,
    ) -> Result<ServiceResponse<E::Response>, ServiceError> {
        let service = E::SERVICE;
        let base = match service {
            Service::Auth => &self.auth,
            Service::Tickets => &self.tickets,
            Service::Orders => &self.orders,
            // The browser calls the payments service itself.
            Service::Payments => return Err(unavailable()),
        };
        let url = request.target().ok().and_then(|target| base.join(&target).ok()).ok_or_else(unavailable)?;
        // Only reads are marked as counted: a form's page request was counted as a read, so the service still counts
        // the command itself.
        let is_counted = client.is_already_rate_limited && E::METHOD == Method::GET;
        let mut builder = self.request(E::METHOD, url, client, is_counted);
        if let Some(key) = &options.idempotency_key {
            builder = builder.header("idempotency-key", key);
        }
        if let Some(version) = options.if_match {
            builder = builder.header(header::IF_MATCH, version_tag(version));
        }
        if let Some(agent) = &client.user_agent {
            builder = builder.header(header::USER_AGENT, agent);
        }
        if let Some(body) = request.body() {
            builder = builder.json(body);
        }
        let response = builder.send().await.map_err(|error| service_unreachable(service, error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let cookies = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        let body = response.bytes().await.map_err(|error| service_unreachable(service, error))?;
        match E::parse_response(status, &body) {
            Ok(body) => Ok(ServiceResponse { body, version: version_of(&headers), cookies }),
            Err(ApiError::Problem(problem)) => {
                let retry_after = headers.get(header::RETRY_AFTER).cloned();
                Err(ServiceError { problem: *problem, retry_after, cookies })
            }
            Err(error) => {
                tracing::error!(?service, %status, error = telemetry::causes(&error), "cannot parse a response");
                Err(unavailable())
            }
        }
    }

    /// Exchanges the browser's refresh cookie for new cookies; no retry.
    pub(crate) async fn refresh(&self, client: &ClientContext) -> RefreshOutcome {
        let Ok(url) = self.auth.join(Refresh::PATH) else { return RefreshOutcome::Unavailable };
        let request = self.request(Method::POST, url, client, client.is_already_rate_limited);
        let response = match request.timeout(REFRESH_TIMEOUT).send().await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "auth is unreachable; rendering the page for a guest");
                return RefreshOutcome::Unavailable;
            }
        };
        let cookies = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        match response.status() {
            StatusCode::OK => RefreshOutcome::Renewed(cookies),
            StatusCode::UNAUTHORIZED => RefreshOutcome::SessionExpired(cookies),
            status => {
                tracing::warn!(http.status = status.as_u16(), "auth failed to renew a session; rendering for a guest");
                RefreshOutcome::Unavailable
            }
        }
    }

    /// A request with the browser's address and cookies, and with the trace context.
    fn request(&self, method: Method, url: Url, client: &ClientContext, is_counted: bool) -> RequestBuilder {
        let mut request = self.client.request(method, url).header(FORWARDED_FOR, client.address.to_string());
        if let Some(token) = self.counted_marker.as_ref().filter(|_| is_counted) {
            request = request.header(marker::HEADER, token);
        }
        for cookie in &client.cookies {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(trace) = telemetry::traceparent() {
            request = request.header("traceparent", trace);
        }
        request
    }
}

fn service_unreachable(service: Service, error: reqwest::Error) -> ServiceError {
    tracing::warn!(?service, error = %error.without_url(), "a service is unreachable");
    unavailable()
}

fn unavailable() -> ServiceError {
    let problem = Error::Unavailable(None).problem();
    ServiceError { problem, retry_after: Some(HeaderValue::from_static("2")), cookies: Vec::new() }
}
