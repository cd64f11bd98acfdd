//! Versions over HTTP: `ETag` and `If-Match`.

use axum::extract::FromRequestParts;
use common::error::Error;
use http::request::Parts;
use http::{HeaderName, header};

/// The `ETag` header of a version.
pub fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

/// The versions that a request may be applied to; every one when it does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// 412 when the request was meant for another version.
    pub fn check(&self, version: u64) -> Result<(), Error> {
        match &self.0 {
            Some(tags) if !tags.iter().any(|tag| *tag == format!("\"{version}\"")) => Err(Error::PreconditionFailed),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut tags = Vec::new();
        for value in parts.headers.get_all(header::IF_MATCH) {
            let value = value.to_str().map_err(|_| Error::field("If-Match", "must be an ETag such as \"3\""))?;
            tags.extend(value.split(',').map(|tag| tag.trim().to_owned()));
        }
        Ok(Self((!tags.is_empty() && !tags.contains(&"*".to_owned())).then_some(tags)))
    }
}
