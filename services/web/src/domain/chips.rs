//! Links that begin a search, and links that take a part of one away again.

use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::filter::{Asked, Filter};
use super::listing::categories;
use super::sort::Sort;

/// A link among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chip {
    /// What it says.
    pub label: String,
    /// Where it leads.
    pub address: String,
}

impl Chip {
    fn new(label: impl Into<String>, asked: &Asked) -> Self {
        Self { label: label.into(), address: asked.address() }
    }
}

/// What is on, by its kind.
pub fn kinds() -> Vec<Chip> {
    let kind = |(name, label)| Chip::new(label, &Asked { category: String::from(name), ..Asked::default() });
    categories().map(kind).collect()
}

/// What is on when people have time. Days are those of UTC, as in the filter that the links lead to.
pub fn days(now: Timestamp) -> Vec<Chip> {
    let today = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default().to_zoned(TimeZone::UTC).date();
    let monday = today.saturating_sub(today.weekday().to_monday_zero_offset().days());
    // It begins on Friday night.
    let friday = monday.saturating_add(4.days());
    [
        ("Today", today, today),
        ("This weekend", friday.max(today), monday.saturating_add(6.days())),
        ("Next 7 days", today, today.saturating_add(6.days())),
        ("This month", today, today.last_of_month()),
    ]
    .into_iter()
    .map(|(label, from, to)| {
        Chip::new(label, &Asked { from: from.to_string(), to: to.to_string(), ..Asked::default() })
    })
    .collect()
}

/// What narrows the list; each link leads to the list without that.
pub fn active(asked: &Asked, filter: &Filter, usual: &Currency) -> Vec<Chip> {
    let whole = asked.from_the_start();
    let mut chips = Vec::new();
    let mut chip = |label: String, without: fn(&mut Asked)| {
        let mut rest = whole.clone();
        without(&mut rest);
        chips.push(Chip::new(label, &rest));
    };
    let currency = filter.currency.as_ref().unwrap_or(usual);
    let price = |amount| Money { amount, currency: currency.clone() };
    if filter.words.is_some() {
        chip(format!("“{}”", asked.q.trim()), |rest| rest.q.clear());
    }
    if filter.category.is_some() {
        let label = categories().find(|(name, _)| *name == asked.category.trim()).map_or("Kind", |(_, label)| label);
        chip(label.to_owned(), |rest| rest.category.clear());
    }
    if filter.from.is_some() {
        chip(format!("From {}", day(&asked.from)), |rest| rest.from.clear());
    }
    if filter.until.is_some() {
        chip(format!("Until {}", day(&asked.to)), |rest| rest.to.clear());
    }
    if let Some(least) = filter.least {
        chip(format!("From {}", price(least)), |rest| rest.min.clear());
    }
    if let Some(most) = filter.most {
        chip(format!("Up to {}", price(most)), |rest| rest.max.clear());
    }
    if !asked.currency.trim().is_empty() {
        chip(format!("In {currency}"), |rest| rest.currency.clear());
    }
    if filter.with_taken {
        chip("Held and sold, too".to_owned(), |rest| rest.status.clear());
    }
    if filter.sort == Sort::PriceDrop {
        chip("Price drops".to_owned(), |rest| rest.sort.clear());
    }
    chips
}

/// `1 June 2026`.
fn day(text: &str) -> String {
    text.trim().parse::<Date>().map_or_else(|_| text.to_owned(), |day| day.strftime("%-d %B %Y").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    #[test]
    fn days_are_counted_from_today() {
        for (now, expected) in [
            // A Wednesday.
            (
                "2026-06-10T12:00:00Z",
                ["06-10&to=2026-06-10", "06-12&to=2026-06-14", "06-10&to=2026-06-16", "06-10&to=2026-06-30"],
            ),
            // A Sunday: most of the weekend is over.
            (
                "2026-06-14T23:59:00Z",
                ["06-14&to=2026-06-14", "06-14&to=2026-06-14", "06-14&to=2026-06-20", "06-14&to=2026-06-30"],
            ),
            // A Monday.
            (
                "2026-12-28T00:00:00Z",
                ["12-28&to=2026-12-28", "01-01&to=2027-01-03", "12-28&to=2027-01-03", "12-28&to=2026-12-31"],
            ),
        ] {
            let days = days(now.parse().unwrap());
            assert_eq!(days.len(), expected.len());
            for (chip, expected) in days.iter().zip(expected) {
                assert!(chip.address.ends_with(expected), "{now} {}: {}", chip.label, chip.address);
            }
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert_eq!(days(Timestamp::from_millis(extreme)).len(), 4);
        }
    }

    #[test]
    fn every_link_is_understood_by_the_filter() {
        for chip in kinds().into_iter().chain(days("2026-06-10T12:00:00Z".parse().unwrap())) {
            let query = chip.address.strip_prefix("/browse?").unwrap();
            let mut asked: Asked = serde_urlencoded::from_str(query).unwrap();
            let (filter, faults) = Filter::read(&mut asked, &usd());
            assert_eq!(faults, [], "{}", chip.label);
            assert_ne!(filter, Filter::default(), "{}", chip.label);
        }
    }

    #[test]
    fn each_part_of_a_search_can_be_taken_away() {
        let query = "q=jazz&category=concert&from=2026-06-01&to=2026-06-03&min=25&max=50&currency=EUR&status=all\
                     &sort=price-drop";
        let mut asked: Asked = serde_urlencoded::from_str(query).unwrap();
        let (filter, _) = Filter::read(&mut asked, &usd());
        let chips = active(&asked, &filter, &usd());
        let labels: Vec<_> = chips.iter().map(|chip| chip.label.as_str()).collect();
        let expected = [
            "“jazz”",
            "Concert",
            "From 1 June 2026",
            "Until 3 June 2026",
            "From 25.00 EUR",
            "Up to 50.00 EUR",
            "In EUR",
            "Held and sold, too",
            "Price drops",
        ];
        assert_eq!(labels, expected);
        for (chip, part) in chips.iter().zip(query.split('&')) {
            let rest: Vec<_> = query.split('&').filter(|other| *other != part).collect();
            assert_eq!(chip.address, format!("/browse?{}", rest.join("&")));
        }
        assert_eq!(active(&Asked::default(), &Filter::default(), &usd()), []);
    }
}
