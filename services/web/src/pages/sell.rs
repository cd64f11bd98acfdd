//! GET and POST /sell, GET and POST /tickets/{id}/edit: the listing form.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::tickets::{CreateListing, Listing, ListingRules, NewListing, ReplaceListing};
use common::error::Error;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{TicketId, UserId};
use common::money::Currency;
use common::text::Text;
use http::StatusCode;
use serde::Deserialize;

use super::layout::{self, Layout, see_other, with_retry_after};
use super::ticket;
use crate::client_context::ClientContext;
use crate::domain::form::FormErrors;
use crate::domain::listing_form::{ListingForm, UncertainAmount, already_matches, categories};
use crate::domain::listing_view::ListingView;
use crate::domain::moment::zones;
use crate::domain::wall_time::AmbiguousTime;
use crate::flows::await_version::{STILL_UPDATING_MESSAGE, await_version, get_or_await};
use crate::flows::fetch_current_listing::fetch_current_listing;
use crate::forms::{FormFields, SubmittedForm};
use crate::page_error::PageError;
use crate::service_client::{RequestOptions, ServiceError};
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "sell.html")]
struct SellPage {
    layout: Layout,
    /// Id of the edited listing; `None` for a new one.
    editing: Option<String>,
    form: ListingForm,
    errors: FormErrors,
    currencies: Vec<Currency>,
    zones: Vec<&'static str>,
    /// The occurrences of a start that occurs twice.
    ambiguous_start: Option<AmbiguousTime>,
    preview: Option<ListingView>,
    /// The amounts that a preview says back, because they might have been meant otherwise.
    said_back: Vec<UncertainAmount>,
}

impl SellPage {
    /// Whether the listing has a currency that new listings can't have. The form must keep it.
    fn is_other_currency(&self) -> bool {
        self.currencies.iter().all(|currency| currency.to_string() != self.form.currency)
    }

    fn text(&self, name: &'static str) -> &str {
        let form = &self.form;
        match name {
            "title" => &form.title,
            "venue" => &form.venue,
            "city" => &form.city,
            "starts_at" => &form.starts_at,
            "price" => &form.price,
            "face_value" => &form.face_value,
            "section" => &form.section,
            "row" => &form.row,
            "seat" => &form.seat,
            _ => "",
        }
    }
}

fn page(
    state: &AppState,
    viewer: &Viewer,
    editing: Option<TicketId>,
    form: ListingForm,
    errors: FormErrors,
    preview: Option<ListingView>,
) -> SellPage {
    let title = if editing.is_some() { "Edit your listing" } else { "Sell a ticket" };
    SellPage {
        layout: Layout::new(title, "List a ticket for sale: you name the price, and no fees are added.", viewer),
        editing: editing.map(|id| id.to_string()),
        ambiguous_start: form.ambiguity(),
        said_back: preview.iter().flat_map(|_| form.uncertain_amounts()).collect(),
        form,
        errors,
        currencies: state.config.currencies.clone(),
        zones: zones(),
        preview,
    }
}

/// Show the form for a new listing.
#[utoipa::path(get, path = "/sell", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sell_form(State(state): State<AppState>, viewer: Viewer) -> Result<Response, PageError> {
    viewer.require_user("/sell")?;
    let form = ListingForm::empty(&state.config.currencies, uuid::Uuid::now_v7());
    let page = page(&state, &viewer, None, form, FormErrors::default(), None);
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
    let page = page(&state, &viewer, Some(id), form, FormErrors::default(), None);
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
    let form_page = |status, form, errors, preview| {
        let page = page(state, viewer, editing, form, errors, preview);
        layout::respond(status, &page.layout, &page)
    };
    let listing = match request {
        Ok(listing) => listing,
        Err(errors) => return Ok(form_page(StatusCode::BAD_REQUEST, form, errors, None)?),
    };
    if submission.action == "preview" || form.uncertain_amounts().iter().any(|amount| !amount.is_said) {
        let form = form.with_amounts_said(&listing);
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

fn preview_of(state: &AppState, viewer: &Viewer, seller: UserId, new: NewListing) -> ListingView {
    let now = state.clock.now();
    let text = |text: Option<Text>| text.map(String::from);
    let listing = Listing {
        id: TicketId::new(),
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
    ListingView::new(&listing.into(), name.as_ref(), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing_view::tests::sample;

    #[test]
    fn template_keeps_the_fields_and_shows_their_errors() {
        let listing = sample();
        let mut page = SellPage {
            layout: Layout::new("Edit your listing", "About", &Viewer::Guest),
            editing: Some(listing.terms.id.to_string()),
            form: ListingForm::from_ticket(&listing, 7),
            ambiguous_start: Some(AmbiguousTime {
                first: "01:30 EDT (UTC-04)".to_owned(),
                second: "01:30 EST (UTC-05)".to_owned(),
                chosen: "second",
            }),
            errors: FormErrors::new("price", "must be at least 0.50 <USD>"),
            currencies: vec!["EUR".parse().unwrap(), "USD".parse().unwrap()],
            zones: vec!["America/New_York", "UTC"],
            preview: None,
            said_back: Vec::new(),
        };
        let html = page.render().unwrap();
        for part in [
            "value=\"Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;\"",
            "value=\"2099-06-01T15:30\"",
            "name=\"unedited\" value=\"2099-06-01T19:30:00.000Z\"",
            "The first: 01:30 EDT (UTC-04)",
            "<option value=\"USD\" selected>",
            "<option value=\"concert\" selected>",
            "Must be at least 0.50 &#60;USD&#62;.",
            "aria-describedby=\"price-fault\"",
            "Two lines,\n&#34;quoted&#34;.",
            "name=\"version\" value=\"7\"",
            "Save the changes",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // A zone or a currency that is not an option is kept.
        page.form.time_zone = "US/Eastern".to_owned();
        page.form.currency = "JPY".to_owned();
        let html = page.render().unwrap();
        for part in ["<option selected>US/Eastern</option>", "<option selected>JPY</option>"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.editing = None;
        page.errors = FormErrors::default();
        page.preview = Some(ListingView::new(&listing, None, listing.created_at));
        page.said_back = vec![UncertainAmount {
            name: "price",
            typed: "1.234 <b>".to_owned(),
            read: "1234.00 USD".to_owned(),
            is_said: false,
        }];
        let html = page.render().unwrap();
        for part in [
            "List this ticket",
            "The buyer pays 125.50 USD",
            "Payouts to sellers are not made yet",
            "Preview",
            "You typed 1.234 &#60;b&#62; as the price. It is read as <strong>1234.00 USD</strong>.",
            "name=\"said_price\" value=\"125.50 USD\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("You will receive") && !html.contains("You receive"), "{html}");
    }
}
