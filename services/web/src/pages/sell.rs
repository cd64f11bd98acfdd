//! GET /sell/new and /tickets/{id}/edit, which begin a draft; GET and POST /sell/drafts/{id}/edit, its form.
//!
//! # Why
//! A form has the id of its draft in its path before anything is stored. So opening a form stores nothing, and going back
//! to it finds what was typed. With scripts, the browser sends the form while the seller is typing; without, only when the
//! seller submits it. A form that arrives without a session is stored too: signing in leads back to it.

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use common::error::Error;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{ShowId, TicketId, UserId};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, see_other, with_parameters};
use super::sell_draft::{check_path, find_own, form_path, listing_of, parse_id, sign_in_first, visitor};
use super::sell_page::{known_show, page};
use super::ticket;
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::listing_form::ListingForm;
use crate::domain::show_view::show_path;
use crate::flows::await_version::get_or_await;
use crate::forms::ValidForm;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::drafts::{Draft, DraftContents, DraftId, DraftOwner, Saved};
use crate::store::{lists, offers};
use crate::viewer::Viewer;

/// Maximum length of a form, in bytes: several times that of the longest listing.
const MAX_LENGTH: usize = 64 << 10;

/// What a form is filled from, in addition to what is stored of its draft.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FormQuery {
    /// The show.
    show: Option<ShowId>,
    /// A listing of the viewer that a new one resembles.
    like: Option<TicketId>,
    /// The listing to edit.
    listing: Option<TicketId>,
    /// The name of a show that is not known.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    title: String,
}

/// Begin a new listing.
#[utoipa::path(get, path = "/sell/new", tag = "pages", params(FormQuery),
    responses((status = 303, description = "The form.")))]
pub(super) async fn begin(viewer: Viewer, RawQuery(query): RawQuery) -> Result<Response, PageError> {
    viewer.require_user(with_query("/sell/new", query.as_deref()))?;
    Ok(see_other(&with_query(&form_path(&DraftId::random()), query.as_deref())))
}

/// Begin to change a listing.
#[utoipa::path(get, path = "/tickets/{id}/edit", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "The form.")))]
pub(super) async fn begin_edit(viewer: Viewer, Path(id): Path<String>) -> Result<Response, PageError> {
    let id = ticket::parse_id(&id)?;
    viewer.require_user(format!("/tickets/{id}/edit"))?;
    Ok(see_other(&with_parameters(&form_path(&DraftId::random()), &[("listing", &id.to_string())])))
}

fn with_query(path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// Show the form of a draft.
#[utoipa::path(get, path = "/sell/drafts/{id}/edit", tag = "pages", params(("id" = String, Path), FormQuery),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 303, description = "The draft is listed, or nothing can be listed for the show.")))]
pub(super) async fn form(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    headers: HeaderMap,
    Path(id): Path<String>,
    RawQuery(raw): RawQuery,
    query: LenientQuery<FormQuery>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let user = viewer.require_user(with_query(&form_path(&id), raw.as_deref()))?;
    let draft = find_own(&state, user, &client, &headers, &id).await?;
    let form = match fill(&state, user, draft.as_ref(), &query.value).await? {
        Ok(form) => form,
        Err(path) => return Ok(see_other(&path)),
    };
    // Another show, or one that the seller was still to choose, is not to be corrected yet.
    let checked = draft.as_ref().filter(|draft| draft.is_complete && draft.form == form);
    let errors = checked.and_then(|draft| listing_of(&state, draft).err()).unwrap_or_default();
    let editing = draft.map_or(query.value.listing, |draft| draft.editing);
    let known = known_show(&state, &form, user).await?;
    let mut page = page(&state, &viewer, &id, editing, known, form, errors);
    page.layout.notice = rejected_parameters_message(&query.rejected);
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

/// The form, or the path of the page that says why there is none.
type Filled = Result<ListingForm, String>;

/// The form as it was typed, or a new one, for the show that the query names.
async fn fill(state: &AppState, user: UserId, draft: Option<&Draft>, query: &FormQuery) -> Result<Filled, Error> {
    let mut form = match (draft, query.listing) {
        (Some(draft), _) => match draft.listing {
            Some(listing) => return Ok(Err(format!("/tickets/{listing}"))),
            None => draft.form.clone(),
        },
        (None, Some(id)) => return fill_from_listing(state, user, id).await,
        (None, None) => ListingForm::empty(&state.config.currencies),
    };
    let model = state.model.live().await?;
    if let Some(show) = query.show {
        get_or_await::<ShowState>(state, show.as_uuid()).await?.ok_or(Error::NotFound)?;
        let show = lists::present_show(&model.shows, show).await?.ok_or(Error::NotFound)?;
        // No ticket can be listed for it: its page says why.
        if show.status == ShowStatus::Cancelled || show.starts_at <= state.clock.now() {
            return Ok(Err(show_path(&show)));
        }
        // What the seller has changed of this show stays.
        if form.show != show.id.to_string() {
            form = form.for_show(&show);
        }
        if draft.is_none() {
            form.currency = usual_currency(state, show.id).await?.unwrap_or(form.currency);
        }
    } else if !query.title.is_empty() && (draft.is_none() || !form.show.is_empty()) {
        form = form.for_unknown_show(&query.title);
    }
    if draft.is_none()
        && let Some(like) = query.like
        && let Some(ticket) = model.tickets.get(like).await?.filter(|ticket| ticket.seller_id == user)
    {
        form = form.like_neighbour(&ticket.state);
    }
    Ok(Ok(form))
}

/// The currency of the most seats for a show, if new listings can have it: most sellers ask in the same.
async fn usual_currency(state: &AppState, show: ShowId) -> Result<Option<String>, Error> {
    let found = offers::show_by_id(&state.model.live().await?, show).await?;
    let currency = found.and_then(|found| found.offer.from.into_iter().next()).map(|price| price.currency);
    Ok(currency.filter(|known| state.config.currencies.contains(known)).map(|known| known.to_string()))
}

async fn fill_from_listing(state: &AppState, user: UserId, id: TicketId) -> Result<Filled, Error> {
    let listing = get_or_await::<TicketState>(state, id.as_uuid()).await?.ok_or(Error::NotFound)?;
    // Only the seller can edit it.
    if listing.seller_id != user {
        return Err(Error::NotFound);
    }
    if listing.status != TicketStatus::Available {
        return Ok(Err(format!("/tickets/{id}")));
    }
    Ok(Ok(ListingForm::from_ticket(&listing, listing.version)))
}

#[derive(Debug, Deserialize, Validate)]
pub(crate) struct DraftSubmission {
    #[serde(flatten)]
    form: ListingForm,
    /// Id of the edited listing; empty for a new one.
    #[serde(default)]
    #[validate(length(max = 40))]
    listing: String,
    /// `show` and the empty text are the clicked buttons: they lead to the choice of another show and to the check. `keep`
    /// means that the seller is still typing.
    #[serde(default)]
    #[validate(length(max = 40))]
    action: String,
}

/// Store what was typed.
#[utoipa::path(post, path = "/sell/drafts/{id}/edit", tag = "pages", params(("id" = String, Path)),
    responses((status = 303, description = "Stored. Leads to the check, or to the sign-in form before."),
        (status = 204, description = "Stored, while the seller is still typing."),
        (status = 413, body = String, content_type = "text/html")))]
pub(super) async fn save(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    headers: HeaderMap,
    Path(id): Path<String>,
    ValidForm(submission): ValidForm<DraftSubmission>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let DraftSubmission { mut form, listing, action } = submission;
    if form.length() > MAX_LENGTH {
        return Err(Error::TooLarge.into());
    }
    // A form sends line breaks as two characters each, a script as one.
    form.description = form.description.replace("\r\n", "\n");
    let is_complete = action != "show" && action != "keep";
    let contents = DraftContents { form, editing: listing.parse().ok(), is_complete, replaces: None };
    if action == "keep" {
        keep(&state, &viewer, &client, &headers, &id, contents).await?;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (owner, cookie) = if let Some(user) = viewer.id() {
        // What this browser stored without a session is saved as the user's.
        find_own(&state, user, &client, &headers, &id).await?;
        (DraftOwner::user(user), None)
    } else {
        let (owner, cookie) = visitor(&state, &client, &headers)?;
        (owner, Some(cookie))
    };
    let next = match state.drafts.save(&id, &owner, &contents, state.clock.now()).await? {
        Saved::As(id) if is_complete => check_path(&id),
        Saved::As(id) => with_parameters("/sell", &[("draft", &id.to_string())]),
        Saved::Listed(listing) => format!("/tickets/{listing}"),
    };
    Ok(match cookie {
        None => see_other(&next),
        Some(cookie) => with_cookies(sign_in_first(&next), vec![cookie]),
    })
}

/// Stores a user's form while it is typed. A form without changes is not stored again: a draft that was already submitted
/// would count as incomplete again.
async fn keep(
    state: &AppState,
    viewer: &Viewer,
    client: &ClientContext,
    headers: &HeaderMap,
    id: &DraftId,
    contents: DraftContents,
) -> Result<(), PageError> {
    let Some(user) = viewer.id() else { return Ok(()) };
    let draft = find_own(state, user, client, headers, id).await?;
    if draft.as_ref().is_none_or(|draft| draft.form != contents.form) {
        let contents = DraftContents { replaces: Some(draft.map_or(0, |draft| draft.revision)), ..contents };
        state.drafts.keep(id, &DraftOwner::user(user), &contents, state.clock.now()).await?;
    }
    Ok(())
}
