//! The listing form, as it is shown for a new listing, for an edit and after an error.

use askama::Template;
use common::error::Error;
use common::id::{ShowId, TicketId, UserId};
use common::money::Currency;

use super::layout::Layout;
use super::sell_draft::form_path;
use crate::domain::form::{Fault, FormErrors};
use crate::domain::listing_form::{ListingForm, categories};
use crate::domain::listing_view::place;
use crate::domain::moment::{Moment, zones};
use crate::domain::seat_fields::splits;
use crate::domain::show_rows::asks;
use crate::domain::show_view::show_path;
use crate::domain::wall_time::AmbiguousTime;
use crate::i18n::msg;
use crate::state::AppState;
use crate::store::drafts::DraftId;
use crate::store::offers;
use crate::viewer::Viewer;

/// The fields of the form in its order, by id, with their labels.
fn fields() -> [(&'static str, String); 15] {
    [
        ("title", msg::sell_field_title()),
        ("category", msg::sell_field_category()),
        ("venue", msg::sell_field_venue()),
        ("city", msg::sell_field_city()),
        ("starts_at", msg::sell_field_starts_at()),
        ("time_zone", msg::sell_field_time_zone()),
        ("price", msg::sell_field_price()),
        ("face_value", msg::sell_field_face_value()),
        ("section", msg::sell_field_section()),
        ("row", msg::sell_field_row()),
        ("seats", msg::sell_field_seats()),
        ("quantity", msg::sell_field_quantity()),
        ("split", msg::sell_field_split()),
        ("sizes", msg::sell_field_sizes()),
        ("description", msg::sell_field_description()),
    ]
}

/// Whether a field may always be empty. `sizes` may be only where no group sizes are chosen.
fn is_optional(name: &str) -> bool {
    !["title", "venue", "starts_at", "price", "sizes"].contains(&name)
}

#[derive(Template)]
#[template(path = "sell.html")]
pub(super) struct SellPage {
    pub(super) layout: Layout,
    /// URL path that the form is sent to.
    action: String,
    /// Id of the edited listing; `None` for a new one.
    editing: Option<String>,
    /// The show that the form was filled from, while the form describes it.
    known: Option<KnownShow>,
    form: ListingForm,
    errors: FormErrors,
    currencies: Vec<Currency>,
    zones: Vec<&'static str>,
    /// The occurrences of a start that occurs twice.
    ambiguous_start: Option<AmbiguousTime>,
}

/// A show that a ticket is listed for.
#[derive(Debug)]
pub(super) struct KnownShow {
    pub(super) path: String,
    pub(super) title: String,
    pub(super) place: String,
    pub(super) starts_at: Moment,
    /// What other sellers ask, as sentences.
    pub(super) asks: Vec<String>,
}

/// The show that the form was filled from; `None` if the form describes another one by now.
pub(super) async fn known_show(
    state: &AppState,
    form: &ListingForm,
    seller: UserId,
) -> Result<Option<KnownShow>, Error> {
    let Ok(id) = form.show.parse::<ShowId>() else { return Ok(None) };
    let model = state.model.live().await?;
    let show = model.shows.get(id).await?.map(|show| show.state);
    // What was merged has no tickets any more.
    let Some(show) = show.filter(|show| show.merged_into.is_none() && form.is_for_show(show)) else { return Ok(None) };
    let tickets = offers::listings_of_show(&model, id).await?;
    Ok(Some(KnownShow {
        path: show_path(&show),
        title: show.title.clone(),
        place: place(&show.venue, show.city.as_deref()),
        starts_at: Moment::new(show.starts_at, &show.time_zone),
        asks: asks(&tickets, &form.section, seller),
    }))
}

impl SellPage {
    fn faults(&self) -> Vec<Fault<'_>> {
        self.errors.of_fields(&fields())
    }

    /// Whether the fields of the show are folded away: when the show is known, and when a listing is edited. They are open
    /// if one of them has to be corrected.
    fn is_folded(&self) -> bool {
        let filled = ["title", "venue", "city", "starts_at", "time_zone", "category"];
        (self.known.is_some() || self.editing.is_some())
            && self.ambiguous_start.is_none()
            && filled.iter().all(|field| self.errors.get(field).is_none())
    }

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
            "seats" => &form.seats,
            "quantity" => &form.quantity,
            "sizes" => &form.sizes,
            _ => "",
        }
    }
}

pub(super) fn page(
    state: &AppState,
    viewer: &Viewer,
    draft: &DraftId,
    editing: Option<TicketId>,
    known: Option<KnownShow>,
    form: ListingForm,
    errors: FormErrors,
) -> SellPage {
    let title = if editing.is_some() { msg::sell_edit_title() } else { msg::sell_title() };
    SellPage {
        layout: Layout::new(title, msg::sell_description(), viewer),
        action: form_path(draft),
        editing: editing.map(|id| id.to_string()),
        ambiguous_start: form.ambiguity(),
        known,
        form,
        errors,
        currencies: state.config.currencies.clone(),
        zones: zones(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::seats::tests::sample;
    use crate::i18n::testing::{assert_texts, in_german};

    fn known(asks: &str) -> KnownShow {
        KnownShow {
            path: "/shows/jazz-1".to_owned(),
            title: "Jazz <b>".to_owned(),
            place: "Town Hall, New York".to_owned(),
            starts_at: Moment::new(sample().terms.starts_at, "UTC"),
            asks: vec![asks.to_owned()],
        }
    }

    #[test]
    fn template_keeps_the_fields_and_shows_their_errors() {
        let listing = sample();
        let mut page = SellPage {
            layout: Layout::new("Edit your listing", "About", &Viewer::Guest),
            action: "/sell/drafts/a/edit".to_owned(),
            editing: Some(listing.terms.id.to_string()),
            known: None,
            form: ListingForm::from_ticket(&listing, 7),
            ambiguous_start: Some(AmbiguousTime {
                first: "01:30 EDT (UTC-04)".to_owned(),
                second: "01:30 EST (UTC-05)".to_owned(),
                chosen: "second",
            }),
            errors: FormErrors::new("price", "must be at least 0.50 <USD>"),
            currencies: vec!["EUR".parse().unwrap(), "USD".parse().unwrap()],
            zones: vec!["America/New_York", "UTC"],
        };
        let html = page.render().unwrap();
        for part in [
            "value=\"Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;\"",
            "value=\"2099-06-01T15:30\"",
            "name=\"unedited\" value=\"2099-06-01T19:30:00.000Z\"",
            "The first: 01:30 EDT (UTC-04)",
            "<option value=\"USD\" selected>",
            "<option value=\"concert\" selected>",
            "for=\"seats\">Seat numbers <span class=\"quiet\">(optional)</span></label>",
            "name=\"seats\" type=\"text\" value=\"14\"",
            "for=\"price\">Price per seat</label>",
            "<option value=\"together\" selected>Keep them all together</option>",
            "<option value=\"noSingle\">Never leave one seat on its own</option>",
            "for=\"sizes\">Group sizes</label>",
            "Must be at least 0.50 &#60;USD&#62;.",
            "aria-describedby=\"price-fault\"",
            "<li><a href=\"#price\">Price per seat</a>: Must be at least 0.50 &#60;USD&#62;.</li>",
            "Two lines,\n&#34;quoted&#34;.",
            "name=\"version\" value=\"7\"",
            "action=\"/sell/drafts/a/edit\"",
            &format!("name=\"listing\" value=\"{}\"", listing.terms.id),
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // A phone shows the keys of numbers for amounts. What is pasted with blanks around it is not cut.
        let input = |id: &str| html.split("<input ").find(|tail| tail.contains(&format!("id=\"{id}\""))).unwrap();
        for (id, mode) in [("price", "decimal"), ("face_value", "decimal"), ("quantity", "numeric")] {
            let (tag, _) = input(id).split_once('>').unwrap();
            assert!(tag.contains(&format!("inputmode=\"{mode}\"")) && !tag.contains("maxlength=\"1\""), "{tag}");
        }
        // A zone or a currency that is not an option is kept.
        page.form.time_zone = "US/Eastern".to_owned();
        page.form.currency = "JPY".to_owned();
        let html = page.render().unwrap();
        for part in ["<option selected>US/Eastern</option>", "<option selected>JPY</option>"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // The list of errors names each field by its label.
        for (id, label) in fields() {
            let labelled = format!("for=\"{id}\">{label}");
            assert!(html.contains(&labelled), "{labelled} is not in {html}");
        }
        // A seller who changes the price sees it first: the show is folded away, and what others ask comes below.
        (page.ambiguous_start, page.errors) = (None, FormErrors::default());
        page.known = Some(known("Similar seats: €50.00"));
        let html = page.render().unwrap();
        let order = ["<strong>Jazz &#38;", "<details>", "</details>", "id=\"price\"", "Similar seats"];
        let at = order.map(|part| html.find(part).unwrap_or_else(|| panic!("{part} is not in {html}")));
        assert!(at.is_sorted(), "{at:?}");
        (page.editing, page.known) = (None, None);
        let html = page.render().unwrap();
        for part in ["Payouts to sellers are not available yet", "name=\"listing\" value=\"\"", ">Preview</button>"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("You will receive") && !html.contains("You receive"), "{html}");
        assert!(!html.contains("Choose another show"), "{html}");
        assert!(!html.contains("<details"), "{html}");
        // A known show is named above, and what it fills is folded away.
        page.known = Some(known("Similar seats: €50.00 to €62.00"));
        let html = page.render().unwrap();
        for part in [
            "href=\"/shows/jazz-1\">For Jazz &#60;b&#62;</a>",
            "Other sellers ask, per seat:",
            "Similar seats: €50.00 to €62.00",
            "<details",
            "name=\"action\" value=\"show\">Choose another show</button>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.errors = FormErrors::new("title", "must have 1 to 200 characters");
        assert!(!page.render().unwrap().contains("<details"), "an error must be visible");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let listing = sample();
        let html = in_german(|| {
            let known = KnownShow { title: "Jazz".to_owned(), asks: Vec::new(), ..known("") };
            let (first, second) = ("01:30 EDT (UTC-04)".to_owned(), "01:30 EST (UTC-05)".to_owned());
            let mut page = SellPage {
                layout: Layout::new(msg::sell_title(), msg::sell_description(), &Viewer::Guest),
                action: "/sell/drafts/a/edit".to_owned(),
                editing: None,
                known: Some(known),
                form: ListingForm::from_ticket(&listing, 7),
                ambiguous_start: None,
                errors: FormErrors::default(),
                currencies: vec!["EUR".parse().unwrap()],
                zones: vec!["UTC"],
            };
            let folded = page.render().unwrap();
            page.ambiguous_start = Some(AmbiguousTime { first, second, chosen: "" });
            page.errors = FormErrors::new("row", "So nicht.");
            folded + &page.render().unwrap()
        });
        let labels = fields().into_iter().map(|(_, label)| format!(">{label}"));
        let others =
            ["Sell a", "For <", "No other", "Change", "Choose", "larger cities", "The ", "Only if", "Keep", "Preview"];
        assert_texts(
            &html,
            &[
                "<h1>Ticket verkaufen</h1>",
                ">Für Jazz</a>",
                "Gerade werden keine anderen Tickets",
                ">Angaben zur Veranstaltung ändern</summary>",
                ">Kategorie wählen</option>",
                "<option value=\"concert\" selected>Konzert</option>",
                "value=\"125,50\"",
                "Die erste: 01:30 EDT",
                "Die zweite: 01:30 EST",
                "<li><a href=\"#row\">Reihe</a>: So nicht.</li>",
                ">Eigene Gruppengrößen</option>",
                "Nur ohne Platznummern: 1 bis 8.",
                ">Preis pro Platz</label>",
                ">Stadt <span class=\"quiet\">(optional)</span></label>",
                "<p class=\"alert\">Keine Gebühren, weder",
                ">Vorschau</button>",
                ">Andere Veranstaltung wählen</button>",
            ],
            labels.chain(others.map(str::to_owned)),
        );
    }
}
