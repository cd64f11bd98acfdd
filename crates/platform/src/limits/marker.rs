//! The marker of internal requests that are not counted again: `web` adds it to the requests that it sends while it
//! renders a page that it has counted. The marker is made with the fleet's secret, so clients can't forge it.

use http::{HeaderName, HeaderValue};

use super::counters::Counters;

/// The internal header that contains the marker.
pub const HEADER: HeaderName = HeaderName::from_static("x-counted");

/// Request extension: this service has counted the request.
#[derive(Debug, Clone, Copy)]
pub struct AlreadyCounted;

/// The marker of this fleet.
pub fn header_value(counters: &Counters) -> Option<HeaderValue> {
    let mut marker = HeaderValue::from_str(&hex::encode(counters.hash("a request that was counted"))).ok()?;
    marker.set_sensitive(true);
    Some(marker)
}
