//! The language of a text, by the header `Accept-Language`.

use http::{HeaderMap, header};

/// A language that all texts exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    /// The first supported language of the header; English if there is none.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
        let mut ranges = values.flat_map(|value| value.split(',')).map(str::trim);
        let first =
            ranges.find_map(|range| match range.split(['-', ';']).next()?.trim().to_ascii_lowercase().as_str() {
                "de" => Some(Self::German),
                "en" => Some(Self::English),
                _ => None,
            });
        first.unwrap_or(Self::English)
    }

    /// The BCP 47 tag.
    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn first_supported_language_counts() {
        for (accepted, expected) in [
            ("", Language::English),
            ("de", Language::German),
            ("DE-ch;q=0.9, en", Language::German),
            ("fr-FR,fr;q=0.9,en;q=0.8,de;q=0.7", Language::English),
            ("den, deu", Language::English),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted))]);
            assert_eq!(Language::of(&headers), expected, "{accepted}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
