//! The claims of a pass, which lets the buyer of a completed order into the venue.

use common::id::{OrderId, TicketId};
use serde::Serialize;

use super::order::{Order, OrderError, Status};

/// The `typ` in a pass's header, by which a verifier distinguishes a pass from an access token.
pub const KIND: &str = "ticket-pass+jwt";
/// The `aud` of every pass.
pub const AUDIENCE: &str = "admission";

/// Maximum number of characters of the title and the venue. With [`MAX_PLACE_CHARS`] it keeps every pass small enough
/// for a QR code. The ids are never truncated, so a pass stays unambiguous.
const MAX_NAME_CHARS: usize = 64;
/// Maximum number of characters of the section, the row and the seat.
const MAX_PLACE_CHARS: usize = 32;

/// The claims of a pass. Times are seconds since the Unix epoch. The names are short to fit into a QR code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// Issuer: the public address of the marketplace.
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: &'static str,
    /// The order's id. The venue admits each id once.
    pub sub: OrderId,
    /// When the order was completed.
    pub iat: i64,
    /// The ticket's id.
    pub tid: TicketId,
    /// The event's title.
    pub title: String,
    /// The event's venue.
    pub venue: String,
    /// When the event starts.
    pub start: i64,
    /// The section.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sec: Option<String>,
    /// The row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The seat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
}

impl Pass {
    /// The pass of a completed order.
    pub fn of(order: &Order, issuer: &str) -> Result<Self, OrderError> {
        let Status::Completed { .. } = order.status else { return Err(OrderError::NotCompleted) };
        let terms = &order.ticket;
        let place = |text: Option<&str>| text.map(|text| truncate(text, MAX_PLACE_CHARS));
        Ok(Self {
            iss: issuer.to_owned(),
            aud: AUDIENCE,
            sub: order.id,
            // A completed order never changes.
            iat: order.updated_at.as_seconds(),
            tid: terms.id,
            title: truncate(&terms.title, MAX_NAME_CHARS),
            venue: truncate(&terms.venue, MAX_NAME_CHARS),
            start: terms.starts_at.as_seconds(),
            sec: place(terms.section.as_deref()),
            row: place(terms.row.as_deref()),
            seat: place(terms.seat.as_deref()),
        })
    }
}

/// The text, or its beginning with an ellipsis, at most `max` characters in all.
fn truncate(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    text.chars().take(max - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::order::CancelReason;
    use common::id::PaymentId;

    use super::super::fixtures::{order, start, ticket};
    use super::*;

    fn completed() -> Order {
        Order {
            status: Status::Completed { payment_id: PaymentId::new() },
            updated_at: start().plus(Duration::from_millis(90_500)),
            ..order(&ticket())
        }
    }

    #[test]
    fn claims_describe_the_purchase() {
        let order = completed();
        let pass = Pass::of(&order, "http://localhost:8080").unwrap();
        let claims = serde_json::to_value(&pass).unwrap();
        let expected = serde_json::json!({
            "iss": "http://localhost:8080",
            "aud": "admission",
            "sub": order.id,
            "iat": start().as_seconds() + 90,
            "tid": order.ticket.id,
            "title": "Nina Simone Tribute",
            "venue": "Town Hall",
            "start": start().as_seconds() + 86_400,
            "seat": "14",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn only_a_completed_order_has_a_pass() {
        let payment_id = PaymentId::new();
        let cancelled = Status::Cancelled { reason: CancelReason::Buyer, refusal: None };
        for status in [Status::Created, Status::AwaitingPayment, Status::Authorized { payment_id }, cancelled] {
            let order = Order { status, ..completed() };
            assert_eq!(Pass::of(&order, "http://localhost"), Err(OrderError::NotCompleted), "{:?}", order.status);
        }
    }

    #[test]
    fn every_pass_fits_a_qr_code() {
        let mut order = completed();
        // Four bytes per character, in names of the maximum length of a listing.
        (order.ticket.title, order.ticket.venue) = ("🎷".repeat(200), "🎸".repeat(200));
        let place = Some("🎹".repeat(100));
        (order.ticket.section, order.ticket.row, order.ticket.seat) = (place.clone(), place.clone(), place);
        let pass = Pass::of(&order, &format!("https://{}", "a".repeat(60))).unwrap();
        assert_eq!(pass.title, format!("{}…", "🎷".repeat(63)));
        let claims = serde_json::to_string(&pass).unwrap();
        // Base64 turns three bytes into four characters; the header and the signature take up to 240. The largest
        // QR code of error correction level M can contain 2,331 bytes.
        assert!(claims.len() * 4 / 3 + 240 < 2331, "{}", claims.len());
    }
}
