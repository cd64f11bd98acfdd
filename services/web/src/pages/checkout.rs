//! GET /checkout/{id}: the till; POST /orders/{id}/cancel: letting a hold go.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::orders::CancelOrder;
use common::error::Error;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::id::OrderId;
use common::identity::cookie;
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::telemetry;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use crate::domain::checkout::Phase;
use crate::domain::moment::Moment;
use crate::domain::offer::{place, seat};
use crate::flows::await_version::await_version;
use crate::parameters::{self, Parameters};
use crate::session::{Session, with_cookies};
use crate::state::AppState;
use crate::store;
use crate::viewer::Viewer;

/// How the buyer came here.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CheckoutQuery {
    /// Whether the price is another one than they had seen.
    #[param(inline)]
    price: Option<PriceSeen>,
}

/// What the buyer knows of the price.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum PriceSeen {
    /// It is another one than they had seen.
    New,
}

#[derive(Template)]
#[template(path = "checkout.html")]
pub(super) struct CheckoutPage {
    layout: Layout,
    id: String,
    version: u64,
    ticket: String,
    title: String,
    place: String,
    seat: String,
    starts_at: Moment,
    total: String,
    phase: Phase,
    /// For the card form.
    publishable_key: String,
    /// Makes holding again by a double click the same hold.
    key: String,
    /// The trace that paying goes on with; empty where nothing is traced.
    trace: String,
}

layout::page!(CheckoutPage);

/// What a buyer is told whose order has another price than they had seen.
pub(super) fn new_price(order: &OrderState) -> String {
    format!("The price changed while you looked at it: it is now {}. Pay only if you agree.", order.price)
}

/// The till of an order.
pub(super) fn page(
    state: &AppState,
    viewer: &Viewer,
    order: &Versioned<OrderState>,
    payments: &[PaymentState],
    notice: Option<String>,
    trace: Option<String>,
) -> CheckoutPage {
    let terms = &order.ticket;
    let layout = Layout::new("Checkout", "Pay for the ticket that you hold.", viewer).saying(notice);
    CheckoutPage {
        layout: layout.running("checkout.js").with_cards(&state.config.stripe_js_origin),
        id: order.id.to_string(),
        version: order.version,
        ticket: terms.id.to_string(),
        title: terms.title.clone(),
        place: place(&terms.venue, terms.city.as_deref()),
        seat: seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref()),
        starts_at: Moment::new(terms.starts_at, &terms.time_zone),
        total: order.price.to_string(),
        phase: Phase::new(order, payments, state.clock.now()),
        publishable_key: state.config.stripe_publishable_key.clone(),
        key: uuid::Uuid::now_v7().to_string(),
        trace: trace.or_else(telemetry::traceparent).unwrap_or_default(),
    }
}

/// The cookie that carries the trace of a hold to the till of its order, and nowhere else: a browser that
/// is sent on to another page tells nothing of where it comes from.
const TRACE: &str = "trace";

/// The answer that sends the buyer on to the till of what they hold now, with its trace.
pub(super) fn go_on(state: &AppState, order: OrderId, query: &str) -> Response {
    let response = see_other(&format!("/checkout/{order}{query}"));
    let secure = if state.public_url.starts_with("https:") { "; Secure" } else { "" };
    let cookie = telemetry::traceparent().and_then(|trace| {
        let text = format!("{TRACE}={trace}; Path=/checkout/{order}; HttpOnly; SameSite=Lax; Max-Age=3600{secure}");
        HeaderValue::from_str(&text).ok()
    });
    with_cookies(response, cookie.into_iter().collect())
}

/// The trace that the buyer brings along.
fn trace_of(headers: &HeaderMap) -> Option<String> {
    cookie(headers, TRACE).filter(|trace| trace.len() == 55 && trace.is_ascii()).map(ToOwned::to_owned)
}

/// Pay for what is held.
#[utoipa::path(get, path = "/checkout/{id}", tag = "pages", params(("id" = OrderId, Path), CheckoutQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn checkout(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    query: Parameters<CheckoutQuery>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn(format!("/checkout/{id}")))?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    let model = state.model.live().await?;
    let order = model.orders.get(id).await?.filter(|order| order.buyer_id == user).ok_or(Error::NotFound)?;
    let payments = store::payments_of(&model.payments, order.id).await?;
    let new_price = query.known.price.filter(|_| !order.status.is_final()).map(|_| new_price(&order));
    let notice = new_price.or_else(|| parameters::notice(&query.faults));
    Ok(layout::respond(StatusCode::OK, &page(&state, &viewer, &order, &payments, notice, trace_of(&headers)))?)
}

/// Let a hold go.
#[utoipa::path(post, path = "/orders/{id}/cancel", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 303, description = "Let go, or too late for that: the till tells.")))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    viewer.id().ok_or_else(|| Failure::SignIn(format!("/checkout/{id}")))?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    match state.calls.send(&CancelOrder { id }, &session).await {
        Ok(answer) => drop(await_version::<OrderState>(&state, &id.to_string(), answer.body.version).await?),
        // Paid or over already: the page shows which.
        Err(refused) if refused.status() == StatusCode::CONFLICT => {}
        Err(refused) => return Err(refused.into()),
    }
    Ok(see_other(&format!("/checkout/{id}")))
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;

    use super::*;
    use crate::domain::checkout::Ending;
    use crate::domain::history::tests::sample;

    #[test]
    fn the_template_shows_every_phase() {
        let order = sample(OrderStatus::AwaitingPayment);
        let html = |phase| {
            CheckoutPage {
                layout: Layout::new("Checkout", "About", &Viewer::Guest).with_cards("https://js.stripe.com"),
                id: order.id.to_string(),
                version: 4,
                ticket: order.ticket.id.to_string(),
                title: order.ticket.title.clone(),
                place: "Town Hall".to_owned(),
                seat: String::new(),
                starts_at: Moment::new(order.ticket.starts_at, "UTC"),
                total: order.price.to_string(),
                phase,
                publishable_key: "pk_test_x".to_owned(),
                key: "the-key".to_owned(),
                trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            }
            .render()
            .unwrap()
        };
        let shown = html(Phase::Payable { left: 61, declined: Some("Declined <b>".to_owned()) });
        for part in [
            "data-left=\"61\"",
            ">1:01<",
            "Pay 125.50 USD",
            "data-payable=\"true\"",
            "Let it go",
            "data-trace=\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
            "Declined &#60;b&#62;",
            "https://js.stripe.com/v3/",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(html(Phase::Winning).contains("being charged"));
        let shown = html(Phase::Won);
        assert!(shown.contains("The ticket is yours") && shown.contains(&format!("/orders/{}", order.id)), "{shown}");
        let ending = Ending {
            heading: "The price has changed",
            text: "It has.".to_owned(),
            new_price: Some(order.price.clone()),
        };
        let shown = html(Phase::Ended(ending.clone()));
        assert!(shown.contains("Hold it at 125.50 USD") && shown.contains("data-payable=\"false\""), "{shown}");
        let shown = html(Phase::Ended(Ending { new_price: None, ..ending }));
        assert!(!shown.contains("Hold it at"), "{shown}");
    }
}
