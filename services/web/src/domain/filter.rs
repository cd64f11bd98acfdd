//! The search parameters of the browse page, and the filter parsed from them.

use std::time::Duration;

use common::events::ticket::Category;
use common::money::Currency;
use common::problem::FieldError;
use common::timestamp::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use validator::Validate;

use super::form::{self, matches_digit_pattern};
use super::listing_form::parse_category;
use super::search;
use super::sort::{Sort, SortKey};

const DAY: Duration = Duration::from_secs(86_400);

/// The query parameters as they were given; unknown ones are ignored. An empty one counts as absent, since a form sends
/// all its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchParams {
    /// Prefixes of words of the title, venue, city or seller's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    pub q: String,
    /// concert, sport, theatre, comedy, festival or other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// First day, such as 2026-06-01, in UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// Last day, inclusive.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// Lowest price, such as 25.50.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub min: String,
    /// Highest price.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub max: String,
    /// Currency of the price. Default: any, or the first configured one when prices are compared.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub currency: String,
    /// available (the default), or all to include held and sold tickets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// soonest (the default), newest, price-low, price-high or price-drop.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sort: String,
    /// Sort key after which the page starts, from the previous page's link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
}

impl SearchParams {
    /// The URL path and query of this search.
    pub(crate) fn address(&self) -> String {
        match serde_urlencoded::to_string(self) {
            Ok(query) if !query.is_empty() => format!("/browse?{query}"),
            _ => "/browse".to_owned(),
        }
    }

    /// The same search from its first page.
    #[must_use]
    pub(crate) fn first_page(&self) -> Self {
        Self { after: String::new(), ..self.clone() }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Words that must all match. The list is empty for a query of punctuation only, which matches nothing.
    pub words: Option<Vec<String>>,
    pub category: Option<Category>,
    /// Earliest start of the event.
    pub from: Option<Timestamp>,
    /// Latest start of the event.
    pub until: Option<Timestamp>,
    /// Minimum price in minor units.
    pub min_price: Option<i64>,
    pub max_price: Option<i64>,
    pub currency: Option<Currency>,
    pub include_unavailable: bool,
    pub sort: Sort,
    /// Only listings after this key.
    pub after: Option<SortKey>,
}

impl Filter {
    pub(crate) fn sorted_by(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// Parses the parameters. Prices without a currency are in `default_currency`. Invalid parameters are reported and
    /// cleared in `params`.
    ///
    /// Days are in UTC, because a listing's own time zone is known only once it has been found.
    pub(crate) fn parse(params: &mut SearchParams, default_currency: &Currency) -> (Self, Vec<FieldError>) {
        let mut fields = FieldParser(Vec::new());
        let sort = fields.parse("sort", &mut params.sort, |name| {
            Sort::parse(name).ok_or("must be soonest, newest, price-low, price-high or price-drop")
        });
        let sort = sort.unwrap_or_default();
        let category = fields.parse("category", &mut params.category, parse_category);
        let has_currency = !params.currency.trim().is_empty();
        let currency = fields.parse("currency", &mut params.currency, str::parse::<Currency>);
        if has_currency && currency.is_none() {
            // The amounts would mean something else in another currency.
            for (field, text) in [("min", &mut params.min), ("max", &mut params.max)] {
                fields.parse(field, text, |_| Err::<(), _>("has no currency to go with it"));
            }
        }
        let price_currency = currency.as_ref().unwrap_or(default_currency);
        let amount = |text: &str| form::parse_money(text, price_currency).map(|money| money.amount);
        let min_price = fields.parse("min", &mut params.min, amount);
        let max_price = fields.parse("max", &mut params.max, amount);
        let from = fields.parse("from", &mut params.from, start_of);
        // The last day is inclusive.
        let until = fields.parse("to", &mut params.to, start_of);
        let until = until.map(|start| start.plus(DAY).minus(Duration::from_millis(1)));
        let include_unavailable = fields.parse("status", &mut params.status, |name| match name {
            "available" => Ok(false),
            "all" => Ok(true),
            _ => Err("must be available or all"),
        });
        let include_unavailable = include_unavailable.unwrap_or_default();
        let after = fields.parse("after", &mut params.after, |token| {
            sort.decode(token).ok_or("must be from a link of an earlier page")
        });
        let is_priced = min_price.is_some() || max_price.is_some() || sort.is_by_price();
        let currency = currency.or_else(|| is_priced.then(|| default_currency.clone()));
        let query = params.q.trim();
        let words = (!query.is_empty()).then(|| search::query_words(query));
        let filter =
            Self { words, category, from, until, min_price, max_price, currency, include_unavailable, sort, after };
        (filter, fields.0)
    }
}

/// Parses fields and collects their errors.
struct FieldParser(Vec<FieldError>);

impl FieldParser {
    /// The value of a field; `None` when it is empty or invalid. An invalid field is cleared.
    fn parse<T, E: ToString>(
        &mut self,
        field: &str,
        text: &mut String,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.trim().is_empty() {
            return None;
        }
        let parsed = parse(text.trim());
        if let Err(error) = &parsed {
            self.0.push(FieldError { field: field.to_owned(), message: error.to_string() });
            text.clear();
        }
        parsed.ok()
    }
}

fn start_of(day: &str) -> Result<Timestamp, &'static str> {
    // The parser would also accept a time after the day, a day without hyphens, or a year of two digits.
    let start = if matches_digit_pattern(day, "0000-00-00") { day } else { "" };
    let start = start.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC));
    start
        .map(|start| Timestamp::from_millis(start.timestamp().as_millisecond()))
        .map_err(|_| "must be a day such as 2026-06-01")
}

#[cfg(test)]
mod tests {
    use common::id::TicketId;

    use super::*;

    fn params(query: &str) -> SearchParams {
        serde_urlencoded::from_str(query).unwrap()
    }

    fn parse(query: &str) -> Filter {
        let (filter, errors) = Filter::parse(&mut params(query), &"USD".parse().unwrap());
        assert_eq!(errors, [], "{query}");
        filter
    }

    #[test]
    fn every_field_is_parsed() {
        let key = SortKey { value: 2_500, id: TicketId::new() };
        let after = Sort::PriceLow.encode(key);
        let query = format!(
            "q=+Jazz+Café&category=concert&from=2026-06-01&to=2026-06-03&min=25&max=99.5&currency=EUR&status=all\
             &sort=price-low&after={after}&utm_source=elsewhere"
        );
        let filter = parse(&query);
        let expected = Filter {
            words: Some(vec!["jazz".to_owned(), "cafe".to_owned()]),
            category: Some(Category::Concert),
            from: Some("2026-06-01T00:00:00Z".parse().unwrap()),
            until: Some("2026-06-03T23:59:59.999Z".parse().unwrap()),
            min_price: Some(2_500),
            max_price: Some(9_950),
            currency: Some("EUR".parse().unwrap()),
            include_unavailable: true,
            sort: Sort::PriceLow,
            after: Some(key),
        };
        assert_eq!(filter, expected);
    }

    #[test]
    fn empty_fields_are_absent() {
        let empty = "q=&category=&from=&to=&min=&max=+&currency=&status=&sort=&after=";
        assert_eq!(parse(empty), Filter::default());
        assert_eq!(parse("status=available&sort=soonest"), Filter::default());
        assert_eq!(parse("q=+++").words, None);
        assert_eq!(parse("q=+-+").words, Some(Vec::new()), "punctuation has no words");
    }

    #[test]
    fn prices_are_compared_within_one_currency() {
        let currency = |query| parse(query).currency.map(|currency| currency.to_string());
        for (query, expected) in [
            ("", None),
            ("sort=newest", None),
            ("currency=GBP", Some("GBP")),
            ("min=1", Some("USD")),
            ("max=1&currency=GBP", Some("GBP")),
            ("sort=price-high", Some("USD")),
            ("sort=price-low&currency=EUR", Some("EUR")),
        ] {
            assert_eq!(currency(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn invalid_fields_are_reported_and_cleared() {
        let query =
            "category=opera&from=tomorrow&to=2026-02-30&min=-1&max=much&currency=usd&status=gone&sort=up&after=x";
        let parsed = |query: &str| {
            let mut params = params(query);
            let (filter, errors) = Filter::parse(&mut params, &"USD".parse().unwrap());
            let invalid: Vec<_> = errors.into_iter().map(|error| error.field).collect();
            (filter, invalid, params.address())
        };
        let (filter, invalid, address) = parsed(&format!("{query}&q=jazz"));
        assert_eq!(invalid, ["sort", "category", "currency", "min", "max", "from", "to", "status", "after"]);
        assert_eq!((filter.words.as_deref(), address.as_str()), (Some(&["jazz".to_owned()][..]), "/browse?q=jazz"));
        for day in ["26-06-01", "-2026-06-01", "2026- 6- 1", "2026-06-01T19:00", "20260601", "2026-W23-1"] {
            assert_eq!(parsed(&format!("from={day}")).1, ["from"], "{day}");
        }
        // A price without its currency is meaningless.
        let (filter, invalid, address) = parsed("currency=eur&min=5&max=50");
        assert_eq!((invalid, address.as_str()), (["currency", "min", "max"].map(str::to_owned).to_vec(), "/browse"));
        assert_eq!((filter.min_price, filter.max_price, filter.currency), (None, None, None));
        // The key of another sort order.
        let after = Sort::Soonest.encode(SortKey { value: 5, id: TicketId::new() });
        assert!(parse(&format!("after={after}")).after.is_some());
        assert_eq!(parsed(&format!("after={after}&sort=newest")).1, ["after"]);
        // An empty range is not an error: the form may be only half filled in.
        parse("from=2026-06-03&to=2026-06-01&min=9&max=1");
    }

    #[test]
    fn address_contains_the_given_parameters_only() {
        for query in ["q=a%26b+%22c%22", "category=sport&from=2026-06-01&sort=newest", "min=1&max=2&after=x"] {
            assert_eq!(params(query).address(), format!("/browse?{query}"));
        }
        assert_eq!(params("q=&sort=").address(), "/browse");
        assert_eq!(params("q=a&after=x").first_page().address(), "/browse?q=a");
    }
}
