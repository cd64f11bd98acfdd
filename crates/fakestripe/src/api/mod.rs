//! `/v1` over HTTP: authentication, parameters, idempotency and fault injection around the route handlers.

pub(crate) mod auth;
pub(crate) mod routes;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowHeaders, AllowMethods, Any, CorsLayer};

use crate::api::auth::Key;
use crate::api::routes::Route;
use crate::app::App;
use crate::config::non_empty;
use crate::error::ApiError;
use crate::id::random;
use crate::idempotency::StoredResponse;
use crate::objects::event::API_VERSION;
use crate::params::Params;
use crate::store::Context;

const BODY_LIMIT: usize = 1024 * 1024;

/// Allows pages of any origin to call with the publishable key.
pub(crate) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(AllowMethods::list([Method::GET, Method::POST]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("request-id")])
}

/// Fallback handler. Each request runs in a separate task, so that a client that disconnects does not cancel it.
pub(crate) async fn handle(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = format!("req_{}", random(14));
    let idempotency_key = idempotency_key(&parts.headers);
    let context = Context {
        request_id: Some(request_id.clone()),
        idempotency_key: idempotency_key.clone(),
        base_url: base_url(&app, &parts.headers),
        is_publishable: false,
    };
    let request = ApiRequest { path: parts.uri.path().to_owned(), parts, context, request_id: request_id.clone() };
    let task = tokio::spawn(async move { request.run(&app, body).await });
    let stored = task.await.unwrap_or_else(|_| {
        let error = ApiError::server("The fake server failed: see its log.");
        error_response(error, &request_id)
    });
    respond(stored, &request_id, idempotency_key)
}

/// An incoming request while it is processed.
struct ApiRequest {
    parts: Parts,
    path: String,
    context: Context,
    request_id: String,
}

impl ApiRequest {
    async fn run(mut self, app: &App, body: Body) -> StoredResponse {
        let (route, params) = match self.admit(app, body).await {
            Ok(admitted) => admitted,
            Err(error) => return error_response(error, &self.request_id),
        };
        let key = self.context.idempotency_key.clone().filter(|_| self.parts.method == Method::POST);
        if let Some(key) = &key {
            let begun = app.keys.lock().begin(key, &self.path, params.canonical(), app.config.clock.now());
            match begun {
                Ok(None) => {}
                Ok(Some(response)) => return response,
                Err(error) => return error_response(error, &self.request_id),
            }
        }
        let guard = key.as_deref().map(|key| KeyGuard { app, key });
        let (response, is_cached) = self.process(app, &route, &params).await;
        if let Some(key) = key.as_deref().filter(|_| is_cached) {
            app.keys.lock().complete(key, response.clone());
        }
        drop(guard);
        let pause = app.faults.lock().pause_after(&self.fault_target());
        tokio::time::sleep(pause).await;
        response
    }

    /// Checks the path, the API key and the parameters, before the request has any effect.
    async fn admit(&mut self, app: &App, body: Body) -> Result<(Route, Params), ApiError> {
        let method = &self.parts.method;
        let path = &self.path;
        let route = Route::of(method, path).ok_or_else(|| {
            let message = format!(
                "Unrecognized request URL ({method}: {path}). Please see \
                 https://stripe.com/docs or we can help at https://support.stripe.com/."
            );
            ApiError::invalid(message).status(404).not_cached()
        })?;
        let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
            let message = "The request body could not be read, or is too large.";
            ApiError::invalid(message).not_cached()
        })?;
        let params = self.params(&body);
        let required = non_empty(app.config.key.as_ref());
        let from_params = params.as_ref().ok().and_then(|params| params.string("key"));
        let key = auth::authenticate(&self.parts.headers, from_params, required, route.is_public)?;
        self.context.is_publishable = key == Key::Publishable;
        if app.faults.lock().injects_429(&self.fault_target()) {
            let message = "Request rate limit exceeded. You can learn more about rate limits \
                           here https://stripe.com/docs/rate-limits.";
            return Err(ApiError::invalid(message).status(429).code("rate_limit").not_cached());
        }
        Ok((route, params?))
    }

    fn params(&self, body: &[u8]) -> Result<Params, ApiError> {
        let query = self.parts.uri.query().unwrap_or_default();
        let text = std::str::from_utf8(body).map_err(|_| ApiError::invalid("Invalid request body.").not_cached())?;
        let kind = self.parts.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !text.is_empty() && kind.starts_with("application/json") {
            let message = "Invalid request (check that your POST content type is \
                           application/x-www-form-urlencoded). If you have any questions, we can \
                           help at https://support.stripe.com/.";
            return Err(ApiError::invalid(message).not_cached());
        }
        if query.is_empty() { Params::parse(text) } else { Params::parse(&format!("{query}&{text}")) }
    }

    /// Runs the route handler, with the faults injected before and after it. Returns the response, and whether to store
    /// it under the idempotency key.
    async fn process(&self, app: &App, route: &Route, params: &Params) -> (StoredResponse, bool) {
        let target = self.fault_target();
        let pause = app.faults.lock().pause_before(&target);
        tokio::time::sleep(pause).await;
        let injected = || error_response(ApiError::server("An unknown error occurred"), &self.request_id);
        if app.faults.lock().injects_400_before(&target) {
            let error = ApiError::invalid("Insufficient funds in your Stripe balance.").code("insufficient_funds");
            return (error_response(error, &self.request_id), true);
        }
        if app.faults.lock().injects_500_before(&target) {
            return (injected(), true);
        }
        let result = app.update(|store| route.run(store, &self.context, params));
        // A request that was rejected before processing gets no failure after processing.
        let is_cached = result.as_ref().map_or_else(|error| error.is_cached, |_| true);
        let response = match result {
            _ if is_cached && app.faults.lock().injects_500_after(&target) => injected(),
            Ok(value) => {
                StoredResponse { status: 200, body: format!("{value:#}\n"), request_id: self.request_id.clone() }
            }
            Err(error) => error_response(error, &self.request_id),
        };
        (response, is_cached)
    }

    /// `METHOD /path`, which the `paths` of the faults are matched against.
    fn fault_target(&self) -> String {
        format!("{} {}", self.parts.method, self.path)
    }
}

/// Releases an idempotency key for which no response was stored, even if processing panics.
struct KeyGuard<'a> {
    app: &'a App,
    key: &'a str,
}

impl Drop for KeyGuard<'_> {
    fn drop(&mut self) {
        self.app.keys.lock().release(self.key);
    }
}

fn error_response(error: ApiError, request_id: &str) -> StoredResponse {
    StoredResponse {
        status: error.status,
        body: format!("{:#}\n", error.into_body(request_id)),
        request_id: request_id.to_owned(),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?;
    Some(key.to_owned()).filter(|key| !key.is_empty())
}

/// The configured public URL, or else the address that the client connected to.
pub(crate) fn base_url(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = non_empty(app.config.public_url.as_ref()) {
        return url.trim_end_matches('/').to_owned();
    }
    match headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", app.config.bind),
    }
}

/// Builds the HTTP response. If the stored request id is not this request's, the response is a replay.
fn respond(stored: StoredResponse, request_id: &str, key: Option<String>) -> Response {
    let status = StatusCode::from_u16(stored.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, stored.body).into_response();
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set("content-type", "application/json");
    set("cache-control", "no-cache, no-store");
    set("request-id", request_id);
    set("stripe-version", API_VERSION);
    if let Some(key) = key {
        set("idempotency-key", &key);
        set("original-request", &stored.request_id);
    }
    if stored.request_id != request_id {
        set("idempotent-replayed", "true");
    }
    if stored.status == 401 {
        set("www-authenticate", "Basic realm=\"Stripe\"");
    }
    response
}
