//! The messages of open pages on the WebSocket `/live` of `web`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use validator::Validate;

/// The topics that a page shows, each with the version that it has. A page sends it to subscribe to these topics. The
/// server first sends the updates that the page missed, and then a response with the topic `report`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
pub struct VersionReport {
    /// The version of each topic. A topic is `ticket:` or `order:` with an id; `show:` or `list:` with the id of a
    /// show, whose version is the revision of what the show has for sale; `show:` with an id and a number of seats,
    /// such as `:2`, for the listings that sell this many seats together; or `me`, whose version is the number of
    /// unread notifications. `live.js` reports at most 120 topics.
    #[serde(rename = "watch")]
    #[validate(length(max = 120))]
    pub versions: BTreeMap<String, u64>,
}
