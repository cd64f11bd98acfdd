//! What listings and people are found by: how their words begin, alone and in pairs.
//!
//! # Why
//! The beginnings of its words are stored beside a listing: equality on one of them is a look-up in an
//! index that is sorted already, however many listings there are. A text index knows whole words only, and
//! sorts in memory. Two words that many listings have, but few have both, would be a long search behind
//! either; so pairs of words are stored, too, by the first letters of each: a search for words that never
//! meet ends at once. A kind of event is paired like a word, since it is often one of two conditions.

use std::collections::BTreeSet;

use common::events::ticket::Category;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// How many words of a search count; more narrow nothing down any further.
const SEARCHED: usize = 12;
/// How many words of a listing it is found by: more than a title, a venue and a city of sense have, and few
/// enough for their pairs.
const FOUND_BY: usize = 40;
/// How many letters of a word are looked up. Words that begin with the same dozen are taken for one.
const BEGINNING: usize = 12;
/// By how many letters of each, words are paired; shorter ones are not.
const PAIRED: usize = 3;
/// How many words of a search are paired: each with each other one.
const PAIRING: usize = 3;

/// The words of a text, each once and as they are compared: `Café AC/DC` has `cafe`, `ac` and `dc`.
///
/// No stemming and no stop words: titles are names, in any language.
pub fn words(text: &str) -> Vec<String> {
    let folded = folded(text);
    let mut words: Vec<String> = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if !words.iter().any(|known| known == word) {
            words.push(word.to_owned());
        }
    }
    words
}

/// The words of a search.
pub fn searched(text: &str) -> Vec<String> {
    let mut words = words(text);
    words.truncate(SEARCHED);
    words
}

/// All that something with these texts and of this kind is found by.
pub fn keys<'a>(texts: impl IntoIterator<Item = &'a str>, category: Option<Category>) -> BTreeSet<String> {
    let words: Vec<String> = texts.into_iter().flat_map(words).take(FOUND_BY).collect();
    let kind = category.map(kind);
    let paired: BTreeSet<&str> = words.iter().filter_map(|word| start(word)).chain(kind).collect();
    words.iter().flat_map(|word| starts(word)).map(ToOwned::to_owned).chain(pairs(&paired)).collect()
}

/// Which keys something has that has all of these words and is of this kind; the rarest come first.
pub fn lookup<'a>(words: impl IntoIterator<Item = &'a str> + Clone, category: Option<Category>) -> Vec<String> {
    let mut paired: Vec<&str> = Vec::new();
    for start in category.map(kind).into_iter().chain(words.clone().into_iter().filter_map(start)) {
        if paired.len() < PAIRING && !paired.contains(&start) {
            paired.push(start);
        }
    }
    let each = words.into_iter().map(|word| beginning(word).to_owned());
    pairs(&paired.into_iter().collect()).into_iter().chain(each).collect()
}

/// Whether somebody with this name is meant by a word.
pub fn is_name(name: &str, word: &str) -> bool {
    words(name).iter().take(FOUND_BY).any(|part| starts(part).any(|start| start == beginning(word)))
}

/// What a word of a search is looked up as.
fn beginning(word: &str) -> &str {
    starts(word).last().unwrap_or_default()
}

/// `j`, `ja`, `jaz`, `jazz`.
fn starts(word: &str) -> impl Iterator<Item = &str> {
    let ends = word.char_indices().skip(1).map(|(at, _)| at).chain([word.len()]);
    ends.take(BEGINNING).filter_map(|end| word.get(..end))
}

/// The letters that a word is paired by. Of two words that begin alike there is no pair: one word of a
/// listing may be meant by both.
fn start(word: &str) -> Option<&str> {
    starts(word).nth(PAIRED - 1)
}

/// `hal jaz`: no word has a space.
fn pairs(starts: &BTreeSet<&str>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (n, one) in starts.iter().enumerate() {
        pairs.extend(starts.iter().skip(n + 1).map(|other| format!("{one} {other}")));
    }
    pairs
}

/// A kind as it is paired: no word has a hash.
fn kind(category: Category) -> &'static str {
    match category {
        Category::Concert => "#concert",
        Category::Sport => "#sport",
        Category::Theatre => "#theatre",
        Category::Comedy => "#comedy",
        Category::Festival => "#festival",
        Category::Other => "#other",
    }
}

fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        // Letters that have no accent to lose, and that people type without.
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
    fn case_accents_and_marks_make_no_difference() {
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
            assert_eq!(words(text), expected, "{text}");
        }
        assert_eq!(searched(&"a b c d e f g h i j k l m n".repeat(2)).len(), SEARCHED);
    }

    #[test]
    fn a_listing_is_found_by_how_its_words_begin() {
        let found: Vec<_> = keys(["Jazz im Zoo", "Zoo"], None).into_iter().collect();
        assert_eq!(found, ["i", "im", "j", "ja", "jaz", "jaz zoo", "jazz", "z", "zo", "zoo"]);
        let long = "Donaudampfschifffahrt";
        assert_eq!(keys([long], None).len(), BEGINNING);
        for typed in ["d", "donaudampf", "donaudampfschifff", "donaudampfschifffahrt"] {
            assert!(keys([long], None).contains(beginning(typed)), "{typed}");
        }
        assert_eq!(beginning("東京ドーム"), "東京ドーム");
        assert_eq!(beginning(""), "");
    }

    #[test]
    fn whatever_is_looked_up_is_stored() {
        let texts = ["The Jazz and Jazzercise Orchestra of U2", "Royal Albert Hall", "London"];
        let stored = keys(texts, Some(Category::Concert));
        let typed = [
            "the", "j", "ja", "jaz", "jazz", "jazze", "orch", "u2", "u", "of", "royal", "alb", "hall", "london",
            "londo",
        ];
        for (n, one) in typed.iter().enumerate() {
            for other in &typed[n..] {
                for category in [None, Some(Category::Concert)] {
                    let keys = lookup([*one, *other, "hall"], category);
                    assert!(keys.iter().all(|key| stored.contains(key)), "{one} {other}: {keys:?}");
                }
            }
        }
        assert_eq!(lookup(["jazz", "hall"], None), ["hal jaz", "jazz", "hall"]);
        assert_eq!(lookup(["jazz"], Some(Category::Sport)), ["#sport jaz", "jazz"]);
        assert_eq!(lookup(["jazz", "u2", "jazzercise"], None), ["jazz", "u2", "jazzercise"]);
        assert_eq!(lookup(["aaa", "bbb", "ccc", "ddd"], None).len(), 3 + 4);
        // However long a text is.
        let most = keys([(0..500).map(|n| format!("{n:03}x")).collect::<Vec<_>>().join(" ").as_str()], None).len();
        assert!(most < FOUND_BY * FOUND_BY, "{most}");
    }

    #[test]
    fn a_name_is_found_by_how_its_parts_begin() {
        for (word, is_meant) in [("ana", true), ("an", true), ("kovac", true), ("nak", false), ("anabel", false)] {
            assert_eq!(is_name("Ana Kovač", word), is_meant, "{word}");
        }
    }
}
