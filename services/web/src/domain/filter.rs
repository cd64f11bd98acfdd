//! What somebody looks for, as the address says it: words, filters, order, page.

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

use super::form::{self, is_shaped};
use super::listing::category_of;
use super::search;
use super::sort::{Place, Sort};

const DAY: Duration = Duration::from_secs(86_400);

/// What the address says, as it says it; whatever else it carries is not ours to mind. What is empty
/// counts as absent, since a form sends every field that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Words that each begin a word of title, venue, city or seller's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    pub q: String,
    /// concert, sport, theatre, comedy, festival or other.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub category: String,
    /// The first day, such as 2026-06-01, in UTC.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The last day.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
    /// The lowest price, such as 25.50.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub min: String,
    /// The highest price.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub max: String,
    /// The currency of the price; any unless told, or the shop's first when prices are compared.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub currency: String,
    /// available unless told; all shows what is held or sold, too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// soonest unless told; newest, price-low, price-high or price-drop.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sort: String,
    /// Behind which listing the page begins; from the link of the page before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub after: String,
}

impl Asked {
    /// The address of the page that answers it.
    pub fn address(&self) -> String {
        match serde_urlencoded::to_string(self) {
            Ok(query) if !query.is_empty() => format!("/browse?{query}"),
            _ => "/browse".to_owned(),
        }
    }

    /// The same, from its first page.
    #[must_use]
    pub fn from_the_start(&self) -> Self {
        Self { after: String::new(), ..self.clone() }
    }
}

/// What somebody looks for, understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Words that are all to be found. With a search of marks alone there is none, and nothing is found.
    pub words: Option<Vec<String>>,
    /// Of this kind alone.
    pub category: Option<Category>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Not after this time.
    pub until: Option<Timestamp>,
    /// For no less than this, in minor units.
    pub least: Option<i64>,
    /// For no more than this.
    pub most: Option<i64>,
    /// In this currency alone.
    pub currency: Option<Currency>,
    /// Also what is held or sold.
    pub with_taken: bool,
    /// In this order.
    pub sort: Sort,
    /// Behind this place.
    pub place: Option<Place>,
}

impl Filter {
    /// All that is for sale, in this order.
    pub fn by(sort: Sort) -> Self {
        Self { sort, ..Self::default() }
    }

    /// Understands what was asked for; `usual` is the currency of prices that come without one. What can't be
    /// understood is named, and left out of `asked`.
    ///
    /// Days are those of UTC: a listing's own zone is known only once it has been found.
    pub fn read(asked: &mut Asked, usual: &Currency) -> (Self, Vec<FieldError>) {
        let mut reading = Reading(Vec::new());
        let sort = reading.read("sort", &mut asked.sort, |name| {
            Sort::read(name).ok_or("must be soonest, newest, price-low, price-high or price-drop")
        });
        let sort = sort.unwrap_or_default();
        let category = reading.read("category", &mut asked.category, category_of);
        let named = !asked.currency.trim().is_empty();
        let currency = reading.read("currency", &mut asked.currency, str::parse::<Currency>);
        if named && currency.is_none() {
            // In another currency these would mean something else.
            for (field, text) in [("min", &mut asked.min), ("max", &mut asked.max)] {
                reading.read(field, text, |_| Err::<(), _>("has no currency to go with it"));
            }
        }
        let amount = |text: &str| form::money(text, currency.as_ref().unwrap_or(usual)).map(|money| money.amount);
        let least = reading.read("min", &mut asked.min, amount);
        let most = reading.read("max", &mut asked.max, amount);
        let from = reading.read("from", &mut asked.from, start_of);
        // The day that is named last is one of them.
        let until =
            reading.read("to", &mut asked.to, start_of).map(|start| start.plus(DAY).minus(Duration::from_millis(1)));
        let with_taken = reading.read("status", &mut asked.status, |name| match name {
            "available" => Ok(false),
            "all" => Ok(true),
            _ => Err("must be available or all"),
        });
        let place = reading.read("after", &mut asked.after, |token| {
            sort.read_token(token).ok_or("must be from a link of an earlier page")
        });
        let is_priced = least.is_some() || most.is_some() || sort.is_by_price();
        let currency = currency.or_else(|| is_priced.then(|| usual.clone()));
        let text: String = asked.q.trim().to_owned();
        let words = (!text.is_empty()).then(|| search::searched(&text));
        let with_taken = with_taken.unwrap_or_default();
        (Self { words, category, from, until, least, most, currency, with_taken, sort, place }, reading.0)
    }
}

/// Reads fields and notes what is wrong with them.
struct Reading(Vec<FieldError>);

impl Reading {
    /// What a field says; nothing when it is empty or wrong.
    fn read<T, E: ToString>(
        &mut self,
        field: &str,
        text: &mut String,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        if text.trim().is_empty() {
            return None;
        }
        match read(text.trim()) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.0.push(FieldError { field: field.to_owned(), message: fault.to_string() });
                text.clear();
                None
            }
        }
    }
}

/// When a day begins.
fn start_of(day: &str) -> Result<Timestamp, &'static str> {
    // The parser would also take a time behind the day, none of the hyphens, or a year of two digits.
    let start = if is_shaped(day, "0000-00-00") { day } else { "" };
    let start = start.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC));
    start
        .map(|start| Timestamp::from_millis(start.timestamp().as_millisecond()))
        .map_err(|_| "must be a day such as 2026-06-01")
}

#[cfg(test)]
mod tests {
    use common::id::TicketId;

    use super::*;

    fn asked(query: &str) -> Asked {
        serde_urlencoded::from_str(query).unwrap()
    }

    fn read(query: &str) -> Filter {
        let (filter, faults) = Filter::read(&mut asked(query), &"USD".parse().unwrap());
        assert_eq!(faults, [], "{query}");
        filter
    }

    #[test]
    fn every_field_is_understood() {
        let place = Place { value: 2_500, id: TicketId::new() };
        let after = Sort::PriceLow.token(place);
        let query = format!(
            "q=+Jazz+Café&category=concert&from=2026-06-01&to=2026-06-03&min=25&max=99.5&currency=EUR&status=all\
             &sort=price-low&after={after}&utm_source=elsewhere"
        );
        let filter = read(&query);
        let expected = Filter {
            words: Some(vec!["jazz".to_owned(), "cafe".to_owned()]),
            category: Some(Category::Concert),
            from: Some("2026-06-01T00:00:00Z".parse().unwrap()),
            until: Some("2026-06-03T23:59:59.999Z".parse().unwrap()),
            least: Some(2_500),
            most: Some(9_950),
            currency: Some("EUR".parse().unwrap()),
            with_taken: true,
            sort: Sort::PriceLow,
            place: Some(place),
        };
        assert_eq!(filter, expected);
    }

    #[test]
    fn what_is_empty_is_absent() {
        let nothing = "q=&category=&from=&to=&min=&max=+&currency=&status=&sort=&after=";
        assert_eq!(read(nothing), Filter::default());
        assert_eq!(read("status=available&sort=soonest"), Filter::default());
        assert_eq!(read("q=+++").words, None);
        assert_eq!(read("q=+-+").words, Some(Vec::new()), "nothing has no words");
    }

    #[test]
    fn prices_are_compared_within_one_currency() {
        let currency = |query| read(query).currency.map(|currency| currency.to_string());
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
    fn nonsense_is_named_field_by_field() {
        let query =
            "category=opera&from=tomorrow&to=2026-02-30&min=-1&max=much&currency=usd&status=gone&sort=up&after=x";
        let understood = |query: &str| {
            let mut asked = asked(query);
            let (filter, faults) = Filter::read(&mut asked, &"USD".parse().unwrap());
            let named: Vec<_> = faults.into_iter().map(|fault| fault.field).collect();
            (filter, named, asked.address())
        };
        let (filter, named, address) = understood(&format!("{query}&q=jazz"));
        assert_eq!(named, ["sort", "category", "currency", "min", "max", "from", "to", "status", "after"]);
        assert_eq!((filter.words.as_deref(), address.as_str()), (Some(&["jazz".to_owned()][..]), "/browse?q=jazz"));
        for day in ["26-06-01", "-2026-06-01", "2026- 6- 1", "2026-06-01T19:00", "20260601", "2026-W23-1"] {
            assert_eq!(understood(&format!("from={day}")).1, ["from"], "{day}");
        }
        // Without its currency a price says nothing.
        let (filter, named, address) = understood("currency=eur&min=5&max=50");
        assert_eq!((named, address.as_str()), (["currency", "min", "max"].map(str::to_owned).to_vec(), "/browse"));
        assert_eq!((filter.least, filter.most, filter.currency), (None, None, None));
        // The place of another order.
        let after = Sort::Soonest.token(Place { value: 5, id: TicketId::new() });
        assert!(read(&format!("after={after}")).place.is_some());
        assert_eq!(understood(&format!("after={after}&sort=newest")).1, ["after"]);
        // What leads nowhere is no fault: whoever fills in the form is half-way there.
        read("from=2026-06-03&to=2026-06-01&min=9&max=1");
    }

    #[test]
    fn an_address_says_what_was_asked_for_and_no_more() {
        for query in ["q=a%26b+%22c%22", "category=sport&from=2026-06-01&sort=newest", "min=1&max=2&after=x"] {
            assert_eq!(asked(query).address(), format!("/browse?{query}"));
        }
        assert_eq!(asked("q=&sort=").address(), "/browse");
        assert_eq!(asked("q=a&after=x").from_the_start().address(), "/browse?q=a");
    }
}
