//! GET /sell/new, POST /sell, GET and POST /tickets/{id}/edit: the commands of the listing form.

use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::tickets::{CreateListing, ListingRules, NewListing, ReplaceListing};
use common::error::Error;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{ShowId, TicketId, UserId};
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, see_other, with_parameters, with_retry_after};
use super::sell_page::{known_show, page, preview_of};
use super::ticket;
use crate::client_context::ClientContext;
use crate::domain::form::FormErrors;
use crate::domain::listing_form::{ListingForm, already_matches};
use crate::domain::show_view::show_path;
use crate::flows::await_version::{STILL_UPDATING_MESSAGE, await_version, get_or_await};
use crate::flows::fetch_current_listing::fetch_current_listing;
use crate::forms::{FormFields, SubmittedForm};
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::service_client::{RequestOptions, ServiceError};
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

/// What the form for a new listing is filled from.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NewListingQuery {
    /// The show.
    show: Option<ShowId>,
    /// A listing of the viewer that the new one resembles.
    like: Option<TicketId>,
    /// The name of a show that is not known.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    title: String,
}

/// Show the form for a new listing.
#[utoipa::path(get, path = "/sell/new", tag = "pages", params(NewListingQuery),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 303, description = "The show is over or cancelled.")))]
pub(super) async fn sell_form(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<NewListingQuery>,
) -> Result<Response, PageError> {
    let NewListingQuery { show, like, title } = query.value;
    let [show_id, like_id] =
        [show.map(|id| id.to_string()), like.map(|id| id.to_string())].map(Option::unwrap_or_default);
    let given = [("show", show_id.as_str()), ("like", like_id.as_str()), ("title", title.as_str())];
    let user = viewer.require_user(with_parameters("/sell/new", &given))?;
    let model = state.model.live().await?;
    let mut form = ListingForm::empty(&state.config.currencies, uuid::Uuid::now_v7());
    form.title = title;
    if let Some(show) = show {
        get_or_await::<ShowState>(&state, show.as_uuid()).await?.ok_or(Error::NotFound)?;
        let show = lists::present_show(&model.shows, show).await?.ok_or(Error::NotFound)?;
        // No ticket can be listed for it: its page says why.
        if show.status == ShowStatus::Cancelled || show.starts_at <= state.clock.now() {
            return Ok(see_other(&show_path(&show)));
        }
        form = form.for_show(&show);
    }
    if let Some(like) = like
        && let Some(ticket) = model.tickets.get(like).await?.filter(|ticket| ticket.seller_id == user)
    {
        form = form.like(&ticket.state);
    }
    let known = known_show(&state, &form, user).await?;
    let mut page = page(&state, &viewer, None, known, form, FormErrors::default(), None);
    page.layout.notice = rejected_parameters_message(&query.rejected);
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[derive(Debug, Deserialize)]
pub(crate) struct ListingSubmission {
    #[serde(flatten)]
    listing: ListingForm,
    /// The clicked button: `preview`; anything else submits.
    #[serde(default)]
    action: String,
}

impl FormFields for ListingSubmission {
    type Request = NewListing;

    fn request(&self, rules: &ListingRules) -> Result<NewListing, FormErrors> {
        self.listing.to_request(rules)
    }
}

/// List a ticket, or preview the listing.
#[utoipa::path(post, path = "/sell", tag = "pages",
    responses((status = 303, description = "Listed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn sell(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    submission: SubmittedForm<ListingSubmission>,
) -> Result<Response, PageError> {
    let user = viewer.require_user("/sell")?;
    submit_listing(&state, &viewer, user, &client, None, submission).await
}

/// Show the form for a listing.
#[utoipa::path(get, path = "/tickets/{id}/edit", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn edit_form(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = ticket::parse_id(&id)?;
    let user = viewer.require_user(format!("/tickets/{id}/edit"))?;
    let listing = get_or_await::<TicketState>(&state, id.as_uuid()).await?.ok_or(Error::NotFound)?;
    // Only the seller has an edit page.
    if listing.seller_id != user {
        return Err(Error::NotFound.into());
    }
    if listing.status != TicketStatus::Available {
        return Ok(see_other(&format!("/tickets/{id}")));
    }
    let form = ListingForm::from_ticket(&listing, listing.version);
    let known = known_show(&state, &form, user).await?;
    let page = page(&state, &viewer, Some(id), known, form, FormErrors::default(), None);
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

/// Change a listing, or preview the change.
#[utoipa::path(post, path = "/tickets/{id}/edit", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Changed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn edit(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
    submission: SubmittedForm<ListingSubmission>,
) -> Result<Response, PageError> {
    let id = ticket::parse_id(&id)?;
    let user = viewer.require_user(format!("/tickets/{id}/edit"))?;
    submit_listing(&state, &viewer, user, &client, Some(id), submission).await
}

async fn submit_listing(
    state: &AppState,
    viewer: &Viewer,
    user: UserId,
    client: &ClientContext,
    editing: Option<TicketId>,
    SubmittedForm { form: submission, request }: SubmittedForm<ListingSubmission>,
) -> Result<Response, PageError> {
    let form = submission.listing;
    let known = known_show(state, &form, user).await?;
    let form_page = |status, form, errors, preview| {
        let page = page(state, viewer, editing, known, form, errors, preview);
        layout::respond(status, &page.layout, &page)
    };
    let listing = match request {
        Ok(listing) => listing,
        Err(errors) => return Ok(form_page(StatusCode::BAD_REQUEST, form, errors, None)?),
    };
    if submission.action == "preview" || form.uncertain_amounts().iter().any(|amount| !amount.is_said) {
        let form = form.with_amounts_said();
        let preview = preview_of(state, viewer, user, listing);
        return Ok(form_page(StatusCode::OK, form, FormErrors::default(), Some(preview))?);
    }
    let result = match editing {
        None => {
            let request = CreateListing { body: listing.clone() };
            state.services.send_with(&RequestOptions::with_idempotency_key(&form.key)?, &request, client).await
        }
        Some(id) => {
            // Without the version, the request would overwrite concurrent changes.
            let Ok(version) = form.version.parse() else {
                let message = "this page can't be read any more. Open it again, then make your changes";
                return Ok(form_page(StatusCode::BAD_REQUEST, form, FormErrors::new("", message), None)?);
            };
            let options = RequestOptions { idempotency_key: None, if_match: Some(version) };
            state.services.send_with(&options, &ReplaceListing { id, body: listing.clone() }, client).await
        }
    };
    match result {
        Ok(response) => {
            let version = response.body.version;
            let listing = TicketState::from(response.body);
            let id = listing.terms.id;
            if await_version::<TicketState>(state, &id.to_string(), version).await? {
                return Ok(see_other(&format!("/tickets/{id}")));
            }
            let listing = Versioned { version, state: listing };
            let page = ticket::page(state, viewer, &listing, Some(STILL_UPDATING_MESSAGE.to_owned())).await?;
            Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
        }
        Err(error)
            if error.status() == StatusCode::PRECONDITION_FAILED
                && let Some(id) = editing
                && is_already_applied(state, client, id, &listing).await =>
        {
            Ok(see_other(&format!("/tickets/{id}")))
        }
        Err(error) => match correctable_errors(&error) {
            Some(errors) => Ok(with_retry_after(form_page(error.status(), form, errors, None)?, error.retry_after)),
            None => Err(error.into()),
        },
    }
}

/// Whether the listing has this change already, because an earlier click applied it.
async fn is_already_applied(state: &AppState, client: &ClientContext, id: TicketId, new: &NewListing) -> bool {
    fetch_current_listing(state, client, id).await.is_some_and(|current| already_matches(&current, new))
}

/// The errors that the seller can do something about.
fn correctable_errors(error: &ServiceError) -> Option<FormErrors> {
    let detail = &error.problem.detail;
    Some(match error.status() {
        StatusCode::BAD_REQUEST => FormErrors::from_problem(&error.problem, ListingForm::form_field),
        StatusCode::CONFLICT => FormErrors::new("", detail),
        StatusCode::PRECONDITION_FAILED => FormErrors::new(
            "",
            "the listing has changed since you opened this page. Open it again, then make your changes",
        ),
        StatusCode::UNPROCESSABLE_ENTITY if error.problem.code() == "over-cap" => {
            FormErrors::from_problem(&error.problem, ListingForm::form_field)
        }
        // The form's idempotency key was used with other contents; whether they created a listing is not known here.
        StatusCode::UNPROCESSABLE_ENTITY => FormErrors::new(
            "",
            "this form was sent before with other details. Look whether your listings have the ticket; if not, open Sell again",
        ),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            FormErrors::new("", format!("{detail} What you typed is kept: send it again in a moment."))
        }
        _ => return None,
    })
}
