//! Amounts as people type them.
//!
//! # Why
//! One separator before exactly three digits, as in `1.234`, separates thousands in one language and decimals in
//! another. The reader's language decides, except that three digits can't be the decimals of a currency that has fewer.
//! An amount is uncertain if the language and the currency disagree, or if the currency has three decimals; the seller
//! is then shown how it was read before the listing is published. Every other amount has one meaning.

use common::money::{Currency, Money};

use crate::i18n::msg;
use crate::i18n::reader::{self, Locale};

/// What separates decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecimalMark {
    Point,
    Comma,
}

impl DecimalMark {
    /// The mark that the reader of the current request uses.
    pub(crate) fn of_reader() -> Self {
        match reader::locale() {
            Locale::EnUs | Locale::EnGb => Self::Point,
            Locale::De => Self::Comma,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// An amount as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypedAmount {
    pub money: Money,
    /// Whether the text might have been meant as another amount.
    pub is_uncertain: bool,
}

/// Signs that stand for currencies, and the codes of these currencies. They include all signs that pages show.
const SIGNS: [(&str, &str); 28] = [
    ("€", "EUR"),
    ("£", "GBP"),
    ("$", "USD AUD CAD HKD MXN NZD SGD TWD COP CLP ARS"),
    ("US$", "USD"),
    ("A$", "AUD"),
    ("C$", "CAD"),
    ("R$", "BRL"),
    ("¥", "JPY CNY"),
    ("₩", "KRW"),
    ("₹", "INR"),
    ("₺", "TRY"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("Ft", "HUF"),
    ("Fr.", "CHF"),
    ("kr", "DKK NOK SEK ISK"),
    ("CA$", "CAD"),
    ("AU$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("NT$", "TWD"),
    ("MX$", "MXN"),
    ("JP¥", "JPY"),
    ("CN¥", "CNY"),
    ("₪", "ILS"),
    ("₱", "PHP"),
    ("₫", "VND"),
    ("FCFA", "XAF"),
];

/// Reads an amount: `125`, `125.5`, `1,234.50`, `1.234,50`, `1 234,50`, `€50` or `50,- EUR`. The error is a sentence in
/// the reader's language.
pub(crate) fn read_amount(text: &str, currency: &Currency) -> Result<TypedAmount, String> {
    read_amount_with(DecimalMark::of_reader(), text, currency)
}

fn read_amount_with(mark: DecimalMark, text: &str, currency: &Currency) -> Result<TypedAmount, String> {
    let decimals = currency.decimals();
    let malformed = || msg::form_amount_malformed(example(mark, decimals));
    let (before, number, after) = split_number(text.trim()).ok_or_else(malformed)?;
    // `50,-` is a whole amount.
    let is_whole = number.ends_with(['.', ',']);
    let after = if is_whole { after.trim_start_matches(['-', '–', '—']) } else { after };
    for sign in [before.trim(), after.trim()].into_iter().filter(|sign| !sign.is_empty()) {
        match is_sign_of(sign, currency) {
            Some(true) => {}
            Some(false) => return Err(msg::form_amount_currency(currency.to_string(), sign)),
            None => return Err(malformed()),
        }
    }
    let Number { whole, part, is_uncertain } = Number::split(number, decimals, mark);
    let whole = without_separators(whole).ok_or_else(malformed)?;
    if !is_number(part) || (whole.is_empty() && part.is_empty()) {
        return Err(malformed());
    }
    if part.len() > decimals {
        return Err(match decimals {
            0 => msg::form_amount_whole(currency.to_string()),
            _ => msg::form_amount_decimals(decimals),
        });
    }
    let amount: i64 = format!("{whole}{part:0<decimals$}").parse().map_err(|_| malformed())?;
    Ok(TypedAmount { money: Money { amount, currency: currency.clone() }, is_uncertain })
}

/// An amount with this number of decimals as it may be typed: `125.50`.
fn example(mark: DecimalMark, decimals: usize) -> String {
    if decimals == 0 { "125".to_owned() } else { format!("125{}5{}", mark.letter(), "0".repeat(decimals - 1)) }
}

/// The currency that an amount is typed with, if its sign or code stands for one only.
pub(crate) fn named_currency(text: &str) -> Option<Currency> {
    let (before, _, after) = split_number(text.trim())?;
    [before, after].into_iter().find_map(|sign| {
        // `50,- EUR`
        let sign = sign.trim().trim_start_matches(['-', '–', '—']).trim_start();
        let known = SIGNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(sign));
        known.map_or(sign, |(_, codes)| *codes).to_ascii_uppercase().parse().ok()
    })
}

/// What stands before the number, the number, and what stands after it. A number may begin with a separator, as in
/// `.50`, if it stands alone or after a sign.
fn split_number(text: &str) -> Option<(&str, &str, &str)> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let digit = text.find(is_digit)?;
    let (before, number) = text.split_at(digit);
    let (before, number) = match before.strip_suffix(['.', ',']) {
        // `Fr.50`
        Some(sign) if !sign.trim_end().ends_with(char::is_alphabetic) => (sign, text.split_at(sign.len()).1),
        _ => (before, number),
    };
    let end = number.rfind(is_digit)? + 1;
    let is_dotted = number.split_at(end).1.starts_with(['.', ',']);
    let (number, after) = number.split_at(if is_dotted { end + 1 } else { end });
    Some((before, number, after))
}

/// Whether the sign or code stands for this currency; `None` if it stands for none.
fn is_sign_of(sign: &str, currency: &Currency) -> Option<bool> {
    let code = currency.to_string();
    if let Some((_, codes)) = SIGNS.iter().find(|(known, _)| known.eq_ignore_ascii_case(sign)) {
        return Some(codes.split(' ').any(|listed| listed == code));
    }
    sign.to_ascii_uppercase().parse::<Currency>().ok().map(|named| named == *currency)
}

/// A number, divided at its decimal separator.
struct Number<'a> {
    whole: &'a str,
    part: &'a str,
    is_uncertain: bool,
}

impl<'a> Number<'a> {
    fn split(number: &'a str, decimals: usize, mark: DecimalMark) -> Self {
        let grouped = |is_uncertain| Self { whole: number, part: "", is_uncertain };
        let Some((whole, part)) = number.rsplit_once(['.', ',']) else { return grouped(false) };
        let separator = number.chars().rev().find(|letter| matches!(letter, '.' | ','));
        if separator.is_some_and(|separator| whole.contains(separator)) {
            // A number has one decimal separator, so these separate thousands.
            return grouped(false);
        }
        let is_group = part.len() == 3 && is_number(whole) && (1..=3).contains(&whole.len()) && !whole.starts_with('0');
        let is_mark = separator == Some(mark.letter());
        match decimals {
            _ if !is_group => Self { whole, part, is_uncertain: false },
            0 => grouped(false),
            3 if is_mark => Self { whole, part, is_uncertain: true },
            3 => grouped(true),
            _ => grouped(is_mark),
        }
    }
}

/// The digits of a whole number whose thousands may be separated, all by the same character.
fn without_separators(text: &str) -> Option<String> {
    let Some(separator) = text.chars().find(|letter| !letter.is_ascii_digit()) else { return Some(text.to_owned()) };
    let is_separator = matches!(separator, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}');
    let mut groups = text.split(separator);
    let first = groups.next().unwrap_or_default();
    let is_first = is_number(first) && (1..=3).contains(&first.len()) && !first.starts_with('0');
    let are_thousands = groups.all(|group| group.len() == 3 && is_number(group));
    (is_separator && is_first && are_thousands).then(|| text.replace(separator, ""))
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// An amount as it is typed, without its currency: `125.50`.
pub(crate) fn format_amount(money: &Money) -> String {
    money.to_string().split(' ').next().unwrap_or_default().to_owned()
}

/// An amount as the reader types it, without its currency: `125,50` in German.
pub(crate) fn format_typed_amount(money: &Money) -> String {
    format_amount(money).replace('.', &DecimalMark::of_reader().letter().to_string())
}

#[cfg(test)]
mod tests {
    use common::money::MAX_CHARGE_AMOUNT;
    use proptest::prelude::*;

    use super::*;
    use crate::i18n::price::format_price;
    use crate::i18n::reader::{Locale, Reader};
    use crate::i18n::testing::in_german;

    fn currency(code: &str) -> Currency {
        code.parse().unwrap()
    }

    #[test]
    fn currency_is_that_of_an_unambiguous_sign() {
        for (text, expected) in [
            (" 60 € ", Some("EUR")),
            ("€60", Some("EUR")),
            ("60,- eur", Some("EUR")),
            ("49,90 zł", Some("PLN")),
            ("US$ 60", Some("USD")),
            ("60 $", None),
            ("60 kr", None),
            ("60", None),
            ("€", None),
            ("", None),
        ] {
            assert_eq!(named_currency(text), expected.map(currency), "{text}");
        }
    }

    #[test]
    fn amounts_are_read_as_people_type_them() {
        for (text, code, minor, is_uncertain) in [
            ("50", "USD", 5_000, false),
            (" 125.5 ", "USD", 12_550, false),
            ("125,50", "EUR", 12_550, false),
            ("125.", "EUR", 12_500, false),
            ("50,-", "EUR", 5_000, false),
            ("50,– €", "EUR", 5_000, false),
            (".50", "USD", 50, false),
            ("$.50", "USD", 50, false),
            ("0.01", "USD", 1, false),
            ("007", "USD", 700, false),
            ("€50", "EUR", 5_000, false),
            ("€ 1.234,50", "EUR", 123_450, false),
            ("1,234.50 $", "USD", 123_450, false),
            ("eur 50", "EUR", 5_000, false),
            ("50 EUR", "EUR", 5_000, false),
            ("Fr.50", "CHF", 5_000, false),
            ("49,90 zł", "PLN", 4_990, false),
            ("1 234,50", "EUR", 123_450, false),
            ("1\u{202f}234,50\u{a0}€", "EUR", 123_450, false),
            ("1'234.50", "CHF", 123_450, false),
            ("1,234,567", "USD", 123_456_700, false),
            ("1.234.567,8", "EUR", 123_456_780, false),
            // One separator before three digits.
            ("1.234", "EUR", 123_400, true),
            ("12,345", "USD", 1_234_500, false),
            ("1.234", "KWD", 1_234, true),
            ("1,234", "KWD", 1_234_000, true),
            ("1.234,500", "KWD", 1_234_500, false),
            ("0.500", "KWD", 500, false),
            ("1250.500", "KWD", 1_250_500, false),
            ("1.234", "JPY", 1_234, false),
            ("¥1,234", "JPY", 1_234, false),
            ("1250", "JPY", 1_250, false),
        ] {
            let read = read_amount(text, &currency(code)).unwrap();
            assert_eq!((read.money.amount, read.is_uncertain), (minor, is_uncertain), "{text} {code}");
        }
    }

    #[test]
    fn thousands_are_read_in_the_language_of_the_reader() {
        let table = [
            ("1.234", "EUR", 123_400, false),
            ("1,234", "EUR", 123_400, true),
            ("1,234", "KWD", 1_234, true),
            ("1.234", "KWD", 1_234_000, true),
            ("1.234", "JPY", 1_234, false),
            ("1,234.50", "EUR", 123_450, false),
            ("12,34", "EUR", 1_234, false),
            ("12.34", "EUR", 1_234, false),
        ];
        in_german(|| {
            for (text, code, minor, is_uncertain) in table {
                let read = read_amount(text, &currency(code)).unwrap();
                assert_eq!((read.money.amount, read.is_uncertain), (minor, is_uncertain), "{text} {code}");
                // What a form is filled with means the same when it is sent.
                let filled = format_typed_amount(&read.money);
                assert_eq!(read_amount(&filled, &currency(code)).unwrap().money, read.money, "{filled}");
            }
        });
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        let codes = "USD EUR GBP JPY CNY KRW INR ILS BRL CAD AUD NZD HKD TWD MXN PHP VND XAF CHF KWD ISK";
        for locale in Locale::ALL {
            Reader { locale, ..Reader::default() }.scope(|| {
                for code in codes.split(' ') {
                    let money = Money { amount: 123_450, currency: currency(code) };
                    let shown = format_price(&money);
                    let read = read_amount(&shown, &money.currency);
                    assert_eq!(read.map(|read| read.money), Ok(money), "{shown}");
                }
            });
        }
    }

    #[test]
    fn other_texts_are_rejected_with_the_reason() {
        for (text, code, expected) in [
            ("", "USD", "Enter an amount such as 125.50."),
            ("much", "JPY", "Enter an amount such as 125."),
            (".", "USD", "Enter an amount such as 125"),
            ("-1", "USD", "Enter an amount such as 125"),
            ("50-", "USD", "Enter an amount such as 125"),
            ("1e3", "USD", "Enter an amount such as 125"),
            ("1.2.3", "USD", "Enter an amount such as 125"),
            ("1,23,456", "USD", "Enter an amount such as 125"),
            ("1.234,567,8", "EUR", "Enter an amount such as 125"),
            ("1 234 5", "EUR", "Enter an amount such as 125"),
            ("1'234 567", "CHF", "Enter an amount such as 125"),
            ("0,123,456", "USD", "Enter an amount such as 125"),
            ("99999999999999999999", "USD", "Enter an amount such as 125"),
            ("٥٠", "USD", "Enter an amount such as 125"),
            ("0.500", "USD", "Enter an amount with at most 2 decimal places."),
            ("1234.567", "USD", "Enter an amount with at most 2 decimal places."),
            ("1.5", "JPY", "Enter a whole amount: JPY has no decimal places."),
            ("€50", "USD", "Enter an amount in USD, the chosen currency, and not in €."),
            ("50 GBP", "EUR", "Enter an amount in EUR, the chosen currency, and not in GBP."),
        ] {
            let error = read_amount(text, &currency(code)).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
        }
        let error = in_german(|| read_amount("viel", &currency("KWD")).unwrap_err());
        assert_eq!(error, "Gib einen Betrag wie 125,500 ein.");
    }

    /// The amount as it is written with these separators.
    fn written(money: &Money, thousands: &str, decimal: &str) -> String {
        let plain = format_amount(money);
        let (whole, part) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                grouped.push_str(thousands);
            }
            grouped.push(digit);
        }
        if part.is_empty() { grouped } else { format!("{grouped}{decimal}{part}") }
    }

    proptest! {
        #[test]
        fn written_amounts_are_read_back(
            amount in 0..=MAX_CHARGE_AMOUNT,
            code in prop::sample::select(vec!["USD", "EUR", "JPY", "KWD", "ISK"]),
            (thousands, decimal) in prop::sample::select(vec![
                ("", "."), ("", ","), (",", "."), (".", ","), (" ", ","), ("\u{202f}", ","), ("'", "."),
            ]),
        ) {
            let money = Money { amount, currency: currency(code) };
            let text = written(&money, thousands, decimal);
            let mark = if decimal == "," { DecimalMark::Comma } else { DecimalMark::Point };
            for text in [text.clone(), format!("{text} {code}"), format!("{code} {text}")] {
                let read = read_amount_with(mark, &text, &money.currency).unwrap();
                prop_assert_eq!(&read.money, &money, "{}", text);
            }
        }

        #[test]
        fn no_digit_is_lost_or_invented(text in "[0-9., '€$-]{0,12}", code in "USD|JPY|KWD") {
            if let Ok(read) = read_amount(&text, &currency(&code)) {
                let typed: String = text.chars().filter(char::is_ascii_digit).collect();
                let decimals = read.money.currency.decimals();
                let padded = |zeros| format!("{typed}{}", "0".repeat(zeros)).parse::<i64>().ok();
                prop_assert!((0..=decimals).any(|zeros| padded(zeros) == Some(read.money.amount)), "{text}: {read:?}");
            }
        }
    }
}
