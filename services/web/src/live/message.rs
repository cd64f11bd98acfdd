//! What is sent to open pages.

use askama::Template;
use axum::extract::ws::Utf8Bytes;
use common::error::Error;
use common::events::ticket::TicketState;
use common::timestamp::Timestamp;
use serde::Serialize;

use crate::domain::offer::{Offer, Standing};

/// How a listing stands, in words; the same on a card, on its page and in a message.
#[derive(Template)]
#[template(path = "status.html")]
pub struct Status<'a> {
    /// Whether it can be had.
    pub standing: &'a Standing,
    /// In how many seconds the hold ends that somebody has on it.
    pub left: Option<u64>,
}

#[derive(Serialize)]
struct Changed<'a> {
    topic: &'a str,
    version: u64,
    #[serde(flatten)]
    listing: Option<Listing>,
}

#[derive(Serialize)]
struct Listing {
    html: String,
    /// The same to be read out.
    text: &'static str,
    open: bool,
    price: String,
}

/// The topic of a listing, which anybody may listen to.
pub fn ticket_topic(id: impl std::fmt::Display) -> String {
    format!("ticket:{id}")
}

/// The topic of an order, which only its buyer may listen to.
pub fn order_topic(id: impl std::fmt::Display) -> String {
    format!("order:{id}")
}

/// The topic of what concerns one user.
pub fn user_topic(id: impl std::fmt::Display) -> String {
    format!("user:{id}")
}

/// A listing at this version; `ends` is when the hold on it ends.
pub fn ticket(ticket: &TicketState, version: u64, ends: Option<Timestamp>, now: Timestamp) -> Result<Utf8Bytes, Error> {
    let offer = Offer::new(ticket, None, now);
    let left = ends.map(|ends| ends.since(now).as_secs());
    let html = Status { standing: &offer.standing, left }.render().map_err(Error::internal)?;
    let listing =
        Listing { html, text: offer.standing.sentence(), open: offer.standing.is_for_sale(), price: offer.price };
    encode(&Changed { topic: &ticket_topic(ticket.terms.id), version, listing: Some(listing) })
}

/// Something that a page takes anew from the server has changed to this version.
pub fn changed(topic: &str, version: u64) -> Result<Utf8Bytes, Error> {
    encode(&Changed { topic, version, listing: None })
}

/// Something concerns the user themselves.
pub fn me() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"topic":"me"}"#)
}

fn encode(message: &Changed<'_>) -> Result<Utf8Bytes, Error> {
    serde_json::to_string(message).map(Into::into).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::ticket::TicketStatus;
    use serde_json::Value;

    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn a_message_says_how_a_listing_stands() {
        let mut state = sample();
        let now = state.created_at;
        let read = |message: Utf8Bytes| serde_json::from_str::<Value>(&message).unwrap();
        let told = read(ticket(&state, 1, None, now).unwrap());
        assert_eq!((told["version"].as_u64(), told["open"].as_bool()), (Some(1), Some(true)));
        assert_eq!(told["price"], "125.50 USD");
        state.status = TicketStatus::Reserved;
        let ends = now.plus(Duration::from_secs(192));
        let told = read(ticket(&state, 2, Some(ends), now).unwrap());
        let html = told["html"].as_str().unwrap();
        assert!(html.contains("data-left=\"192\"") && html.contains("3:12") && told["open"] == false, "{html}");
        let told = read(changed("order:1", 4).unwrap());
        assert_eq!(told, serde_json::json!({ "topic": "order:1", "version": 4 }));
        assert_eq!(read(me())["topic"], "me");
    }
}
