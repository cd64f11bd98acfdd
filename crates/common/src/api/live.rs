//! The messages of open pages on the WebSocket `/live` of `web`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use validator::Validate;

/// The topics that a page shows, each with the version that it has. A page sends it to subscribe to these topics. The
/// server first sends the updates that the page missed, and then a response with the topic `report`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
pub struct VersionReport {
    /// The version of each topic: `ticket:` or `order:` with an id; `show:` or `list:` with the id of a show and the
    /// revision of what it has for sale, `show:` also with `:2` for what sells two seats together; or `me` with the
    /// number of unread notifications. `live.js` reports no more than this.
    #[serde(rename = "watch")]
    #[validate(length(max = 120))]
    pub versions: BTreeMap<String, u64>,
}
