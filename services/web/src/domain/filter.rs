//! What somebody looks for, as the address says it: words, filters, order, page.

use std::time::Duration;

use common::error::Error;
use common::events::ticket::Category;
use common::money::Currency;
use common::timestamp::Timestamp;
use common::validate::Check;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::de::IntoDeserializer;
use serde::de::value::Error as Unknown;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use super::sort::{Place, Sort};
use super::{form, search};

/// How many characters of a search count.
const LENGTH: usize = 200;
const DAY: Duration = Duration::from_secs(86_400);

/// What the address says, as it says it; whatever else it carries is not ours to mind. What is empty
/// counts as absent, since a form sends every field that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Words that each begin a word of title, venue, city or seller's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
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

    /// Understands what was asked for; `usual` is the currency of prices that come without one.
    ///
    /// Days are those of UTC: a listing's own zone is known only once it has been found.
    pub fn read(asked: &Asked, usual: &Currency) -> Result<Self, Error> {
        let mut reading = Reading(Check::default());
        let sort = reading.read("sort", &asked.sort, |name| {
            Sort::read(name).ok_or("must be soonest, newest, price-low, price-high or price-drop")
        });
        let sort = sort.unwrap_or_default();
        let category = reading.read("category", &asked.category, |name| {
            let known = Category::deserialize(IntoDeserializer::<Unknown>::into_deserializer(name));
            known.map_err(|_| "must be concert, sport, theatre, comedy, festival or other")
        });
        let currency = reading.read("currency", &asked.currency, str::parse::<Currency>);
        let amount = |text: &str| form::money(text, currency.as_ref().unwrap_or(usual)).map(|money| money.amount);
        let least = reading.read("min", &asked.min, amount);
        let most = reading.read("max", &asked.max, amount);
        let from = reading.read("from", &asked.from, start_of);
        // The day that is named last is one of them.
        let until =
            reading.read("to", &asked.to, start_of).map(|start| start.plus(DAY).minus(Duration::from_millis(1)));
        let with_taken = reading.read("status", &asked.status, |name| match name {
            "available" => Ok(false),
            "all" => Ok(true),
            _ => Err("must be available or all"),
        });
        let place = reading.read("after", &asked.after, |token| {
            sort.read_token(token).ok_or("must be from a link of an earlier page")
        });
        reading.0.finish()?;
        let is_priced = least.is_some() || most.is_some() || sort.is_by_price();
        let currency = currency.or_else(|| is_priced.then(|| usual.clone()));
        let text: String = asked.q.trim().chars().take(LENGTH).collect();
        let words = (!text.is_empty()).then(|| search::searched(&text));
        let with_taken = with_taken.unwrap_or_default();
        Ok(Self { words, category, from, until, least, most, currency, with_taken, sort, place })
    }
}

/// Reads fields and notes what is wrong with them.
struct Reading(Check);

impl Reading {
    /// What a field says; nothing when it is empty or wrong.
    fn read<T, E: ToString>(&mut self, field: &str, text: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match read(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.0.fault(field, fault.to_string());
                None
            }
        }
    }
}

/// When a day begins.
fn start_of(day: &str) -> Result<Timestamp, &'static str> {
    let start = day.parse::<Date>().and_then(|day| day.to_zoned(TimeZone::UTC));
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

    fn read(query: &str) -> Result<Filter, Error> {
        Filter::read(&asked(query), &"USD".parse().unwrap())
    }

    #[test]
    fn every_field_is_understood() {
        let place = Place { value: 2_500, id: TicketId::new() };
        let after = Sort::PriceLow.token(place);
        let query = format!(
            "q=+Jazz+Café&category=concert&from=2026-06-01&to=2026-06-03&min=25&max=99.5&currency=EUR&status=all\
             &sort=price-low&after={after}&utm_source=elsewhere"
        );
        let filter = read(&query).unwrap();
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
        assert_eq!(read(nothing).unwrap(), Filter::default());
        assert_eq!(read("status=available&sort=soonest").unwrap(), Filter::default());
        assert_eq!(read("q=+++").unwrap().words, None);
        assert_eq!(read("q=+-+").unwrap().words, Some(Vec::new()), "nothing has no words");
    }

    #[test]
    fn prices_are_compared_within_one_currency() {
        let currency = |query| read(query).unwrap().currency.map(|currency| currency.to_string());
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
        let Err(Error::Invalid(errors)) = read(query) else { panic!("must be refused") };
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["sort", "category", "currency", "min", "max", "from", "to", "status", "after"]);
        // The place of another order.
        let after = Sort::Soonest.token(Place { value: 5, id: TicketId::new() });
        assert!(read(&format!("after={after}")).is_ok());
        assert!(read(&format!("after={after}&sort=newest")).is_err());
        // What leads nowhere is no fault: whoever fills in the form is half-way there.
        assert!(read("from=2026-06-03&to=2026-06-01&min=9&max=1").is_ok());
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
