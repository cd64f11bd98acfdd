//! A user's watch of a show: up to which price listings are reported, and the form in which the user sets it.

use std::collections::BTreeSet;

use common::events::show::{ShowState, ShowStatus};
use common::id::ShowId;
use common::money::{Currency, InvalidCurrency, Money};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::amount::{format_typed_amount, read_amount};
use super::form::FormErrors;
use crate::i18n::msg;
use crate::i18n::price::format_price;

/// Maximum number of shows that a user watches.
pub(crate) const MAX_SHOW_WATCHES: u8 = 50;

/// A user's request to be notified of listings of a show.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ShowWatch {
    /// The show, which may have been merged into another one since.
    pub show: ShowId,
    /// When the user started to watch: what happened earlier is not reported.
    pub since: Timestamp,
    /// The highest price that is reported; `None` for any price.
    #[serde(default)]
    pub max: Option<Money>,
}

impl ShowWatch {
    /// Whether listings at this price are reported.
    pub(crate) fn admits(&self, price: &Money) -> bool {
        self.max.as_ref().is_none_or(|max| price.currency == max.currency && price.amount <= max.amount)
    }

    /// A sentence for the watcher.
    fn sentence(&self) -> String {
        match &self.max {
            Some(max) => msg::show_watching_up_to(format_price(max)),
            None => msg::show_watching(),
        }
    }
}

/// Whether there may be news of the listings of this show.
pub(crate) fn is_open(show: &ShowState, now: Timestamp) -> bool {
    show.status != ShowStatus::Cancelled && now < show.starts_at
}

/// The fields as they were typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default)]
pub(crate) struct WatchForm {
    /// The highest price; blank for any price.
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    pub max: String,
    #[validate(length(max = 40, message = "must have at most 40 characters"))]
    pub currency: String,
}

impl WatchForm {
    /// The highest price; `None` for any price. The error is a sentence in the reader's language.
    pub(crate) fn max_price(&self) -> Result<Option<Money>, String> {
        if self.max.trim().is_empty() {
            return Ok(None);
        }
        let currency: Currency = self.currency.parse().map_err(|_: InvalidCurrency| msg::form_currency())?;
        let max = read_amount(&self.max, &currency)?.money;
        if max.amount > 0 { Ok(Some(max)) } else { Err(msg::form_positive()) }
    }
}

/// What the page of a show says of the viewer's watch, and its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WatchPanel {
    /// What the viewer is told; `None` if the viewer does not watch the show.
    pub current: Option<String>,
    pub form: WatchForm,
    pub errors: FormErrors,
    pub currencies: Vec<Currency>,
}

impl WatchPanel {
    /// The panel for the viewer's watch, with these currencies to choose from; the first one is the default.
    pub(crate) fn new(watch: Option<&ShowWatch>, currencies: impl IntoIterator<Item = Currency>) -> Self {
        let max = watch.and_then(|watch| watch.max.as_ref());
        let mut seen = BTreeSet::new();
        let mut currencies: Vec<_> = max.map(|max| max.currency.clone()).into_iter().chain(currencies).collect();
        currencies.retain(|currency| seen.insert(currency.clone()));
        let form = WatchForm {
            max: max.map(format_typed_amount).unwrap_or_default(),
            currency: currencies.first().map(ToString::to_string).unwrap_or_default(),
        };
        Self { current: watch.map(ShowWatch::sentence), form, errors: FormErrors::default(), currencies }
    }

    /// The panel with a form that was not accepted, and why.
    #[must_use]
    pub(crate) fn rejected(self, form: WatchForm, message: &str) -> Self {
        Self { form, errors: FormErrors::new("max", message), ..self }
    }

    pub(crate) fn is_chosen(&self, currency: &Currency) -> bool {
        self.form.currency == currency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64, currency: &str) -> Money {
        Money { amount, currency: currency.parse().unwrap() }
    }

    fn form(max: &str, currency: &str) -> WatchForm {
        WatchForm { max: max.to_owned(), currency: currency.to_owned() }
    }

    #[test]
    fn prices_are_compared_in_the_currency_of_the_watch() {
        let since = "2026-01-01T00:00:00Z".parse().unwrap();
        let any = ShowWatch { show: ShowId::new(), since, max: None };
        let cheap = ShowWatch { max: Some(money(6_000, "EUR")), ..any.clone() };
        for (price, expected) in
            [(money(6_000, "EUR"), true), (money(6_001, "EUR"), false), (money(5_000, "USD"), false)]
        {
            assert_eq!(cheap.admits(&price), expected, "{price}");
            assert!(any.admits(&price), "{price}");
        }
    }

    #[test]
    fn highest_price_is_read_as_people_type_it() {
        assert_eq!(form("60", "EUR").max_price(), Ok(Some(money(6_000, "EUR"))));
        assert_eq!(form(" €1.234,50 ", "EUR").max_price(), Ok(Some(money(123_450, "EUR"))));
        assert_eq!(form(" ", "").max_price(), Ok(None));
        for (max, currency, expected) in [
            ("much", "EUR", "Enter an amount such as 125.50."),
            ("0", "EUR", "Enter an amount above 0."),
            ("60", "euro", "Choose one of the currencies."),
            ("$60", "EUR", "Enter an amount in EUR"),
        ] {
            let error = form(max, currency).max_price().unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn panel_offers_each_currency_once_and_that_of_the_watch_first() {
        let [usd, eur] = ["USD", "EUR"].map(|code| code.parse::<Currency>().unwrap());
        let currencies = || [usd.clone(), eur.clone(), usd.clone()];
        let panel = WatchPanel::new(None, currencies());
        assert_eq!((&panel.current, &panel.form), (&None, &form("", "USD")));
        assert_eq!(panel.currencies, [usd.clone(), eur.clone()]);
        let since = "2026-01-01T00:00:00Z".parse().unwrap();
        let watch = ShowWatch { show: ShowId::new(), since, max: Some(money(6_000, "EUR")) };
        let panel = WatchPanel::new(Some(&watch), currencies());
        assert_eq!((&panel.form, &panel.currencies), (&form("60.00", "EUR"), &vec![eur.clone(), usd.clone()]));
        assert!(panel.is_chosen(&eur) && !panel.is_chosen(&usd));
        assert!(panel.current.as_deref().is_some_and(|text| text.ends_with("for €60.00 or less.")));
        let panel = panel.rejected(form("much", "USD"), "must be an amount");
        assert_eq!((panel.errors.get("max"), panel.form.max.as_str()), (Some("Must be an amount."), "much"));
    }
}
