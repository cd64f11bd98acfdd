//! Versions of entities in HTTP headers: the `ETag` of a response and the `If-Match` of a request.

use headers::{ETag, Header as _, HeaderMapExt as _};
use http::header::ETAG;
use http::{HeaderMap, HeaderValue};

/// The entity tag of a version: `"3"`.
pub fn version_tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The version in a response's `ETag`; `None` without one, or if it is not the strong tag of a version.
pub fn version_of(headers: &HeaderMap) -> Option<u64> {
    // The parser expects that whitespace and control characters were excluded.
    let is_graphic = |value: &HeaderValue| value.as_bytes().iter().all(u8::is_ascii_graphic);
    headers.get(ETAG).filter(|value| is_graphic(value))?;
    let tag = headers.typed_get::<ETag>()?;
    let mut values = Vec::new();
    tag.encode(&mut values);
    let text = values.first()?.to_str().ok()?;
    let version = text.trim_matches('"').parse().ok()?;
    // A weak tag, or another way to write the number, is another tag.
    (version_tag(version) == text).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_strong_tag_of_a_number_is_a_version() {
        let version = |tag: &'static str| version_of(&HeaderMap::from_iter([(ETAG, HeaderValue::from_static(tag))]));
        assert_eq!(version_of(&HeaderMap::new()), None);
        for known in [0, 3, u64::MAX] {
            let value = HeaderValue::from_str(&version_tag(known)).unwrap();
            assert_eq!(version_of(&HeaderMap::from_iter([(ETAG, value)])), Some(known));
        }
        for other in [
            "W/\"3\"",
            "\"\"3\"\"",
            "3",
            "\"3",
            "\"+3\"",
            "\"03\"",
            "\"3 \"",
            "\"\"",
            "\"abc\"",
            "\"18446744073709551616\"",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }
}
