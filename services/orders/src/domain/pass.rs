//! What a pass says: that whoever shows it has paid for this seat.

use common::id::{OrderId, TicketId};
use serde::Serialize;

use super::order::{Order, OrderError, Status};

/// The `typ` in a pass's header: nothing that knows its own kind takes it for an access token.
pub const KIND: &str = "ticket-pass+jwt";
/// The `aud` of every pass.
pub const AUDIENCE: &str = "admission";

/// How many characters of the title and the venue are in a pass. With [`LONGEST_PLACE`] it keeps every
/// pass small enough for a QR code; the ids are whole, so nothing is mistaken for something else.
const LONGEST_NAME: usize = 64;
/// How many characters of section, row and seat are in a pass.
const LONGEST_PLACE: usize = 32;

/// The claims of a pass; times are seconds since the Unix epoch. The names are short because the whole
/// goes into a QR code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// Issuer: the public address of the marketplace.
    pub iss: String,
    /// Audience: [`AUDIENCE`].
    pub aud: &'static str,
    /// The order, which is admitted once.
    pub sub: OrderId,
    /// When the order was completed.
    pub iat: i64,
    /// The ticket.
    pub tid: TicketId,
    /// What it is for.
    pub title: String,
    /// Where that is.
    pub venue: String,
    /// When it begins.
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
        let place = |text: Option<&str>| text.map(|text| cut(text, LONGEST_PLACE));
        Ok(Self {
            iss: issuer.to_owned(),
            aud: AUDIENCE,
            sub: order.id,
            // Nothing changes after the completion.
            iat: order.updated_at.as_seconds(),
            tid: terms.id,
            title: cut(&terms.title, LONGEST_NAME),
            venue: cut(&terms.venue, LONGEST_NAME),
            start: terms.starts_at.as_seconds(),
            sec: place(terms.section.as_deref()),
            row: place(terms.row.as_deref()),
            seat: place(terms.seat.as_deref()),
        })
    }
}

/// The text, or its first characters and an ellipsis, which counts as one of them.
fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::order::CancelReason;
    use common::id::PaymentId;

    use super::super::samples::{order, start, ticket};
    use super::*;

    fn completed() -> Order {
        Order {
            status: Status::Completed { payment_id: PaymentId::new() },
            updated_at: start().plus(Duration::from_millis(90_500)),
            ..order(&ticket())
        }
    }

    #[test]
    fn a_pass_says_what_was_bought_and_when() {
        let order = completed();
        let pass = Pass::of(&order, "http://localhost:8080").unwrap();
        let told = serde_json::to_value(&pass).unwrap();
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
        assert_eq!(told, expected);
    }

    #[test]
    fn there_is_none_before_the_order_is_paid_nor_after_it_was_cancelled() {
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
        // Four bytes each, in names as long as a listing may have.
        (order.ticket.title, order.ticket.venue) = ("🎷".repeat(200), "🎸".repeat(200));
        let place = Some("🎹".repeat(100));
        (order.ticket.section, order.ticket.row, order.ticket.seat) = (place.clone(), place.clone(), place);
        let pass = Pass::of(&order, &format!("https://{}", "a".repeat(60))).unwrap();
        assert_eq!(pass.title, format!("{}…", "🎷".repeat(63)));
        let claims = serde_json::to_string(&pass).unwrap();
        // Three bytes are four letters; the header and the signature are the rest. The largest QR code
        // of the middle level holds 2,331.
        assert!(claims.len() * 4 / 3 + 240 < 2331, "{}", claims.len());
    }
}
