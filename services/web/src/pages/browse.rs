//! GET /browse: search, filters, sort orders and pages.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::aggregate::Versioned;
use common::error::Error;
use common::events::ticket::TicketState;
use common::money::Currency;
use common::timestamp::Timestamp;
use http::StatusCode;
use strum::VariantArray;

use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Filter, SearchParams};
use crate::domain::listing_form::categories as all_categories;
use crate::domain::listing_view::ListingView;
use crate::domain::sort::Sort;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;
use crate::store::search::search;
use crate::viewer::Viewer;

const PAGE_SIZE: usize = 24;
const FALLBACK_COUNT: i64 = 4;
pub(super) const META_DESCRIPTION: &str =
    "Tickets that people resell: concerts, sport, theatre and more, at all-in prices.";

#[derive(Template)]
#[template(path = "browse.html")]
struct BrowsePage {
    layout: Layout,
    params: SearchParams,
    categories: Vec<Choice>,
    sorts: Vec<Choice>,
    currencies: Vec<Choice>,
    include_unavailable: bool,
    active_filters: Vec<Chip>,
    /// The corrected search words, if the original ones found nothing.
    corrected: Option<String>,
    summary: String,
    /// The notice about rejected parameters. In the results, because a new search replaces only these.
    rejected: Option<String>,
    /// The results, with their versions.
    listings: Vec<(ListingView, u64)>,
    /// Other listings, if there are no results.
    fallback: Vec<(ListingView, u64)>,
    /// Whether this is a later page than the first.
    is_continued: bool,
    /// Addresses of the first page and, if there is one, of the next page.
    first: String,
    next: Option<String>,
}

struct Choice {
    /// Empty for the default.
    value: String,
    label: String,
    is_chosen: bool,
}

impl Choice {
    fn new(value: impl Into<String>, label: impl Into<String>, is_chosen: bool) -> Self {
        Self { value: value.into(), label: label.into(), is_chosen }
    }
}

/// Browse the listings.
#[utoipa::path(get, path = "/browse", tag = "pages", params(SearchParams),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn browse(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<SearchParams>,
) -> Result<Response, Error> {
    let (rules, currencies) = (&state.search_rules, &state.config.currencies);
    let LenientQuery { value: mut params, mut rejected } = query;
    params.clear_prices_of_rejected_currency(&mut rejected);
    let filter = Filter::new(&params, rules);
    let now = state.clock.now();
    let model = state.model.live().await?;
    // One more than is shown, to know whether there is a next page.
    let limit = 1 + i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let mut found = search(&model, &state.model.vocabulary, &filter, now, limit).await?;
    let has_more = found.tickets.len() > PAGE_SIZE;
    found.tickets.truncate(PAGE_SIZE);
    let q = found.corrected.clone().unwrap_or_else(|| params.q.clone());
    let next = found.tickets.last().filter(|_| has_more).map(|last| {
        let after = filter.sort.encode(filter.sort.key(last));
        SearchParams { q, after, ..params.clone() }.address()
    });
    let active_filters = chips::active_filter_chips(&params, &filter, &rules.default_currency);
    let fallback = if found.tickets.is_empty() && !active_filters.is_empty() && filter.after.is_none() {
        let soonest = Filter::sorted_by(Sort::Soonest);
        search(&model, &state.model.vocabulary, &soonest, now, FALLBACK_COUNT).await?.tickets
    } else {
        Vec::new()
    };
    let is_plain = filter == Filter::default();
    let canonical = is_plain.then(|| format!("{}/browse", state.public_url));
    let page = BrowsePage {
        layout: Layout { canonical, ..Layout::new("Browse tickets", META_DESCRIPTION, &viewer) },
        categories: categories(&params),
        sorts: sorts(filter.sort),
        currencies: currency_choices(&params, currencies),
        include_unavailable: filter.include_unavailable,
        active_filters,
        corrected: found.corrected,
        summary: summary(found.tickets.len(), has_more, &filter),
        rejected: rejected_parameters_message(&rejected),
        listings: listing_views(&model, &found.tickets, now).await?,
        fallback: listing_views(&model, &fallback, now).await?,
        is_continued: filter.after.is_some(),
        first: params.first_page().address(),
        next,
        params,
    };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// The views of these listings, with their versions.
pub(super) async fn listing_views(
    model: &Replicas,
    tickets: &[Versioned<TicketState>],
    now: Timestamp,
) -> Result<Vec<(ListingView, u64)>, Error> {
    let sellers = lists::display_names(&model.users, tickets.iter().map(|ticket| ticket.seller_id)).await?;
    let view = |ticket: &Versioned<TicketState>| ListingView::new(ticket, sellers.get(&ticket.seller_id), now);
    Ok(tickets.iter().map(|ticket| (view(ticket), ticket.version)).collect())
}

fn categories(params: &SearchParams) -> Vec<Choice> {
    let chosen = params.category.as_ref().map_or("", AsRef::as_ref);
    let all = [("", "All".to_owned())].into_iter().chain(all_categories());
    all.map(|(value, label)| Choice::new(value, label, value == chosen)).collect()
}

fn sorts(chosen: Sort) -> Vec<Choice> {
    let value = |sort: Sort| if sort == Sort::default() { "" } else { sort.name() };
    let choice = |sort: &Sort| Choice::new(value(*sort), sort.label(), *sort == chosen);
    Sort::VARIANTS.iter().map(choice).collect()
}

fn currency_choices(params: &SearchParams, configured: &[Currency]) -> Vec<Choice> {
    let chosen = params.currency.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut codes: Vec<String> = configured.iter().map(ToString::to_string).collect();
    // Listings may have a currency that is no longer configured.
    if !chosen.is_empty() && !codes.contains(&chosen) {
        codes.push(chosen.clone());
    }
    let any = Choice::new("", "Any", chosen.is_empty());
    let each = codes.iter().map(|code| Choice::new(code, code, *code == chosen));
    std::iter::once(any).chain(each).collect()
}

/// The number of listings shown, and their order.
fn summary(count: usize, has_more: bool, filter: &Filter) -> String {
    let tickets = match (count, filter.after.is_some()) {
        (0, _) => return "No tickets".to_owned(),
        (1, false) => "1 ticket".to_owned(),
        (1, true) => "1 more ticket".to_owned(),
        (count, false) if has_more => format!("The first {count} tickets"),
        (count, false) => format!("{count} tickets"),
        (count, true) => format!("{count} more tickets"),
    };
    let order = filter.sort.label().to_lowercase();
    let currency = filter.currency.as_ref().map(|currency| format!(" in {currency}")).unwrap_or_default();
    format!("{tickets}{currency}, {order}")
}

#[cfg(test)]
mod tests {
    use common::problem::FieldError;

    use super::*;
    use crate::domain::filter::SearchRules;
    use crate::domain::listing_view::tests::sample;

    struct Context(SearchRules);

    impl AsRef<SearchRules> for Context {
        fn as_ref(&self) -> &SearchRules {
            &self.0
        }
    }

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    fn read(query: &str) -> (SearchParams, Filter, Vec<FieldError>) {
        let state = Context(SearchRules { default_currency: usd() });
        let LenientQuery { value: mut params, mut rejected } = LenientQuery::<SearchParams>::read(query, &state);
        params.clear_prices_of_rejected_currency(&mut rejected);
        let filter = Filter::new(&params, &state.0);
        (params, filter, rejected)
    }

    fn page(query: &str) -> BrowsePage {
        let (params, filter, _) = read(query);
        let usd = usd();
        let ticket = sample();
        let listing = ListingView::new(&ticket, Some(&"Ana <i>".to_owned()), ticket.created_at);
        BrowsePage {
            layout: Layout::new("Browse tickets", META_DESCRIPTION, &Viewer::Guest),
            categories: categories(&params),
            sorts: sorts(filter.sort),
            currencies: currency_choices(&params, std::slice::from_ref(&usd)),
            include_unavailable: filter.include_unavailable,
            active_filters: chips::active_filter_chips(&params, &filter, &usd),
            corrected: None,
            summary: summary(1, false, &filter),
            rejected: None,
            listings: vec![(listing, 7)],
            fallback: Vec::new(),
            is_continued: filter.after.is_some(),
            first: params.first_page().address(),
            next: None,
            params,
        }
    }

    #[test]
    fn invalid_parameters_are_reported_and_cleared() {
        let query =
            "category=opera&from=tomorrow&to=2026-02-30&min=-1&max=much&currency=usd&status=gone&sort=up&after=x";
        let parsed = |query: &str| {
            let (params, filter, rejected) = read(query);
            let invalid: Vec<_> = rejected.into_iter().map(|error| error.field).collect();
            (filter, invalid, params.address())
        };
        let (filter, mut invalid, address) = parsed(&format!("{query}&q=jazz"));
        invalid.sort_unstable();
        assert_eq!(invalid, ["after", "category", "currency", "from", "max", "min", "sort", "status", "to"]);
        assert_eq!((filter.words.as_deref(), address.as_str()), (Some(&["jazz".to_owned()][..]), "/browse?q=jazz"));
        for day in ["26-06-01", "-2026-06-01", "2026- 6- 1", "2026-06-01T19:00", "20260601", "2026-W23-1"] {
            assert_eq!(parsed(&format!("from={day}")).1, ["from"], "{day}");
        }
        // A price without its currency is meaningless.
        let (filter, invalid, address) = parsed("currency=eur&min=5&max=50");
        assert_eq!((invalid, address.as_str()), (["currency", "min", "max"].map(str::to_owned).to_vec(), "/browse"));
        assert_eq!((filter.min_price, filter.max_price, filter.currency), (None, None, None));
        // The amount depends on the currency.
        assert_eq!(parsed("currency=USD&max=9.99").1, [""; 0]);
        assert_eq!(parsed("currency=JPY&max=9.99").1, ["max"]);
        // The key of another sort order.
        let after = Sort::Soonest.encode(Sort::Soonest.key(&sample()));
        assert_eq!(parsed(&format!("after={after}")).1, [""; 0]);
        assert_eq!(parsed(&format!("after={after}&sort=newest")).1, ["after"]);
    }

    #[test]
    fn template_shows_its_values() {
        let mut page = page("q=%22jazz%22&category=concert&from=2026-06-01&min=25&currency=JPY&status=all&sort=newest");
        page.next = Some("/browse?q=a&after=b".to_owned());
        page.corrected = Some("ja<zz".to_owned());
        page.rejected = Some("max must be <an amount>".to_owned());
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
        assert!(results.contains("max must be"), "a search that replaces only the results shows it too: {html}");
        assert_eq!((html.matches("<h1").count(), html.matches(" selected").count()), (1, 3));
        // Each field has its label.
        for field in ["q", "category", "sort", "from", "to", "min", "max", "currency", "status"] {
            assert!(html.contains(&format!("for=\"{field}\"")), "{field}");
            assert_eq!(html.matches(&format!("id=\"{field}\"")).count(), 1, "{field}");
        }
    }

    #[test]
    fn empty_results_offer_links() {
        let empty = |query: &str| {
            let mut page = page(query);
            page.fallback.append(&mut page.listings);
            page.summary = summary(0, false, &Filter::default());
            page.render().unwrap()
        };
        let html = empty("q=jazz&max=10");
        for part in ["No tickets", "Nothing matches all of that", "href=\"/browse\"", "On soon", "Blues"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(empty("").contains("Nothing is for sale at the moment"));
        let after = Sort::Soonest.encode(Sort::Soonest.key(&sample()));
        let html = empty(&format!("q=jazz&after={after}"));
        assert!(html.contains("Nothing more is for sale") && html.contains("href=\"/browse?q=jazz\""), "{html}");
    }

    #[test]
    fn summary_counts_and_names_the_order() {
        let filter = Filter::default();
        assert_eq!(summary(24, true, &filter), "The first 24 tickets, soonest first");
        assert_eq!(summary(2, false, &filter), "2 tickets, soonest first");
        let filter = Filter { after: Some(Sort::Soonest.key(&sample())), ..filter };
        assert_eq!(summary(24, true, &filter), "24 more tickets, soonest first");
        assert_eq!(summary(1, false, &filter), "1 more ticket, soonest first");
    }
}
