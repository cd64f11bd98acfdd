//! GET /tickets/{id}: one listing, and the buttons on it: hold, watch, withdraw.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::orders::{CreateOrder, NewOrder};
use common::api::tickets::{ListingRules, WithdrawListing};
use common::error::Error;
use common::events::order::OrderState;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{OrderId, TicketId};
use common::timestamp::Timestamp;
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::checkout;
use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use crate::calls::Terms;
use crate::domain::form::Faults;
use crate::domain::offer::{Offer, Standing};
use crate::flows::await_version::{UPDATING, await_version};
use crate::flows::present_listing::present_listing;
use crate::forms::{Fields, Posted};
use crate::live::feed::hold_ends;
use crate::session::Session;
use crate::state::AppState;
use crate::store::{self, lists};
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "ticket.html")]
pub(super) struct TicketPage {
    layout: Layout,
    offer: Offer,
    version: u64,
    /// In how many seconds the hold ends that somebody has on it.
    left: Option<u64>,
    /// How many tickets the seller has sold here.
    sales: u64,
    /// What the viewer is to it.
    role: Role,
    /// Makes holding twice by a double click the same hold.
    key: String,
}

layout::page!(TicketPage);

/// What the viewer is to a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Somebody who may buy it; whether they watch it.
    Buyer { watches: bool },
    /// The one whose hold it is on.
    Holder(OrderId),
    /// Its seller.
    Seller,
}

impl Role {
    /// Whether the page is another one for this viewer than for everybody.
    fn is_special(&self) -> bool {
        !matches!(self, Self::Buyer { .. })
    }
}

/// One listing.
#[utoipa::path(get, path = "/tickets/{id}", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn ticket(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    show(&state, &viewer, id_of(&id)?, StatusCode::OK, None).await
}

/// Whoever mistyped an address is told that nothing is there, not that an id has a form.
pub(super) fn id_of(id: &str) -> Result<TicketId, Error> {
    id.parse().map_err(|_| Error::NotFound)
}

async fn show(
    state: &AppState,
    viewer: &Viewer,
    id: TicketId,
    status: StatusCode,
    notice: Option<String>,
) -> Result<Response, Failure> {
    let ticket = arrived(state, id).await?.ok_or(Error::NotFound)?;
    Ok(layout::respond(status, &page(state, viewer, &ticket, notice).await?)?)
}

/// The page of a listing as it is known, or was answered.
pub(super) async fn page(
    state: &AppState,
    viewer: &Viewer,
    ticket: &Versioned<TicketState>,
    notice: Option<String>,
) -> Result<TicketPage, Failure> {
    let (id, now) = (ticket.terms.id, state.clock.now());
    let model = state.model.live().await?;
    let (sellers, sales) = tokio::try_join!(
        store::names(&model.users, [ticket.seller_id]),
        lists::sales_of(&model.tickets, ticket.seller_id),
    )?;
    let role = match viewer.id() {
        Some(user) if user == ticket.seller_id => Role::Seller,
        Some(user) => match holder(state, ticket, user).await? {
            Some(order) => Role::Holder(order),
            None => Role::Buyer { watches: state.own.is_watched(user, id).await? },
        },
        None => Role::Buyer { watches: false },
    };
    let left = hold_ends(state, ticket).await?.map(|ends| ends.since(now).as_secs());
    let offer = Offer::new(ticket, sellers.get(&ticket.seller_id), now);
    let about = format!("{}, {}: {} all-in.", offer.place, offer.starts_at.text, offer.price);
    let layout = Layout::new(&offer.title, about, viewer).saying(notice);
    let layout =
        if offer.standing.is_for_sale() { layout.at(format!("{}/tickets/{id}", state.public_url)) } else { layout };
    let key = uuid::Uuid::now_v7().to_string();
    Ok(TicketPage { layout, offer, version: ticket.version, left, sales, role, key })
}

/// The order of this user that the listing is held for.
async fn holder(state: &AppState, ticket: &TicketState, user: common::id::UserId) -> Result<Option<OrderId>, Error> {
    let Some(order) = ticket.order_id.filter(|_| ticket.status == TicketStatus::Reserved) else { return Ok(None) };
    let known = state.model.live().await?.orders.get(order).await?;
    Ok(known.filter(|known| known.buyer_id == user).map(|_| order))
}

/// What the form says.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct HoldForm {
    /// The `Idempotency-Key`.
    key: String,
    /// The price that the buyer saw, as it is shown.
    price: Option<String>,
}

impl Fields for HoldForm {
    /// The ticket is named by the path.
    type Request = ();

    fn request(&self, _: &ListingRules) -> Result<(), Faults> {
        Ok(())
    }
}

/// Hold the ticket, and go on to the checkout.
#[utoipa::path(post, path = "/tickets/{id}/hold", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Held."), (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn hold(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Path(id): Path<String>,
    Posted { form, .. }: Posted<HoldForm>,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    if viewer.id().is_none() {
        return Ok(see_other(&format!("/signin?next=/tickets/{id}")));
    }
    let known = state.model.live().await?.tickets.get(id).await?;
    if let (Some(known), Some(seen)) = (known, &form.price)
        && known.price.to_string() != *seen
    {
        let notice = format!("The price has changed to {}. Nothing is held yet.", known.price);
        return show(&state, &viewer, id, StatusCode::CONFLICT, Some(notice)).await;
    }
    let request = CreateOrder { body: NewOrder { ticket_id: id } };
    match state.calls.send_on(&Terms::keyed(&form.key), &request, &session).await {
        Ok(answer) => {
            let version = answer.body.version;
            let order = OrderState::from(answer.body);
            let is_new_price = form.price.as_ref().is_some_and(|seen| *seen != order.price.to_string());
            let notice = is_new_price.then(|| checkout::new_price(&order));
            if await_version::<OrderState>(&state, &order.id.to_string(), version).await? {
                let changed = if is_new_price { "?price=new" } else { "" };
                return Ok(checkout::go_on(&state, order.id, changed));
            }
            let notice = notice.unwrap_or_else(|| UPDATING.to_owned());
            let order = Versioned { version, state: order };
            Ok(layout::respond(StatusCode::OK, &checkout::page(&state, &viewer, &order, &[], Some(notice), None))?)
        }
        Err(refused) => match refused.status() {
            StatusCode::UNAUTHORIZED => Ok(see_other(&format!("/signin?next=/tickets/{id}"))),
            status @ (StatusCode::CONFLICT
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::TOO_MANY_REQUESTS) => {
                let notice = match status {
                    StatusCode::NOT_FOUND => "This listing is still on its way. Try again in a moment.".to_owned(),
                    _ => refused.problem.detail,
                };
                let mut page = show(&state, &viewer, id, status, Some(notice)).await?;
                if let Some(after) = refused.retry_after {
                    page.headers_mut().insert(header::RETRY_AFTER, after);
                }
                Ok(page)
            }
            _ => Err(refused.into()),
        },
    }
}

/// Be told when it gets cheaper.
#[utoipa::path(post, path = "/tickets/{id}/watch", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Watched.")))]
pub(super) async fn watch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    let Some(user) = viewer.id() else { return Ok(see_other(&format!("/signin?next=/tickets/{id}"))) };
    state.model.live().await?.tickets.get(id).await?.ok_or(Error::NotFound)?;
    state.own.watch(user, id, state.clock.now()).await?;
    Ok(see_other(&format!("/tickets/{id}")))
}

/// Be told no longer.
#[utoipa::path(post, path = "/tickets/{id}/unwatch", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Not watched.")))]
pub(super) async fn unwatch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    let Some(user) = viewer.id() else { return Ok(see_other(&format!("/signin?next=/tickets/{id}"))) };
    state.own.unwatch(user, id).await?;
    Ok(see_other(&format!("/tickets/{id}")))
}

/// Take one's own listing back.
#[utoipa::path(post, path = "/tickets/{id}/withdraw", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Withdrawn."), (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn withdraw(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = id_of(&id)?;
    viewer.id().ok_or_else(|| Failure::SignIn(format!("/tickets/{id}")))?;
    match state.calls.send(&WithdrawListing { id }, &session).await {
        Ok(answer) => {
            await_version::<TicketState>(&state, &id.to_string(), answer.version.unwrap_or(0)).await?;
            Ok(see_other("/selling"))
        }
        Err(refused) if refused.status() == StatusCode::CONFLICT => {
            let present = present_listing(&state, &session, id).await;
            if present.is_some_and(|present| present.status == TicketStatus::Withdrawn) {
                return Ok(see_other("/selling"));
            }
            let detail = refused.problem.detail;
            show(&state, &viewer, id, StatusCode::CONFLICT, Some(detail)).await
        }
        Err(refused) => Err(refused.into()),
    }
}

/// For how long after its listing a ticket may still be on its way to the read model.
const FRESH: Duration = Duration::from_secs(10);

/// The listing; one that was listed a moment ago, as its id tells, is waited for: whoever has just
/// listed it must not be told that it does not exist.
async fn arrived(state: &AppState, id: TicketId) -> Result<Option<Versioned<TicketState>>, Error> {
    let listed = id.as_uuid().get_timestamp().map(|time| time.to_unix());
    let listed = listed.map(|(seconds, _)| Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000));
    if listed.is_some_and(|listed| state.clock.now().since(listed) < FRESH) {
        await_version::<TicketState>(state, &id.to_string(), 0).await?;
    }
    Ok(state.model.live().await?.tickets.get(id).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_shows_what_it_is_given() {
        let mut ticket = sample();
        let page = |ticket: &_, role, left| {
            let offer = Offer::new(ticket, Some(&"Ana".to_owned()), ticket.created_at);
            let layout = Layout::new(&offer.title, "About", &Viewer::Guest);
            let key = "the-key".to_owned();
            TicketPage { layout, offer, version: 7, left, sales: 3, role, key }.render().unwrap()
        };
        let html = page(&ticket, Role::Buyer { watches: false }, None);
        for part in [
            "<title>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62; · Ticketing</title>",
            "Town Hall, New York",
            "<time datetime=\"2099-06-01T19:30:00.000Z\">Monday, 1 June 2099, 15:30 EDT (America/New_York)</time>",
            "Section A, row 3, seat 14",
            "125.50 USD",
            "99.00 USD",
            "Ana",
            "3 tickets sold here",
            "Concert",
            "Two lines,\n&#34;quoted&#34;.",
            "For sale",
            "Hold this ticket",
            "name=\"price\" value=\"125.50 USD\"",
            "value=\"the-key\"",
            "data-version=\"7\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(page(&ticket, Role::Buyer { watches: true }, None).contains("Stop watching"));
        let html = page(&ticket, Role::Seller, None);
        assert!(html.contains("your own listing") && !html.contains("Hold this ticket"), "{html}");
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
        (ticket.terms.section, ticket.terms.row, ticket.terms.seat) = (None, None, None);
        let html = page(&ticket, Role::Buyer { watches: false }, None);
        assert!(html.contains("Sold.") && !html.contains("Face value") && !html.contains("Seat"), "{html}");
    }
}
