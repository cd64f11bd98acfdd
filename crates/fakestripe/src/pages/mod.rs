//! What browsers load: the stand-in for Stripe.js and the 3-D Secure page.

use std::fmt::Write;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;

use crate::app::App;
use crate::control::{Outcome, finish, refused};
use crate::objects::intent::{Intent, Status};
use crate::world::money;

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

/// `embedded` is set inside the frame that the script opens.
#[derive(Default, Deserialize)]
struct Place {
    embedded: Option<String>,
}

async fn challenge(State(app): State<App>, Path(id): Path<String>, Query(place): Query<Place>) -> Response {
    let found = app.world().intents.get(&id).cloned();
    let Some(intent) = found else {
        let text = page("<p>There is no such payment.</p>");
        return (StatusCode::NOT_FOUND, Html(text)).into_response();
    };
    if intent.status != Status::RequiresAction {
        return after(&intent, place.embedded.is_some());
    }
    let amount = money::display(intent.amount, intent.currency);
    let embedded = if place.embedded.is_some() { r#"<input type="hidden" name="embedded" value="1">"# } else { "" };
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
struct Choice {
    outcome: Outcome,
    embedded: Option<String>,
}

async fn finish_challenge(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(choice): Form<Choice>,
) -> Response {
    let before = app.world().intents.get(&id).cloned();
    if let Err(error) = finish(&app, &headers, &id, choice.outcome) {
        return refused(error);
    }
    match (before, app.world().intents.get(&id)) {
        (Some(before), Some(after_it)) => {
            let status = after_it.status;
            after(&Intent { status, ..before }, choice.embedded.is_some())
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Back to the shop: a message to the frame's owner, a redirect, or a word to the reader.
fn after(intent: &Intent, embedded: bool) -> Response {
    if embedded {
        let script = "<p>Done.</p><script>parent.postMessage('fakestripe:done', '*')</script>";
        return Html(page(script)).into_response();
    }
    let Some(return_url) = &intent.return_url else {
        let text = page("<p>Done. You may close this page.</p>");
        return Html(text).into_response();
    };
    let failed = intent.status == Status::RequiresPaymentMethod;
    let (address, fragment) = match return_url.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (return_url.as_str(), None),
    };
    let mut url = address.to_owned();
    url.push(if url.contains('?') { '&' } else { '?' });
    let _ = write!(
        url,
        "payment_intent={}&payment_intent_client_secret={}&redirect_status={}",
        intent.id,
        intent.client_secret,
        if failed { "failed" } else { "succeeded" }
    );
    if let Some(fragment) = fragment {
        let _ = write!(url, "#{fragment}");
    }
    Redirect::to(&url).into_response()
}

fn page(body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>3-D Secure test page</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:30rem}}\
         button{{font:inherit;padding:.4rem 1rem}}</style>{body}</html>"
    )
}
