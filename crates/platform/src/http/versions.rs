//! Optimistic concurrency over HTTP: the `ETag` header and the `If-Match` precondition.

use axum::extract::FromRequestParts;
use common::api::versions::version_tag;
use common::error::Error;
use headers::{ETag, HeaderMapExt as _};
use http::request::Parts;
use http::{HeaderName, header};

/// The `ETag` header of a version.
pub fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, version_tag(version))]
}

/// The `If-Match` header: the versions for which a request is valid. Without the header, a request is valid for every
/// version.
#[derive(Debug, Clone)]
pub struct IfMatch(Option<headers::IfMatch>);

impl IfMatch {
    /// Returns [`Error::PreconditionFailed`] (412) unless the request is valid for this version.
    pub fn check(&self, version: u64) -> Result<(), Error> {
        let Some(precondition) = &self.0 else { return Ok(()) };
        let tag: ETag =
            version_tag(version).parse().map_err(|_| Error::internal_message("a version is not a valid ETag"))?;
        if precondition.precondition_passes(&tag) { Ok(()) } else { Err(Error::PreconditionFailed) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let fault = || Error::field("If-Match", "must be an ETag such as \"3\"");
        // The parser also accepts tags without quotation marks, or with whitespace.
        if parts.headers.get_all(header::IF_MATCH).iter().any(|value| has_malformed_tag(value.as_bytes())) {
            return Err(fault());
        }
        parts.headers.typed_try_get().map(Self).map_err(|_| fault())
    }
}

/// Whether the list has an item other than `*` and well-formed tags: in quotation marks, without whitespace and control
/// characters.
fn has_malformed_tag(list: &[u8]) -> bool {
    let mut is_quoted = false;
    let mut items = list.split(|byte| {
        is_quoted ^= *byte == b'"';
        *byte == b',' && !is_quoted
    });
    items.any(|item| {
        let item = item.trim_ascii();
        let tag = item.strip_prefix(b"W/").unwrap_or(item);
        let content = tag.strip_prefix(b"\"").and_then(|tag| tag.strip_suffix(b"\""));
        let is_tag = content.is_some_and(|content| {
            !content.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control() || *byte == b'"')
        });
        !item.is_empty() && item != b"*" && !is_tag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn if_match_accepts_only_the_listed_versions() {
        let allowed = async |values: &[&'static [u8]]| {
            let mut request = http::Request::builder();
            for value in values {
                request = request.header(header::IF_MATCH, http::HeaderValue::from_bytes(value).unwrap());
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            IfMatch::from_request_parts(&mut parts, &()).await.and_then(|if_match| if_match.check(3))
        };
        for good in [&[][..], &["\"3\""], &["*"], &["\"2\", \"3\""], &["\"2\"", "\"3\""], &["\"2\",\"3\""]] {
            let good: Vec<_> = good.iter().map(|value| value.as_bytes()).collect();
            assert!(allowed(&good).await.is_ok(), "{good:?}");
        }
        for other in [&b"\"2\""[..], b"W/\"3\"", b"\"2,3\"", b"", b"\"\xfc\""] {
            assert!(matches!(allowed(&[other]).await, Err(Error::PreconditionFailed)), "{other:?}");
        }
        for malformed in [
            &b"3"[..],
            b"\"3",
            b"3\"",
            b"\"\"3\"\"",
            b"\"2\", 3",
            b"\"3 \"",
            b"\"a b\"",
            b"\"a\tb\"",
            b"\"2\" \"3\"",
            b"\"2 , 3\"",
            b"\"2 , \"3\"",
        ] {
            assert!(matches!(allowed(&[malformed]).await, Err(Error::Invalid(_))), "{malformed:?}");
        }
    }
}
