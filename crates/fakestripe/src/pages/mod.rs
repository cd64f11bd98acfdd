//! Browser resources: the emulation of Stripe.js and the 3-D Secure challenge page.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::app::App;
use crate::control::{ChallengeResult, error_response, finish};
use crate::objects::intent::{Intent, Status};
use crate::store::money;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/v3", get(script))
        .route("/v3/", get(script))
        .route("/3ds/{intent}", get(challenge).post(finish_challenge))
}

async fn script() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, include_str!("../stripe.js"))
}

#[derive(Default, Deserialize)]
struct ChallengeQuery {
    /// Set inside the frame that the script opens.
    embedded: Option<String>,
}

async fn challenge(State(app): State<App>, Path(id): Path<String>, Query(query): Query<ChallengeQuery>) -> Response {
    let found = app.store.lock().intents.get(&id).cloned();
    let Some(intent) = found else {
        let text = page("<p>There is no such payment.</p>");
        return (StatusCode::NOT_FOUND, Html(text)).into_response();
    };
    if intent.status != Status::RequiresAction {
        return finish_response(&intent, query.embedded.is_some());
    }
    let amount = money::display_to_people(intent.amount, intent.currency);
    let embedded = if query.embedded.is_some() { r#"<input type="hidden" name="embedded" value="1">"# } else { "" };
    Html(page(&format!(
        "<h1>3-D Secure</h1><p>Your bank asks whether you pay {amount}. \
         This is the test stand-in: choose the answer.</p>\
         <form method=\"post\" action=\"/3ds/{id}\">{embedded}\
         <button name=\"outcome\" value=\"succeed\" id=\"succeed\">Complete</button> \
         <button name=\"outcome\" value=\"fail\" id=\"fail\">Fail</button></form>"
    )))
    .into_response()
}

#[derive(Deserialize)]
struct ChallengeForm {
    outcome: ChallengeResult,
    embedded: Option<String>,
}

async fn finish_challenge(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(form): Form<ChallengeForm>,
) -> Response {
    if let Err(error) = finish(&app, &headers, &id, form.outcome) {
        return error_response(error);
    }
    match app.store.lock().intent(&id) {
        Ok(intent) => finish_response(intent, form.embedded.is_some()),
        Err(error) => error_response(error),
    }
}

/// Returns control to the shop: a message to the embedding page, a redirect to the return URL, or else a plain page.
fn finish_response(intent: &Intent, embedded: bool) -> Response {
    if embedded {
        let script = "<p>Done.</p><script>parent.postMessage('fakestripe:done', '*')</script>";
        return Html(page(script)).into_response();
    }
    let Some(return_url) = &intent.return_url else {
        let text = page("<p>Done. You may close this page.</p>");
        return Html(text).into_response();
    };
    let (address, fragment) = match return_url.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (return_url.as_str(), String::new()),
    };
    let separator = if address.contains('?') { '&' } else { '?' };
    let (id, secret) = (&intent.id, &intent.client_secret);
    let status = if intent.status == Status::RequiresPaymentMethod { "failed" } else { "succeeded" };
    Redirect::to(&format!(
        "{address}{separator}payment_intent={id}&payment_intent_client_secret={secret}&redirect_status={status}\
         {fragment}"
    ))
    .into_response()
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>3-D Secure test page</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:30rem}}\
         button{{font:inherit;padding:.4rem 1rem}}</style>{body}</html>"
    )
}
