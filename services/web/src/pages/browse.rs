//! GET /browse: search, filters, sort orders and pages.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::error::Error;
use common::timestamp::Timestamp;
use http::StatusCode;

use super::browse_choices::{Choice, categories, currency_choices, periods, quantities, sorts};
use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Filter, SearchParams};
use crate::domain::offer::ShowOffer;
use crate::domain::period::ShowDays;
use crate::domain::show_view::ShowView;
use crate::domain::sort::Sort;
use crate::i18n::msg;
use crate::i18n::reader::Reader;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::search::search;
use crate::viewer::Viewer;

const PAGE_SIZE: usize = 24;
const FALLBACK_COUNT: i64 = 4;

#[derive(Template)]
#[template(path = "browse.html")]
struct BrowsePage {
    layout: Layout,
    params: SearchParams,
    categories: Vec<Choice>,
    sorts: Vec<Choice>,
    periods: Vec<Choice>,
    currencies: Vec<Choice>,
    quantities: Vec<Choice>,
    include_unavailable: bool,
    /// Number of filters that are set, beside the search words.
    filter_count: usize,
    /// Links to the same search on single days. In the results, because they keep the other filters.
    days: Vec<Chip>,
    active_filters: Vec<Chip>,
    /// The corrected search words, if the original ones found nothing.
    corrected: Option<String>,
    summary: String,
    /// The notice about parameters that were rejected, or that contradict each other. In the results, because a new
    /// search replaces only these.
    rejected: Option<String>,
    /// The results.
    shows: Vec<ShowView>,
    /// Other shows, if there are no results.
    fallback: Vec<ShowView>,
    /// Whether this is a later page than the first.
    is_continued: bool,
    /// Addresses of the first page and, if there is one, of the next page.
    first: String,
    next: Option<String>,
}

/// Browse the shows.
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
    let has_more = found.shows.len() > PAGE_SIZE;
    found.shows.truncate(PAGE_SIZE);
    let q = found.corrected.clone().unwrap_or_else(|| params.q.clone());
    let next = found.shows.last().filter(|_| has_more).map(|last| {
        let after = filter.sort.encode(filter.sort.key(&last.show));
        SearchParams { q, after, ..params.clone() }.address()
    });
    let active_filters = chips::active_filter_chips(&params, &filter, rules.default_currency());
    let fallback = if found.shows.is_empty() && !active_filters.is_empty() && filter.after.is_none() {
        let soonest = Filter::sorted_by(Sort::Soonest);
        search(&model, &state.model.vocabulary, &soonest, now, FALLBACK_COUNT).await?.shows
    } else {
        Vec::new()
    };
    // The results are the first shows already, unless the search has dates, another order or an earlier page.
    let known = if filter == without_days(&filter) {
        show_days(&found.shows, has_more, now)
    } else {
        days_of_shows(&state, &model, &filter, now).await?
    };
    let is_plain = filter == Filter::default();
    let canonical = is_plain.then(|| format!("{}/browse", state.public_url));
    let page = BrowsePage {
        layout: Layout { canonical, ..Layout::new(msg::browse_title(), msg::layout_description(), &viewer) },
        categories: categories(&params),
        sorts: sorts(filter.sort),
        periods: periods(&params),
        currencies: currency_choices(&params, currencies),
        quantities: quantities(&params),
        include_unavailable: filter.include_unavailable,
        filter_count: filter_count(&active_filters, &filter),
        days: chips::day_chips(&params, &known, now, Reader::current().time_zone.as_ref()),
        active_filters,
        corrected: found.corrected,
        summary: summary(found.shows.len(), has_more, &filter),
        rejected: rejected_parameters_message(&rejected).or_else(|| filter.contradiction()),
        shows: views(&found.shows, now).map(|show| show.found_by(&params, &filter)).collect(),
        fallback: views(&fallback, now).collect(),
        is_continued: filter.after.is_some(),
        first: params.first_page().address(),
        next,
        params,
    };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// The same filter without dates, sorted by start.
fn without_days(filter: &Filter) -> Filter {
    Filter { period: None, from: None, to: None, after: None, sort: Sort::Soonest, ..filter.clone() }
}

/// Searches without dates, and returns the days of the first shows.
async fn days_of_shows(state: &AppState, model: &Replicas, filter: &Filter, now: Timestamp) -> Result<ShowDays, Error> {
    let limit = i64::try_from(PAGE_SIZE).unwrap_or(i64::MAX);
    let found = search(model, &state.model.vocabulary, &without_days(filter), now, limit).await?.shows;
    Ok(show_days(&found, found.len() == PAGE_SIZE, now))
}

fn show_days(found: &[ShowOffer], has_more: bool, now: Timestamp) -> ShowDays {
    ShowDays::new(found.iter().map(|found| (found.show.starts_at, found.show.time_zone.as_str())), has_more, now)
}

/// The number of set filters without the search words, which are visible above.
fn filter_count(active_filters: &[Chip], filter: &Filter) -> usize {
    active_filters.len().saturating_sub(usize::from(filter.words.is_some()))
}

fn views(found: &[ShowOffer], now: Timestamp) -> impl Iterator<Item = ShowView> {
    found.iter().map(move |found| ShowView::new(found, now))
}

/// The number of shows on the page and their order, and which tickets are counted.
fn summary(count: usize, has_more: bool, filter: &Filter) -> String {
    if count == 0 {
        return msg::browse_none();
    }
    let part = match filter.after {
        Some(_) => "more",
        None if has_more => "first",
        None => "all",
    };
    let seats = filter.quantity.map(msg::browse_seats_together);
    let currency = filter.currency.as_ref().map(|currency| msg::browse_prices_in(currency.to_string()));
    let shows = msg::browse_summary(count, filter.sort.name(), part);
    std::iter::once(shows).chain(seats).chain(currency).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use common::money::Currency;
    use common::problem::FieldError;

    use super::*;
    use crate::domain::filter::SearchRules;
    use crate::domain::show_view::tests::sample;
    use crate::i18n::testing::in_german;

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
        let state = Context(SearchRules { first_currency: usd(), currencies: vec![usd()] });
        let LenientQuery { value: mut params, mut rejected } = LenientQuery::<SearchParams>::read(query, &state);
        params.clear_prices_of_rejected_currency(&mut rejected);
        let filter = Filter::new(&params, &state.0);
        (params, filter, rejected)
    }

    fn page(query: &str) -> BrowsePage {
        let (params, filter, _) = read(query);
        let usd = usd();
        let found = sample();
        let now = found.show.created_at;
        let active_filters = chips::active_filter_chips(&params, &filter, &usd);
        BrowsePage {
            layout: Layout::new(msg::browse_title(), msg::layout_description(), &Viewer::Guest),
            categories: categories(&params),
            sorts: sorts(filter.sort),
            periods: periods(&params),
            currencies: currency_choices(&params, std::slice::from_ref(&usd)),
            quantities: quantities(&params),
            include_unavailable: filter.include_unavailable,
            filter_count: filter_count(&active_filters, &filter),
            days: chips::day_chips(&params, &ShowDays::new(std::iter::empty(), true, now), now, None),
            active_filters,
            corrected: None,
            summary: summary(1, false, &filter),
            rejected: None,
            shows: vec![ShowView::new(&found, found.show.created_at).found_by(&params, &filter)],
            fallback: Vec::new(),
            is_continued: filter.after.is_some(),
            first: params.first_page().address(),
            next: None,
            params,
        }
    }

    #[test]
    fn invalid_parameters_are_reported_and_cleared() {
        let query = "category=opera&when=soon&from=tomorrow&to=2026-02-30&quantity=9&min=-1&max=much&currency=usd\
                     &status=gone&sort=up&after=x";
        let parsed = |query: &str| {
            let (params, filter, rejected) = read(query);
            let invalid: Vec<_> = rejected.into_iter().map(|error| error.field).collect();
            (filter, invalid, params.address())
        };
        let (filter, mut invalid, address) = parsed(&format!("{query}&q=jazz"));
        invalid.sort_unstable();
        let all = ["after", "category", "currency", "from", "max", "min", "quantity", "sort", "status", "to", "when"];
        assert_eq!(invalid, all);
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
        let after = Sort::Soonest.encode(Sort::Soonest.key(&sample().show));
        assert_eq!(parsed(&format!("after={after}")).1, [""; 0]);
        assert_eq!(parsed(&format!("after={after}&sort=newest")).1, ["after"]);
    }

    #[test]
    fn template_shows_its_values() {
        let mut page = page(
            "q=%22jazz%22&category=concert&when=week&from=2026-06-01&quantity=2&max=25&currency=JPY&status=all\
             &sort=newest",
        );
        page.next = Some("/browse?q=a&after=b".to_owned());
        page.corrected = Some("ja<zz".to_owned());
        page.rejected = Some("max must be <an amount>".to_owned());
        let html = page.render().unwrap();
        for part in [
            "<h1>Browse shows</h1>",
            "value=\"&#34;jazz&#34;\"",
            "<option value=\"concert\" selected>Concert</option>",
            "<option value=\"newest\" selected>Newest first</option>",
            "<option value=\"week\" selected>Next 7 days</option>",
            "<option value=\"\">Soonest first</option>",
            "<option value=\"JPY\" selected>JPY</option>",
            "name=\"from\" type=\"date\" autocomplete=\"off\" value=\"2026-06-01\"",
            "value=\"all\" checked",
            "No match for “&#34;jazz&#34;”. Showing “ja&#60;zz”.",
            "href=\"/browse?q=%22jazz%22&#38;when=week&#38;from=2026-06-01",
            "<option value=\"2\" selected>2</option>",
            "<summary><span id=\"filters\">Filters (7)</span></summary>",
            "1 show, newest first · Seats together: 2 · Prices in JPY",
            "max must be &#60;an amount&#62;",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "€46.00 or $50.00",
            "37 left",
            "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT",
            &format!("data-live=\"show:{}:2\"", page.shows[0].id),
            &format!("-{}?quantity=2&#38;max=25&#38;currency=JPY\"", page.shows[0].id),
            "data-version=\"1767225600000\"",
            "href=\"/browse?q=a&#38;after=b\" rel=\"next\"",
            "name=\"robots\" content=\"noindex\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let (_, results) = html.split_once("id=\"results\"").unwrap();
        assert!(results.contains("when=tomorrow&#38;quantity=2") && !results.contains("aria-current"), "{html}");
        assert!(results.contains("max must be"), "a search that replaces only the results shows it too: {html}");
        assert_eq!((html.matches("<h1").count(), html.matches(" selected").count()), (1, 5));
        // Each field has its label.
        for field in ["q", "category", "sort", "when", "from", "to", "quantity", "min", "max", "currency", "status"] {
            assert!(html.contains(&format!("for=\"{field}\"")), "{field}");
            assert_eq!(html.matches(&format!("id=\"{field}\"")).count(), 1, "{field}");
        }
    }

    #[test]
    fn empty_results_offer_links() {
        let empty = |query: &str| {
            let mut page = page(query);
            page.fallback.append(&mut page.shows);
            page.summary = summary(0, false, &Filter::default());
            page.render().unwrap()
        };
        let html = empty("q=jazz&max=10");
        for part in ["No shows", "No shows match your search", "href=\"/browse\"", "Coming up", "Blues"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(empty("").contains("No tickets are for sale right now"));
        let after = Sort::Soonest.encode(Sort::Soonest.key(&sample().show));
        let html = empty(&format!("q=jazz&after={after}"));
        assert!(html.contains("There are no more shows") && html.contains("href=\"/browse?q=jazz\""), "{html}");
    }

    #[test]
    fn summary_counts_and_names_the_order() {
        let filter = Filter::default();
        assert_eq!(summary(24, true, &filter), "The first 24 shows, soonest first");
        assert_eq!(summary(2, false, &filter), "2 shows, soonest first");
        let filter = Filter { after: Some(Sort::Soonest.key(&sample().show)), ..filter };
        assert_eq!(summary(24, true, &filter), "24 more shows, soonest first");
        assert_eq!(summary(1, false, &filter), "1 more show, soonest first");
        let (quantity, currency) = (Some(1), Some(usd()));
        let filter = Filter { quantity, ..Filter::default() };
        assert_eq!(summary(2, false, &filter), "2 shows, soonest first · Seats together: 1");
        let filter = Filter { quantity: Some(2), currency: currency.clone(), ..filter };
        assert_eq!(summary(2, false, &filter), "2 shows, soonest first · Seats together: 2 · Prices in USD");
        let filter = Filter { currency, ..Filter::default() };
        assert_eq!(summary(2, false, &filter), "2 shows, soonest first · Prices in USD");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let mut found = page("q=jazz&from=2026-06-01&min=5&max=25&currency=EUR&quantity=2&status=all");
            found.next = Some("/browse?after=b".to_owned());
            found.corrected = Some("jazz".to_owned());
            let mut nothing = page("q=jazz&sort=newest&when=week");
            nothing.fallback.append(&mut nothing.shows);
            nothing.summary = summary(0, false, &Filter::default());
            found.render().unwrap() + &nothing.render().unwrap()
        });
        for part in [
            "<h1>Veranstaltungen entdecken</h1>",
            "01.06.2026",
            ">Filter entfernen: Bis 25,00\u{a0}€</span>",
            "1 Veranstaltung, früheste zuerst · Plätze nebeneinander: 2 · Preise in EUR",
            "46,00\u{a0}€ oder 50,00\u{a0}$",
            "Keine Treffer für „jazz“.",
            "selected>Nächste 7 Tage</option>",
            ">Demnächst</h2>",
            ">Filter (6)</span></summary>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for part in ["show", "Any", "First", " page", " date", "Price", "price", "Seats", "Search", "Clear", "Remove"] {
            let mut texts = html.split('>').filter_map(|tail| tail.split('<').next());
            assert!(!texts.any(|text| text.contains(part)), "{part} is in {html}");
        }
        assert!(
            !html.contains("=\"Pages\"") && !html.contains("=\"Days\"") && !html.contains("=\"Filters\""),
            "{html}"
        );
    }
}
