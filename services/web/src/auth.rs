//! Asks auth for a new access token on behalf of a browser.

use std::net::IpAddr;
use std::time::Duration;

use common::api::Endpoint as _;
use common::api::users::Refresh;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use platform::limits::marker;
use platform::telemetry;
use reqwest::{Client, Url, redirect};

/// How long a page waits for auth before it is shown to a guest.
const PATIENCE: Duration = Duration::from_secs(3);
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of auth; cheap to clone.
#[derive(Clone)]
pub struct Auth {
    client: Client,
    refresh: Url,
    marker: Option<HeaderValue>,
}

/// What auth answered to a refresh cookie; the cookies are for the browser.
#[derive(Debug)]
pub enum Refreshed {
    /// The session goes on.
    Renewed(Vec<HeaderValue>),
    /// The session is over.
    Refused(Vec<HeaderValue>),
    /// Auth is away or overloaded; the browser keeps its cookies.
    Unknown,
}

impl Auth {
    /// A client of auth at this address, and the marker of what was counted here.
    pub fn new(mut url: Url, marker: Option<HeaderValue>) -> anyhow::Result<Self> {
        url.set_path(Refresh::PATH);
        // An internal call: neither the machine's proxy nor a redirect has a part in it.
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).timeout(PATIENCE);
        Ok(Self { client: client.build()?, refresh: url, marker })
    }

    /// Trades the refresh cookie among these headers for a new pair, once.
    pub async fn refresh(&self, headers: &HeaderMap, client: IpAddr, is_counted: bool) -> Refreshed {
        let mut request = self.client.post(self.refresh.clone()).header(FORWARDED_FOR, client.to_string());
        for cookie in headers.get_all(header::COOKIE) {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(marker) = self.marker.as_ref().filter(|_| is_counted) {
            request = request.header(marker::HEADER, marker);
        }
        if let Some(trace) = telemetry::traceparent() {
            request = request.header("traceparent", trace);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "auth can't be asked; the page is shown to a guest");
                return Refreshed::Unknown;
            }
        };
        let cookies = response.headers().get_all(header::SET_COOKIE).iter().cloned().collect();
        match response.status() {
            StatusCode::OK => Refreshed::Renewed(cookies),
            StatusCode::UNAUTHORIZED => Refreshed::Refused(cookies),
            status => {
                tracing::warn!(http.status = status.as_u16(), "auth refreshes nothing; the page is shown to a guest");
                Refreshed::Unknown
            }
        }
    }
}
