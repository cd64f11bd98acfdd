//! Spelling correction: finds and ranks the known words that a misspelled word may stand for.
//!
//! # Why
//! A misspelled word is corrected to a word of the listings before the search, instead of searching the listings
//! approximately. Two words are close when they become the same after removing a letter or two from each (symmetric
//! deletion). So candidates are found by equality, however many words there are, and only a few are compared.

use std::collections::BTreeSet;

/// Longer words are not corrected: nobody types them.
const MAX_WORD_CHARS: usize = 32;
/// Deletion variants are built from this many first letters only, which bounds their number. The edit distance compares
/// whole words.
const VARIANT_PREFIX_CHARS: usize = 7;

/// The maximum number of typos in a word. 0 for very short words, which are close to almost any other, and for numbers.
pub(crate) fn max_typos(word: &str) -> usize {
    if word.chars().any(char::is_numeric) {
        return 0;
    }
    match word.chars().count() {
        3..=5 => 1,
        6..=MAX_WORD_CHARS => 2,
        _ => 0,
    }
}

/// The first letters of the word, and the same with up to [`max_typos`] of them removed. A word and its misspelling
/// have at least one variant in common.
pub(crate) fn deletion_variants(word: &str) -> BTreeSet<String> {
    let start: Vec<char> = word.chars().take(VARIANT_PREFIX_CHARS).collect();
    let mut all = BTreeSet::from([start.clone()]);
    let mut latest = vec![start];
    for _ in 0..max_typos(word) {
        latest = latest.iter().flat_map(|word| without_one(word)).collect();
        all.extend(latest.iter().cloned());
    }
    all.into_iter().map(|letters| letters.into_iter().collect()).collect()
}

fn without_one(letters: &[char]) -> impl Iterator<Item = Vec<char>> {
    (0..letters.len()).map(|left_out| {
        let rest = letters.iter().enumerate().filter(|(at, _)| *at != left_out);
        rest.map(|(_, letter)| *letter).collect()
    })
}

/// The known words that a misspelled one may stand for, the likeliest first.
pub(crate) fn rank_corrections(typed: &str, known: impl IntoIterator<Item = String>) -> Vec<String> {
    let allowed = max_typos(typed);
    let length = typed.chars().count();
    let mut likely: Vec<_> = known
        .into_iter()
        .filter_map(|word| {
            // A lower bound of the distance, and far cheaper.
            let length_difference = word.chars().count().abs_diff(length);
            let distance =
                if length_difference > allowed { length_difference } else { strsim::damerau_levenshtein(typed, &word) };
            // People seldom mistype the first letter.
            let differs_in_first_letter = word.chars().next() != typed.chars().next();
            (1..=allowed).contains(&distance).then_some((distance, differs_in_first_letter, length_difference, word))
        })
        .collect();
    likely.sort();
    likely.into_iter().map(|(_, _, _, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelling_shares_a_variant_with_the_word() {
        let is_close = |one: &str, other: &str| !deletion_variants(one).is_disjoint(&deletion_variants(other));
        for (typed, word) in [
            ("jasz", "jazz"),
            ("jzaz", "jazz"),
            ("azz", "jazz"),
            ("xjazz", "jazz"),
            ("jazzz", "jazz"),
            ("jazzyy", "jazz"),
            ("kazz", "jazz"),
            ("staatsopr", "staatsoper"),
            ("tsaatsoepr", "staatsoper"),
            ("sttaatsoperr", "staatsoper"),
            ("ataatsopea", "staatsoper"),
            ("philarmonc", "philharmonic"),
            ("beyonse", "beyonce"),
            ("coldpaly", "coldplay"),
        ] {
            assert!(is_close(typed, word), "{typed} and {word}");
            assert_eq!(rank_corrections(typed, [word.to_owned()]), [word], "{typed}");
        }
        for (typed, other) in [("jazz", "rock"), ("jass", "jazz"), ("carmen", "tosca"), ("2025", "2026"), ("ab", "ac")]
        {
            assert_eq!(rank_corrections(typed, [other.to_owned()]), [""; 0], "{typed} and {other}");
        }
        // The number of variants is bounded for any input.
        let most = 1 + VARIANT_PREFIX_CHARS + VARIANT_PREFIX_CHARS * (VARIANT_PREFIX_CHARS - 1) / 2;
        assert_eq!(deletion_variants("abcdefghij").len(), most);
        assert_eq!(deletion_variants(&"ab".repeat(100)).len(), 1);
        assert!(deletion_variants("").contains(""));
    }

    #[test]
    fn corrections_are_ranked_by_likelihood() {
        let known = ["fezz", "jezzy", "jazz", "jezz", "jurassic"].map(ToOwned::to_owned);
        assert_eq!(rank_corrections("jezz", known), ["jazz", "jezzy", "fezz"]);
    }
}
