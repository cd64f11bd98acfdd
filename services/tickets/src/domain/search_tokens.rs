//! Search tokens: words folded to lower case without accents.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The distinct folded words of the texts, sorted: `Café AC/DC` has `ac`, `cafe` and `dc`.
///
/// No stemming and no stop words: titles are names, in any language.
pub(crate) fn search_tokens<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut tokens: Vec<_> = texts.into_iter().flat_map(folded_words).collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

/// The folded words of a text in their order, joined by spaces: equal for two spellings of a name. A text without
/// letters and digits is itself in lower case.
pub(crate) fn folded(text: &str) -> String {
    let words = folded_words(text);
    if words.is_empty() { text.trim().to_lowercase() } else { words.join(" ") }
}

fn folded_words(text: &str) -> Vec<String> {
    let bare = text.nfkd().filter(|c| !is_combining_mark(*c));
    let folded: String = bare.flat_map(char::to_lowercase).collect();
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_are_ignored() {
        for (text, expected) in [
            ("Café AC/DC café", vec!["ac", "cafe", "dc"]),
            ("cafe\u{301}", vec!["cafe"]),
            ("MÜNCHEN", vec!["munchen"]),
            ("O'Brien", vec!["brien", "o"]),
            ("ﬁ ①", vec!["1", "fi"]),
            ("東京 Ω", vec!["ω", "東京"]),
            ("", vec![]),
            (" - \" ... \u{1F3B8}", vec![]),
        ] {
            assert_eq!(search_tokens([text]), expected, "{text}");
        }
        assert_eq!(search_tokens(["b a", "a c"]), ["a", "b", "c"]);
    }

    #[test]
    fn spellings_of_a_name_fold_to_the_same_text() {
        for text in ["Café AC/DC", " CAFE  ac-dc!", "cafe\u{301} AC DC"] {
            assert_eq!(folded(text), "cafe ac dc");
        }
        assert_ne!(folded("AC/DC Café"), folded("Café AC/DC"));
        assert_eq!((folded("!!! "), folded("…")), ("!!!".to_owned(), "…".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn tokenising_is_idempotent(text in ".{0,60}") {
            let once = search_tokens([text.as_str()]);
            let again: Vec<_> = once.iter().flat_map(|word| search_tokens([word.as_str()])).collect();
            let mut again = again;
            again.sort();
            again.dedup();
            proptest::prop_assert_eq!(once, again);
        }
    }
}
