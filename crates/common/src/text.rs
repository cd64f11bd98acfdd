//! User-visible text: trimmed, not blank, and without control characters or characters that change the text direction.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use validator::{ValidateLength, ValidationError};

use crate::validate::invalid;

/// Trimmed text. [`single_line`] and [`multi_line`] validate its content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text without leading and trailing white space.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The trimmed text; `None` if it is blank.
    pub fn non_blank(text: &str) -> Option<Self> {
        Some(Self::new(text)).filter(|text| !text.is_empty())
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer).map(|text| Self::new(&text))
    }
}

impl ValidateLength<u64> for Text {
    /// In characters.
    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}

/// Deserialises optional text, treating blank as absent; for `#[serde(default, deserialize_with)]`.
pub fn blank_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// Validates a single line: no line breaks or other control characters, and at least one visible character.
pub fn single_line(text: &str) -> Result<(), ValidationError> {
    check(text, char::is_control)
}

/// Like [`single_line`], but allows line breaks and tabs.
pub fn multi_line(text: &str) -> Result<(), ValidationError> {
    check(text, |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn check(text: &str, is_control: impl Fn(char) -> bool) -> Result<(), ValidationError> {
    if text.chars().any(|c| is_control(c) || is_deceptive(c)) {
        Err(invalid("control", "must not contain control characters"))
    } else if !text.is_empty() && !text.chars().any(is_visible) {
        Err(invalid("blank", "must contain a visible character"))
    } else {
        Ok(())
    }
}

/// Line separators and noncharacters, neither of which Unicode counts as control characters, and characters that change
/// the text direction. They can make one title look like another.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a character is visible by itself. Joiners, fillers, variation selectors and accents may be part of a word
/// but show nothing without a letter.
fn is_visible(c: char) -> bool {
    // Letters or symbols in Unicode for which fonts draw nothing: the blank braille pattern, the half fill space, the
    // null notehead, two blank hieroglyphs, the object replacement character.
    const BLANK: [char; 6] = ['\u{2800}', '\u{303f}', '\u{1d159}', '\u{13441}', '\u{13442}', '\u{fffc}'];
    const VISIBLE: GeneralCategoryGroup = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Punctuation)
        .union(GeneralCategoryGroup::Symbol);
    VISIBLE.contains(CodePointMapData::<GeneralCategory>::new().get(c))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        && !BLANK.contains(&c)
}

/// The folded words of a text in their order, joined by spaces. Different spellings of a name have the same folded
/// words. A text without letters and digits is only trimmed and converted to lower case.
pub fn folded(text: &str) -> String {
    let words = folded_words(text);
    if words.is_empty() { text.trim().to_lowercase() } else { words.join(" ") }
}

/// The words of a text in lower case without accents, in their order.
pub fn folded_words(text: &str) -> Vec<String> {
    let bare = text.nfkd().filter(|c| !is_combining_mark(*c));
    let folded: String = bare.flat_map(char::to_lowercase).collect();
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed() {
        let read = |json: &str| serde_json::from_str::<Text>(json).unwrap();
        assert_eq!(&*read("\"  Jazz \\u3000\""), "Jazz");
        assert_eq!(&*read("\" \""), "");
        assert_eq!((Text::non_blank(" \n"), Text::non_blank("a ")), (None, Some(Text::new("a"))));
    }

    #[test]
    fn control_and_bidi_characters_are_rejected() {
        for good in ["", "Carmen", "Beyoncé", "میراث\u{200c}ها", "👩‍🎤 live", "e\u{301}", "!", "7", "❤\u{fe0f}", "가"]
        {
            assert_eq!(single_line(good), Ok(()), "{good:?}");
        }
        for bad in ["two\nlines", "a\tb", "nul\0", "price\u{202e}001", "a\u{2028}b", "a\u{2066}b", "a\u{85}b"] {
            assert_eq!(single_line(bad).unwrap_err().code, "control", "{bad:?}");
        }
        assert_eq!(multi_line("a\n\tb"), Ok(()));
        assert!(multi_line("a\u{b}b").is_err());
    }

    #[test]
    fn text_without_a_visible_character_is_rejected() {
        for c in [
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200d}',
            '\u{2060}',
            '\u{2064}',
            '\u{206a}',
            '\u{2800}',
            '\u{3000}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{13441}',
            '\u{1bca0}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0020}',
            '\u{e0100}',
            '\u{301}',
            '\u{20dd}',
        ] {
            for text in [c.to_string(), format!("{c}{c}"), format!("\u{200b}{c} \u{3164}")] {
                assert_eq!(single_line(&text).unwrap_err().code, "blank", "{text:?}");
            }
            assert_eq!(single_line(&format!("a{c}")), Ok(()), "{c:?}");
        }
    }

    #[test]
    fn spellings_of_a_name_fold_to_the_same_text() {
        for text in ["Café AC/DC", " CAFE  ac-dc!", "cafe\u{301} AC DC"] {
            assert_eq!(folded(text), "cafe ac dc");
        }
        assert_ne!(folded("AC/DC Café"), folded("Café AC/DC"));
        assert_eq!((folded("!!! "), folded("…")), ("!!!".to_owned(), "…".to_owned()));
    }
}
