//! GET /checkout/{id}: the checkout page; POST /orders/{id}/cancel: releasing a hold.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::orders::CancelOrder;
use common::error::Error;
use common::events::order::{OrderState, OrderStatus};
use common::events::payment::PaymentState;
use common::id::OrderId;
use common::identity;
use common::money::Money;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::telemetry;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::layout::{self, Layout, see_other};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::checkout::Phase;
use crate::domain::order_view::{OrderView, is_unpaid};
use crate::domain::show_notice::ShowNotice;
use crate::flows::await_version::{await_version, get_or_await};
use crate::i18n::msg;
use crate::i18n::price::format_price;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

/// The query of the page.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CheckoutQuery {
    /// Whether the price differs from the one that the buyer saw.
    #[param(inline)]
    price: Option<PriceNotice>,
}

/// A notice about the price.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
enum PriceNotice {
    /// The price changed after the buyer saw it.
    #[serde(rename = "new")]
    Changed,
}

#[derive(Template)]
#[template(path = "checkout.html")]
pub(super) struct CheckoutPage {
    pub(super) layout: Layout,
    order: OrderView,
    version: u64,
    phase: Phase,
    publishable_key: String,
    /// What the card form charges.
    amount: Money,
    /// Idempotency key for holding the ticket again.
    idempotency_key: String,
    /// `traceparent` for the payment; empty without tracing.
    trace: String,
}

/// The notice that the order's price differs from the one that the buyer saw.
pub(super) fn price_changed_notice(order: &OrderState) -> String {
    msg::checkout_price_notice(order.slots.len(), format_price(&order.unit_price))
}

pub(super) fn page(
    state: &AppState,
    viewer: &Viewer,
    order: &Versioned<OrderState>,
    payments: &[PaymentState],
    notice: Option<String>,
    trace: Option<String>,
) -> CheckoutPage {
    CheckoutPage {
        layout: Layout {
            notice,
            script: Some("checkout.js"),
            stripe_origin: Some(state.config.stripe_js_origin.clone()),
            ..Layout::new(msg::checkout_title(), msg::checkout_description(), viewer).without_hold(order.id)
        },
        order: OrderView::new(order, payments),
        version: order.version,
        phase: Phase::new(order, payments, state.clock.now()),
        publishable_key: state.config.stripe_publishable_key.clone(),
        amount: order.price.clone(),
        idempotency_key: uuid::Uuid::now_v7().to_string(),
        trace: trace.or_else(telemetry::traceparent).unwrap_or_default(),
    }
}

/// Cookie with the trace context of a hold, sent to the order's checkout only. A redirect would lose the context
/// otherwise.
const TRACE_COOKIE: &str = "trace";

/// Redirects the buyer to the checkout, with the trace context of the hold.
pub(super) fn redirect_to_checkout(state: &AppState, order: OrderId, query: &str) -> Response {
    let response = see_other(&format!("/checkout/{order}{query}"));
    let cookie = telemetry::traceparent().and_then(|trace| {
        let cookie = Cookie::build((TRACE_COOKIE, trace)).path(format!("/checkout/{order}")).http_only(true);
        let cookie = cookie.same_site(SameSite::Lax).secure(state.public_url.starts_with("https:"));
        HeaderValue::from_str(&cookie.max_age(cookie::time::Duration::hours(1)).to_string()).ok()
    });
    with_cookies(response, cookie.into_iter().collect())
}

/// The trace context in the browser's cookie: a `traceparent`, which has 55 characters.
fn trace_of(headers: &HeaderMap) -> Option<String> {
    identity::cookie(headers, TRACE_COOKIE).filter(|trace| trace.len() == 55 && trace.is_ascii()).map(ToOwned::to_owned)
}

/// Show the checkout.
#[utoipa::path(get, path = "/checkout/{id}", tag = "pages", params(("id" = OrderId, Path), CheckoutQuery),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 303, description = "Paid, and the show is cancelled.")))]
pub(super) async fn checkout(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    query: LenientQuery<CheckoutQuery>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let user = viewer.require_user(format!("/checkout/{id}"))?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    let order = get_or_await::<OrderState>(&state, id.as_uuid()).await?;
    let order = order.filter(|order| order.buyer_id == user).ok_or(Error::NotFound)?;
    let model = state.model.live().await?;
    let payments = lists::payments_of(&model.payments, order.id).await?;
    let price_changed = query.value.price.filter(|_| !order.status.is_final()).map(|_| price_changed_notice(&order));
    let show = lists::present_show(&model.shows, order.show_id).await?;
    let show_notice = show.and_then(|show| ShowNotice::of(&order, &show));
    if order.status == OrderStatus::Completed && show_notice.as_ref().is_some_and(ShowNotice::is_cancelled) {
        // The order's page says what becomes of the payment.
        return Ok(see_other(&format!("/orders/{}", order.id)));
    }
    // Who is about to pay must know it.
    let show_changed = show_notice.filter(|_| is_unpaid(&order)).map(|notice| notice.sentence(&order.ticket.title));
    let notices: Vec<_> =
        [price_changed, show_changed, rejected_parameters_message(&query.rejected)].into_iter().flatten().collect();
    let notice = Some(notices.join(" ")).filter(|notice| !notice.is_empty());
    let page = page(&state, &viewer, &order, &payments, notice, trace_of(&headers));
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

/// Release a hold.
#[utoipa::path(post, path = "/orders/{id}/cancel", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 303, description = "Released, or too late: the checkout shows which.")))]
pub(super) async fn cancel(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let page = format!("/checkout/{id}");
    viewer.require_user(&page)?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    match state.services.send(&CancelOrder { id }, &client).await {
        Ok(response) => drop(await_version::<OrderState>(&state, &id.to_string(), response.body.version).await?),
        // Already paid or closed: the page shows which.
        Err(error) if error.status() == StatusCode::CONFLICT => {}
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => return Err(PageError::SignInRequired(page)),
        Err(error) => return Err(error.into()),
    }
    Ok(see_other(&page))
}

#[cfg(test)]
mod tests {
    use common::events::order::CancelReason;

    use super::*;
    use crate::domain::checkout::Outcome;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::i18n::testing::{assert_texts, in_german};

    fn html_of(order: &OrderState, phase: Phase) -> String {
        let page = CheckoutPage {
            layout: Layout {
                stripe_origin: Some("https://js.stripe.com".to_owned()),
                ..Layout::new(msg::checkout_title(), "About", &Viewer::Guest)
            },
            order: OrderView::new(order, &[]),
            version: 4,
            phase,
            publishable_key: "pk_test_x".to_owned(),
            amount: order.price.clone(),
            idempotency_key: "the-key".to_owned(),
            trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
        };
        page.render().unwrap()
    }

    #[test]
    fn template_shows_every_phase() {
        let order = sample(OrderStatus::AwaitingPayment);
        let html = |phase| html_of(&order, phase);
        let shown = html(Phase::Payable { left: 61, declined: Some("Declined <b>".to_owned()) });
        for part in [
            "data-left=\"61\"",
            ">1:01<",
            "Pay $125.50",
            "data-payable=\"true\"",
            "data-amount=\"12550\" data-currency=\"usd\"",
            "Release ticket",
            "data-announce=\"Your hold ends in {time}.\"",
            "\"order-paid\":\"This order is already paid.\"",
            "data-trace=\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"",
            "Declined &#60;b&#62;",
            "https://js.stripe.com/v3/",
            "<h1>Checkout</h1>",
            "You get a QR pass from us, not the seller’s original ticket.",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(html(Phase::Charging).contains("Payment in progress"));
        let shown = html(Phase::Completed { quantity: 1 });
        // The heading is the outcome, and the browser keeps the pass.
        assert!(
            shown.contains("autofocus>The ticket is yours</h1>") && !shown.contains("<h1>Checkout</h1>"),
            "{shown}"
        );
        let pass = format!("href=\"/orders/{}/pass\" data-keep>Show pass</a>", order.id);
        assert!(shown.contains(&pass), "{shown}");
        let outcome = Outcome {
            heading: "The price has changed".to_owned(),
            text: "It has.".to_owned(),
            new_price: Some(order.price.clone()),
        };
        let shown = html(Phase::Ended(outcome.clone()));
        assert!(shown.contains("Hold at $125.50") && shown.contains("data-payable=\"false\""), "{shown}");
        assert!(html(Phase::Completed { quantity: 2 }).contains("The tickets are yours"));
        let shown = html(Phase::Ended(Outcome { new_price: None, ..outcome }));
        assert!(!shown.contains("Hold at"), "{shown}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let (order, released) = (pair(OrderStatus::AwaitingPayment), pair(OrderStatus::Cancelled));
        let released = OrderState { cancel_reason: Some(CancelReason::Buyer), ..released };
        let (open, ended) = in_german(|| {
            let ended = Phase::new(&released, &[], released.expires_at);
            let completed = html_of(&order, Phase::Completed { quantity: 2 });
            (html_of(&order, Phase::new(&order, &[], order.created_at)) + &completed, html_of(&released, ended))
        });
        let english = [
            "Checkout",
            "Order ",
            "Your ",
            "You ",
            ">Pay",
            "Pay ",
            ">When<",
            "Fees<",
            "Total",
            "We ",
            "Held for",
            "The ",
            "This ",
            "Show pass",
            "QR pass",
        ];
        assert_texts(
            &open,
            &[
                "<h1>Kasse</h1>",
                "<dt>Plätze</dt>",
                "2 × 125,50\u{a0}$ =\u{a0}251,00\u{a0}$",
                "Tickets freigeben",
                "disabled>251,00\u{a0}$ bezahlen<",
                "data-announce=\"Deine Reservierung endet in {time}.\"",
                "data-currency=\"usd\"",
                "Einlasscode von uns, nicht das Originalticket",
                "data-keep>Einlasscodes zeigen</a>",
                "\"card-declined\":\"Deine Bank hat die Karte ohne Angabe von Gründen abgelehnt.",
            ],
            english,
        );
        assert_texts(&ended, &["Du hast die Tickets freigegeben", "stehen wieder zum Verkauf"], english);
    }
}
