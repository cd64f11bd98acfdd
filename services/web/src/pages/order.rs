//! GET /orders/{id}: one of the viewer's orders and, once it is paid, the ticket; GET /orders/{id}/ticket.ics: the
//! event as a calendar file.
//!
//! # Why
//! The passes are fetched from the orders service on every view, because they are in no event and so in no replica. The
//! rest of the page does not depend on that call.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::orders::{ListPasses, Pass};
use common::error::Error;
use common::events::order::{OrderState, OrderStatus};
use common::id::{OrderId, ShowId};
use common::seats::Slot;
use http::{HeaderValue, StatusCode, header};

use super::layout::{self, Layout};
use crate::client_context::ClientContext;
use crate::domain::calendar::{calendar, file_name};
use crate::domain::order_view::{OrderView, TimelineEntry, timeline};
use crate::domain::poster::poster_path;
use crate::domain::qr::Qr;
use crate::domain::show_notice::ShowNotice;
use crate::flows::await_version::{await_version, get_or_await};
use crate::i18n::msg;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

const PASS_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "order.html")]
struct OrderPage {
    layout: Layout,
    order: OrderView,
    /// Id and version of the show, whose changes reload the page.
    show: Option<(ShowId, u64)>,
    /// URL path of the show's poster.
    poster: String,
    /// What differs from the terms of the order.
    notice: Option<ShowNotice>,
    version: u64,
    timeline: Vec<TimelineEntry>,
    pass: EntryPass,
}

/// The passes that let the buyer's party into the venue, one for each seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EntryPass {
    /// The order is not completed.
    NotIssued,
    Available(Vec<SeatPass>),
    /// The passes exist, but could not be fetched.
    Unavailable,
}

/// The pass of one seat, which order and slot identify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeatPass {
    pub(super) slot: Slot,
    /// `Seat 12`, or `Ticket` for a seat without a name.
    pub(super) name: String,
    pub(super) code: Qr,
}

impl SeatPass {
    /// The pass with its QR code; `None` if the pass is too long for one.
    fn new(pass: &Pass) -> Option<Self> {
        let name = pass.seat.as_ref().map_or_else(msg::pass_ticket, msg::pass_seat);
        Some(Self { slot: pass.slot, name, code: Qr::encode(&pass.pass)? })
    }
}

async fn load_own_order(state: &AppState, viewer: &Viewer, id: &str) -> Result<Versioned<OrderState>, PageError> {
    let user = viewer.require_user(format!("/orders/{id}"))?;
    let id: OrderId = id.parse().map_err(|_| Error::NotFound)?;
    let order = get_or_await::<OrderState>(state, id.as_uuid()).await?;
    Ok(order.filter(|order| order.buyer_id == user).ok_or(Error::NotFound)?)
}

pub(super) async fn load_completed_order(
    state: &AppState,
    viewer: &Viewer,
    id: &str,
) -> Result<Versioned<OrderState>, PageError> {
    let mut order = load_own_order(state, viewer, id).await?;
    if order.status == OrderStatus::Authorized {
        // The API may have shown the completion already.
        await_version::<OrderState>(state, &order.id.to_string(), order.version + 1).await?;
        order = load_own_order(state, viewer, id).await?;
    }
    if order.status == OrderStatus::Completed { Ok(order) } else { Err(Error::NotFound.into()) }
}

/// Show an order.
#[utoipa::path(get, path = "/orders/{id}", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn order(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let Versioned { version, state: order } = load_own_order(&state, &viewer, &id).await?;
    let model = state.model.live().await?;
    let payments = lists::payments_of(&model.payments, order.id).await?;
    let show = lists::present_show(&model.shows, order.show_id).await?;
    let notice = show.as_ref().and_then(|show| ShowNotice::of(&order, show));
    let mut view = OrderView::new(&order, &payments);
    let mut steps = timeline(&order, &payments);
    if let Some(notice) = &notice {
        view = notice.amend(view, &order, &payments);
        if notice.is_cancelled() && order.status == OrderStatus::Completed {
            steps.push(TimelineEntry { at: None, what: view.status_text.clone() });
        }
    }
    let page = OrderPage {
        layout: Layout::new(&order.ticket.title, msg::order_description(), &viewer),
        order: view,
        poster: poster_path(
            show.as_ref().map_or(order.show_id, |show| show.id),
            show.as_ref().and_then(|show| show.category),
        ),
        show: show.map(|show| (show.id, show.version)),
        version,
        timeline: steps,
        // Nobody is let in to a show that does not take place.
        pass: match &notice {
            Some(ShowNotice::Cancelled { .. }) => EntryPass::NotIssued,
            _ => fetch_passes(&state, &client, &order).await,
        },
        notice,
    };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

pub(super) async fn fetch_passes(state: &AppState, client: &ClientContext, order: &OrderState) -> EntryPass {
    if order.status != OrderStatus::Completed {
        return EntryPass::NotIssued;
    }
    let request = ListPasses { id: order.id };
    match tokio::time::timeout(PASS_TIMEOUT, state.services.send(&request, client)).await {
        Ok(Ok(response)) => {
            let passes: Option<Vec<_>> = response.body.items.iter().map(SeatPass::new).collect();
            // A page with fewer codes than seats must not be kept.
            let all = passes.filter(|passes| passes.iter().map(|pass| pass.slot).eq(order.slots.iter().copied()));
            all.map_or(EntryPass::Unavailable, EntryPass::Available)
        }
        Ok(Err(error)) => {
            tracing::warn!(
                http.status = error.problem.status,
                "cannot fetch the passes; rendering the page without them"
            );
            EntryPass::Unavailable
        }
        Err(_) => {
            tracing::warn!("orders did not respond in time; rendering the page without the passes");
            EntryPass::Unavailable
        }
    }
}

/// Download the event as a calendar file.
#[utoipa::path(get, path = "/orders/{id}/ticket.ics", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/calendar")))]
pub(super) async fn calendar_file(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let order = load_completed_order(&state, &viewer, &id).await?;
    let show = lists::present_show(&state.model.live().await?.shows, order.show_id).await?;
    let page = format!("{}/orders/{}", state.public_url, order.id);
    let disposition = format!("attachment; filename=\"{}\"", file_name(&order));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/calendar; charset=utf-8")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(Error::internal)?),
    ];
    Ok((headers, calendar(&order, show.as_deref(), &page)).into_response())
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::i18n::reader::Reader;
    use crate::i18n::testing::{assert_texts, in_german};

    /// The passes of these seats, from slot 0.
    pub(in crate::pages) fn passes(names: &[Option<&str>]) -> EntryPass {
        let seat = |(slot, name): (Slot, Option<&str>)| {
            let (pass, seat) = (format!("ticket {slot}"), name.map(str::to_owned));
            SeatPass::new(&Pass { pass, slot, seat, show_status: None, current_starts_at: None }).unwrap()
        };
        EntryPass::Available((0..).zip(names.iter().copied()).map(seat).collect())
    }

    fn html(status: OrderStatus, pass: EntryPass) -> String {
        html_of(&sample(status), pass)
    }

    fn html_of(order: &OrderState, pass: EntryPass) -> String {
        let page = OrderPage {
            layout: Layout::new(&order.ticket.title, "About", &Viewer::Guest),
            order: OrderView {
                id: "the-id".to_owned(),
                number: "TK-7F3K-29".to_owned(),
                ticket: "the-ticket".to_owned(),
                ..OrderView::new(order, &[])
            },
            show: Some((order.show_id, 6)),
            poster: "/posters/the-poster.svg".to_owned(),
            notice: None,
            version: 4,
            timeline: timeline(order, &[]),
            pass,
        };
        page.render().unwrap()
    }

    #[test]
    fn completed_order_shows_the_ticket() {
        let code = Qr::encode("ticket 0").unwrap();
        assert_texts(
            &html(OrderStatus::Completed, passes(&[Some("14")])),
            &[
                "<h1>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;</h1>",
                "src=\"/posters/the-poster.svg\"",
                "id=\"live\" data-live=\"order:the-id\" data-version=\"4\" data-mode=\"reload\"",
                "data-say=\"Paid. The ticket is yours.\"",
                "data-live=\"show:",
                "data-version=\"0\" data-show=\"6\"",
                "viewBox=\"0 0 29 29\" role=\"img\" aria-label=\"QR code of your ticket for Jazz &#38; &#60;b&#62;Blues",
                "<h2 id=\"ticket\">Your ticket</h2>",
                &code.path,
                "href=\"/orders/the-id/ticket.ics\"",
                "href=\"/orders/the-id/receipt\"",
                "href=\"/orders/the-id/pass\" data-keep>Show pass</a>",
                "proves that the seat was bought here",
                "Section A, row 3, seat 14",
                "Order TK-7F3K-29",
                "The ticket was held for you.",
                "name=\"robots\" content=\"noindex\"",
            ],
            ["/checkout/", "can’t be shown", "style="],
        );
    }

    #[test]
    fn each_seat_has_its_own_code() {
        let html = html_of(&pair(OrderStatus::Completed), passes(&[Some("12"), Some("13")]));
        let codes = ["ticket 0", "ticket 1"].map(|pass| Qr::encode(pass).unwrap().path);
        assert_texts(
            &html,
            &[
                "Your tickets</h2>",
                "<strong>Seat 12</strong> <span class=\"quiet\">1 of 2</span>",
                "id=\"seat-1\"",
                "<strong>Seat 13</strong> <span class=\"quiet\">2 of 2</span>",
                "2 × $125.50 = $251.00",
                "Paid. The tickets are yours.",
                &codes[0],
                &codes[1],
            ],
            ["The ticket is yours"],
        );
        assert_eq!(html.matches("role=\"img\"").count(), 2);
    }

    #[test]
    fn page_omits_the_code_when_the_pass_is_unavailable() {
        assert_texts(
            &html(OrderStatus::Completed, EntryPass::Unavailable),
            &["The code can’t be shown right now", "href=\"/orders/the-id\"", "ticket.ics", "Town Hall, New York"],
            ["role=\"img\"", "the-id/pass\""],
        );
    }

    #[test]
    fn unpaid_order_links_to_checkout_and_closed_one_to_the_listing() {
        let ticket = ["role=\"img\"", "ticket.ics", "/receipt"];
        assert_texts(
            &html(OrderStatus::AwaitingPayment, EntryPass::NotIssued),
            &["href=\"/checkout/the-id\"", "Your hold ends", "Payment due", "aria-current=\"step\""],
            ticket,
        );
        assert_texts(
            &html(OrderStatus::Authorized, EntryPass::NotIssued),
            &["Payment in progress"],
            ["/checkout/", ticket[0], ticket[1]],
        );
        assert_texts(
            &html(OrderStatus::Cancelled, EntryPass::NotIssued),
            &["Cancelled. You were not charged.", "href=\"/tickets/the-ticket\""],
            ["/checkout/", ticket[0], ticket[1], ticket[2]],
        );
    }

    #[test]
    fn hold_and_history_are_on_the_buyers_clock_and_the_show_on_that_of_the_venue() {
        let read_in = |zone: Option<&str>| {
            let time_zone = zone.map(|zone| TimeZone::get(zone).unwrap());
            let render = || html(OrderStatus::AwaitingPayment, EntryPass::NotIssued);
            Reader { time_zone, ..Reader::default() }.scope(render)
        };
        let show = ">Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT</time>";
        let hold = "Your hold ends on Thu, Jan 1, 2026, 11:15\u{a0}AM.";
        assert_texts(
            &read_in(Some("Europe/Berlin")),
            &[show, hold, ">Thu, Jan 1, 2026, 11:00\u{a0}AM</time>"],
            ["EST"],
        );
        let hold = "Your hold ends on Thu, Jan 1, 2026, 5:15\u{a0}AM\u{a0}EST.";
        assert_texts(&read_in(None), &[show, hold, ">Thu, Jan 1, 2026, 5:00\u{a0}AM\u{a0}EST</time>"], ["11:15"]);
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let (paid, unpaid) = in_german(|| {
            let passes = passes(&[Some("12"), None]);
            let paid = html_of(&pair(OrderStatus::Completed), passes);
            (paid, html_of(&pair(OrderStatus::AwaitingPayment), EntryPass::NotIssued))
        });
        let english = [
            "Order ", "Your ", "Paid.", "When<", "Where<", "Price<", "Receipt", "View ", "Seat ", " of ", "QR code",
            "Show ",
        ];
        assert_texts(
            &paid,
            &[
                "Deine Tickets</h2>",
                "data-say=\"Bezahlt. Die Tickets gehören dir.\"",
                ">Bestätigt</span>",
                "Bestellung TK-7F3K-29",
                "Die Tickets wurden für dich reserviert.",
                "2 × 125,50\u{a0}$ =\u{a0}251,00\u{a0}$",
                "<strong>Platz 12</strong> <span class=\"quiet\">1 von 2",
                "<strong>Ticket</strong> <span class=\"quiet\">2 von 2",
                "Jeder Einlasscode gilt für einen Platz",
                "Zum Kalender hinzufügen",
                ">Einlasscodes zeigen</a>",
            ],
            english,
        );
        assert_texts(&unpaid, &["Zahlung offen", "Deine Reservierung läuft bis ", "Zur Kasse"], english);
    }
}
