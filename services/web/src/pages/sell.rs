//! GET and POST /sell, GET and POST /tickets/{id}/edit: a seller describes a ticket.

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
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use super::ticket;
use crate::calls::{Refused, Terms};
use crate::domain::form::Faults;
use crate::domain::listing::{ListingForm, categories, is_as};
use crate::domain::moment::zones;
use crate::domain::offer::Offer;
use crate::domain::wall_time::Repeated;
use crate::flows::await_version::{UPDATING, await_version};
use crate::flows::present_listing::present_listing;
use crate::forms::{Fields, Posted};
use crate::session::Session;
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "sell.html")]
struct SellPage {
    layout: Layout,
    /// The listing that is edited; none when it is new.
    editing: Option<String>,
    form: ListingForm,
    faults: Faults,
    currencies: Vec<Currency>,
    zones: Vec<&'static str>,
    /// What is asked where the clocks go back.
    repeated: Option<Repeated>,
    /// How it would look.
    preview: Option<Offer>,
}

layout::page!(SellPage);

impl SellPage {
    /// Whether the listing is in a currency that new ones can't be in: it must not change by itself.
    fn is_other_currency(&self) -> bool {
        self.currencies.iter().all(|currency| currency.to_string() != self.form.currency)
    }

    /// Of a field of one line of text: its name in the form, its label, what was typed.
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
    faults: Faults,
    preview: Option<Offer>,
) -> SellPage {
    let title = if editing.is_some() { "Edit your listing" } else { "Sell a ticket" };
    SellPage {
        layout: Layout::new(title, "List a ticket for sale: you name the price, and pay no fees.", viewer),
        editing: editing.map(|id| id.to_string()),
        repeated: form.repeated(),
        form,
        faults,
        currencies: state.config.currencies.clone(),
        zones: zones(),
        preview,
    }
}

/// Describe a ticket.
#[utoipa::path(get, path = "/sell", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sell_form(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Failure> {
    viewer.id().ok_or_else(|| Failure::SignIn("/sell".to_owned()))?;
    let form = ListingForm::empty(&state.config.currencies);
    Ok(layout::respond(StatusCode::OK, &page(&state, &viewer, None, form, Faults::default(), None))?)
}

/// What a form with two buttons says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct Sent {
    #[serde(flatten)]
    listing: ListingForm,
    /// `preview`, or to do it.
    #[serde(default)]
    action: String,
}

impl Fields for Sent {
    type Request = NewListing;

    fn request(&self, rules: &ListingRules) -> Result<NewListing, Faults> {
        self.listing.read(rules)
    }
}

/// List it, or see how it would look.
#[utoipa::path(post, path = "/sell", tag = "pages",
    responses((status = 303, description = "Listed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn sell(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    sent: Posted<Sent>,
) -> Result<Response, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn("/sell".to_owned()))?;
    take(&state, &viewer, user, &session, None, sent).await
}

/// Change a listing.
#[utoipa::path(get, path = "/tickets/{id}/edit", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn edit_form(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = ticket::id_of(&id)?;
    let user = viewer.id().ok_or_else(|| Failure::SignIn(format!("/tickets/{id}/edit")))?;
    let listing = state.model.live().await?.tickets.get(id).await?.ok_or(Error::NotFound)?;
    // Somebody else's listing has no such page.
    if listing.seller_id != user {
        return Err(Error::NotFound.into());
    }
    if listing.status != TicketStatus::Available {
        return Ok(see_other(&format!("/tickets/{id}")));
    }
    let form = ListingForm::of(&listing, listing.version);
    Ok(layout::respond(StatusCode::OK, &page(&state, &viewer, Some(id), form, Faults::default(), None))?)
}

/// Change it, or see how it would look.
#[utoipa::path(post, path = "/tickets/{id}/edit", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Changed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn edit(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Path(id): Path<String>,
    sent: Posted<Sent>,
) -> Result<Response, Failure> {
    let id = ticket::id_of(&id)?;
    let user = viewer.id().ok_or_else(|| Failure::SignIn(format!("/tickets/{id}/edit")))?;
    take(&state, &viewer, user, &session, Some(id), sent).await
}

async fn take(
    state: &AppState,
    viewer: &Viewer,
    user: UserId,
    session: &Session,
    editing: Option<TicketId>,
    Posted { form: sent, request }: Posted<Sent>,
) -> Result<Response, Failure> {
    let form = sent.listing;
    let listing = match request {
        Ok(listing) => listing,
        Err(faults) => {
            let page = page(state, viewer, editing, form, faults, None);
            return Ok(layout::respond(StatusCode::BAD_REQUEST, &page)?);
        }
    };
    if sent.action == "preview" {
        let offer = preview_of(state, viewer, user, listing);
        return Ok(layout::respond(
            StatusCode::OK,
            &page(state, viewer, editing, form, Faults::default(), Some(offer)),
        )?);
    }
    let answer = match editing {
        None => {
            let request = CreateListing { body: listing.clone() };
            state.calls.send_on(&Terms::keyed(&form.key), &request, session).await
        }
        Some(id) => {
            // Without the version, whatever others have changed since would be overwritten.
            let Ok(version) = form.version.parse() else {
                let mut faults = Faults::default();
                faults.add("", "this page can't be read any more. Open it again, then make your changes");
                let page = page(state, viewer, editing, form, faults, None);
                return Ok(layout::respond(StatusCode::BAD_REQUEST, &page)?);
            };
            let terms = Terms { key: None, version: Some(version) };
            state.calls.send_on(&terms, &ReplaceListing { id, body: listing.clone() }, session).await
        }
    };
    match answer {
        Ok(answer) => {
            let version = answer.body.version;
            let listing = TicketState::from(answer.body);
            let id = listing.terms.id;
            if await_version::<TicketState>(state, &id.to_string(), version).await? {
                return Ok(see_other(&format!("/tickets/{id}")));
            }
            let listing = Versioned { version, state: listing };
            let page = ticket::page(state, viewer, &listing, Some(UPDATING.to_owned())).await?;
            Ok(layout::respond(StatusCode::OK, &page)?)
        }
        Err(refused)
            if refused.status() == StatusCode::PRECONDITION_FAILED
                && let Some(id) = editing
                && stands(state, session, id, &listing).await =>
        {
            Ok(see_other(&format!("/tickets/{id}")))
        }
        Err(refused) => match told(&refused) {
            Some(faults) => {
                let page = page(state, viewer, editing, form, faults, None);
                let mut response = layout::respond(refused.status(), &page)?;
                if let Some(after) = refused.retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, after);
                }
                Ok(response)
            }
            None => Err(refused.into()),
        },
    }
}

/// Whether the listing is as this change would make it: another click has made it.
async fn stands(state: &AppState, session: &Session, id: TicketId, new: &NewListing) -> bool {
    present_listing(state, session, id).await.is_some_and(|present| is_as(&present, new))
}

/// What a seller can do something about.
fn told(refused: &Refused) -> Option<Faults> {
    let mut faults = Faults::default();
    match refused.status() {
        StatusCode::BAD_REQUEST => {
            return Some(Faults::from_problem(&refused.problem.errors, &refused.problem.detail, ListingForm::field));
        }
        StatusCode::CONFLICT => faults.add("", &refused.problem.detail),
        StatusCode::PRECONDITION_FAILED => {
            faults.add("", "the listing has changed since you opened this page. Open it again, then make your changes");
        }
        // The key belongs to a listing that was made from this very page.
        StatusCode::UNPROCESSABLE_ENTITY => {
            faults.add("", "this form has listed a ticket already. Open Sell again for another one");
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            faults.add("", format!("{} What you typed is kept: send it again in a moment.", refused.problem.detail));
        }
        _ => return None,
    }
    Some(faults)
}

/// How a listing would look; nothing is stored.
fn preview_of(state: &AppState, viewer: &Viewer, seller: UserId, new: NewListing) -> Offer {
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
    Offer::new(&listing.into(), name.as_ref(), now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_keeps_what_was_typed_and_tells_faults_at_their_fields() {
        let listing = sample();
        let mut faults = Faults::default();
        faults.add("price", "must be at least 0.50 <USD>");
        let mut page = SellPage {
            layout: Layout::new("Edit your listing", "About", &Viewer::Guest),
            editing: Some(listing.terms.id.to_string()),
            form: ListingForm::of(&listing, 7),
            repeated: Some(Repeated {
                first: "01:30 EDT (UTC-04)".to_owned(),
                second: "01:30 EST (UTC-05)".to_owned(),
                meant: "second",
            }),
            faults,
            currencies: vec!["EUR".parse().unwrap(), "USD".parse().unwrap()],
            zones: vec!["America/New_York", "UTC"],
            preview: None,
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
        // Neither a zone nor a currency that is not on offer is exchanged for one that is.
        page.form.time_zone = "US/Eastern".to_owned();
        page.form.currency = "JPY".to_owned();
        let html = page.render().unwrap();
        for part in ["<option selected>US/Eastern</option>", "<option selected>JPY</option>"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.editing = None;
        page.faults = Faults::default();
        page.preview = Some(Offer::new(&listing, None, listing.created_at));
        let html = page.render().unwrap();
        for part in ["List this ticket", "You will receive", "125.50 USD", "Preview"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
