//! Fixtures for the tests of the domain.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Refusal, RefusalReason};
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;

use super::show::ShowDetails;
use super::show_link::ShowLink;
use super::ticket::{ListingDetails, Ticket};

pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn money(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

pub(crate) fn details() -> ListingDetails {
    ListingDetails {
        title: "Hamlet".to_owned(),
        venue: "Globe".to_owned(),
        city: Some("London".to_owned()),
        starts_at: now().plus(Duration::from_secs(3600)),
        time_zone: "Europe/London".to_owned(),
        price: money(5_000),
        face_value: None,
        category: None,
        section: Some("A".to_owned()),
        row: Some("2".to_owned()),
        seat: Some("14".to_owned()),
        description: None,
    }
}

/// An available listing.
pub(crate) fn ticket() -> Ticket {
    Ticket::list(TicketId::new(), UserId::new(), link(), details(), now()).0
}

/// The link to the show of [`details`].
pub(crate) fn link() -> ShowLink {
    ShowLink::new(ShowId::new(), show_details().country)
}

/// The show of [`details`].
pub(crate) fn show_details() -> ShowDetails {
    details().show()
}

pub(crate) fn refusal() -> Refusal {
    Refusal { reason: RefusalReason::TermsChanged, price: None }
}

/// An order at the listing's current terms and price.
pub(crate) fn order(ticket: &Ticket, status: OrderStatus) -> OrderState {
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: ticket.terms(),
        show_id: ticket.show.id,
        price: ticket.listing.price.clone(),
        expires_at: now().plus(Duration::from_secs(900)),
        created_at: now(),
        updated_at: now(),
    }
}
