//! Text that people see: without white space around it, with nothing in it that misleads, and not blank.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};
use serde::{Deserialize, Deserializer, Serialize};
use validator::{ValidateLength, ValidationError};

/// Text as it was typed, without the white space around it. What else it must be, say [`line`] and [`paragraphs`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// The text, without the white space around it.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The text, if anything is left of it.
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

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
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

/// Reads text of which blank counts as absent; for `#[serde(default, deserialize_with)]`.
pub fn blank_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.filter(|text| !text.is_empty()))
}

/// One line: no line breaks or other control characters, and something to see.
pub fn single_line(text: &(impl AsRef<str> + ?Sized)) -> Result<(), ValidationError> {
    check(text.as_ref(), char::is_control)
}

/// Like [`line`], with line breaks and tabs allowed.
pub fn multi_line(text: &(impl AsRef<str> + ?Sized)) -> Result<(), ValidationError> {
    check(text.as_ref(), |c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

fn check(text: &str, is_control: impl Fn(char) -> bool) -> Result<(), ValidationError> {
    let fault =
        |code: &'static str, message: &'static str| Err(ValidationError::new(code).with_message(message.into()));
    if text.chars().any(|c| is_control(c) || is_deceptive(c)) {
        fault("control", "must not hold control characters")
    } else if !text.is_empty() && !text.chars().any(is_shown) {
        fault("blank", "must show something")
    } else {
        Ok(())
    }
}

/// Line separators that Unicode does not count as control characters, and characters that change the direction of
/// the text. With either, one title can be made to look like another.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a character is visible by itself. Joiners, fillers, variation selectors and accents belong to words, but
/// are nothing without a letter.
fn is_shown(c: char) -> bool {
    // Unicode counts these as letters or symbols, and fonts draw nothing: the blank braille pattern, the half fill space,
    // the null notehead, two blank hieroglyphs, the object replacement character.
    const BLANK: [char; 6] = ['\u{2800}', '\u{303f}', '\u{1d159}', '\u{13441}', '\u{13442}', '\u{fffc}'];
    const SHOWN: GeneralCategoryGroup = GeneralCategoryGroup::Letter
        .union(GeneralCategoryGroup::Number)
        .union(GeneralCategoryGroup::Punctuation)
        .union(GeneralCategoryGroup::Symbol);
    SHOWN.contains(CodePointMapData::<GeneralCategory>::new().get(c))
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        && !BLANK.contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_text_is_no_part_of_it() {
        let read = |json: &str| serde_json::from_str::<Text>(json).unwrap();
        assert_eq!(&*read("\"  Jazz \\u3000\""), "Jazz");
        assert_eq!(&*read("\" \""), "");
        assert_eq!((Text::non_blank(" \n"), Text::non_blank("a ")), (None, Some(Text::new("a"))));
    }

    #[test]
    fn text_reads_as_what_it_is() {
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
    fn something_has_to_show() {
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
}
