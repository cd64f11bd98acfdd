//! GET /browse: what is for sale, searched, filtered, in order, page by page.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::aggregate::Versioned;
use common::error::Error;
use common::events::ticket::TicketState;
use common::money::Currency;
use common::timestamp::Timestamp;
use http::StatusCode;

use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Asked, Filter};
use crate::domain::listing::categories as all_categories;
use crate::domain::offer::Offer;
use crate::domain::sort::{SORTS, Sort};
use crate::parameters::{Parameters, notice};
use crate::state::AppState;
use crate::store;
use crate::store::model::Replicas;
use crate::store::search::search;
use crate::viewer::Viewer;

/// How many listings a page shows.
const PAGE: usize = 24;
/// How many others are shown where nothing was found.
const INSTEAD: i64 = 4;
/// What a search engine shows below the title.
pub(super) const ABOUT: &str = "Tickets that people resell: concerts, sport, theatre and more, at all-in prices.";

#[derive(Template)]
#[template(path = "browse.html")]
struct BrowsePage {
    layout: Layout,
    /// As the form is filled in.
    asked: Asked,
    categories: Vec<Choice>,
    sorts: Vec<Choice>,
    currencies: Vec<Choice>,
    with_taken: bool,
    /// What narrows the list; each leads to the list without it.
    chips: Vec<Chip>,
    /// What was searched for instead.
    corrected: Option<String>,
    summary: String,
    /// Names the parameters that could not be read. Part of the results, which alone are replaced by a new search.
    left_out: Option<String>,
    /// What was found, with the versions.
    offers: Vec<(Offer, u64)>,
    /// What there is when nothing was found.
    instead: Vec<(Offer, u64)>,
    /// Whether this is not the first page.
    is_continued: bool,
    /// Address of the first page.
    first: String,
    /// Address of the next page.
    next: Option<String>,
}

layout::page!(BrowsePage);

/// One of several things to choose from.
struct Choice {
    /// Empty for the usual one, which an address need not name.
    value: String,
    label: String,
    is_chosen: bool,
}

/// What is for sale.
#[utoipa::path(get, path = "/browse", tag = "pages", params(Asked),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn browse(
    State(state): State<AppState>,
    viewer: Viewer,
    query: Parameters<Asked>,
) -> Result<Response, Error> {
    let usual = usual(&state.config.currencies)?;
    let Parameters { known: mut asked, mut faults } = query;
    let (filter, not_understood) = Filter::read(&mut asked, usual);
    faults.extend(not_understood);
    let now = state.clock.now();
    let model = state.model.live().await?;
    // One more than is shown tells whether there is a next page.
    let limit = 1 + i64::try_from(PAGE).unwrap_or(i64::MAX);
    let mut found = search(&model, &state.model.vocabulary, &filter, now, limit).await?;
    let has_more = found.tickets.len() > PAGE;
    found.tickets.truncate(PAGE);
    let q = found.corrected.clone().unwrap_or_else(|| asked.q.clone());
    let next = found.tickets.last().filter(|_| has_more).map(|last| {
        let after = filter.sort.token(filter.sort.place(last));
        Asked { q, after, ..asked.clone() }.address()
    });
    let chips = chips::active(&asked, &filter, usual);
    let instead = if found.tickets.is_empty() && !chips.is_empty() && filter.place.is_none() {
        let soon = Filter::by(Sort::Soonest);
        search(&model, &state.model.vocabulary, &soon, now, INSTEAD).await?.tickets
    } else {
        Vec::new()
    };
    let layout = Layout::new("Browse tickets", ABOUT, &viewer);
    let is_plain = filter == Filter::default();
    let page = BrowsePage {
        layout: if is_plain { layout.at(format!("{}/browse", state.public_url)) } else { layout },
        categories: categories(&asked),
        sorts: sorts(filter.sort),
        currencies: currencies(&asked, &state.config.currencies),
        with_taken: filter.with_taken,
        chips,
        corrected: found.corrected,
        summary: summary(found.tickets.len(), has_more, &filter),
        left_out: notice(&faults),
        offers: offers(&model, &found.tickets, now).await?,
        instead: offers(&model, &instead, now).await?,
        is_continued: filter.place.is_some(),
        first: asked.from_the_start().address(),
        next,
        asked,
    };
    layout::respond(StatusCode::OK, &page)
}

/// Listings as they are shown, with their versions.
pub(super) async fn offers(
    model: &Replicas,
    tickets: &[Versioned<TicketState>],
    now: Timestamp,
) -> Result<Vec<(Offer, u64)>, Error> {
    let sellers = store::names(&model.users, tickets.iter().map(|ticket| ticket.seller_id)).await?;
    let offer =
        |ticket: &Versioned<TicketState>| (Offer::new(ticket, sellers.get(&ticket.seller_id), now), ticket.version);
    Ok(tickets.iter().map(offer).collect())
}

/// The currency of prices that come without one: the first that listings may be in.
fn usual(currencies: &[Currency]) -> Result<&Currency, Error> {
    currencies.first().ok_or_else(|| Error::internal_message("no currency is configured"))
}

fn categories(asked: &Asked) -> Vec<Choice> {
    let chosen = asked.category.trim();
    let choice = |(value, label): (&str, &str)| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        is_chosen: value == chosen,
    };
    std::iter::once(("", "All")).chain(all_categories()).map(choice).collect()
}

fn sorts(chosen: Sort) -> Vec<Choice> {
    let choice = |(sort, name, label): (Sort, &str, &str)| Choice {
        value: if sort == Sort::default() { String::new() } else { name.to_owned() },
        label: label.to_owned(),
        is_chosen: sort == chosen,
    };
    SORTS.into_iter().map(choice).collect()
}

fn currencies(asked: &Asked, configured: &[Currency]) -> Vec<Choice> {
    let chosen = asked.currency.trim();
    let mut codes: Vec<String> = configured.iter().map(ToString::to_string).collect();
    // Listings outlive the configuration.
    if !chosen.is_empty() && !codes.iter().any(|code| code == chosen) {
        codes.push(chosen.to_owned());
    }
    let any = Choice { value: String::new(), label: "Any".to_owned(), is_chosen: chosen.is_empty() };
    let each = codes.into_iter().map(|code| Choice { is_chosen: code == chosen, value: code.clone(), label: code });
    std::iter::once(any).chain(each).collect()
}

/// How many listings are shown, and in which order.
fn summary(count: usize, has_more: bool, filter: &Filter) -> String {
    let tickets = match (count, filter.place.is_some()) {
        (0, _) => return "No tickets".to_owned(),
        (1, false) => "1 ticket".to_owned(),
        (1, true) => "1 more ticket".to_owned(),
        (count, false) if has_more => format!("The first {count} tickets"),
        (count, false) => format!("{count} tickets"),
        (count, true) => format!("{count} more tickets"),
    };
    let mut order = filter.sort.label().chars();
    let order: String = order.next().map(|first| first.to_lowercase().chain(order).collect()).unwrap_or_default();
    let currency = filter.currency.as_ref().map(|currency| format!(" in {currency}")).unwrap_or_default();
    format!("{tickets}{currency}, {order}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    fn page(query: &str) -> BrowsePage {
        let (mut asked, usd): (Asked, Currency) = (serde_urlencoded::from_str(query).unwrap(), "USD".parse().unwrap());
        let (filter, _) = Filter::read(&mut asked, &usd);
        let ticket = sample();
        let offer = Offer::new(&ticket, Some(&"Ana <i>".to_owned()), ticket.created_at);
        BrowsePage {
            layout: Layout::new("Browse tickets", ABOUT, &Viewer::Guest),
            categories: categories(&asked),
            sorts: sorts(filter.sort),
            currencies: currencies(&asked, std::slice::from_ref(&usd)),
            with_taken: filter.with_taken,
            chips: chips::active(&asked, &filter, &usd),
            corrected: None,
            summary: summary(1, false, &filter),
            left_out: None,
            offers: vec![(offer, 7)],
            instead: Vec::new(),
            is_continued: filter.place.is_some(),
            first: asked.from_the_start().address(),
            next: None,
            asked,
        }
    }

    #[test]
    fn the_template_shows_what_it_is_given() {
        let mut page = page("q=%22jazz%22&category=concert&from=2026-06-01&min=25&currency=JPY&status=all&sort=newest");
        page.next = Some("/browse?q=a&after=b".to_owned());
        page.corrected = Some("ja<zz".to_owned());
        page.left_out = Some("max must be <an amount>".to_owned());
        let html = page.render().unwrap();
        for part in [
            "<h1>Browse tickets</h1>",
            "value=\"&#34;jazz&#34;\"",
            "<option value=\"concert\" selected>Concert</option>",
            "<option value=\"newest\" selected>Just listed first</option>",
            "<option value=\"\">Soonest first</option>",
            "<option value=\"JPY\" selected>JPY</option>",
            "name=\"from\" type=\"date\" value=\"2026-06-01\"",
            "value=\"all\" checked",
            "No match for “&#34;jazz&#34;”. Showing “ja&#60;zz”.",
            "href=\"/browse?q=%22jazz%22&#38;from=2026-06-01",
            "1 ticket in JPY, just listed first",
            "max must be &#60;an amount&#62;",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Ana &#60;i&#62;",
            "125.50 USD",
            "Monday, 1 June 2099, 15:30 EDT (America/New_York)",
            "data-live=\"ticket:",
            "data-version=\"7\"",
            "href=\"/browse?q=a&#38;after=b\" rel=\"next\"",
            "name=\"robots\" content=\"noindex\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let (_, results) = html.split_once("id=\"results\"").unwrap();
        assert!(results.contains("max must be"), "a search without a new page shows it too: {html}");
        assert_eq!((html.matches("<h1").count(), html.matches(" selected").count()), (1, 3));
        // Each field has its label.
        for field in ["q", "category", "sort", "from", "to", "min", "max", "currency", "status"] {
            assert!(html.contains(&format!("for=\"{field}\"")), "{field}");
            assert_eq!(html.matches(&format!("id=\"{field}\"")).count(), 1, "{field}");
        }
    }

    #[test]
    fn an_empty_page_says_where_to_go_on() {
        let empty = |query: &str| {
            let mut page = page(query);
            page.instead.append(&mut page.offers);
            page.summary = summary(0, false, &Filter::default());
            page.render().unwrap()
        };
        let html = empty("q=jazz&max=10");
        for part in ["No tickets", "Nothing matches all of that", "href=\"/browse\"", "On soon", "Blues"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(empty("").contains("Nothing is for sale at the moment"));
        let after = Sort::Soonest.token(Sort::Soonest.place(&sample()));
        let html = empty(&format!("q=jazz&after={after}"));
        assert!(html.contains("Nothing more is for sale") && html.contains("href=\"/browse?q=jazz\""), "{html}");
    }

    #[test]
    fn a_summary_counts_and_names_the_order() {
        let filter = Filter::default();
        assert_eq!(summary(24, true, &filter), "The first 24 tickets, soonest first");
        assert_eq!(summary(2, false, &filter), "2 tickets, soonest first");
        let filter = Filter { place: Some(Sort::Soonest.place(&sample())), ..filter };
        assert_eq!(summary(24, true, &filter), "24 more tickets, soonest first");
        assert_eq!(summary(1, false, &filter), "1 more ticket, soonest first");
    }
}
