//! Search tokens: words folded to lower case without accents.

use common::text::folded_words;

/// The distinct folded words of the texts, sorted: `Café AC/DC` has `ac`, `cafe` and `dc`.
///
/// There is no stemming and there are no stop words: titles are names, in any language.
pub(crate) fn search_tokens<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut tokens: Vec<_> = texts.into_iter().flat_map(folded_words).collect();
    tokens.sort();
    tokens.dedup();
    tokens
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
