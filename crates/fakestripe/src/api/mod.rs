//! `/v1` over HTTP: key, parameters, idempotency, faults, then the work under the world's lock.

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
use crate::config::present;
use crate::error::ApiError;
use crate::id::random;
use crate::idempotency::Answer;
use crate::objects::event::API_VERSION;
use crate::params::Params;
use crate::webhooks;
use crate::world::Caller;

const BODY_LIMIT: usize = 1024 * 1024;

/// Pages of any origin may call with the publishable key.
pub(crate) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods(AllowMethods::list([Method::GET, Method::POST]))
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("request-id")])
}

/// Answers whatever no other router does. The work is a task of its own: a caller that hangs up
/// stops waiting, but stops nothing.
pub(crate) async fn answer(State(app): State<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = format!("req_{}", random(14));
    let idempotency_key = idempotency_key(&parts.headers);
    let task = tokio::spawn({
        let request_id = request_id.clone();
        async move { Call::new(&app, parts, request_id).run(&app, body).await }
    });
    let outcome = task.await.unwrap_or_else(|_| {
        let error = ApiError::server("The fake server failed: see its log.");
        Outcome::fresh(error_answer(error, &request_id))
    });
    respond(outcome, &request_id, idempotency_key)
}

/// An answer, and whether it is a kept one.
struct Outcome {
    answer: Answer,
    replayed: bool,
}

impl Outcome {
    fn fresh(answer: Answer) -> Self {
        Self { answer, replayed: false }
    }
}

/// One request on its way.
struct Call {
    parts: Parts,
    path: String,
    caller: Caller,
    request_id: String,
}

impl Call {
    fn new(app: &App, parts: Parts, request_id: String) -> Self {
        let caller = Caller {
            request_id: Some(request_id.clone()),
            idempotency_key: idempotency_key(&parts.headers),
            base_url: base_url(app, &parts.headers),
            publishable: false,
        };
        Self { path: parts.uri.path().to_owned(), parts, caller, request_id }
    }

    async fn run(mut self, app: &App, body: Body) -> Outcome {
        let (route, params) = match self.admit(app, body).await {
            Ok(admitted) => admitted,
            Err(error) => return Outcome::fresh(error_answer(error, &self.request_id)),
        };
        let post = self.parts.method == Method::POST;
        let key = self.caller.idempotency_key.clone().filter(|_| post);
        if let Some(key) = &key {
            let now = app.config().clock.now();
            let begun = app.keys().begin(key, &self.path, params.canonical(), now);
            match begun {
                Ok(None) => {}
                Ok(Some(answer)) => {
                    return Outcome { answer, replayed: true };
                }
                Err(error) => return Outcome::fresh(error_answer(error, &self.request_id)),
            }
        }
        // Frees the key if the work panics.
        let mut freed = Freed(app, key.as_deref());
        let (answer, kept) = self.work(app, &route, &params).await;
        if let Some(key) = &key {
            app.keys().end(key, kept.then(|| answer.clone()));
            freed.1 = None;
        }
        let pause = app.faults().pause_after(&self.place());
        tokio::time::sleep(pause).await;
        Outcome::fresh(answer)
    }

    /// Address, key and form of the request, before anything is done.
    async fn admit(&mut self, app: &App, body: Body) -> Result<(Route, Params), ApiError> {
        let method = &self.parts.method;
        let path = &self.path;
        let route = Route::of(method, path).ok_or_else(|| {
            let message = format!(
                "Unrecognized request URL ({method}: {path}). Please see \
                 https://stripe.com/docs or we can help at https://support.stripe.com/."
            );
            ApiError::invalid(message).status(404).fleeting()
        })?;
        let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
            let message = "The request body could not be read, or is too large.";
            ApiError::invalid(message).fleeting()
        })?;
        let params = self.params(&body);
        let accepted = present(app.config().key.as_ref());
        let headers = &self.parts.headers;
        let named = params.as_ref().ok().and_then(|params| params.owned("key"));
        let key = auth::key(headers, named, accepted, route.is_public())?;
        self.caller.publishable = key == Key::Publishable;
        if app.faults().refuses(&self.place()) {
            let message = "Request rate limit exceeded. You can learn more about rate limits \
                           here https://stripe.com/docs/rate-limits.";
            return Err(ApiError::invalid(message).status(429).code("rate_limit").fleeting());
        }
        Ok((route, params?))
    }

    fn params(&self, body: &[u8]) -> Result<Params, ApiError> {
        let query = self.parts.uri.query().unwrap_or_default();
        let text = std::str::from_utf8(body).map_err(|_| ApiError::invalid("Invalid request body.").fleeting())?;
        let kind = self.parts.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !text.is_empty() && kind.starts_with("application/json") {
            let message = "Invalid request (check that your POST content type is \
                           application/x-www-form-urlencoded). If you have any questions, we can \
                           help at https://support.stripe.com/.";
            return Err(ApiError::invalid(message).fleeting());
        }
        if query.is_empty() { Params::parse(text) } else { Params::parse(&format!("{query}&{text}")) }
    }

    /// The work between the faults that come before and after it.
    async fn work(&self, app: &App, route: &Route, params: &Params) -> (Answer, bool) {
        let place = self.place();
        let pause = app.faults().pause_before(&place);
        tokio::time::sleep(pause).await;
        if app.faults().fails_before(&place) {
            let error = ApiError::server("An unknown error occurred");
            return (error_answer(error, &self.request_id), true);
        }
        let hooked = app.hook().is_set();
        let (result, unsent) = {
            let mut world = app.world();
            world.hooked = hooked;
            let result = route.run(&mut world, &self.caller, params);
            (result, std::mem::take(&mut world.unsent))
        };
        webhooks::send(app, unsent);
        // What was refused before the work began is no case of a lost answer.
        let worked = result.as_ref().map_or_else(|error| error.kept, |_| true);
        match result {
            _ if worked && app.faults().fails_after(&place) => {
                let error = ApiError::server("An unknown error occurred");
                (error_answer(error, &self.request_id), true)
            }
            Ok(value) => {
                let answer = Answer { status: 200, body: format!("{value:#}\n"), request_id: self.request_id.clone() };
                (answer, true)
            }
            Err(error) => {
                let kept = error.kept;
                (error_answer(error, &self.request_id), kept)
            }
        }
    }

    /// What the `paths` of the faults are looked for in.
    fn place(&self) -> String {
        format!("{} {}", self.parts.method, self.path)
    }
}

struct Freed<'a>(&'a App, Option<&'a str>);

impl Drop for Freed<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.1 {
            self.0.keys().end(key, None);
        }
    }
}

fn error_answer(error: ApiError, request_id: &str) -> Answer {
    Answer {
        status: error.status,
        body: format!("{:#}\n", error.answer(request_id)),
        request_id: request_id.to_owned(),
    }
}

fn idempotency_key(headers: &HeaderMap) -> Option<String> {
    let key = headers.get("idempotency-key")?.to_str().ok()?;
    Some(key.to_owned()).filter(|key| !key.is_empty())
}

/// Where the caller reached this server, unless the settings say otherwise.
pub(crate) fn base_url(app: &App, headers: &HeaderMap) -> String {
    if let Some(url) = present(app.config().public_url.as_ref()) {
        return url.trim_end_matches('/').to_owned();
    }
    match headers.get(header::HOST).and_then(|host| host.to_str().ok()) {
        Some(host) => format!("http://{host}"),
        None => format!("http://{}", app.config().bind),
    }
}

fn respond(outcome: Outcome, request_id: &str, key: Option<String>) -> Response {
    let Outcome { answer, replayed } = outcome;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, answer.body).into_response();
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
        set("original-request", &answer.request_id);
    }
    if replayed {
        set("idempotent-replayed", "true");
    }
    if answer.status == 401 {
        set("www-authenticate", "Basic realm=\"Stripe\"");
    }
    response
}
