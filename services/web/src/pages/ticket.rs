//! GET /tickets/{id}: the page of a listing. POST /tickets/{id}/hold: holds seats of the listing.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::orders::{CreateOrder, NewOrder};
use common::error::Error;
use common::events::order::OrderState;
use common::events::ticket::TicketState;
use common::id::{OrderId, TicketId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::checkout;
use super::done::Done;
use super::hold_intention::{self, HoldForm};
use super::layout::{self, Layout, with_retry_after};
use crate::client_context::ClientContext;
use crate::domain::duplicate_seats::DuplicateSeats;
use crate::domain::listing_view::{Availability, ListingView};
use crate::domain::show_view::ShowView;
use crate::flows::await_version::{await_version, get_or_await};
use crate::forms::ValidForm;
use crate::i18n::msg;
use crate::i18n::price::format_price;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::service_client::RequestOptions;
use crate::state::AppState;
use crate::store::{duplicate_seats, lists, offers};
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "ticket.html")]
pub(super) struct TicketPage {
    pub(super) layout: Layout,
    listing: ListingView,
    version: u64,
    /// The show that the ticket is for, once it has been replicated.
    show: Option<ShowView>,
    /// Seconds until the current hold expires.
    hold_seconds_left: Option<u64>,
    /// Number of seats that the seller has sold.
    sales: u64,
    role: Role,
    idempotency_key: String,
}

/// The viewer's relation to the listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A possible buyer, who may watch the ticket.
    Buyer {
        watches: bool,
    },
    /// The buyer whose order holds seats.
    Holder(OrderId),
    Seller,
}

impl Role {
    /// Whether the page differs from the one for everybody else, so that live updates must reload it.
    fn is_personalised(&self) -> bool {
        !matches!(self, Self::Buyer { .. })
    }
}

/// The parameters of the page of a listing.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TicketQuery {
    /// The number of seats that is chosen at first.
    #[validate(range(min = 1, max = 8, message = "must be a number from 1 to 8"))]
    #[param(minimum = 1, maximum = 8)]
    quantity: Option<u8>,
    /// What the seller has just done.
    #[param(inline)]
    done: Option<Done>,
}

/// Show a listing.
#[utoipa::path(get, path = "/tickets/{id}", tag = "pages", params(("id" = TicketId, Path), TicketQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn ticket(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    query: LenientQuery<TicketQuery>,
) -> Result<Response, PageError> {
    let TicketQuery { quantity, done } = query.value;
    let notice = rejected_parameters_message(&query.rejected);
    let ticket = find(&state, parse_id(&id)?).await?;
    // Whoever else opens the link has done nothing.
    let done = done.filter(|_| viewer.id() == Some(ticket.seller_id));
    let notice = notice.or_else(|| done.map(Done::notice));
    respond(&state, &viewer, &ticket, quantity, StatusCode::OK, notice).await
}

/// A malformed id is 404, not 400.
pub(super) fn parse_id(id: &str) -> Result<TicketId, Error> {
    id.parse().map_err(|_| Error::NotFound)
}

async fn find(state: &AppState, id: TicketId) -> Result<Versioned<TicketState>, Error> {
    get_or_await::<TicketState>(state, id.as_uuid()).await?.ok_or(Error::NotFound)
}

pub(super) async fn show(
    state: &AppState,
    viewer: &Viewer,
    id: TicketId,
    quantity: Option<u8>,
    status: StatusCode,
    notice: Option<String>,
) -> Result<Response, PageError> {
    let ticket = find(state, id).await?;
    respond(state, viewer, &ticket, quantity, status, notice).await
}

async fn respond(
    state: &AppState,
    viewer: &Viewer,
    ticket: &Versioned<TicketState>,
    quantity: Option<u8>,
    status: StatusCode,
    notice: Option<String>,
) -> Result<Response, PageError> {
    let page = page(state, viewer, ticket, notice).await?;
    let mut page = TicketPage { listing: page.listing.with_choice(quantity), ..page };
    if status != StatusCode::OK {
        page.layout.at = Some(format!("/tickets/{}", ticket.terms.id));
    }
    Ok(layout::respond(status, &page.layout, &page)?)
}

/// The page of a listing from the read model or from a command's response.
pub(super) async fn page(
    state: &AppState,
    viewer: &Viewer,
    ticket: &Versioned<TicketState>,
    notice: Option<String>,
) -> Result<TicketPage, PageError> {
    let (id, now) = (ticket.terms.id, state.clock.now());
    let model = state.model.live().await?;
    let (sellers, sales, show) = tokio::try_join!(
        lists::display_names(&model.users, [ticket.seller_id]),
        offers::sales_count(&model, ticket.seller_id),
        offers::show_by_id(&model, ticket.show_id),
    )?;
    let role = match viewer.id() {
        Some(user) if user == ticket.seller_id => Role::Seller,
        Some(user) => match holder(state, ticket, user).await? {
            Some(order) => Role::Holder(order),
            None => Role::Buyer { watches: state.user_data.is_watched(user, id).await? },
        },
        None => Role::Buyer { watches: false },
    };
    let hold_expiry = lists::hold_expiry(&model.orders, ticket).await?;
    let listing = ListingView::new(ticket, sellers.get(&ticket.seller_id), now);
    let mut listing = listing.of_show(show.as_ref().map(|found| &found.show.state));
    if role == Role::Seller {
        let same = duplicate_seats::listings_with_seats_of(&model.tickets, std::slice::from_ref(ticket)).await?;
        listing = listing.for_seller(ticket, DuplicateSeats::find(ticket, same.iter().map(|it| &it.state), now));
    }
    let description = msg::ticket_description(&listing.place, &listing.price, &listing.starts_at.text);
    let is_for_sale = listing.availability.is_for_sale();
    let is_listed = is_for_sale && model.hidden_seller != Some(ticket.seller_id);
    let canonical = is_listed.then(|| format!("{}/tickets/{id}", state.public_url));
    let show = show.map(|found| ShowView::new(&found, now));
    Ok(TicketPage {
        layout: Layout { canonical, notice, ..Layout::new(&listing.title, description, viewer) },
        listing,
        version: ticket.version,
        show,
        hold_seconds_left: hold_expiry.map(|expiry| expiry.since(now).as_secs()),
        sales,
        role,
        idempotency_key: uuid::Uuid::now_v7().to_string(),
    })
}

async fn holder(state: &AppState, ticket: &TicketState, user: common::id::UserId) -> Result<Option<OrderId>, Error> {
    let model = state.model.live().await?;
    let own = lists::own_orders_by_ids(&model.orders, Some(user), ticket.holders()).await?;
    Ok(own.first().map(|order| order.id))
}

/// Hold seats and go to the checkout.
#[utoipa::path(post, path = "/tickets/{id}/hold", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Held."), (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn hold(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
    ValidForm(form): ValidForm<HoldForm>,
) -> Result<Response, PageError> {
    place_hold(&state, &viewer, &client, parse_id(&id)?, &form).await
}

/// Holds seats for the viewer; a guest signs in first.
pub(super) async fn place_hold(
    state: &AppState,
    viewer: &Viewer,
    client: &ClientContext,
    id: TicketId,
    form: &HoldForm,
) -> Result<Response, PageError> {
    if viewer.id().is_none() {
        return Ok(hold_intention::sign_in_first(id, form));
    }
    let known = get_or_await::<TicketState>(state, id.as_uuid()).await?;
    if let (Some(known), Some(seen)) = (known, &form.price)
        && known.price.to_string() != *seen
    {
        let notice = msg::ticket_price_changed(format_price(&known.price));
        return show(state, viewer, id, form.quantity, StatusCode::CONFLICT, Some(notice)).await;
    }
    let request = CreateOrder { body: NewOrder { ticket_id: id, quantity: form.quantity } };
    match state.services.send_with(&RequestOptions::with_idempotency_key(&form.key)?, &request, client).await {
        Ok(response) => {
            let version = response.body.version;
            let order = OrderState::from(response.body);
            let price_changed = form.price.as_ref().is_some_and(|seen| *seen != order.unit_price.to_string());
            if await_version::<OrderState>(state, &order.id.to_string(), version).await? {
                let query = if price_changed { "?price=new" } else { "" };
                return Ok(checkout::redirect_to_checkout(state, order.id, query));
            }
            let notice = price_changed.then(|| checkout::price_changed_notice(&order));
            let notice = notice.unwrap_or_else(msg::ticket_still_updating);
            let order = Versioned { version, state: order };
            let page = checkout::page(state, viewer, &order, &[], Some(notice), None);
            Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
        }
        Err(error) => match error.status() {
            StatusCode::UNAUTHORIZED => Ok(hold_intention::sign_in_first(id, form)),
            status @ (StatusCode::CONFLICT
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::TOO_MANY_REQUESTS) => {
                let notice = hold_intention::why_not_held(&error.problem, form.quantity);
                let response = show(state, viewer, id, form.quantity, status, Some(notice)).await?;
                Ok(with_retry_after(response, error.retry_after))
            }
            _ => Err(error.into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketStatus;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};
    use crate::i18n::testing::{assert_texts, in_german};

    fn page(ticket: &TicketState, role: Role, hold_seconds_left: Option<u64>) -> String {
        let listing = ListingView::new(ticket, Some(&"Ana".to_owned()), ticket.created_at);
        let listing = if role == Role::Seller { listing.for_seller(ticket, None) } else { listing };
        let layout = Layout::new(&listing.title, "About", &Viewer::Guest);
        let idempotency_key = "the-key".to_owned();
        let found = crate::domain::show_view::tests::sample();
        let show = Some(ShowView::new(&found, found.show.created_at));
        let page = TicketPage { layout, listing, version: 7, show, hold_seconds_left, sales: 3, role, idempotency_key };
        page.render().unwrap()
    }

    #[test]
    fn number_of_seats_is_chosen_with_its_sum() {
        let mut ticket = six_seats(&[2, 2, 2]);
        let html = page(&ticket, Role::Buyer { watches: false }, None);
        for part in [
            "Section A, row 3, seats 12 to 17",
            "per seat, all-in",
            "<legend class=\"form-label fs-6\">How many seats?</legend>",
            "name=\"quantity\" value=\"2\" required checked",
            "for=\"seats-4\">4 seats together: <strong>4 × $125.50 = $502.00</strong>",
            "6 of 6 seats left",
            "Buy these seats",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches(" checked").count(), 1);
        // A single choice is no question.
        let html = page(&six_seats(&[6]), Role::Buyer { watches: false }, None);
        assert!(html.contains("= $753.00</strong></p><input type=\"hidden\" name=\"quantity\" value=\"6\">"));
        assert!(!html.contains("How many seats?"), "{html}");
        let listing = ListingView::new(&ticket, None, ticket.created_at).with_choice(Some(4));
        let chosen: Vec<_> = listing.choices.iter().map(|choice| choice.is_chosen).collect();
        assert_eq!(chosen, [false, true, false]);
        let listing = listing.with_choice(Some(3));
        assert!(listing.choices[1].is_chosen, "three can't be had");
        assert!(page(&ticket, Role::Holder(OrderId::new()), None).contains("You are holding seats from this listing."));
        let html = page(&ticket, Role::Seller, None);
        assert!(html.contains(">Withdraw…</summary>") && html.contains(">Withdraw now</button>"), "{html}");
        ticket.seats[0].status = TicketStatus::Sold;
        let html = page(&ticket, Role::Seller, None);
        let sale = "You sold seat 12 for $125.50. There is nothing else for you to do.";
        assert!(html.contains(">Withdraw remaining seats…</summary>") && html.contains(sale), "{html}");
        assert!(html.contains("seats 12 to 17"), "{html}");
    }

    #[test]
    fn template_shows_its_values() {
        let mut ticket = sample();
        let html = page(&ticket, Role::Buyer { watches: false }, None);
        for part in [
            "<title>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62; · Ticketing</title>",
            "Town Hall, New York",
            "<time datetime=\"2099-06-01T19:30:00.000Z\">Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT</time>",
            "Section A, row 3, seat 14",
            "$125.50",
            "Face value $99.00, as printed on the ticket",
            "Ana",
            "3 tickets sold",
            "Concert",
            "Two lines,\n&#34;quoted&#34;.",
            "For sale",
            "Buy this ticket",
            "You get a QR pass from us, not the seller’s original ticket.",
            "name=\"price\" value=\"125.50 USD\"",
            "value=\"the-key\"",
            "data-version=\"7\"",
            "All tickets for this show",
            "href=\"/shows/jazz-b-blues-b-new-york-",
            "37 left",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(page(&ticket, Role::Buyer { watches: true }, None).contains("Stop watching"));
        let html = page(&ticket, Role::Seller, None);
        assert!(html.contains("This is your listing") && !html.contains("Buy this ticket"), "{html}");
        let another = format!("/sell/new?show={}&#38;like={}", ticket.show_id, ticket.terms.id);
        assert!(html.contains(&another), "{another} is not in {html}");
        ticket.status = TicketStatus::Reserved;
        let order = OrderId::new();
        let html = page(&ticket, Role::Holder(order), Some(192));
        assert!(html.contains(&format!("/checkout/{order}")) && html.contains("data-mode=\"reload\""), "{html}");
        let html = page(&ticket, Role::Buyer { watches: false }, Some(192));
        assert!(html.contains("data-left=\"192\"") && html.contains("3:12"), "{html}");
        ticket.status = TicketStatus::Sold;
        ticket.face_value = None;
        ticket.category = None;
        ticket.description = None;
        (ticket.terms.section, ticket.terms.row, ticket.seats[0].name) = (None, None, None);
        let html = page(&ticket, Role::Buyer { watches: false }, None);
        assert!(html.contains("Sold.") && !html.contains("Face value") && !html.contains("Seat"), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let (one, six) = (sample(), six_seats(&[2, 2, 2]));
        let held = TicketState { status: TicketStatus::Reserved, ..sample() };
        let pages = in_german(|| {
            [
                page(&one, Role::Buyer { watches: false }, None),
                page(&six, Role::Buyer { watches: true }, None),
                page(&six, Role::Seller, None),
                page(&held, Role::Holder(OrderId::new()), Some(192)),
            ]
        });
        let [single, several, own, holding] = &pages;
        for (html, parts) in [
            (
                single,
                &[
                    ">Mo., 01.06.2099, 15:30\u{a0}EDT</time>",
                    "Block A, Reihe 3, Platz\u{a0}14",
                    "<dd>Konzert</dd>",
                    "(3 Tickets verkauft)",
                    "data-live-price>125,50\u{a0}$</span>",
                    "Originalpreis 99,00\u{a0}$, wie auf",
                    "value=\"125.50 USD\"",
                    ">Ticket kaufen</button>",
                    "Einlasscode von uns, nicht das Originalticket",
                    ">Beobachten</button>",
                ][..],
            ),
            (
                several,
                &[
                    "(nur paarweise)",
                    "Wie viele Plätze?",
                    "4 Plätze nebeneinander: <strong>4 × 125,50\u{a0}$ =\u{a0}502,00\u{a0}$</strong>",
                    "pro Platz, Endpreis",
                    ">Nicht mehr beobachten</button>",
                ],
            ),
            (own, &["Das ist dein Angebot.", ">Bearbeiten</a>", ">Jetzt zurückziehen</button>"]),
            (holding, &["Gerade reserviert.", "Die Reservierung endet in <time", ">Zur Kasse</a>"]),
        ] {
            let english = "When<|Where<|Seat|Category|Seller<|sold|All tickets|From the|Price |all-in|\
                           Face value|For sale|Held|hold ends|This is|Edit|Withdraw|List another|You |\
                           How many|Buy |few minutes|QR pass|Watch|Stop|notif|All shows|Concert|$125";
            assert_texts(html, parts, english.split('|'));
        }
    }
}
