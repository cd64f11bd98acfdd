//! The claims of a pass, which lets one person into the venue: a completed order has one for each of its seats.
//!
//! # Why
//! A pass is read from the screen of a phone, so it has to fit a small QR code: [`MAX_PASS_BYTES`]. So it contains only
//! what is checked at the door, ids are encoded in 22 characters, and long names are cut to the space that is left.
//! The order's id and the slot identify the pass, so they are never cut.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::order::{Order, OrderError, Status};

/// The `typ` in a pass's header, by which a verifier distinguishes a pass from an access token.
pub const KIND: &str = "pass";
/// The number of characters of the id of a key in a pass's header.
pub const KEY_ID_CHARS: usize = 6;
/// Maximum length of a pass: what a QR code of version 12, which has 65 by 65 modules, can contain as bytes at error
/// correction level M.
pub const MAX_PASS_BYTES: usize = 287;

/// Maximum length in bytes of section, row and seat together, as JSON without the quotes.
const MAX_PLACE_BYTES: usize = 25;
/// Ends a name that was cut.
const CUT: char = '~';

/// The claims of a pass. The names are short to fit into a QR code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pass {
    /// The order's id: its 16 bytes in base64url.
    pub sub: String,
    /// The place of the seat in its listing. The venue admits each pair of order and slot once.
    pub slot: u8,
    /// When the event starts, in seconds since the Unix epoch.
    pub start: i64,
    /// Section, row and seat; an empty text for what the listing does not name.
    pub seat: [String; 3],
}

/// The passes of a completed order, by slot.
pub fn passes_of(order: &Order) -> Result<Vec<Pass>, OrderError> {
    let Status::Completed { .. } = order.status else { return Err(OrderError::NotCompleted) };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let pass = |(slot, seat): (&u8, &Option<String>)| Pass {
        sub: URL_SAFE_NO_PAD.encode(order.id.as_uuid().as_bytes()),
        slot: *slot,
        start: order.ticket.starts_at.as_seconds(),
        seat: cut_to_fit([text(&order.ticket.section), text(&order.ticket.row), text(seat)]),
    };
    Ok(order.slots.iter().zip(&order.seats).map(pass).collect())
}

/// Shortens the longest name until all of them fit.
fn cut_to_fit(mut names: [String; 3]) -> [String; 3] {
    while names.iter().map(|name| json_bytes(name)).sum::<usize>() > MAX_PLACE_BYTES {
        let Some(longest) = names.iter_mut().max_by_key(|name| json_bytes(name)) else { break };
        if longest.ends_with(CUT) {
            longest.pop();
        }
        longest.pop();
        longest.push(CUT);
    }
    names
}

/// The length in bytes of a name in JSON, without the quotes. Names have no control characters.
fn json_bytes(name: &str) -> usize {
    name.len() + name.matches(['"', '\\']).count()
}

#[cfg(test)]
mod tests {
    use common::events::order::CancelReason;
    use common::id::PaymentId;
    use qrcode::bits::Bits;
    use qrcode::{EcLevel, Version};

    use super::super::fixtures::{order_of, start, ticket_of};
    use super::*;

    fn completed() -> Order {
        let mut ticket = ticket_of(&[2, 2]);
        (ticket.terms.section, ticket.terms.row) = (Some("Stalls".to_owned()), Some("C".to_owned()));
        let status = Status::Completed { payment_id: PaymentId::new() };
        Order { status, ..order_of(&ticket, &[2, 3]) }
    }

    /// The pass as it is shown, with a signature of the right length.
    fn compact(pass: &Pass) -> String {
        let header = serde_json::json!({ "typ": KIND, "alg": "EdDSA", "kid": "k".repeat(KEY_ID_CHARS) });
        let parts = [serde_json::to_vec(&header).unwrap(), serde_json::to_vec(pass).unwrap(), vec![255; 64]];
        parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    }

    #[test]
    fn each_seat_has_a_pass() {
        let order = completed();
        let passes = passes_of(&order).unwrap();
        let claims = serde_json::to_value(&passes).unwrap();
        let sub = URL_SAFE_NO_PAD.encode(order.id.as_uuid().as_bytes());
        assert_eq!(sub.len(), 22);
        let start = start().as_seconds() + 86_400;
        let expected = serde_json::json!([
            { "sub": sub, "slot": 2, "start": start, "seat": ["Stalls", "C", "16"] },
            { "sub": sub, "slot": 3, "start": start, "seat": ["Stalls", "C", "17"] },
        ]);
        assert_eq!(claims, expected);
        let unnamed = Order { seats: vec![None, None], ..order };
        assert_eq!(passes_of(&unnamed).unwrap()[0].seat, ["Stalls", "C", ""]);
    }

    #[test]
    fn only_a_completed_order_has_passes() {
        let payment_id = PaymentId::new();
        let cancelled = Status::Cancelled { reason: CancelReason::Buyer, refusal: None };
        for status in [Status::Created, Status::AwaitingPayment, Status::Authorized { payment_id }, cancelled] {
            let order = Order { status, ..completed() };
            assert_eq!(passes_of(&order), Err(OrderError::NotCompleted), "{:?}", order.status);
        }
    }

    #[test]
    fn every_pass_fits_a_small_qr_code() {
        let order = completed();
        // Names of the maximum length of a listing: of one, two and four bytes per character, and with escapes.
        for character in ["a", "é", "🎹", "\"", "\\"] {
            let long = Some(character.repeat(100));
            let mut order = Order { seats: vec![long.clone(), long.clone()], ..order.clone() };
            (order.ticket.section, order.ticket.row) = (long.clone(), long);
            order.ticket.starts_at = "9998-12-31T23:59:59Z".parse().unwrap();
            for pass in passes_of(&order).unwrap() {
                assert!(pass.seat.iter().all(|name| name.ends_with(CUT)), "{pass:?}");
                let text = compact(&pass);
                assert!(text.len() <= MAX_PASS_BYTES, "{}: {text}", text.len());
                let mut code = Bits::new(Version::Normal(12));
                code.push_byte_data(text.as_bytes()).unwrap();
                code.push_terminator(EcLevel::M).expect("it fits");
            }
        }
    }

    #[test]
    fn longest_name_is_cut_first() {
        let cut = |names: [&str; 3]| cut_to_fit(names.map(str::to_owned));
        assert_eq!(cut(["Section 204", "Row 12", "Seat 7"]), ["Section 204", "Row 12", "Seat 7"]);
        assert_eq!(cut(["Upper tier, section 204", "12", "7"]), ["Upper tier, section 2~", "12", "7"]);
    }
}
