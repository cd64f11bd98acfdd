//! Versions over HTTP: `ETag` and `If-Match`.

use axum::extract::FromRequestParts;
use common::error::Error;
use headers::{ETag, HeaderMapExt as _};
use http::request::Parts;
use http::{HeaderName, header};

/// The `ETag` header of a version.
pub fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, tag(version))]
}

fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// The versions that a request may be applied to; every one when it does not say.
#[derive(Debug, Clone)]
pub struct IfMatch(Option<headers::IfMatch>);

impl IfMatch {
    /// 412 when the request was meant for another version.
    pub fn check(&self, version: u64) -> Result<(), Error> {
        let Some(wanted) = &self.0 else { return Ok(()) };
        let tag: ETag = tag(version).parse().map_err(|_| Error::internal_message("a version is no ETag"))?;
        if wanted.precondition_passes(&tag) { Ok(()) } else { Err(Error::PreconditionFailed) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let fault = || Error::field("If-Match", "must be an ETag such as \"3\"");
        // No ETag holds a blank, and the parser takes for granted that none does.
        if parts.headers.get_all(header::IF_MATCH).iter().any(|value| has_blank_inside(value.as_bytes())) {
            return Err(fault());
        }
        parts.headers.typed_try_get().map(Self).map_err(|_| fault())
    }
}

/// Whether there is white space, or a control character, within a pair of quotation marks or between two tags.
fn has_blank_inside(list: &[u8]) -> bool {
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
    let (mut is_quoted, mut item) = (false, Vec::new());
    let mut items = Vec::new();
    for byte in list {
        is_quoted ^= *byte == b'"';
        if *byte == b',' && !is_quoted {
            items.push(std::mem::take(&mut item));
        } else {
            item.push(*byte);
        }
    }
    items.push(item);
    items.iter().any(|item| item.trim_ascii().iter().any(|byte| is_blank(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_is_meant_for_the_versions_that_it_names() {
        let allowed = async |values: &[&'static [u8]]| {
            let mut request = http::Request::builder();
            for value in values {
                request = request.header(header::IF_MATCH, http::HeaderValue::from_bytes(value).unwrap());
            }
            let mut parts = request.body(()).unwrap().into_parts().0;
            IfMatch::from_request_parts(&mut parts, &()).await.and_then(|wanted| wanted.check(3))
        };
        for good in [&[][..], &["\"3\""], &["*"], &["\"2\", \"3\""], &["\"2\"", "\"3\""], &["\"2\",\"3\""]] {
            let good: Vec<_> = good.iter().map(|value| value.as_bytes()).collect();
            assert!(allowed(&good).await.is_ok(), "{good:?}");
        }
        for other in [&b"\"2\""[..], b"W/\"3\"", b"3", b"\"3", b"\"2,3\"", b"", b"\"\xfc\""] {
            assert!(matches!(allowed(&[other]).await, Err(Error::PreconditionFailed)), "{other:?}");
        }
        for malformed in [&b"\"3 \""[..], b"\"a b\"", b"\"a\tb\"", b"\"2\" \"3\"", b"\"2 , 3\"", b"\"2 , \"3\""] {
            assert!(matches!(allowed(&[malformed]).await, Err(Error::Invalid(_))), "{malformed:?}");
        }
    }
}
