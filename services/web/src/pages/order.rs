//! GET /orders/{id}: one of the viewer's orders and, once it is paid, the ticket; with
//! GET /orders/{id}/ticket.ics, its event for a calendar.
//!
//! # Why
//! The pass is asked of orders whenever it is shown: no event tells it, so that it is in no replica. All
//! else on the page is there without orders, and is not to wait for it.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::orders::ReadPass;
use common::error::Error;
use common::events::order::{OrderState, OrderStatus};
use common::id::OrderId;
use http::{StatusCode, header};

use super::failure::Failure;
use super::layout::{self, Layout};
use crate::domain::calendar::calendar;
use crate::domain::history::{Purchase, Step, timeline};
use crate::domain::qr::Qr;
use crate::session::Session;
use crate::state::AppState;
use crate::store;
use crate::viewer::Viewer;

/// How long the page waits for the pass.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    layout: Layout,
    purchase: Purchase,
    version: u64,
    steps: Vec<Step>,
    pass: Pass,
}

layout::page!(OrderPage);

/// What lets the buyer in.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pass {
    /// There is none: the order is not completed.
    Missing,
    /// Here it is.
    Shown(Qr),
    /// There is one, which can't be had right now.
    Away,
}

/// The viewer's order with this id; whoever is not signed in is asked to be, and led to its page.
async fn own(state: &AppState, viewer: &Viewer, id: &str) -> Result<Versioned<OrderState>, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn(format!("/orders/{id}")))?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    let order = state.model.live().await?.orders.get(id).await?;
    Ok(order.filter(|order| order.buyer_id == user).ok_or(Error::NotFound)?)
}

/// The same, if it is completed.
pub(super) async fn bought(state: &AppState, viewer: &Viewer, id: &str) -> Result<Versioned<OrderState>, Failure> {
    let order = own(state, viewer, id).await?;
    if order.status == OrderStatus::Completed { Ok(order) } else { Err(Error::NotFound.into()) }
}

/// One of the viewer's orders.
#[utoipa::path(get, path = "/orders/{id}", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn order(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let Versioned { version, state: order } = own(&state, &viewer, &id).await?;
    let model = state.model.live().await?;
    let payments = store::payments_of(&model.payments, order.id).await?;
    let page = OrderPage {
        layout: Layout::new(&order.ticket.title, "Where your order stands, and your ticket.", &viewer),
        purchase: Purchase::new(&order, &payments),
        version,
        steps: timeline(&order, &payments),
        pass: pass(&state, &session, &order).await,
    };
    Ok(layout::respond(StatusCode::OK, &page)?)
}

async fn pass(state: &AppState, session: &Session, order: &OrderState) -> Pass {
    if order.status != OrderStatus::Completed {
        return Pass::Missing;
    }
    let request = ReadPass { id: order.id };
    let asked = state.calls.send(&request, session);
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Qr::of(&answer.body.pass).map_or(Pass::Away, Pass::Shown),
        Ok(Err(refused)) => {
            tracing::warn!(http.status = refused.problem.status, "a pass can't be had; the page is shown without it");
            Pass::Away
        }
        Err(_) => {
            tracing::warn!("orders does not answer in time; the page is shown without the pass");
            Pass::Away
        }
    }
}

/// The event of a ticket that was bought, for a calendar.
#[utoipa::path(get, path = "/orders/{id}/ticket.ics", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/calendar")))]
pub(super) async fn calendar_file(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let order = bought(&state, &viewer, &id).await?;
    let page = format!("{}/orders/{}", state.public_url, order.id);
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"ticket.ics\""),
    ];
    Ok((headers, calendar(&order, &page)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::history::tests::sample;

    fn html(status: OrderStatus, pass: Pass) -> String {
        let order = sample(status);
        let page = OrderPage {
            layout: Layout::new(&order.ticket.title, "About", &Viewer::Guest),
            purchase: Purchase {
                id: "the-id".to_owned(),
                ticket: "the-ticket".to_owned(),
                ..Purchase::new(&order, &[])
            },
            version: 4,
            steps: timeline(&order, &[]),
            pass,
        };
        page.render().unwrap()
    }

    #[track_caller]
    fn check(html: &str, shown: &[&str], hidden: &[&str]) {
        for part in shown {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for part in hidden {
            assert!(!html.contains(part), "{part} is in {html}");
        }
    }

    #[test]
    fn a_completed_order_shows_the_ticket() {
        let code = Qr::of("ticket").unwrap();
        check(
            &html(OrderStatus::Completed, Pass::Shown(code.clone())),
            &[
                "<h1>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;</h1>",
                "id=\"live\" data-live=\"order:the-id\" data-version=\"4\" data-mode=\"reload\"",
                "data-say=\"Paid. The ticket is yours.\"",
                "viewBox=\"0 0 29 29\" role=\"img\" aria-label=\"QR code of your ticket for Jazz &#38; &#60;b&#62;Blues",
                &code.path,
                "href=\"/orders/the-id/ticket.ics\"",
                "href=\"/orders/the-id/receipt\"",
                "Section A, row 3, seat 14",
                "You held the ticket.",
                "name=\"robots\" content=\"noindex\"",
            ],
            &["/checkout/", "can't be shown", "style="],
        );
    }

    #[test]
    fn without_orders_all_but_the_code_is_shown() {
        check(
            &html(OrderStatus::Completed, Pass::Away),
            &["The code can't be shown right now", "href=\"/orders/the-id\"", "ticket.ics", "Town Hall, New York"],
            &["role=\"img\""],
        );
    }

    #[test]
    fn an_unpaid_order_leads_to_the_checkout_and_an_ended_one_to_the_listing() {
        let ticket = ["role=\"img\"", "ticket.ics", "/receipt"];
        check(
            &html(OrderStatus::AwaitingPayment, Pass::Missing),
            &["href=\"/checkout/the-id\"", "The hold ends", "To be paid", "aria-current=\"step\""],
            &ticket,
        );
        check(&html(OrderStatus::Authorized, Pass::Missing), &["Being charged"], &["/checkout/", ticket[0], ticket[1]]);
        check(
            &html(OrderStatus::Cancelled, Pass::Missing),
            &["Cancelled. You were not charged.", "href=\"/tickets/the-ticket\""],
            &["/checkout/", ticket[0], ticket[1], ticket[2]],
        );
    }
}
