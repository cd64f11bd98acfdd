//! GET /shows/{show}: the page of a show with the listings that are for sale.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use common::aggregate::Versioned;
use common::error::Error;
use common::events::ticket::TicketState;
use common::id::UserId;
use common::money::Currency;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, Layout};
use crate::domain::amount::{named_currency, read_amount};
use crate::domain::filter::{parsed, seats_together};
use crate::domain::offer::ShowOffer;
use crate::domain::show_rows::{self, Row, RowFilter, Section, section_key};
use crate::domain::show_view::{ShowView, id_in_path, show_path};
use crate::domain::show_watch::{ShowWatch, WatchForm, WatchPanel};
use crate::domain::structured_data;
use crate::flows::find_show::find_show;
use crate::flows::find_show_watches::find_show_watches;
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::state::AppState;
use crate::store::{lists, offers};
use crate::viewer::Viewer;

/// The filters of the listings. A blank one counts as absent, since a form sends all its fields.
#[derive(Debug, Clone, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ShowParams {
    /// Number of seats together. Default: any.
    #[serde(default, deserialize_with = "seats_together")]
    #[validate(range(min = 1, max = 8, message = "must be a number from 1 to 8"))]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 8)]
    quantity: Option<u8>,
    /// Name of a section.
    #[serde(default)]
    #[validate(length(max = 100, message = "must have at most 100 characters"))]
    #[param(max_length = 100)]
    section: String,
    /// Maximum price as typed, such as 25.50.
    #[serde(default)]
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    #[param(max_length = 40)]
    max: String,
    /// Currency of the listings. Default: any; when prices are compared, the one that they are typed with, or that of
    /// the most listings.
    #[serde(default, deserialize_with = "parsed")]
    #[param(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    currency: Option<Currency>,
}

#[derive(Template)]
#[template(path = "show.html")]
struct ShowPage {
    layout: Layout,
    show: ShowView,
    /// JSON-LD, escaped for a `<script>` element.
    structured_data: String,
    params: ShowParams,
    /// The choices of each filter; empty if it could not narrow the list.
    quantities: Vec<usize>,
    sections: Vec<Section>,
    currencies: Vec<Currency>,
    has_max: bool,
    /// The chosen number of seats; 0 for any.
    chosen_quantity: usize,
    /// Key of the chosen section; empty for all.
    chosen_section: String,
    max_label: String,
    /// The notice about filters that were ignored. In the list, because a new filter replaces only this.
    rejected: Option<String>,
    filter_count: usize,
    summary: String,
    rows: Vec<Row>,
    watch: WatchPanel,
}

impl ShowPage {
    fn has_filters(&self) -> bool {
        self.has_max || !self.quantities.is_empty() || !self.sections.is_empty() || !self.currencies.is_empty()
    }

    fn is_chosen(&self, currency: &Currency) -> bool {
        self.params.currency.as_ref() == Some(currency)
    }
}

/// Show a show with its listings.
#[utoipa::path(get, path = "/shows/{show}", tag = "pages",
    params(("show" = String, Path, description = "Words and the show's id; the id decides."), ShowParams),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 307, description = "The show has another address.")))]
pub(super) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(segment): Path<String>,
    RawQuery(query): RawQuery,
    params: LenientQuery<ShowParams>,
) -> Result<Response, Error> {
    let id = id_in_path(&segment).ok_or(Error::NotFound)?;
    let found = find_show(&state, id).await?;
    let path = show_path(&found.show);
    if path.strip_prefix("/shows/") != Some(segment.as_str()) {
        // Temporary, since a show may get its former title back.
        let query = query.filter(|_| found.show.id == id).map(|query| format!("?{query}")).unwrap_or_default();
        return Ok(Redirect::temporary(&format!("{path}{query}")).into_response());
    }
    let page = load_page(&state, &viewer, &found, params).await?;
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// Shows the show again, with a form of its watch that was not accepted, and why.
pub(super) async fn reject_watch(
    state: &AppState,
    viewer: &Viewer,
    found: &ShowOffer,
    status: StatusCode,
    (form, message): (WatchForm, String),
) -> Result<Response, Error> {
    let params = LenientQuery { value: ShowParams::default(), rejected: Vec::new() };
    let page = load_page(state, viewer, found, params).await?;
    let (watch, layout) = (page.watch.rejected(form, &message), page.layout.at(page.show.path.clone()));
    let page = ShowPage { layout, watch, ..page };
    layout::respond(status, &page.layout, &page)
}

async fn load_page(
    state: &AppState,
    viewer: &Viewer,
    found: &ShowOffer,
    params: LenientQuery<ShowParams>,
) -> Result<ShowPage, Error> {
    let (model, show) = (state.model.live().await?, found.show.id);
    let tickets = offers::listings_of_show(&model, show).await?;
    let sellers = lists::display_names(&model.users, tickets.iter().map(|ticket| ticket.seller_id)).await?;
    let watches = match viewer.id() {
        Some(user) => find_show_watches(state, &model, user, show).await?,
        None => Vec::new(),
    };
    Ok(page(state, viewer, found, &tickets, &sellers, params, watches.first()))
}

fn page(
    state: &AppState,
    viewer: &Viewer,
    found: &ShowOffer,
    tickets: &[Versioned<TicketState>],
    sellers: &BTreeMap<UserId, String>,
    LenientQuery { value: params, rejected }: LenientQuery<ShowParams>,
    watch: Option<&ShowWatch>,
) -> ShowPage {
    let show = ShowView::new(found, state.clock.now());
    let mut rejected = Vec::from_iter(rejected_parameters_message(&rejected));
    let currencies = show_rows::currencies(tickets);
    let mut filter = RowFilter {
        quantity: params.quantity.map(usize::from),
        section: Some(section_key(&params.section)).filter(|key| !key.is_empty()),
        currency: params.currency.clone(),
        max: None,
    };
    if filter.section.as_ref().is_some_and(|key| show_rows::sections(tickets).iter().all(|one| one.key != *key)) {
        rejected.push(msg::show_section_ignored(params.section.trim()));
        filter.section = None;
    }
    let typed = || named_currency(&params.max);
    let compared = params.currency.clone().or_else(typed).or_else(|| currencies.first().cloned());
    if let (Some(currency), false) = (&compared, params.max.trim().is_empty()) {
        match read_amount(&params.max, currency) {
            Ok(typed) => (filter.max, filter.currency) = (Some(typed.money.amount), Some(typed.money.currency)),
            Err(message) => rejected.push(format!("{} {message}", msg::form_ignored_max())),
        }
    }
    let set = [filter.quantity.is_some(), filter.section.is_some(), params.currency.is_some(), filter.max.is_some()];
    let rows = if show.is_open() { show_rows::rows(tickets, sellers, &filter) } else { Vec::new() };
    let description = format!("{}, {}.", show.place, show.starts_at.text);
    let [address, image] = [&show.path, &show.poster].map(|path| format!("{}{path}", state.public_url));
    let structured_data = structured_data::event(found, tickets, (&address, &image), show.is_open());
    ShowPage {
        layout: Layout { canonical: Some(address), ..Layout::new(&show.title, description, viewer) },
        structured_data,
        watch: WatchPanel::new(watch, currencies.iter().chain(&state.config.currencies).cloned()),
        has_max: show_rows::has_several_prices(tickets),
        max_label: match currencies.as_slice() {
            [only] => msg::show_max_in(only.to_string()),
            _ => msg::browse_max(),
        },
        summary: summary(
            rows.iter().map(|row| row.free).sum(),
            total(tickets.len(), show_rows::free_seats(tickets), found.offer.free),
            filter.currency.as_ref(),
            currencies.len() > 1,
        ),
        quantities: show_rows::quantity_choices(tickets, filter.quantity),
        sections: show_rows::section_choices(tickets),
        currencies: if currencies.len() > 1 { currencies } else { Vec::new() },
        chosen_quantity: filter.quantity.unwrap_or_default(),
        chosen_section: filter.section.clone().unwrap_or_default(),
        rejected: Some(rejected.join(" ")).filter(|text| !text.is_empty()),
        filter_count: set.into_iter().filter(|is_set| *is_set).count(),
        rows,
        show,
        params,
    }
}

/// The number of seats for sale: more than those of the shown listings, if no more of these could be shown.
fn total(listings: usize, seats: usize, free: u64) -> usize {
    let free = usize::try_from(free).unwrap_or(usize::MAX);
    if listings < offers::MAX_LISTINGS { seats } else { seats.max(free) }
}

/// The number of seats, and their order. Amounts of several currencies are not compared.
fn summary(shown: usize, all: usize, currency: Option<&Currency>, are_several: bool) -> String {
    let currency = currency.filter(|_| are_several);
    let tickets = match (shown == all, are_several && currency.is_none()) {
        (true, false) => msg::show_summary(shown),
        (true, true) => msg::show_summary_by_currency(shown),
        (false, false) => msg::show_summary_some(all, shown),
        (false, true) => msg::show_summary_some_by_currency(all, shown),
    };
    let currency = currency.map(|currency| msg::browse_prices_in(currency.to_string()));
    std::iter::once(tickets).chain(currency).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use common::id::ShowId;

    use super::*;
    use crate::domain::show_view::tests::sample;
    use crate::i18n::testing::in_german;

    fn sample_page() -> ShowPage {
        let found = sample();
        let row = Row {
            id: "01970000-0000-7000-8000-000000000001".to_owned(),
            path: "/tickets/01970000-0000-7000-8000-000000000001".to_owned(),
            seat: "Section <A>, row 3".to_owned(),
            free: 4,
            left: "4 of 6 seats left".to_owned(),
            price: "€46.00".to_owned(),
            difference: Some("€4.00 under face value".to_owned()),
            seller: "Ana <i>".to_owned(),
            mark: Some("Cheapest in section <A>".to_owned()),
            version: 7,
        };
        let section = |name: &str| Section { key: name.to_lowercase(), name: name.to_owned() };
        ShowPage {
            layout: Layout::new("Jazz", "About", &Viewer::Guest),
            show: ShowView::new(&found, found.show.created_at),
            structured_data: "{\"a\":1}".to_owned(),
            params: ShowParams { max: "5\"0".to_owned(), ..ShowParams::default() },
            quantities: vec![2, 4],
            sections: vec![section("Stalls"), section("Balcony")],
            currencies: vec!["EUR".parse().unwrap(), "USD".parse().unwrap()],
            has_max: true,
            chosen_quantity: 4,
            chosen_section: "balcony".to_owned(),
            max_label: msg::browse_max(),
            rejected: None,
            filter_count: 2,
            summary: summary(1, 37, Some(&"EUR".parse().unwrap()), true),
            rows: vec![row],
            watch: WatchPanel::new(None, ["EUR".parse().unwrap(), "USD".parse().unwrap()]),
        }
    }

    #[test]
    fn template_shows_its_values() {
        let mut page = sample_page();
        let html = page.render().unwrap();
        for part in [
            "<h1>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;</h1>",
            "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT",
            "Town Hall, New York",
            "€46.00 or $50.00",
            "<dt>All tickets</dt>",
            "<summary><span id=\"filters\">Filters (2)</span></summary>",
            "37 left",
            "1 of 37 tickets, cheapest first · Prices in EUR",
            "<option value=\"4\" selected>4</option>",
            "4 of 6 seats left",
            "€46.00</span> <span class=\"quiet\">per seat</span>",
            "<option value=\"balcony\" selected>Balcony</option>",
            "value=\"5&#34;0\"",
            ">Maximum price</label>",
            "href=\"/tickets/01970000-0000-7000-8000-000000000001\" data-live-seat>Section &#60;A&#62;, row 3</a>",
            "€4.00 under face value",
            "Ana &#60;i&#62;",
            "Cheapest in section &#60;A&#62;",
            "data-live=\"ticket:01970000-0000-7000-8000-000000000001\" data-version=\"7\"",
            "data-version=\"1767225600000\" data-show=\"3\"",
            "<script type=\"application/ld+json\">{\"a\":1}</script>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("<h1").count(), 1);
        let fields = ["quantity", "section", "currency", "max"];
        assert!(fields.iter().all(|field| html.contains(&format!("for=\"{field}\""))), "{html}");
        // A filter that can't narrow the list is not offered.
        (page.quantities, page.sections, page.currencies, page.has_max) = (Vec::new(), Vec::new(), Vec::new(), false);
        assert!(!page.render().unwrap().contains("<form action=\"/shows/"));
    }

    #[test]
    fn watch_can_be_begun_changed_and_ended() {
        let mut page = sample_page();
        let html = page.render().unwrap();
        let watch = format!("action=\"/shows/{}/watch\"", page.show.id);
        for part in ["Watch this show</button>", "<option value=\"EUR\" selected>EUR</option>", &watch] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("Stop watching") && !html.contains("watch-max-fault"), "{html}");
        let max = Some(common::money::Money { amount: 6_000, currency: "USD".parse().unwrap() });
        let own = ShowWatch { show: ShowId::new(), since: "2026-01-01T00:00:00Z".parse().unwrap(), max };
        page.watch = WatchPanel::new(Some(&own), ["EUR".parse().unwrap()]);
        let html = page.render().unwrap();
        for part in ["for $60.00 or less.", "value=\"60.00\"", "Save changes</button>", "Stop watching"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let form = WatchForm { max: "<i>".to_owned(), currency: "EUR".to_owned() };
        page.watch = page.watch.rejected(form, "must be an amount");
        let html = page.render().unwrap();
        for part in ["value=\"&#60;i&#62;\"", "id=\"watch-max-fault\">Must be an amount.", "aria-invalid=\"true\""] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // Nothing is for sale for a show that has begun, so there is nothing to be notified of.
        page.show.has_begun = true;
        let html = page.render().unwrap();
        assert!(html.contains("Stop watching") && !html.contains(&watch), "{html}");
        page.watch = WatchPanel::new(None, []);
        assert!(!page.render().unwrap().contains("id=\"watch\""));
    }

    #[test]
    fn empty_list_says_why() {
        let mut page = sample_page();
        page.rows.clear();
        assert!(page.render().unwrap().contains("No tickets match your filters"));
        page.filter_count = 0;
        assert!(page.render().unwrap().contains("No tickets are for sale right now"));
        page.show.has_begun = true;
        assert!(page.render().unwrap().contains("This show has started"));
        page.show.status = common::events::show::ShowStatus::Cancelled;
        page.show.cancel_reason = "The <singer> is ill.".to_owned();
        let html = page.render().unwrap();
        assert!(
            html.contains("This show has been cancelled.") && html.contains("The &#60;singer&#62; is ill."),
            "{html}"
        );
        page.show.status = common::events::show::ShowStatus::Moved;
        assert!(page.render().unwrap().contains("This show has moved."));
        assert_eq!(summary(1, 1, None, false), "1 ticket");
        assert_eq!(summary(2, 2, None, false), "2 tickets, cheapest first");
        assert_eq!(summary(2, 3, None, true), "2 of 3 tickets, cheapest first in each currency");
        assert_eq!([total(3, 3, 4), total(500, 500, 612), total(500, 500, 499)], [3, 612, 500], "one sold in between");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let mut page = sample_page();
            page.rows = vec![Row { seat: String::new(), difference: None, mark: None, ..page.rows.remove(0) }];
            page.rows[0].left = "noch 4".to_owned();
            let max = Some(common::money::Money { amount: 6_000, currency: "USD".parse().unwrap() });
            let own = ShowWatch { show: ShowId::new(), since: "2026-01-01T00:00:00Z".parse().unwrap(), max };
            page.watch = WatchPanel::new(Some(&own), []);
            let found = page.render().unwrap();
            page.rows.clear();
            page.show.status = common::events::show::ShowStatus::Cancelled;
            found + &page.render().unwrap()
        });
        for part in [
            "Mo., 01.06.2099, 15:30",
            "<span class=\"quiet\">ab</span> <span class=\"price\">46,00\u{a0}€ oder 50,00\u{a0}$</span>",
            "noch 37<",
            "1 von 37 Tickets, günstigste zuerst · Preise in EUR",
            "pro Platz<",
            "höchstens 60,00\u{a0}$ angeboten",
            ">Filter anwenden</button>",
            ">Diese Veranstaltung wurde abgesagt.</strong>",
            "Die Tickets werden nicht mehr verkauft.",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for part in
            ["show", "tickets", "ticket<", "Any", "Section", "seat<", "price", "Watch", "Stop", "filters", "left<"]
        {
            let mut texts = html.split_inclusive('<').filter_map(|tail| tail.split('>').nth(1));
            assert!(!texts.any(|text| text.contains(part)), "{part} is in {html}");
        }
    }
}
