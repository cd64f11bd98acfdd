//! Which word was meant by a mistyped one.
//!
//! # Why
//! A typo is not looked up among listings but corrected first, by the words that listings have. Two words
//! are near when both, with a letter or two left out, are the same (symmetric deletion): so candidates are
//! found by equality, however many words there are, and few are left to be compared.

use std::collections::BTreeSet;

/// Longer words are not corrected: no one types them.
const LONGEST: usize = 32;
/// Letters are left out from this many, the first ones; by how the rest differs, the distance tells.
const COMPARED: usize = 7;

/// How many typos a word may have. None where almost any other word would do, and none in a number.
pub fn typos(word: &str) -> usize {
    if word.chars().any(char::is_numeric) {
        return 0;
    }
    match word.chars().count() {
        3..=5 => 1,
        6..=LONGEST => 2,
        _ => 0,
    }
}

/// What the word is with as many letters left out as it may have typos; the word itself, too. A word and
/// what it was mistyped as have one of these in common.
pub fn near(word: &str) -> BTreeSet<String> {
    let start: Vec<char> = word.chars().take(COMPARED).collect();
    let mut all = BTreeSet::from([start.clone()]);
    let mut latest = vec![start];
    for _ in 0..typos(word) {
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

/// Which of these words a mistyped one may have been meant as, the likeliest first.
pub fn meant(typed: &str, known: impl IntoIterator<Item = String>) -> Vec<String> {
    let allowed = typos(typed);
    let length = typed.chars().count();
    let mut likely: Vec<_> = known
        .into_iter()
        .filter_map(|word| {
            // Far cheaper than the distance, and never more than it.
            let longer = word.chars().count().abs_diff(length);
            let distance = if longer > allowed { longer } else { strsim::damerau_levenshtein(typed, &word) };
            // People seldom mistype the first letter.
            let begins_otherwise = word.chars().next() != typed.chars().next();
            (1..=allowed).contains(&distance).then_some((distance, begins_otherwise, longer, word))
        })
        .collect();
    likely.sort();
    likely.into_iter().map(|(_, _, _, word)| word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_and_what_was_meant_have_something_in_common() {
        let is_near = |one: &str, other: &str| !near(one).is_disjoint(&near(other));
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
            assert!(is_near(typed, word), "{typed} and {word}");
            assert_eq!(meant(typed, [word.to_owned()]), [word], "{typed}");
        }
        for (typed, other) in [("jazz", "rock"), ("jass", "jazz"), ("carmen", "tosca"), ("2025", "2026"), ("ab", "ac")]
        {
            assert_eq!(meant(typed, [other.to_owned()]), [""; 0], "{typed} and {other}");
        }
        // Whatever somebody types, or a seller has written, it is bounded what is looked up and stored.
        let most = 1 + COMPARED + COMPARED * (COMPARED - 1) / 2;
        assert_eq!(near("abcdefghij").len(), most);
        assert_eq!(near(&"ab".repeat(100)).len(), 1);
        assert!(near("").contains(""));
    }

    #[test]
    fn the_likeliest_word_comes_first() {
        let known = ["fezz", "jezzy", "jazz", "jezz", "jurassic"].map(ToOwned::to_owned);
        assert_eq!(meant("jezz", known), ["jazz", "jezzy", "fezz"]);
    }
}
