//! What web asks of an owner for a page that it has counted bears a marker, by which the owner does not count it
//! again. Nobody else can make one: it is made with the secret of the fleet.

use http::{HeaderName, HeaderValue};

use super::counters::Counters;

/// The header of the marker, within the fleet.
pub const HEADER: HeaderName = HeaderName::from_static("x-counted");

/// On a request that was counted where it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Counted;

/// The marker of this fleet.
pub fn of(counters: &Counters) -> Option<HeaderValue> {
    let mut marker = HeaderValue::from_str(&hex::encode(counters.hash("a request that was counted"))).ok()?;
    marker.set_sensitive(true);
    Some(marker)
}
