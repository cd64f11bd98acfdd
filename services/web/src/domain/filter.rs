//! The search parameters of the browse page, and the filter that they describe.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use common::day::Day;
use common::events::ticket::Category;
use common::money::Currency;
use common::problem::FieldError;
use common::validate::invalid_part;
use serde::{Deserialize, Deserializer, Serialize};
use strum::VariantArray;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::amount::{named_currency, read_amount};
use super::form::parse_choice;
use super::period::Period;
use super::search;
use super::sort::{Sort, SortKey};
use crate::i18n::msg;
use crate::i18n::price::usual_currency;

/// Validation context of [`SearchParams`].
#[derive(Debug, Clone)]
pub(crate) struct SearchRules {
    /// The currency of a price that is typed without one, if the reader's region suggests none of `currencies`.
    pub first_currency: Currency,
    /// The currencies of listings.
    pub currencies: Vec<Currency>,
}

impl SearchRules {
    /// The currency of a price that the current reader types without one.
    pub(crate) fn default_currency(&self) -> &Currency {
        usual_currency(&self.currencies).unwrap_or(&self.first_currency)
    }
}

/// Which shows a search returns.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema, strum::EnumString, strum::AsRefStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Availability {
    /// Shows with a ticket for sale.
    #[default]
    Available,
    /// All shows, including cancelled ones and those without a ticket for sale.
    All,
}

/// The query parameters of a search. A blank one counts as absent, since a form sends all its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
#[validate(context = SearchRules, schema(function = "fits_currency_and_sort", use_context, skip_on_field_errors = false))]
pub(crate) struct SearchParams {
    /// Prefixes of words of the title, venue, city or seller's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    pub q: String,
    /// The kind of event.
    #[serde(default, deserialize_with = "choice", skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub category: Option<Category>,
    /// A period relative to the present day of the venue.
    #[serde(default, deserialize_with = "choice", skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub when: Option<Period>,
    /// First day of the venue, such as 2026-06-01.
    #[serde(default, deserialize_with = "parsed", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    pub from: Option<Day>,
    /// Last day, inclusive.
    #[serde(default, deserialize_with = "parsed", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    pub to: Option<Day>,
    /// Number of seats together in one listing. Default: any.
    #[serde(default, deserialize_with = "seats_together", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 8, message = "must be a number from 1 to 8"))]
    #[param(value_type = Option<u8>, minimum = 1, maximum = 8)]
    pub quantity: Option<u8>,
    /// Lowest price of a ticket as typed, such as 25.50.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[param(max_length = 40)]
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    pub min: String,
    /// Maximum price of a ticket as typed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[param(max_length = 40)]
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    pub max: String,
    /// Currency of a ticket. Default: any. A search by price needs one: by default the one that is typed with the price,
    /// else that of the reader's region, else the first configured one.
    #[serde(default, deserialize_with = "parsed", skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    pub currency: Option<Currency>,
    /// Which shows are listed.
    #[serde(default, deserialize_with = "choice", skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub status: Option<Availability>,
    /// The order of the shows; the soonest first by default.
    #[serde(default, deserialize_with = "choice", skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub sort: Option<Sort>,
    /// Sort key after which the page starts, from the previous page's link.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[param(max_length = 60)]
    #[validate(length(max = 60, message = "must have at most 60 characters"))]
    pub after: String,
}

/// Deserialises a parameter; a blank one is `None`.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    non_blank(deserializer, str::parse)
}

/// Deserialises the name of a variant; a blank one is `None`.
fn choice<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr + VariantArray + AsRef<str>,
{
    non_blank(deserializer, parse_choice)
}

/// Deserialises a number of seats; a blank one is `None`.
pub(crate) fn seats_together<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    non_blank(deserializer, |text| text.parse::<u8>().map_err(|_| "must be a number from 1 to 8"))
}

fn non_blank<'de, D: Deserializer<'de>, T, E: Display>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Result<Option<T>, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    let text = Some(text.trim()).filter(|text| !text.is_empty());
    text.map(parse).transpose().map_err(serde::de::Error::custom)
}

/// Validates the parameters whose form depends on another one: prices on the currency, the sort key on the sort order.
fn fits_currency_and_sort(params: &SearchParams, rules: &SearchRules) -> Result<(), ValidationError> {
    params.amount(&params.min, rules).map_err(|message| invalid_part("min", "amount", message))?;
    params.amount(&params.max, rules).map_err(|message| invalid_part("max", "amount", message))?;
    params.sort_key().map_err(|message| invalid_part("after", "sort_key", message))?;
    Ok(())
}

/// The path with these parameters, if there are any.
pub(crate) fn with_query(path: &str, parameters: impl Serialize) -> String {
    match serde_urlencoded::to_string(parameters) {
        Ok(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

impl SearchParams {
    /// The URL path and query of this search.
    pub(crate) fn address(&self) -> String {
        with_query("/browse", self)
    }

    /// The same search from its first page.
    #[must_use]
    pub(crate) fn first_page(&self) -> Self {
        Self { after: String::new(), ..self.clone() }
    }

    /// The query that narrows the page of a show to the listings that this search asks for; empty if it asks for no
    /// particular ones.
    pub(crate) fn listings_query(&self, filter: &Filter) -> String {
        let wanted = [
            ("quantity", self.quantity.map(|quantity| quantity.to_string())),
            ("max", filter.max_price.map(|_| self.max.trim().to_owned())),
            ("currency", filter.currency.as_ref().map(ToString::to_string)),
        ];
        let given: Vec<_> = wanted.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        with_query("", given)
    }

    /// Clears the prices if their currency was rejected, and reports them: they would mean something else in another
    /// currency.
    pub(crate) fn clear_prices_of_rejected_currency(&mut self, rejected: &mut Vec<FieldError>) {
        if self.currency.is_none() && rejected.iter().any(|error| error.field == "currency") {
            for (field, text) in [("min", &mut self.min), ("max", &mut self.max)] {
                if !text.trim().is_empty() {
                    rejected.push(FieldError::new(field, "needs a currency"));
                }
                text.clear();
            }
        }
    }

    /// A price in minor units; `None` if it is blank.
    fn amount(&self, text: &str, rules: &SearchRules) -> Result<Option<i64>, String> {
        let currency = self.price_currency(rules);
        let text = Some(text.trim()).filter(|text| !text.is_empty());
        text.map(|text| read_amount(text, &currency).map(|read| read.money.amount)).transpose()
    }

    /// The currency in which prices are compared.
    fn price_currency(&self, rules: &SearchRules) -> Currency {
        let typed = || [&self.max, &self.min].into_iter().find_map(|text| named_currency(text));
        self.currency.clone().or_else(typed).unwrap_or_else(|| rules.default_currency().clone())
    }

    /// The key in `after`; `None` if it is blank.
    fn sort_key(&self) -> Result<Option<SortKey>, &'static str> {
        let token = Some(self.after.trim()).filter(|token| !token.is_empty());
        let key = token.map(|token| self.sort.unwrap_or_default().decode(token));
        key.map(|key| key.ok_or("must come from a link on an earlier page")).transpose()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Words that must all match. The list is empty for a query of punctuation only, which matches nothing.
    pub words: Option<Vec<String>>,
    pub category: Option<Category>,
    pub period: Option<Period>,
    /// First day of the venue.
    pub from: Option<Day>,
    /// Last day of the venue, inclusive.
    pub to: Option<Day>,
    /// Number of seats that a listing sells together. What a show has for sale is then counted without other listings.
    pub quantity: Option<u8>,
    /// Minimum price of a ticket in minor units.
    pub min_price: Option<i64>,
    pub max_price: Option<i64>,
    pub currency: Option<Currency>,
    /// Also shows without a ticket for sale.
    pub include_unavailable: bool,
    pub include_cancelled: bool,
    pub sort: Sort,
    /// Only shows after this key.
    pub after: Option<SortKey>,
}

impl Filter {
    pub(crate) fn sorted_by(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// Why no show can match: a range ends before it begins.
    pub(crate) fn contradiction(&self) -> Option<String> {
        if self.from.zip(self.to).is_some_and(|(first, last)| first > last) {
            return Some(msg::browse_days_reversed());
        }
        let is_below = self.min_price.zip(self.max_price).is_some_and(|(lowest, highest)| lowest > highest);
        is_below.then(msg::browse_prices_reversed)
    }

    /// The filter that valid parameters describe.
    pub(crate) fn new(params: &SearchParams, rules: &SearchRules) -> Self {
        let sort = params.sort.unwrap_or_default();
        let amount = |text: &str| params.amount(text, rules).ok().flatten();
        let (min_price, max_price) = (amount(&params.min), amount(&params.max));
        let is_priced = min_price.is_some() || max_price.is_some();
        let query = params.q.trim();
        let is_all = params.status == Some(Availability::All);
        Self {
            words: (!query.is_empty()).then(|| search::query_words(query)),
            category: params.category,
            period: params.when,
            from: params.from,
            to: params.to,
            quantity: params.quantity,
            min_price,
            max_price,
            currency: params.currency.clone().or_else(|| is_priced.then(|| params.price_currency(rules))),
            include_unavailable: is_all,
            include_cancelled: is_all,
            sort,
            after: params.sort_key().ok().flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use common::id::ShowId;
    use validator::ValidateArgs;

    use super::*;
    use crate::i18n::testing::in_german;

    fn params(query: &str) -> SearchParams {
        serde_urlencoded::from_str(query).unwrap()
    }

    fn parse(query: &str) -> Filter {
        let currencies = ["USD", "EUR"].map(|code| code.parse::<Currency>().unwrap());
        let [first_currency, _] = currencies.clone();
        let (params, rules) = (params(query), SearchRules { first_currency, currencies: currencies.to_vec() });
        assert_eq!(params.validate_with_args(&rules), Ok(()), "{query}");
        Filter::new(&params, &rules)
    }

    #[test]
    fn every_field_is_parsed() {
        let key = SortKey { value: 0, id: ShowId::new() };
        let after = Sort::Newest.encode(key);
        let query = format!(
            "q=+Jazz+Café&category=concert&when=weekend&from=2026-06-01&to=2026-06-03&quantity=2&min=25&max=99.5\
             &currency=EUR&status=all&sort=newest&after={after}&utm_source=elsewhere"
        );
        let filter = parse(&query);
        let expected = Filter {
            words: Some(vec!["jazz".to_owned(), "cafe".to_owned()]),
            category: Some(Category::Concert),
            period: Some(Period::Weekend),
            from: Some("2026-06-01".parse().unwrap()),
            to: Some("2026-06-03".parse().unwrap()),
            quantity: Some(2),
            min_price: Some(2_500),
            max_price: Some(9_950),
            currency: Some("EUR".parse().unwrap()),
            include_unavailable: true,
            include_cancelled: true,
            sort: Sort::Newest,
            after: Some(key),
        };
        assert_eq!(filter, expected);
    }

    #[test]
    fn empty_fields_are_absent() {
        let empty = "q=&category=&when=&from=&to=&quantity=+&min=&max=+&currency=&status=&sort=&after=";
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
            ("max=60+%E2%82%AC", Some("EUR")),
            ("min=5&max=60+%E2%82%AC", Some("EUR")),
            ("max=60+%24", Some("USD")),
            ("sort=newest&currency=EUR", Some("EUR")),
        ] {
            assert_eq!(currency(query).as_deref(), expected, "{query}");
        }
        in_german(|| {
            for (query, expected) in [("", None), ("max=60", Some("EUR")), ("max=60&currency=USD", Some("USD"))] {
                assert_eq!(currency(query).as_deref(), expected, "{query}");
            }
        });
    }

    #[test]
    fn empty_range_is_valid() {
        // The form may be only half filled in.
        let said = |query| parse(query).contradiction().unwrap_or_default();
        assert!(said("from=2026-06-03&to=2026-06-01&min=9&max=1").starts_with("The last day is before the first day"));
        assert!(said("min=9&max=1").starts_with("The maximum price is below the minimum price"));
        assert_eq!(said("from=2026-06-01&to=2026-06-01&min=9&max=9"), "");
    }

    #[test]
    fn address_contains_the_given_parameters_only() {
        for query in ["q=a%26b+%22c%22", "category=sport&when=today&from=2026-06-01&sort=newest", "min=1&max=2&after=x"]
        {
            assert_eq!(params(query).address(), format!("/browse?{query}"));
        }
        assert_eq!(params("q=&sort=").address(), "/browse");
        assert_eq!(params("q=a&after=x").first_page().address(), "/browse?q=a");
    }

    #[test]
    fn page_of_a_show_is_narrowed_to_the_listings_that_are_asked_for() {
        for (query, expected) in [
            ("q=a&category=sport&when=today&sort=newest", ""),
            ("quantity=2", "?quantity=2"),
            ("quantity=2&max=+60+&currency=EUR", "?quantity=2&max=60&currency=EUR"),
            // The page of a show may compare prices in another currency unless it is named.
            ("max=49,99", "?max=49%2C99&currency=USD"),
            ("min=5", "?currency=USD"),
        ] {
            assert_eq!(params(query).listings_query(&parse(query)), expected, "{query}");
        }
    }
}
