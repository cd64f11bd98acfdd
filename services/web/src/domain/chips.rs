//! Links that start a search, and links that remove one filter of a search.

use common::events::ticket::Category;
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use jiff::tz::TimeZone;
use strum::VariantArray;

use super::filter::{Availability, Filter, SearchParams};
use super::listing_view::category_label;
use super::period::{Period, ShowDays, day_label, days_after_tomorrow};
use crate::i18n::msg;
use crate::i18n::price::format_price;

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
        Chip::new(category_label(*category), &params)
    };
    Category::VARIANTS.iter().map(chip).collect()
}

/// Searches by date, such as today and this weekend, without those that would find no show.
pub(crate) fn date_chips(known: &ShowDays) -> Vec<Chip> {
    let chip = |period: &Period| {
        let params = SearchParams { when: Some(*period), ..SearchParams::default() };
        Chip::new(period.label(), &params)
    };
    Period::VARIANTS.iter().filter(|period| known.may_have(**period)).map(chip).collect()
}

/// The same search on a single day: today, tomorrow, and each of the days after them for a reader in this time zone.
/// Days without a show are left out, except the day that is being shown.
///
/// # Why
/// A date means the same in a page that stays open over midnight, or in a link that is sent to somebody. Only today and
/// tomorrow are relative: which day they are depends on the venue.
pub(crate) fn day_chips(params: &SearchParams, known: &ShowDays, now: Timestamp, zone: Option<&TimeZone>) -> Vec<Chip> {
    let shown = params.first_page();
    let on_day = |when, day| SearchParams { when, from: day, to: day, ..shown.clone() };
    let chip = |label: String, search: SearchParams, may_have_show: bool| {
        let chip = Chip { is_chosen: search == shown, ..Chip::new(label, &search) };
        (may_have_show || chip.is_chosen).then_some(chip)
    };
    let relative = [Period::Today, Period::Tomorrow]
        .map(|period| chip(period.label(), on_day(Some(period), None), known.may_have(period)));
    let dated = days_after_tomorrow(now, zone)
        .into_iter()
        .map(|day| chip(day_label(day), on_day(None, Some(day)), known.may_have_day(day)));
    relative.into_iter().chain(dated).flatten().collect()
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
    let price = |amount| format_price(&Money { amount, currency: currency.clone() });
    if filter.words.is_some() {
        chip(msg::browse_words(params.q.trim()), |rest| rest.q.clear());
    }
    if let Some(category) = params.category {
        chip(category_label(category), |rest| rest.category = None);
    }
    if let Some(period) = params.when {
        chip(period.label(), |rest| rest.when = None);
    }
    if let Some(day) = params.from.filter(|day| params.to == Some(*day)) {
        chip(day_label(day), |rest| (rest.from, rest.to) = (None, None));
    } else {
        if let Some(day) = params.from {
            chip(msg::browse_from_day(day_label(day)), |rest| rest.from = None);
        }
        if let Some(day) = params.to {
            chip(msg::browse_until_day(day_label(day)), |rest| rest.to = None);
        }
    }
    if let Some(quantity) = params.quantity {
        chip(msg::browse_seats_together(quantity), |rest| rest.quantity = None);
    }
    if let Some(amount) = filter.min_price {
        chip(msg::browse_from_price(price(amount)), |rest| rest.min.clear());
    }
    if let Some(amount) = filter.max_price {
        chip(msg::browse_up_to_price(price(amount)), |rest| rest.max.clear());
    }
    if params.currency.is_some() {
        chip(msg::browse_prices_in(currency.to_string()), |rest| rest.currency = None);
    }
    if params.status == Some(Availability::All) {
        chip(msg::browse_including_sold_out(), |rest| rest.status = None);
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
        let rules = SearchRules { first_currency: usd(), currencies: vec![usd()] };
        assert_eq!(params.validate_with_args(&rules), Ok(()), "{query}");
        let filter = Filter::new(&params, &rules);
        (params, filter)
    }

    /// Nothing is known about the days of shows.
    fn anything() -> ShowDays {
        ShowDays::new(std::iter::empty(), true, Timestamp::from_millis(0))
    }

    #[test]
    fn filter_parses_every_link() {
        for chip in category_chips().into_iter().chain(date_chips(&anything())) {
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
            "From Mon, Jun 1, 2026",
            "Until Wed, Jun 3, 2026",
            "Seats together: 2",
            "From €25.00",
            "Up to €50.00",
            "Prices in EUR",
            "Including sold-out and cancelled shows",
        ];
        assert_eq!(labels, expected);
        for (chip, part) in chips.iter().zip(query.split('&')) {
            let rest: Vec<_> = query.split('&').filter(|other| *other != part).collect();
            assert_eq!(chip.address, format!("/browse?{}", rest.join("&")));
        }
        assert_eq!(active_filter_chips(&SearchParams::default(), &Filter::default(), &usd()), []);
        let (params, filter) = parse("q=jazz&from=2026-06-01&to=2026-06-01");
        let chips = active_filter_chips(&params, &filter, &usd());
        assert_eq!((chips[1].label.as_str(), chips[1].address.as_str()), ("Mon, Jun 1, 2026", "/browse?q=jazz"));
        assert_eq!(chips.len(), 2, "one day is one filter");
    }

    #[test]
    fn day_links_keep_the_other_filters() {
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let (params, _) = parse("q=jazz&when=week&quantity=2&max=60&currency=EUR");
        let chips = day_chips(&params, &anything(), now, None);
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
            let chosen: Vec<_> =
                day_chips(&params, &anything(), now, None).into_iter().filter(|chip| chip.is_chosen).collect();
            assert!(chosen.len() == 1 && chosen[0].address == format!("/browse?{query}"), "{chosen:?}");
            assert_eq!(day_chips(&params, &ShowDays::default(), now, None), chosen, "no day has a show");
        }
    }
}
