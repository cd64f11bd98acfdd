//! Links that start a search, and links that remove one filter of a search.

use common::events::ticket::Category;
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use jiff::ToSpan;
use jiff::tz::TimeZone;
use strum::VariantArray;

use super::day::Day;
use super::filter::{Availability, Filter, SearchParams};
use super::form::capitalized;
use super::sort::Sort;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub label: String,
    pub address: String,
}

impl Chip {
    fn new(label: impl Into<String>, params: &SearchParams) -> Self {
        Self { label: label.into(), address: params.address() }
    }
}

/// One search for each category.
pub(crate) fn category_chips() -> Vec<Chip> {
    let chip = |category: &Category| {
        let params = SearchParams { category: Some(*category), ..SearchParams::default() };
        Chip::new(capitalized(category.as_ref()), &params)
    };
    Category::VARIANTS.iter().map(chip).collect()
}

/// Searches by date: today, this weekend and so on. Days are in UTC, as in the filter.
pub(crate) fn date_chips(now: Timestamp) -> Vec<Chip> {
    let today = jiff::Timestamp::from_millisecond(now.as_millis()).unwrap_or_default().to_zoned(TimeZone::UTC).date();
    let monday = today.saturating_sub(today.weekday().to_monday_zero_offset().days());
    // A weekend starts on Friday night.
    let friday = monday.saturating_add(4.days());
    [
        ("Today", today, today),
        ("This weekend", friday.max(today), monday.saturating_add(6.days())),
        ("Next 7 days", today, today.saturating_add(6.days())),
        ("This month", today, today.last_of_month()),
    ]
    .into_iter()
    .map(|(label, from, to)| {
        Chip::new(label, &SearchParams { from: Day::new(from), to: Day::new(to), ..SearchParams::default() })
    })
    .collect()
}

/// One link for each active filter, which leads to the search without it.
pub(crate) fn active_filter_chips(params: &SearchParams, filter: &Filter, default_currency: &Currency) -> Vec<Chip> {
    let first_page = params.first_page();
    let mut chips = Vec::new();
    let mut chip = |label: String, without: fn(&mut SearchParams)| {
        let mut rest = first_page.clone();
        without(&mut rest);
        chips.push(Chip::new(label, &rest));
    };
    let currency = filter.currency.as_ref().unwrap_or(default_currency);
    let money = |amount| Money { amount, currency: currency.clone() };
    if filter.words.is_some() {
        chip(format!("“{}”", params.q.trim()), |rest| rest.q.clear());
    }
    if let Some(category) = params.category {
        chip(capitalized(category.as_ref()), |rest| rest.category = None);
    }
    if let Some(day) = params.from {
        chip(format!("From {}", day.label()), |rest| rest.from = None);
    }
    if let Some(day) = params.to {
        chip(format!("Until {}", day.label()), |rest| rest.to = None);
    }
    if let Some(price) = filter.min_price {
        chip(format!("From {}", money(price)), |rest| rest.min.clear());
    }
    if let Some(price) = filter.max_price {
        chip(format!("Up to {}", money(price)), |rest| rest.max.clear());
    }
    if params.currency.is_some() {
        chip(format!("In {currency}"), |rest| rest.currency = None);
    }
    if params.status == Some(Availability::All) {
        chip("Held and sold, too".to_owned(), |rest| rest.status = None);
    }
    if filter.sort == Sort::PriceDrop {
        chip("Price drops".to_owned(), |rest| rest.sort = None);
    }
    chips
}

#[cfg(test)]
mod tests {
    use validator::ValidateArgs;

    use super::*;
    use crate::domain::filter::SearchRules;

    fn usd() -> Currency {
        "USD".parse().unwrap()
    }

    fn parse(query: &str) -> (SearchParams, Filter) {
        let params: SearchParams = serde_urlencoded::from_str(query).unwrap();
        let rules = SearchRules { default_currency: usd() };
        assert_eq!(params.validate_with_args(&rules), Ok(()), "{query}");
        let filter = Filter::new(&params, &rules);
        (params, filter)
    }

    #[test]
    fn date_chips_are_relative_to_today() {
        for (now, expected) in [
            // A Wednesday.
            (
                "2026-06-10T12:00:00Z",
                ["06-10&to=2026-06-10", "06-12&to=2026-06-14", "06-10&to=2026-06-16", "06-10&to=2026-06-30"],
            ),
            // A Sunday: only the last day of the weekend is left.
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
            let days = date_chips(now.parse().unwrap());
            assert_eq!(days.len(), expected.len());
            for (chip, expected) in days.iter().zip(expected) {
                assert!(chip.address.ends_with(expected), "{now} {}: {}", chip.label, chip.address);
            }
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert_eq!(date_chips(Timestamp::from_millis(extreme)).len(), 4);
        }
    }

    #[test]
    fn filter_parses_every_link() {
        for chip in category_chips().into_iter().chain(date_chips("2026-06-10T12:00:00Z".parse().unwrap())) {
            let query = chip.address.strip_prefix("/browse?").unwrap();
            let (_, filter) = parse(query);
            assert_ne!(filter, Filter::default(), "{}", chip.label);
        }
    }

    #[test]
    fn every_active_filter_has_a_remove_link() {
        let query = "q=jazz&category=concert&from=2026-06-01&to=2026-06-03&min=25&max=50&currency=EUR&status=all\
                     &sort=price-drop";
        let (params, filter) = parse(query);
        let chips = active_filter_chips(&params, &filter, &usd());
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
        assert_eq!(active_filter_chips(&SearchParams::default(), &Filter::default(), &usd()), []);
    }
}
