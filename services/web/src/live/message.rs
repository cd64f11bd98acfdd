//! Messages to open pages, and their topics.

use askama::Template;
use axum::extract::ws::Utf8Bytes;
use common::error::Error;
use common::events::show::ShowState;
use common::events::ticket::TicketState;
use common::id::ShowId;
use common::seats::MAX_SEATS;
use common::timestamp::Timestamp;
use serde::Serialize;

use crate::domain::listing_view::ListingView;
use crate::domain::offer::ShowOffer;
use crate::domain::show_view::ShowView;

/// Availability of a listing: the same template as on cards and on the listing's page.
#[derive(Template)]
#[template(path = "availability.html")]
struct AvailabilityBadge<'a> {
    listing: &'a ListingView,
    hold_seconds_left: Option<u64>,
}

/// The numbers of seats to choose from: the same template as on the listing's page.
#[derive(Template)]
#[template(path = "choices.html")]
struct Choices<'a> {
    listing: &'a ListingView,
}

/// What a show has for sale: the same template as on cards and on the show's page.
#[derive(Template)]
#[template(path = "show_offer.html")]
struct OfferBadge {
    show: ShowView,
}

#[derive(Serialize)]
struct Update<'a> {
    topic: &'a str,
    version: u64,
    #[serde(flatten)]
    listing: Option<ListingUpdate>,
    #[serde(flatten)]
    offer: Option<OfferUpdate>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListingUpdate {
    html: String,
    /// The availability for screen readers.
    text: String,
    /// Whether the ticket can be ordered.
    is_for_sale: bool,
    price: String,
    /// The price as a form sends it.
    agreed_price: String,
    /// The numbers of seats to choose from, if there are several seats. None is chosen: the page keeps its choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    choices: Option<String>,
    /// `Section A, row 3, seats 14, 15`: the seats that can be ordered. `None` for a listing with one seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    seat: Option<String>,
    /// The topic of the listings of its show, and their revision with this change.
    list: String,
    revision: i64,
}

#[derive(Serialize)]
struct OfferUpdate {
    html: String,
    /// The show's own version.
    show: u64,
}

/// The topic of a listing, open to everybody.
pub(crate) fn ticket_topic(id: impl std::fmt::Display) -> String {
    format!("ticket:{id}")
}

/// The topic of what a show has for sale, open to everybody: in all, or in listings that sell this many seats together.
/// Its version is a revision of the offer.
pub(crate) fn show_topic(id: ShowId, quantity: Option<u8>) -> String {
    quantity.map_or_else(|| format!("show:{id}"), |quantity| format!("show:{id}:{quantity}"))
}

/// The show and the number of seats together that such a topic names after `show:`.
pub(crate) fn shown_offer(name: &str) -> Option<(ShowId, Option<u8>)> {
    let Some((id, quantity)) = name.split_once(':') else { return Some((name.parse().ok()?, None)) };
    let quantity = quantity.parse::<u8>().ok().filter(|quantity| (1..=MAX_SEATS).contains(&usize::from(*quantity)))?;
    Some((id.parse().ok()?, Some(quantity)))
}

/// The topic of each listing of a show, for the page of the show. Its version is a revision of the offer.
pub(crate) fn list_topic(show: impl std::fmt::Display) -> String {
    format!("list:{show}")
}

/// The topic of an order, open to its buyer only.
pub(crate) fn order_topic(id: impl std::fmt::Display) -> String {
    format!("order:{id}")
}

pub(crate) fn user_topic(id: impl std::fmt::Display) -> String {
    format!("user:{id}")
}

/// The response to a report of versions, after the updates that the page missed.
pub(crate) fn report_handled() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"topic":"report"}"#)
}

pub(crate) fn ticket_changed(
    ticket: &TicketState,
    show: Option<&ShowState>,
    version: u64,
    hold_expiry: Option<Timestamp>,
    now: Timestamp,
) -> Result<Utf8Bytes, Error> {
    let mut listing = ListingView::new(ticket, None, now).of_show(show);
    for choice in &mut listing.choices {
        choice.is_chosen = false;
    }
    let hold_seconds_left = hold_expiry.map(|expiry| expiry.since(now).as_secs());
    let html = AvailabilityBadge { listing: &listing, hold_seconds_left }.render().map_err(Error::internal)?;
    let choices = (listing.quantity > 1).then(|| Choices { listing: &listing }.render());
    let choices = choices.transpose().map_err(Error::internal)?;
    let ListingView { availability, left, price, agreed_price, seat, quantity, .. } = listing;
    let seat = Some(seat).filter(|seat| quantity > 1 && !seat.is_empty());
    let text = if left.is_empty() { String::new() } else { format!(" {left}.") };
    let (text, is_for_sale) = (format!("{}{text}", availability.sentence()), availability.is_for_sale());
    let (list, revision) = (list_topic(ticket.show_id), ticket.updated_at.as_millis());
    let listing = Some(ListingUpdate { html, text, is_for_sale, price, agreed_price, choices, seat, list, revision });
    encode(&Update { topic: &ticket_topic(ticket.terms.id), version, listing, offer: None })
}

/// Tells what a show has for sale; `found` has what the topic with this number of seats together is about.
pub(crate) fn show_changed(found: &ShowOffer, quantity: Option<u8>, now: Timestamp) -> Result<Utf8Bytes, Error> {
    let badge = OfferBadge { show: ShowView::new(found, now) };
    let html = badge.render().map_err(Error::internal)?;
    let offer = Some(OfferUpdate { html, show: found.show.version });
    encode(&Update { topic: &show_topic(found.show.id, quantity), version: found.offer.revision, listing: None, offer })
}

/// Tells a page to reload an entity that has changed to this version.
pub(crate) fn entity_changed(topic: &str, version: u64) -> Result<Utf8Bytes, Error> {
    encode(&Update { topic, version, listing: None, offer: None })
}

/// Tells a user's pages to reload their notifications. Pages know the user's own topic as `me`.
pub(crate) fn user_changed() -> Utf8Bytes {
    Utf8Bytes::from_static(r#"{"topic":"me"}"#)
}

fn encode(message: &Update<'_>) -> Result<Utf8Bytes, Error> {
    serde_json::to_string(message).map(Into::into).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::ticket::TicketStatus;
    use serde_json::Value;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};

    #[test]
    fn ticket_message_contains_the_availability() {
        let mut state = sample();
        let now = state.created_at;
        let read = |message: Utf8Bytes| serde_json::from_str::<Value>(&message).unwrap();
        let update = read(ticket_changed(&state, None, 1, None, now).unwrap());
        assert_eq!((update["version"].as_u64(), update["isForSale"].as_bool()), (Some(1), Some(true)));
        assert_eq!(update["price"], "$125.50");
        assert_eq!(update["agreedPrice"], "125.50 USD");
        assert_eq!(update["list"], format!("list:{}", state.show_id));
        assert_eq!(update["revision"], state.updated_at.as_millis());
        state.status = TicketStatus::Reserved;
        let expiry = now.plus(Duration::from_secs(192));
        let update = read(ticket_changed(&state, None, 2, Some(expiry), now).unwrap());
        let html = update["html"].as_str().unwrap();
        assert!(html.contains("data-left=\"192\"") && html.contains("3:12") && update["isForSale"] == false, "{html}");
        let update = read(entity_changed("order:1", 4).unwrap());
        assert_eq!(update, serde_json::json!({ "topic": "order:1", "version": 4 }));
        assert_eq!(read(user_changed())["topic"], "me");
    }

    #[test]
    fn message_of_several_seats_has_what_is_left_and_the_choices() {
        let mut state = six_seats(&[2, 2, 2]);
        state.seats[0].status = TicketStatus::Reserved;
        let message = ticket_changed(&state, None, 1, None, state.created_at).unwrap();
        let update = serde_json::from_str::<Value>(&message).unwrap();
        let text = |field: &str| update[field].as_str().unwrap().to_owned();
        assert!(text("html").contains("5 of 6 seats left") && text("text").starts_with("For sale. 5 of 6"), "{update}");
        let choices = text("choices");
        assert!(choices.contains("4 × $125.50 = $502.00") && !choices.contains("checked"), "{choices}");
        assert_eq!(text("seat"), "Section A, row 3, seats 13 to 17");
        let one = ticket_changed(&sample(), None, 1, None, state.created_at).unwrap();
        assert!(serde_json::from_str::<Value>(&one).unwrap().get("choices").is_none(), "{one}");
    }

    #[test]
    fn show_message_contains_the_offer() {
        let found = crate::domain::show_view::tests::sample();
        let message = show_changed(&found, None, found.show.created_at).unwrap();
        let update: Value = serde_json::from_str(&message).unwrap();
        assert_eq!(update["topic"], format!("show:{}", found.show.id));
        assert_eq!((update["version"].as_u64(), update["show"].as_u64()), (Some(found.offer.revision), Some(3)));
        let pairs = show_topic(found.show.id, Some(2));
        assert_eq!(pairs, format!("show:{}:2", found.show.id));
        assert_eq!(shown_offer(pairs.strip_prefix("show:").unwrap()), Some((found.show.id, Some(2))));
        assert_eq!(shown_offer(&found.show.id.to_string()), Some((found.show.id, None)));
        for unknown in ["", "2", ":2", &format!("{}:0", found.show.id), &format!("{}:9", found.show.id)] {
            assert_eq!(shown_offer(unknown), None, "{unknown}");
        }
        let html = update["html"].as_str().unwrap();
        assert!(html.contains("€46.00 or $50.00") && html.contains("37 left"), "{html}");
    }
}
