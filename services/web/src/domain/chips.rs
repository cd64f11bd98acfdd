//! Links that start a search, and links that remove one filter of a search.

use common::events::ticket::Category;
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use jiff::tz::TimeZone;
use strum::VariantArray;

use super::filter::{Availability, Filter, SearchParams};
use super::form::capitalized;
use super::period::{Period, day_label, days_after_tomorrow, short_day_label};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chip {
    pub label: String,
    pub address: String,
    /// Whether it leads to the search that is shown.
    pub is_chosen: bool,
}

impl Chip {
    fn new(label: impl Into<String>, params: &SearchParams) -> Self {
        Self { label: label.into(), address: params.address(), is_chosen: false }
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

/// Searches by date: today, this weekend and so on.
pub(crate) fn date_chips() -> Vec<Chip> {
    let chip = |period: &Period| {
        let params = SearchParams { when: Some(*period), ..SearchParams::default() };
        Chip::new(period.label(), &params)
    };
    Period::VARIANTS.iter().map(chip).collect()
}

/// The same search on a single day: today, tomorrow, and each of the days after them for a reader in this time zone.
///
/// # Why
/// A date means the same in a page that stays open over midnight, or in a link that is sent to somebody. Only today and
/// tomorrow are relative: which day they are depends on the venue.
pub(crate) fn day_chips(params: &SearchParams, now: Timestamp, zone: Option<&TimeZone>) -> Vec<Chip> {
    let shown = params.first_page();
    let on_day = |when, day| SearchParams { when, from: day, to: day, ..shown.clone() };
    let relative =
        [Period::Today, Period::Tomorrow].map(|period| (period.label().to_owned(), on_day(Some(period), None)));
    let dated = days_after_tomorrow(now, zone).into_iter().map(|day| (short_day_label(day), on_day(None, Some(day))));
    let chip =
        |(label, search): (String, SearchParams)| Chip { is_chosen: search == shown, ..Chip::new(label, &search) };
    relative.into_iter().chain(dated).map(chip).collect()
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
    if let Some(period) = params.when {
        chip(period.label().to_owned(), |rest| rest.when = None);
    }
    if let Some(day) = params.from.filter(|day| params.to == Some(*day)) {
        chip(day_label(day), |rest| (rest.from, rest.to) = (None, None));
    } else {
        if let Some(day) = params.from {
            chip(format!("From {}", day_label(day)), |rest| rest.from = None);
        }
        if let Some(day) = params.to {
            chip(format!("Until {}", day_label(day)), |rest| rest.to = None);
        }
    }
    if let Some(quantity) = params.quantity {
        chip(format!("Seats together: {quantity}"), |rest| rest.quantity = None);
    }
    if let Some(price) = filter.min_price {
        chip(format!("From {}", money(price)), |rest| rest.min.clear());
    }
    if let Some(price) = filter.max_price {
        chip(format!("Up to {}", money(price)), |rest| rest.max.clear());
    }
    if params.currency.is_some() {
        chip(format!("Prices in {currency}"), |rest| rest.currency = None);
    }
    if params.status == Some(Availability::All) {
        chip("Including sold out".to_owned(), |rest| rest.status = None);
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
    fn filter_parses_every_link() {
        for chip in category_chips().into_iter().chain(date_chips()) {
            let query = chip.address.strip_prefix("/browse?").unwrap();
            let (_, filter) = parse(query);
            assert_ne!(filter, Filter::default(), "{}", chip.label);
        }
    }

    #[test]
    fn every_active_filter_has_a_remove_link() {
        let query = "q=jazz&category=concert&when=today&from=2026-06-01&to=2026-06-03&quantity=2&min=25&max=50\
                     &currency=EUR&status=all";
        let (params, filter) = parse(query);
        let chips = active_filter_chips(&params, &filter, &usd());
        let labels: Vec<_> = chips.iter().map(|chip| chip.label.as_str()).collect();
        let expected = [
            "“jazz”",
            "Concert",
            "Today",
            "From 1 June 2026",
            "Until 3 June 2026",
            "Seats together: 2",
            "From 25.00 EUR",
            "Up to 50.00 EUR",
            "Prices in EUR",
            "Including sold out",
        ];
        assert_eq!(labels, expected);
        for (chip, part) in chips.iter().zip(query.split('&')) {
            let rest: Vec<_> = query.split('&').filter(|other| *other != part).collect();
            assert_eq!(chip.address, format!("/browse?{}", rest.join("&")));
        }
        assert_eq!(active_filter_chips(&SearchParams::default(), &Filter::default(), &usd()), []);
        let (params, filter) = parse("q=jazz&from=2026-06-01&to=2026-06-01");
        let chips = active_filter_chips(&params, &filter, &usd());
        assert_eq!((chips[1].label.as_str(), chips[1].address.as_str()), ("1 June 2026", "/browse?q=jazz"));
        assert_eq!(chips.len(), 2, "one day is one filter");
    }

    #[test]
    fn day_links_keep_the_other_filters() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let (params, _) = parse("q=jazz&when=week&quantity=2&max=60&currency=EUR");
        let chips = day_chips(&params, now, None);
        let addresses: Vec<_> = chips.iter().map(|chip| (chip.label.as_str(), chip.address.as_str())).collect();
        assert_eq!(addresses.len(), 7);
        assert_eq!(
            addresses[..3],
            [
                ("Today", "/browse?q=jazz&when=today&quantity=2&max=60&currency=EUR"),
                ("Tomorrow", "/browse?q=jazz&when=tomorrow&quantity=2&max=60&currency=EUR"),
                ("Sat, Nov 28, 2026", "/browse?q=jazz&from=2026-11-28&to=2026-11-28&quantity=2&max=60&currency=EUR"),
            ]
        );
        assert!(chips.iter().all(|chip| !chip.is_chosen));
        for query in ["when=tomorrow&max=60", "from=2026-11-30&to=2026-11-30"] {
            let (params, _) = parse(query);
            let chosen: Vec<_> = day_chips(&params, now, None).into_iter().filter(|chip| chip.is_chosen).collect();
            assert!(chosen.len() == 1 && chosen[0].address == format!("/browse?{query}"), "{chosen:?}");
        }
    }
}
