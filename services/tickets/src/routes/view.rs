//! A listing as the public sees it.

use common::events::ticket::{Category, TicketStatus};
use common::id::{TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use platform::store::Versioned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ticket::Ticket;

/// A listing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ticket)]
pub(super) struct TicketView {
    id: TicketId,
    /// 0 at creation, one more with each change.
    version: u64,
    title: String,
    venue: String,
    city: Option<String>,
    starts_at: Timestamp,
    /// IANA name.
    time_zone: String,
    price: Money,
    face_value: Option<Money>,
    category: Option<Category>,
    section: Option<String>,
    row: Option<String>,
    seat: Option<String>,
    description: Option<String>,
    status: TicketStatus,
    seller_id: UserId,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Versioned<Ticket>> for TicketView {
    fn from(ticket: Versioned<Ticket>) -> Self {
        let Versioned { version, state: ticket } = ticket;
        let status = ticket.status_name();
        let listing = ticket.listing;
        Self {
            id: ticket.id,
            version,
            title: listing.title,
            venue: listing.venue,
            city: listing.city,
            starts_at: listing.starts_at,
            time_zone: listing.time_zone,
            price: listing.price,
            face_value: listing.face_value,
            category: listing.category,
            section: listing.section,
            row: listing.row,
            seat: listing.seat,
            description: listing.description,
            status,
            seller_id: ticket.seller_id,
            created_at: ticket.created_at,
            updated_at: ticket.updated_at,
        }
    }
}

impl TicketView {
    pub(super) fn id(&self) -> TicketId {
        self.id
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }
}
