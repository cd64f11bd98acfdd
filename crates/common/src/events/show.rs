//! Show events, published by `tickets`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use super::ticket::Category;
use crate::id::ShowId;
use crate::string_form::text_enum;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a show.
    ShowChange(entity "show", source "tickets", payload ShowState) {
        Created = "created": "The first ticket of the show was listed.",
        Moved = "moved": "Date, time, venue or city of the show changed.",
        Updated = "updated": "The title, the category, the end or the country of the show changed.",
        Merged = "merged": "The show turned out to be the same as another one; see `mergedInto`.",
        Cancelled = "cancelled": "The show was cancelled; see `cancelReason`.",
    }
}

text_enum! {
    /// The status of a show.
    ShowStatus {
        /// Takes place as first announced.
        Scheduled,
        /// Takes place at another time or place than first announced.
        Moved,
        /// Does not take place. Final.
        Cancelled,
    }
}

/// The public state of a show. How many tickets are for sale is not part of it: each hold would change it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowState {
    /// The id of the show.
    pub id: ShowId,
    /// The name of the show.
    pub title: String,
    /// The venue.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// The venue's country, as an ISO 3166-1 code of two letters; null if it is unknown.
    pub country: Option<String>,
    /// When the show starts.
    pub starts_at: Timestamp,
    /// When the show ends; null if it is unknown.
    pub ends_at: Option<Timestamp>,
    /// IANA name of the venue's time zone.
    pub time_zone: String,
    /// The kind of show.
    pub category: Option<Category>,
    /// The status of the show.
    pub status: ShowStatus,
    /// Why the show was cancelled; null unless `status` is `cancelled`.
    pub cancel_reason: Option<String>,
    /// The show that this one was merged into; its tickets belong to that show. Final once it is set.
    pub merged_into: Option<ShowId>,
    /// When the first ticket of the show was listed.
    pub created_at: Timestamp,
    /// When the show was last changed.
    pub updated_at: Timestamp,
}
