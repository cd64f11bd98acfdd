//! Amounts of money and numbers in the reader's format.
//!
//! # Why
//! ICU formats the digits. Where a currency's symbol stands, and which it is, comes from the table below, as in CLDR:
//! ICU's own formatter of currencies is not stable yet.

use common::money::{Currency, Money};
use icu_decimal::DecimalFormatter;
use icu_decimal::input::Decimal;
use icu_decimal::options::DecimalFormatterOptions;

use super::reader::{self, Locale};

/// Symbols that English texts in the United States, other English texts, and German texts use. A currency without one
/// is named by its code.
const SYMBOLS: [(&str, [&str; Locale::ALL.len()]); 18] = [
    ("USD", ["$", "US$", "$"]),
    ("EUR", ["€", "€", "€"]),
    ("GBP", ["£", "£", "£"]),
    ("JPY", ["¥", "JP¥", "¥"]),
    ("CNY", ["CN¥", "CN¥", "CN¥"]),
    ("KRW", ["₩", "₩", "₩"]),
    ("INR", ["₹", "₹", "₹"]),
    ("ILS", ["₪", "₪", "₪"]),
    ("BRL", ["R$", "R$", "R$"]),
    ("CAD", ["CA$", "CA$", "CA$"]),
    ("AUD", ["A$", "A$", "AU$"]),
    ("NZD", ["NZ$", "NZ$", "NZ$"]),
    ("HKD", ["HK$", "HK$", "HK$"]),
    ("TWD", ["NT$", "NT$", "NT$"]),
    ("MXN", ["MX$", "MX$", "MX$"]),
    ("PHP", ["₱", "₱", "₱"]),
    ("VND", ["₫", "₫", "₫"]),
    ("XAF", ["FCFA", "FCFA", "FCFA"]),
];

thread_local! {
    static FORMATTERS: [Option<DecimalFormatter>; Locale::ALL.len()] = Locale::ALL.map(|locale| {
        let tag = locale.tag().parse::<icu_locale_core::Locale>().ok()?;
        DecimalFormatter::try_new(tag.into(), DecimalFormatterOptions::default()).ok()
    });
}

fn format_decimal(locale: Locale, decimal: &Decimal) -> String {
    FORMATTERS.with(|formatters| {
        let formatter = locale.choose(formatters).as_ref();
        formatter.map_or_else(|| decimal.to_string(), |formatter| formatter.format(decimal).to_string())
    })
}

/// A whole number in the reader's format: `1,234`.
pub(crate) fn format_number(number: f64) -> String {
    // Counts are far below 2^53; a fraction has no use in a text.
    #[expect(clippy::cast_possible_truncation, reason = "counts are small")]
    let whole = number as i64;
    format_decimal(reader::locale(), &Decimal::from(whole))
}

/// The currency among these that most people of the reader's region use; `None` if it is not among them or not clear.
pub(crate) fn usual_currency(currencies: &[Currency]) -> Option<&Currency> {
    let usual = reader::currency()?;
    currencies.iter().find(|currency| currency.to_string() == usual)
}

/// A price in the reader's format: `$1,234.50`, `1.234,50 €`.
pub(crate) fn format_price(money: &Money) -> String {
    let locale = reader::locale();
    let mut decimal = Decimal::from(money.amount.unsigned_abs());
    decimal.multiply_pow10(-i16::try_from(money.currency.decimals()).unwrap_or_default());
    let number = format_decimal(locale, &decimal);
    let sign = if money.amount < 0 { "-" } else { "" };
    let code = money.currency.to_string();
    let symbol = SYMBOLS.iter().find(|(known, _)| *known == code).map(|(_, symbols)| *locale.choose(symbols));
    match (locale, symbol) {
        (Locale::De, symbol) => format!("{sign}{number}\u{a0}{}", symbol.unwrap_or(&code)),
        (_, Some(symbol)) => format!("{sign}{symbol}{number}"),
        (_, None) => format!("{sign}{code}\u{a0}{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::reader::Reader;

    fn price(locale: Locale, amount: i64, currency: &str) -> String {
        let money = Money { amount, currency: currency.parse().unwrap() };
        Reader { locale, ..Reader::default() }.scope(|| format_price(&money))
    }

    #[test]
    fn usual_currency_is_that_of_the_region_if_it_is_offered() {
        let all: Vec<Currency> = ["USD", "EUR", "GBP"].map(|code| code.parse().unwrap()).to_vec();
        let usual = |currency, currencies: &[Currency]| {
            let reader = Reader { currency, ..Reader::default() };
            reader.scope(|| usual_currency(currencies).map(ToString::to_string))
        };
        assert_eq!(usual(Some("EUR"), &all).as_deref(), Some("EUR"));
        assert_eq!(usual(Some("EUR"), &all[..1]), None);
        assert_eq!(usual(None, &all), None);
    }

    #[test]
    fn prices_are_formatted_as_people_write_them() {
        for (amount, currency, us, gb, de) in [
            (123_450, "USD", "$1,234.50", "US$1,234.50", "1.234,50\u{a0}$"),
            (4_600, "EUR", "€46.00", "€46.00", "46,00\u{a0}€"),
            (5, "GBP", "£0.05", "£0.05", "0,05\u{a0}£"),
            (900, "JPY", "¥900", "JP¥900", "900\u{a0}¥"),
            (1_234_567, "KWD", "KWD\u{a0}1,234.567", "KWD\u{a0}1,234.567", "1.234,567\u{a0}KWD"),
            (100_000, "CHF", "CHF\u{a0}1,000.00", "CHF\u{a0}1,000.00", "1.000,00\u{a0}CHF"),
            (-150, "CAD", "-CA$1.50", "-CA$1.50", "-1,50\u{a0}CA$"),
            (
                i64::MAX,
                "EUR",
                "€92,233,720,368,547,758.07",
                "€92,233,720,368,547,758.07",
                "92.233.720.368.547.758,07\u{a0}€",
            ),
        ] {
            assert_eq!(
                [Locale::EnUs, Locale::EnGb, Locale::De].map(|locale| price(locale, amount, currency)),
                [us, gb, de]
            );
        }
    }

    #[test]
    fn currencies_of_the_table_exist_and_differ_in_each_locale() {
        for column in 0..Locale::ALL.len() {
            let mut symbols: Vec<_> = SYMBOLS.iter().map(|(_, symbols)| symbols[column]).collect();
            symbols.sort_unstable();
            symbols.dedup();
            assert_eq!(symbols.len(), SYMBOLS.len(), "no symbol stands for two currencies");
        }
        for (code, _) in SYMBOLS {
            assert!(code.parse::<common::money::Currency>().is_ok(), "{code}");
        }
    }
}
