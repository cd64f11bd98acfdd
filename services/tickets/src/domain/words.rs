//! What a listing is found by: its words, without case and accents.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The words of a text, each once, as they are compared: `Café AC/DC` has `ac`, `cafe` and `dc`.
///
/// No stemming and no stop words: titles are names, in any language.
pub fn words<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let folded = texts.into_iter().map(|text| {
        let bare = text.nfkd().filter(|c| !is_combining_mark(*c));
        bare.flat_map(char::to_lowercase).collect::<String>()
    });
    let mut words: Vec<_> = folded
        .flat_map(|text| {
            let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            words.map(ToOwned::to_owned).collect::<Vec<_>>()
        })
        .collect();
    words.sort();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_marks_make_no_difference() {
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
            assert_eq!(words([text]), expected, "{text}");
        }
        assert_eq!(words(["b a", "a c"]), ["a", "b", "c"]);
    }

    proptest::proptest! {
        #[test]
        fn words_are_words_again(text in ".{0,60}") {
            let once = words([text.as_str()]);
            let again: Vec<_> = once.iter().flat_map(|word| words([word.as_str()])).collect();
            let mut again = again;
            again.sort();
            again.dedup();
            proptest::prop_assert_eq!(once, again);
        }
    }
}
