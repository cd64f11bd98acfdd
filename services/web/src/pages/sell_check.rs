//! GET and POST /sell/drafts/{id}: shows what a draft would list, and lists it.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::tickets::{CheckListing, CheckReplacement, CreateListing, Listing, NewListing, ReplaceListing};
use common::error::Error;
use common::events::ticket::TicketState;
use common::id::{TicketId, UserId};
use common::problem::Problem;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use validator::Validate;

use super::done::Done;
use super::layout::{self, Layout, see_other, with_retry_after};
use super::sell_draft::{
    check_path, correctable_errors, find_own, form_path, listing_of, parse_id, preview_of, sign_in_first,
};
use super::sell_page::{KnownShow, known_show};
use super::ticket;
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::listing_form::already_matches;
use crate::domain::listing_view::ListingView;
use crate::domain::problem_text::detail;
use crate::domain::seat_fields::neighbour_question;
use crate::domain::seats::alternatives;
use crate::flows::await_version::await_version;
use crate::flows::fetch_current_listing::fetch_current_listing;
use crate::forms::ValidForm;
use crate::i18n::msg;
use crate::page_error::PageError;
use crate::service_client::{RequestOptions, ServiceError, ServiceResponse};
use crate::state::AppState;
use crate::store::drafts::{Draft, DraftId, DraftOwner};
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "sell_check.html")]
struct CheckPage {
    layout: Layout,
    /// Id of the draft.
    draft: String,
    /// The revision that the page shows.
    revision: i64,
    /// The amounts that the page shows, as its form sends them.
    amounts: String,
    editing: Option<String>,
    known: Option<KnownShow>,
    listing: ListingView,
    /// How amounts were read that might have been meant otherwise, as sentences.
    uncertain_amounts: Vec<String>,
    /// A question about seats that are hardly neighbours.
    neighbours: Option<String>,
    /// Why it is not listed yet.
    error: Option<String>,
}

impl CheckPage {
    /// Whether buyers can take nothing but all seats.
    fn is_sold_together(&self) -> bool {
        self.listing.choices.len() == 1
    }

    /// The page in the response to its own form.
    fn again(self, id: &DraftId) -> Self {
        Self { layout: self.layout.at(check_path(id)), ..self }
    }

    /// The numbers of seats that buyers can take.
    fn takes(&self) -> String {
        alternatives(&self.listing.choices.iter().map(|choice| choice.quantity).collect::<Vec<_>>())
    }
}

/// Show what a draft would list.
#[utoipa::path(get, path = "/sell/drafts/{id}", tag = "pages", params(("id" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 303, description = "It is listed, or has to be corrected.")))]
pub(super) async fn check(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let user = viewer.require_user(check_path(&id))?;
    let draft = find_own(&state, user, &client, &headers, &id).await?.ok_or(Error::NotFound)?;
    if let Some(listing) = draft.listing {
        return Ok(see_other(&format!("/tickets/{listing}")));
    }
    let Ok(listing) = listing_of(&state, &draft) else { return Ok(see_other(&form_path(&id))) };
    if let Some(problem) = refusal(&state, &client, &draft, &listing).await? {
        state.drafts.note_rejected(&draft.id, draft.revision, &problem).await?;
        return Ok(see_other(&form_path(&id)));
    }
    let page = page(&state, &viewer, user, &draft, listing, None).await?;
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[derive(Debug, Deserialize, Validate)]
pub(crate) struct ListForm {
    /// The revision that the seller saw.
    #[serde(default)]
    #[validate(range(min = 0))]
    revision: i64,
    /// The amounts that the seller saw. What was typed may mean others in another language.
    #[validate(length(max = 100))]
    amounts: Option<String>,
}

/// The amounts of a listing, to compare them with those that the seller saw.
fn amounts_of(listing: &NewListing) -> String {
    let face_value = listing.face_value.as_ref().map(|face| format!(", {face}"));
    format!("{}{}", listing.price, face_value.unwrap_or_default())
}

/// List what a draft describes, or change the listing.
#[utoipa::path(post, path = "/sell/drafts/{id}", tag = "pages", params(("id" = String, Path)),
    responses((status = 303, description = "Listed or changed; or it has to be corrected."),
        (status = 409, body = String, content_type = "text/html")))]
pub(super) async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    headers: HeaderMap,
    Path(id): Path<String>,
    ValidForm(ListForm { revision, amounts }): ValidForm<ListForm>,
) -> Result<Response, PageError> {
    let id = parse_id(&id)?;
    let Some(user) = viewer.id() else { return Ok(sign_in_first(&check_path(&id))) };
    let draft = find_own(&state, user, &client, &headers, &id).await?.ok_or(Error::NotFound)?;
    if let Some(listing) = draft.listing {
        return Ok(see_other(&format!("/tickets/{listing}")));
    }
    let Ok(listing) = listing_of(&state, &draft) else { return Ok(see_other(&form_path(&id))) };
    // The seller must have seen what is listed.
    let unseen = if draft.revision == revision {
        amounts.filter(|seen| *seen != amounts_of(&listing)).map(|_| msg::sell_check_other_language())
    } else {
        Some(msg::sell_check_other_tab())
    };
    if unseen.is_some() {
        let page = page(&state, &viewer, user, &draft, listing, unseen).await?.again(&id);
        return Ok(layout::respond(StatusCode::CONFLICT, &page.layout, &page)?);
    }
    if !state.drafts.begin_listing(&draft, &DraftOwner::user(user), state.clock.now()).await? {
        // It was saved or listed since it was read: its page shows which.
        return Ok(see_other(&check_path(&id)));
    }
    match send(&state, &client, &draft, listing.clone()).await? {
        Ok(response) => {
            let version = response.body.version;
            let listing = TicketState::from(response.body);
            let ticket = listing.terms.id;
            state.drafts.note_listed(&id, ticket).await?;
            if await_version::<TicketState>(&state, &ticket.to_string(), version).await? {
                let done = if draft.editing.is_some() { Done::Changed } else { Done::Listed };
                return Ok(see_other(&done.path(ticket)));
            }
            let listing = Versioned { version, state: listing };
            let page = ticket::page(&state, &viewer, &listing, Some(msg::ticket_still_updating())).await?;
            Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
        }
        Err(error)
            if error.status() == StatusCode::PRECONDITION_FAILED
                && let Some(ticket) = draft.editing
                && is_already_applied(&state, &client, ticket, &listing).await =>
        {
            state.drafts.note_listed(&id, ticket).await?;
            Ok(see_other(&Done::Changed.path(ticket)))
        }
        Err(error) => not_listed(&state, &viewer, user, &draft, listing, error).await,
    }
}

async fn send(
    state: &AppState,
    client: &ClientContext,
    draft: &Draft,
    body: NewListing,
) -> Result<Result<ServiceResponse<Listing>, ServiceError>, Error> {
    let options = options_of(draft)?;
    Ok(match draft.editing {
        Some(id) => state.services.send_with(&options, &ReplaceListing { id, body }, client).await,
        None => state.services.send_with(&options, &CreateListing { body }, client).await,
    })
}

/// A new listing has the draft's key, a replacement the version that it replaces.
fn options_of(draft: &Draft) -> Result<RequestOptions, Error> {
    match draft.editing {
        // A draft without a version has to be corrected first.
        Some(_) => Ok(RequestOptions { idempotency_key: None, if_match: draft.form.version.parse().ok() }),
        None => RequestOptions::with_idempotency_key(&draft.key),
    }
}

/// Why the tickets service would not list the draft, as far as the seller can correct it. If that service does not say,
/// the seller learns it when listing.
async fn refusal(
    state: &AppState,
    client: &ClientContext,
    draft: &Draft,
    listing: &NewListing,
) -> Result<Option<Problem>, Error> {
    let (options, body) = (options_of(draft)?, listing.clone());
    let checked = match draft.editing {
        Some(id) => state.services.send_with(&options, &CheckReplacement { id, body }, client).await,
        None => state.services.send_with(&options, &CheckListing { body }, client).await,
    };
    let Err(error) = checked else { return Ok(None) };
    if error.status() == StatusCode::PRECONDITION_FAILED
        && let Some(ticket) = draft.editing
        && is_already_applied(state, client, ticket, listing).await
    {
        return Ok(None);
    }
    Ok(Some(error.problem).filter(|problem| correctable_errors(problem).is_some()))
}

/// Responds to a failed attempt to list. Redirects to the sign-in page if the session has ended, and to the form if the
/// seller must correct it. If another attempt may succeed, shows the check page again with the error.
async fn not_listed(
    state: &AppState,
    viewer: &Viewer,
    user: UserId,
    draft: &Draft,
    listing: NewListing,
    error: ServiceError,
) -> Result<Response, PageError> {
    let status = error.status();
    if status == StatusCode::UNAUTHORIZED {
        return Ok(with_cookies(sign_in_first(&check_path(&draft.id)), error.cookies));
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let text = msg::sell_check_try_again(detail(&error.problem));
        let page = page(state, viewer, user, draft, listing, Some(text)).await?.again(&draft.id);
        return Ok(with_retry_after(layout::respond(status, &page.layout, &page)?, error.retry_after));
    }
    if correctable_errors(&error.problem).is_none() {
        return Err(error.into());
    }
    state.drafts.note_rejected(&draft.id, draft.revision, &error.problem).await?;
    Ok(see_other(&form_path(&draft.id)))
}

/// Whether the listing has this change already, because an earlier click applied it.
async fn is_already_applied(state: &AppState, client: &ClientContext, id: TicketId, new: &NewListing) -> bool {
    fetch_current_listing(state, client, id).await.is_some_and(|current| already_matches(&current, new))
}

async fn page(
    state: &AppState,
    viewer: &Viewer,
    user: UserId,
    draft: &Draft,
    listing: NewListing,
    error: Option<String>,
) -> Result<CheckPage, Error> {
    let is_edit = draft.editing.is_some();
    let title = if is_edit { msg::sell_check_changes_title() } else { msg::sell_check_title() };
    Ok(CheckPage {
        layout: Layout::new(title, msg::sell_check_description(), viewer),
        draft: draft.id.to_string(),
        revision: draft.revision,
        amounts: amounts_of(&listing),
        editing: draft.editing.map(|id| id.to_string()),
        known: known_show(state, &draft.form, user).await?,
        neighbours: neighbour_question(&listing.seat_names()),
        listing: preview_of(state, viewer, user, listing)?,
        uncertain_amounts: draft.form.uncertain_amounts(),
        error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing_form::ListingForm;
    use crate::domain::seats::tests::{sample, six_seats};
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn template_says_back_what_would_be_listed() {
        let ticket = sample();
        let mut page = CheckPage {
            layout: Layout::new("Check your listing", "About", &Viewer::Guest),
            draft: "a".to_owned(),
            revision: 3,
            amounts: "125.50 USD, 99.00 USD".to_owned(),
            editing: None,
            known: None,
            listing: ListingView::new(&ticket, None, ticket.created_at),
            uncertain_amounts: vec!["Read <so>.".to_owned()],
            neighbours: Some("Are <they>?".to_owned()),
            error: None,
        };
        let html = page.render().unwrap();
        for part in [
            "Preview",
            "<strong>The buyer pays $125.50.</strong>",
            "Payouts to sellers are not available yet",
            "<p class=\"alert alert-warning mb-1\">Read &#60;so&#62;.</p>",
            "<p class=\"alert alert-warning mb-1\">Are &#60;they&#62;?</p>",
            "<p class=\"mb-1\">1 seat</p>",
            "action=\"/sell/drafts/a\"",
            "name=\"revision\" value=\"3\"",
            "name=\"amounts\" value=\"125.50 USD, 99.00 USD\"",
            "List this ticket",
            "href=\"/sell/drafts/a/edit\"",
            "Your listing is not live yet.",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("You will receive") && !html.contains("You receive"), "{html}");
        page.listing = ListingView::new(&six_seats(&[3, 3]), None, ticket.created_at);
        let html = page.render().unwrap();
        for part in [
            "6 seats, sold in groups of 3 + 3: buyers can choose 3 or 6.",
            "seats 12 to 17",
            "per seat, all-in",
            "Buyers pay 6 × $125.50 = $753.00 for all seats.",
            "List these 6 seats",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.listing = ListingView::new(&six_seats(&[6]), None, ticket.created_at);
        let html = page.render().unwrap();
        assert!(html.contains(">6 seats, sold together only.</p>") && !html.contains(">1 seat<"), "{html}");
        (page.editing, page.error) = (Some(ticket.terms.id.to_string()), Some("Not <now>.".to_owned()));
        let html = page.render().unwrap();
        for part in ["Save changes", "Your changes are not live yet.", "role=\"alert\"", "Not &#60;now&#62;."] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let render = |ticket: &TicketState, editing: Option<String>| {
            let form = ListingForm { price: "1,234".to_owned(), ..ListingForm::from_ticket(ticket, 3) };
            let page = CheckPage {
                layout: Layout::new(msg::sell_check_title(), msg::sell_check_description(), &Viewer::Guest),
                draft: "a".to_owned(),
                revision: 3,
                amounts: String::new(),
                editing,
                known: None,
                listing: ListingView::new(ticket, None, ticket.created_at),
                uncertain_amounts: form.uncertain_amounts(),
                neighbours: neighbour_question(&["12", "15"].map(|name| Some(name.to_owned()))),
                error: None,
            };
            page.render().unwrap()
        };
        let html = in_german(|| {
            [
                render(&sample(), None),
                render(&six_seats(&[2, 2, 2]), Some("a".to_owned())),
                render(&six_seats(&[6]), None),
            ]
            .concat()
        });
        let english = "Check|See what|Preview|1 seat|seats|Are |ace value|all-in|pays|No fees|entered|not live|List |Save|Edit|$125";
        assert_texts(
            &html,
            &[
                "<h1>Prüfe dein Angebot</h1>",
                ">Vorschau</h2>",
                "6 Plätze, nur paarweise. Wählbare Anzahl: 2, 4 oder 6.",
                "125,50\u{a0}$</span> pro Platz, Endpreis",
                "Originalpreis 99,00\u{a0}$",
                "<strong>Wer dein Ticket kauft, zahlt 125,50\u{a0}$.</strong> Keine Gebühren",
                "Alle Plätze zusammen kosten 6 × 125,50\u{a0}$ =\u{a0}753,00\u{a0}$.",
                "Du hast als Preis 1,234 eingegeben. Wir verstehen das als 1.234,00\u{a0}$.",
                "<p class=\"mb-1\">1 Platz</p>",
                "Liegen die Plätze 12 und 15 wirklich nebeneinander?",
                "6 Plätze, nur alle zusammen.",
                "Dein Angebot ist noch nicht online.",
                ">Dieses Ticket anbieten</button>",
                "Deine Änderungen sind noch nicht online.",
                ">Änderungen speichern</button>",
                ">Bearbeiten</a>",
            ],
            english.split('|'),
        );
        let texts = || {
            [
                msg::sell_check_other_tab(),
                msg::sell_check_other_language(),
                msg::sell_check_try_again("Das geht gerade nicht."),
                msg::sell_error_seat_listed(),
                msg::sell_error_changed(),
                msg::sell_error_expired(),
                msg::sell_error_submitted(),
            ]
        };
        for (german, english) in in_german(texts).into_iter().zip(texts()) {
            assert!(!german.contains("You") && !german.contains("This") && german.ends_with('.'), "{german}");
            assert_ne!(german, english);
        }
    }
}
