//! Rules about prices: which earlier price may be shown, and the cap over face value.

use std::str::FromStr;
use std::time::Duration;

use common::error::{Error, Rejection};
use common::events::ticket::PriceDrop;
use common::money::Money;
use common::problem::{FieldError, Params};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The period before a reduction whose lowest price is shown.
const PERIOD: Duration = Duration::from_secs(30 * 24 * 3600);
/// Maximum number of stored earlier prices.
const MAX_PAST_PRICES: usize = 30;

/// An earlier price of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PastPrice {
    /// The price.
    pub(crate) price: Money,
    /// When it was replaced.
    pub(crate) until: Timestamp,
}

/// Adds the price that is replaced now to the earlier ones. Drops the earlier prices that no later reduction is
/// measured against: those before the period, and those that are not lower than the replaced price, which stays within
/// the period for longer.
pub(crate) fn past_prices(mut past: Vec<PastPrice>, replaced: &Money, now: Timestamp) -> Vec<PastPrice> {
    let is_lower = |one: &PastPrice| one.price.currency != replaced.currency || one.price.amount < replaced.amount;
    past.retain(|one| now.since(one.until) < PERIOD && is_lower(one));
    let is_full = past.len() >= MAX_PAST_PRICES;
    let lower = past.iter().rposition(|one| one.price.currency == replaced.currency).filter(|_| is_full);
    if let Some(lower) = lower.and_then(|index| past.get_mut(index)) {
        // Extend the last lower price instead. It then counts for longer than it applied, which can only make a
        // reduction look smaller.
        lower.until = now;
    } else {
        past.push(PastPrice { price: replaced.clone(), until: now });
    }
    past
}

/// The reduction to show for a price that applies from `now` on, if it is below the lowest price of the last 30 days.
/// `None` if one of those prices was in another currency: it can't be compared with the others, but may have been the
/// lowest.
pub(crate) fn price_drop(past: &[PastPrice], price: &Money, now: Timestamp) -> Option<PriceDrop> {
    let recent = || past.iter().filter(move |one| now.since(one.until) < PERIOD).map(|one| &one.price);
    let lowest = recent().min_by_key(|past| past.amount)?;
    if recent().any(|past| past.currency != price.currency) {
        return None;
    }
    (price.amount < lowest.amount).then(|| PriceDrop { from: lowest.clone(), at: now })
}

/// The highest price in a country, in percent over face value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceCap {
    /// ISO 3166-1 code of two letters.
    pub country: String,
    /// Percent over face value; 0 allows the face value and no more.
    pub percent: u16,
}

impl FromStr for PriceCap {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').map(|(country, percent)| (country.trim(), percent.trim()));
        let parsed = parts.and_then(|(country, percent)| {
            let is_code = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
            Some(Self { country: country.to_owned(), percent: percent.parse().ok().filter(|_| is_code)? })
        });
        parsed.ok_or_else(|| "must be a country and percent over face value, such as FR=0".to_owned())
    }
}

/// Rejects a price above the cap of this country. Where there is one, the listing must have a face value.
pub(crate) fn check_cap(
    caps: &[PriceCap],
    country: Option<&str>,
    price: &Money,
    face_value: Option<&Money>,
) -> Result<(), Error> {
    let Some(cap) = caps.iter().find(|cap| Some(cap.country.as_str()) == country) else { return Ok(()) };
    let PriceCap { country, percent } = cap;
    let Some(face) = face_value else {
        let message = format!("is required: in {country}, a price may be at most {percent}% over face value");
        let params = Params::default().with("country", country.as_str()).with("percent", i64::from(*percent));
        return Err(Error::Invalid(vec![
            FieldError::new("faceValue", message).with_code("face-value-required", params),
        ]));
    };
    let highest = face.amount.saturating_mul(100 + i64::from(*percent)) / 100;
    if price.amount <= highest {
        return Ok(());
    }
    let highest = Money { amount: highest, currency: face.currency.clone() };
    let rule = format!("In {country}, a price may be at most {highest} here, {percent}% over face value.");
    let message = format!("must be at most {highest}");
    let fields = vec![FieldError::new("price.amount", message).with_code("max-amount", Params::from(&highest))];
    let params = Params::from(&highest).with("country", country.as_str()).with("percent", i64::from(*percent));
    Err(Error::RuleBroken { rejection: Rejection::new("over-cap", rule).with_params(params), fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64) -> Money {
        Money { amount, currency: "USD".parse().unwrap() }
    }

    fn at(days: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs(days * 24 * 3600))
    }

    #[test]
    fn shown_price_is_the_lowest_of_thirty_days() {
        // The price applies from a day on; the last column is the shown earlier price.
        type Case<'a> = (&'a [(u64, i64)], Option<i64>);
        let table: [Case<'_>; 8] = [
            (&[(0, 5_000), (5, 4_000)], Some(5_000)),
            (&[(0, 5_000), (5, 9_000), (6, 4_900)], Some(5_000)),
            (&[(0, 5_000), (5, 9_000), (6, 6_000)], None),
            (&[(0, 5_000), (5, 9_000), (34, 6_000)], None),
            (&[(0, 5_000), (5, 9_000), (36, 6_000)], Some(9_000)),
            (&[(0, 5_000), (1, 4_000), (2, 3_000)], Some(4_000)),
            (&[(0, 5_000), (1, 6_000), (2, 7_000), (3, 6_500), (31, 6_400)], None),
            (&[(0, 5_000), (1, 6_000), (2, 7_000), (3, 6_500), (33, 6_400)], Some(6_500)),
        ];
        for (prices, shown) in table {
            let mut past = Vec::new();
            let mut drop = None;
            for pair in prices.windows(2) {
                let ((_, replaced), (day, price)) = (pair[0], pair[1]);
                past = past_prices(past, &money(replaced), at(day));
                drop = price_drop(&past, &money(price), at(day));
            }
            assert_eq!(drop.map(|drop: PriceDrop| drop.from.amount), shown, "{prices:?}");
        }
    }

    #[test]
    fn many_changes_keep_the_lowest_price() {
        let mut past = Vec::new();
        for step in 0..1_000 {
            past = past_prices(past, &money(5_000 + step), at(0));
        }
        assert!(past.len() <= MAX_PAST_PRICES);
        assert_eq!(price_drop(&past, &money(5_500), at(0)), None);
        assert_eq!(price_drop(&past, &money(4_999), at(0)).unwrap().from, money(5_000));
        let euros = Money { amount: 1, currency: "EUR".parse().unwrap() };
        assert_eq!(price_drop(&past, &euros, at(0)), None, "a price in another currency is neither lower nor higher");
    }

    #[test]
    fn detour_by_another_currency_hides_no_lower_price() {
        let euros = |amount: i64| Money { amount, currency: "EUR".parse().unwrap() };
        let past = past_prices(Vec::new(), &money(5_000), at(0));
        let past = past_prices(past, &euros(90_000), at(1));
        assert_eq!(price_drop(&past, &euros(5_500), at(1)), None);
        assert_eq!(price_drop(&past, &money(4_000), at(1)), None);
        assert_eq!(price_drop(&past, &euros(5_500), at(30)).unwrap().from, euros(90_000), "the dollars are long ago");
    }

    #[test]
    fn cap_applies_in_its_country() {
        let caps: Vec<PriceCap> = ["FR=0", "GB=10"].iter().map(|cap| cap.parse().unwrap()).collect();
        let check = |country: Option<&str>, price: i64, face: Option<i64>| {
            let checked = check_cap(&caps, country, &money(price), face.map(money).as_ref());
            checked.err().map(|error| error.problem())
        };
        for (country, price, face, expected) in [
            (Some("DE"), 90_000, None, None),
            (None, 90_000, None, None),
            (Some("FR"), 5_000, Some(5_000), None),
            (Some("FR"), 5_001, Some(5_000), Some((422, "over-cap"))),
            (Some("GB"), 5_500, Some(5_000), None),
            (Some("GB"), 5_501, Some(5_000), Some((422, "over-cap"))),
            (Some("GB"), 5_000, None, Some((400, "invalid"))),
        ] {
            let problem = check(country, price, face);
            let found = problem.as_ref().map(|problem| (problem.status, problem.code()));
            assert_eq!(found, expected, "{country:?} {price} {face:?}");
        }
        let error = check(Some("GB"), 6_000, Some(5_000)).unwrap();
        assert_eq!((error.params.number("percent"), error.params.money()), (Some(10), Some(money(5_500))));
        assert_eq!(error.errors[0].params.money(), Some(money(5_500)));
        assert!(error.detail.contains("10% over face value") && error.detail.contains("55.00 USD"), "{}", error.detail);
        for wrong in ["FR", "fr=0", "FRA=0", "FR=-1", "FR=x", "=0"] {
            assert!(wrong.parse::<PriceCap>().is_err(), "{wrong}");
        }
    }
}
