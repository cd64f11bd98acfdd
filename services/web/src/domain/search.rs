//! Search keys of listings and users: the prefixes of their words, alone and in pairs.
//!
//! # Why
//! Each listing is stored with all prefixes of its words. So a search is an equality match on an index that is already
//! in the requested order, however many listings there are; a text index would match whole words only, and sort in
//! memory. A search for two words that are common, but rarely occur together, would scan many entries of either word.
//! So pairs of words are stored too, by the first letters of each: a search for words that never occur together ends at
//! once. A category is paired like a word, since searches often combine a word with a category.

use std::collections::BTreeSet;

use common::events::ticket::Category;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Maximum number of words of a search that are used; more words hardly narrow the result.
const MAX_QUERY_WORDS: usize = 12;
/// Maximum number of indexed words of a listing: more than a sensible title, venue and city have, and few enough for
/// their pairs.
const MAX_DOCUMENT_WORDS: usize = 40;
/// Maximum length of a prefix. Words with the same prefix of this length count as the same word.
const MAX_PREFIX_CHARS: usize = 12;
/// Length of the prefixes that are paired. Shorter words are not paired.
const PAIR_PREFIX_CHARS: usize = 3;
/// Maximum number of words of a search that are paired, each with every other.
const MAX_PAIRED_QUERY_WORDS: usize = 3;

/// The distinct normalised words of a text: `Café AC/DC` has `cafe`, `ac` and `dc`.
///
/// No stemming and no stop words: titles are names, in any language.
pub(crate) fn tokenize(text: &str) -> Vec<String> {
    let folded = fold_case_and_accents(text);
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

pub(crate) fn query_words(text: &str) -> Vec<String> {
    let mut words = tokenize(text);
    words.truncate(MAX_QUERY_WORDS);
    words
}

/// All keys stored for a document with these texts and this category.
pub(crate) fn index_keys<'a>(texts: impl IntoIterator<Item = &'a str>, category: Option<Category>) -> BTreeSet<String> {
    let words: Vec<String> = texts.into_iter().flat_map(tokenize).take(MAX_DOCUMENT_WORDS).collect();
    let category = category.map(category_token);
    let paired = words.iter().filter_map(|word| pair_prefix(word)).chain(category.as_deref()).collect();
    words.iter().flat_map(|word| prefixes(word)).map(ToOwned::to_owned).chain(pair_keys(&paired)).collect()
}

/// The keys that a document must have to match all of these words and the category, the most selective first.
pub(crate) fn query_keys<'a>(
    words: impl IntoIterator<Item = &'a str> + Clone,
    category: Option<Category>,
) -> Vec<String> {
    let category = category.map(category_token);
    let mut paired: Vec<&str> = category.as_deref().into_iter().collect();
    for prefix in words.clone().into_iter().filter_map(pair_prefix) {
        if paired.len() < MAX_PAIRED_QUERY_WORDS && !paired.contains(&prefix) {
            paired.push(prefix);
        }
    }
    let single = words.into_iter().map(|word| longest_prefix(word).to_owned());
    pair_keys(&paired.into_iter().collect()).into_iter().chain(single).collect()
}

/// Whether a word of a search matches a part of this name.
pub(crate) fn name_matches(name: &str, word: &str) -> bool {
    let mut parts = tokenize(name).into_iter().take(MAX_DOCUMENT_WORDS);
    parts.any(|part| prefixes(&part).any(|prefix| prefix == longest_prefix(word)))
}

/// The key that a word of a search is looked up by.
pub(crate) fn longest_prefix(word: &str) -> &str {
    prefixes(word).last().unwrap_or_default()
}

/// `j`, `ja`, `jaz`, `jazz`.
fn prefixes(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().skip(1).map(|(at, _)| at).chain([word.len()]);
    ends.take(MAX_PREFIX_CHARS).filter_map(|end| word.get(..end))
}

/// The prefix that a word is paired by. Words with the same prefix form no pair, because one word of a listing may
/// match both.
fn pair_prefix(word: &str) -> Option<&str> {
    prefixes(word).nth(PAIR_PREFIX_CHARS - 1)
}

/// `hal jaz`: words contain no space.
fn pair_keys(prefixes: &BTreeSet<&str>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (n, one) in prefixes.iter().enumerate() {
        pairs.extend(prefixes.iter().skip(n + 1).map(|other| format!("{one} {other}")));
    }
    pairs
}

/// The category as a member of pairs, such as `#concert`: words contain no hash.
fn category_token(category: Category) -> String {
    format!("#{}", category.as_ref())
}

fn fold_case_and_accents(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        // Letters that decomposition leaves as they are, and that people type without the mark.
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'ı' => folded.push('i'),
            c => folded.push(c),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_punctuation_are_ignored() {
        for (text, expected) in [
            ("Café AC/DC café", vec!["cafe", "ac", "dc"]),
            ("cafe\u{301}", vec!["cafe"]),
            ("MÜNCHEN", vec!["munchen"]),
            ("Straße STRASSE", vec!["strasse"]),
            ("Łódź Bjørk Ægir", vec!["lodz", "bjork", "aegir"]),
            ("İstanbul Iğdır", vec!["istanbul", "igdir"]),
            ("O'Brien", vec!["o", "brien"]),
            ("ﬁ ①", vec!["fi", "1"]),
            ("東京 Ω", vec!["東京", "ω"]),
            ("  -Jazz \"at\" $ the.Hall ", vec!["jazz", "at", "the", "hall"]),
            (" - \" ... \u{1F3B8}", vec![]),
        ] {
            assert_eq!(tokenize(text), expected, "{text}");
        }
        assert_eq!(query_words(&"a b c d e f g h i j k l m n".repeat(2)).len(), MAX_QUERY_WORDS);
    }

    #[test]
    fn index_keys_are_prefixes_and_pairs() {
        let keys: Vec<_> = index_keys(["Jazz im Zoo", "Zoo"], None).into_iter().collect();
        assert_eq!(keys, ["i", "im", "j", "ja", "jaz", "jaz zoo", "jazz", "z", "zo", "zoo"]);
        let long = "Donaudampfschifffahrt";
        assert_eq!(index_keys([long], None).len(), MAX_PREFIX_CHARS);
        for typed in ["d", "donaudampf", "donaudampfschifff", "donaudampfschifffahrt"] {
            assert!(index_keys([long], None).contains(longest_prefix(typed)), "{typed}");
        }
        assert_eq!(longest_prefix("東京ドーム"), "東京ドーム");
        assert_eq!(longest_prefix(""), "");
    }

    #[test]
    fn query_keys_are_a_subset_of_index_keys() {
        let texts = ["The Jazz and Jazzercise Orchestra of U2", "Royal Albert Hall", "London"];
        let stored = index_keys(texts, Some(Category::Concert));
        let typed = [
            "the", "j", "ja", "jaz", "jazz", "jazze", "orch", "u2", "u", "of", "royal", "alb", "hall", "london",
            "londo",
        ];
        for (n, one) in typed.iter().enumerate() {
            for other in &typed[n..] {
                for category in [None, Some(Category::Concert)] {
                    let keys = query_keys([*one, *other, "hall"], category);
                    assert!(keys.iter().all(|key| stored.contains(key)), "{one} {other}: {keys:?}");
                }
            }
        }
        assert_eq!(query_keys(["jazz", "hall"], None), ["hal jaz", "jazz", "hall"]);
        assert_eq!(query_keys(["jazz"], Some(Category::Sport)), ["#sport jaz", "jazz"]);
        assert_eq!(query_keys(["jazz", "u2", "jazzercise"], None), ["jazz", "u2", "jazzercise"]);
        assert_eq!(query_keys(["aaa", "bbb", "ccc", "ddd"], None).len(), 3 + 4);
        // The number of keys is bounded for any text.
        let most =
            index_keys([(0..500).map(|n| format!("{n:03}x")).collect::<Vec<_>>().join(" ").as_str()], None).len();
        assert!(most < MAX_DOCUMENT_WORDS * MAX_DOCUMENT_WORDS, "{most}");
    }

    #[test]
    fn name_matches_prefixes_of_its_parts() {
        for (word, matches) in [("ana", true), ("an", true), ("kovac", true), ("nak", false), ("anabel", false)] {
            assert_eq!(name_matches("Ana Kovač", word), matches, "{word}");
        }
    }
}
