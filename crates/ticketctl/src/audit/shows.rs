//! Shows and their listings: each listing follows its show.

use common::events::show::ShowStatus;
use common::events::ticket::TicketStatus;
use serde_json::Value;

use super::entity::{Entity, text};
use super::finding::Finding;
use super::names::SHOWS;
use super::remedy::Remedy;
use super::seats::seats;

/// Length of a stored time up to the minute: `2099-06-01T19:30`.
const MINUTE_LENGTH: usize = 16;

/// The id of the show that a listing names.
pub fn show_id(listing: &Entity) -> &str {
    text(&listing.state["show"]["id"])
}

/// Checks a listing against the show that it names.
pub fn check_listing(listing: &Entity, show: Option<&Entity>, found: &mut Vec<Finding>) {
    let id = show_id(listing);
    let (wrong, remedy) = match show {
        None => (format!("names show {id}, which does not exist"), Remedy::raise("tickets", id)),
        Some(show) => match disagreement(show, listing) {
            Some(wrong) => (format!("names show {id}, {wrong}"), Remedy::resync("tickets", id)),
            None => return,
        },
    };
    let text = format!("ticket {} {wrong}", listing.id);
    found.push(Finding::new(SHOWS, "tickets", [listing.id.as_str(), id], text).repaired_by([remedy]));
}

/// How a listing disagrees with its show.
fn disagreement(show: &Entity, listing: &Entity) -> Option<String> {
    let merged_into = text(&show.state["mergedInto"]);
    let is_cancelled = show.status() == Some(ShowStatus::Cancelled);
    let can_be_ordered =
        listing.status() == Some(TicketStatus::Available) && listing.state["show"]["isCancelled"] != true;
    // A listing keeps its terms as long as an order has a seat of it.
    let is_free = seats(listing).all(|seat| seat.status == Some(TicketStatus::Available));
    if !merged_into.is_empty() {
        Some(format!("which was merged into {merged_into}"))
    } else if is_cancelled && can_be_ordered {
        Some("which is cancelled, and can be ordered".to_owned())
    } else if show.status() == Some(ShowStatus::Moved)
        && can_be_ordered
        && is_free
        && minute(&listing.state["listing"]["startsAt"]) != minute(&show.state["details"]["startsAt"])
    {
        Some("which was moved, and can be ordered for another time".to_owned())
    } else {
        None
    }
}

/// A stored time without its seconds, which a seller may add.
fn minute(time: &Value) -> &str {
    let time = text(time);
    time.get(..MINUTE_LENGTH).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::fixtures::entity;

    const MONDAY: &str = "2099-06-01T19:30:00.000Z";
    const FRIDAY: &str = "2099-06-05T19:30:00.000Z";

    #[test]
    fn listing_follows_its_show() {
        let show_at = |start: &str, status: &str, merged_into: Value| {
            let details = json!({ "startsAt": start });
            entity("s", json!({ "status": { "name": status }, "mergedInto": merged_into, "details": details }))
        };
        let show = |status: &str, merged_into: Value| show_at(MONDAY, status, merged_into);
        let listing = |status: &str, is_cancelled: bool| {
            let (show, listing) = (json!({ "id": "s", "isCancelled": is_cancelled }), json!({ "startsAt": MONDAY }));
            let seats = json!([{ "status": status }]);
            entity("t", json!({ "status": { "name": status }, "seats": seats, "show": show, "listing": listing }))
        };
        let mut in_part = listing("available", false);
        in_part.state["seats"] = json!([{ "status": "sold" }, { "status": "available" }]);
        let merged = "19 shows: ticket t names show s, which was merged into r";
        let cancelled = "19 shows: ticket t names show s, which is cancelled, and can be ordered";
        let moved = "19 shows: ticket t names show s, which was moved, and can be ordered for another time";
        for (show, listing, expected) in [
            (Some(show("scheduled", Value::Null)), listing("available", false), None),
            (Some(show("moved", Value::Null)), listing("available", false), None),
            (Some(show_at(FRIDAY, "scheduled", Value::Null)), listing("available", false), None),
            (Some(show_at(FRIDAY, "moved", Value::Null)), listing("available", false), Some(moved)),
            (Some(show_at(FRIDAY, "moved", Value::Null)), listing("reserved", false), None),
            (Some(show_at(FRIDAY, "moved", Value::Null)), in_part, None),
            (None, listing("sold", false), Some("19 shows: ticket t names show s, which does not exist")),
            (Some(show("scheduled", json!("r"))), listing("sold", false), Some(merged)),
            (Some(show("cancelled", Value::Null)), listing("available", false), Some(cancelled)),
            (Some(show("cancelled", Value::Null)), listing("available", true), None),
            (Some(show("cancelled", Value::Null)), listing("sold", false), None),
        ] {
            let mut found = Vec::new();
            check_listing(&listing, show.as_ref(), &mut found);
            let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(texts.first().map(String::as_str), expected);
            assert!(found.iter().all(|finding| finding.ids == ["t", "s"] && !finding.remedies.is_empty()));
        }
    }
}
