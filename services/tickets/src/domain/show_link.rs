//! What a listing stores about its show.

use common::id::ShowId;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The show that a listing is for, as far as the listing depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowLink {
    /// Id of the show.
    pub id: ShowId,
    /// Country of the show, which decides the price cap.
    pub(crate) country: Option<String>,
    /// Whether the show is cancelled, so that the seats can't be ordered any more.
    pub(crate) is_cancelled: bool,
    /// Where and when the show takes place now, if it was moved while seats of the listing were held or sold. It
    /// becomes part of the listing's terms once none is.
    pub(crate) moved_to: Option<Occasion>,
}

impl ShowLink {
    /// The link to a show that takes place.
    pub fn new(id: ShowId, country: Option<String>) -> Self {
        Self { id, country, is_cancelled: false, moved_to: None }
    }
}

/// Where and when a show takes place: the terms of a listing that change when the show is moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Occasion {
    /// The venue.
    pub(crate) venue: String,
    /// City of the venue.
    pub(crate) city: Option<String>,
    /// When the show starts.
    pub(crate) starts_at: Timestamp,
    /// IANA time zone of the venue.
    pub(crate) time_zone: String,
}
