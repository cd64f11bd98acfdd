//! The drafts behind the pages of the listing form: their paths, who may open them, and the listings they describe.

use axum::response::Response;
use common::api::tickets::{ListedSeat, Listing, NewListing};
use common::error::Error;
use common::events::ticket::TicketStatus;
use common::id::{ShowId, TicketId, UserId};
use common::identity;
use common::problem::Problem;
use common::text::Text;
use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};

use super::layout::{see_other, with_parameters};
use crate::client_context::ClientContext;
use crate::domain::form::FormErrors;
use crate::domain::listing_form::ListingForm;
use crate::domain::listing_view::ListingView;
use crate::domain::problem_text::detail;
use crate::i18n::msg;
use crate::state::AppState;
use crate::store::drafts::{Draft, DraftId, DraftOwner, VISITOR_LIFETIME, random_text};
use crate::viewer::Viewer;

/// Parses the id in a path.
pub(super) fn parse_id(id: &str) -> Result<DraftId, Error> {
    DraftId::parse(id).ok_or(Error::NotFound)
}

/// Path of the page on which the seller checks the draft.
pub(super) fn check_path(id: &DraftId) -> String {
    format!("/sell/drafts/{id}")
}

/// Path of the form that is filled from the draft.
pub(super) fn form_path(id: &DraftId) -> String {
    format!("/sell/drafts/{id}/edit")
}

/// Sends a guest to the sign-in form, which leads to this path.
pub(super) fn sign_in_first(next: &str) -> Response {
    see_other(&with_parameters("/signin", &[("next", next)]))
}

/// Whether the sign-in that leads to this path has a draft to return to.
pub(super) fn is_draft_path(next: &str) -> bool {
    next.starts_with("/sell/drafts/") || next.starts_with("/sell?draft=")
}

/// The user's draft. What was typed in the user's browser without a session becomes the user's.
pub(super) async fn find_own(
    state: &AppState,
    user: UserId,
    client: &ClientContext,
    headers: &HeaderMap,
    id: &DraftId,
) -> Result<Option<Draft>, Error> {
    let Some(draft) = state.drafts.find(id, state.clock.now()).await? else { return Ok(None) };
    let user = DraftOwner::user(user);
    if draft.is_of(&user) {
        return Ok(Some(draft));
    }
    let Some(secret) = visitor_secret(state, headers) else { return Ok(None) };
    let visitor = DraftOwner::visitor(secret, client.address);
    Ok(state.drafts.adopt(id, &visitor, &user).await?.then_some(draft))
}

/// The visitor whose form arrives without a session, with the cookie by which the browser is recognised.
pub(super) fn visitor(
    state: &AppState,
    client: &ClientContext,
    headers: &HeaderMap,
) -> Result<(DraftOwner, HeaderValue), Error> {
    let secret = visitor_secret(state, headers).map_or_else(random_text, ToOwned::to_owned);
    let owner = DraftOwner::visitor(&secret, client.address);
    let age = cookie::time::Duration::seconds(i64::try_from(VISITOR_LIFETIME.as_secs()).unwrap_or(i64::MAX));
    let cookie = Cookie::build((cookie_name(state), secret)).path("/").http_only(true).same_site(SameSite::Lax);
    let cookie = cookie.secure(state.verifier.cookie_names().secure).max_age(age).to_string();
    Ok((owner, HeaderValue::from_str(&cookie).map_err(Error::internal)?))
}

fn visitor_secret<'a>(state: &AppState, headers: &'a HeaderMap) -> Option<&'a str> {
    // The client context has the cookies of a renewed session only.
    identity::cookie(headers, cookie_name(state)).filter(|secret| DraftId::parse(secret).is_some())
}

fn cookie_name(state: &AppState) -> &'static str {
    if state.verifier.cookie_names().secure { "__Host-drafts" } else { "drafts" }
}

/// The listing that the draft describes, or what is wrong with it: by the rules of the tickets service, which also hold
/// here, or because that service has rejected it as it is.
pub(super) fn listing_of(state: &AppState, draft: &Draft) -> Result<NewListing, FormErrors> {
    let listing = draft.form.to_request(&state.listing_rules)?;
    // Without the version, the request would overwrite concurrent changes.
    if draft.editing.is_some() && draft.form.version.parse::<u64>().is_err() {
        return Err(FormErrors::new("", msg::sell_error_expired()));
    }
    draft.rejection.as_ref().and_then(correctable_errors).map_or(Ok(listing), Err)
}

/// What the seller can do about a problem of the tickets service; `None` if the seller can't.
pub(super) fn correctable_errors(problem: &Problem) -> Option<FormErrors> {
    Some(match problem.status {
        400 => FormErrors::from_problem(problem, ListingForm::form_field),
        409 if problem.code() == "seat-listed" => FormErrors::new("seats", msg::sell_error_seat_listed()),
        409 => FormErrors::new("", detail(problem)),
        412 => FormErrors::new("", msg::sell_error_changed()),
        422 if problem.code() == "over-cap" => FormErrors::from_problem(problem, ListingForm::form_field),
        // The draft's idempotency key was used with other contents; whether they created a listing is not known here.
        422 => FormErrors::new("", msg::sell_error_submitted()),
        _ => return None,
    })
}

/// The view of a listing that does not exist yet.
pub(super) fn preview_of(
    state: &AppState,
    viewer: &Viewer,
    seller: UserId,
    new: NewListing,
) -> Result<ListingView, Error> {
    let now = state.clock.now();
    let text = |text: Option<Text>| text.map(String::from);
    let blocks = new.blocks().map_err(|error| Error::field("split", error.to_string()))?;
    let names = new.seat_names();
    let free = u8::try_from(names.len()).unwrap_or(u8::MAX);
    let listing = Listing {
        id: TicketId::new(),
        show_id: ShowId::new(),
        version: 0,
        title: new.title.into(),
        venue: new.venue.into(),
        city: text(new.city),
        starts_at: new.starts_at,
        time_zone: text(new.time_zone).unwrap_or_default(),
        price: new.price,
        face_value: new.face_value,
        category: new.category,
        section: text(new.section),
        row: text(new.row),
        seat: text(new.seat),
        seats: names.into_iter().map(|name| ListedSeat { name, status: TicketStatus::Available }).collect(),
        blocks,
        free,
        description: text(new.description),
        status: TicketStatus::Available,
        seller_id: seller,
        created_at: now,
        updated_at: now,
    };
    let name = match viewer {
        Viewer::User { name, .. } => name.clone(),
        Viewer::Guest => None,
    };
    Ok(ListingView::new(&listing.into(), name.as_ref(), now))
}
