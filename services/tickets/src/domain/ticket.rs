//! A listing and what can happen to it.

use common::aggregate::Aggregate;
use common::error::{Error, Rejection};
use common::events::ticket::{
    Category, PriceDrop, Refusal, RefusedOrder, TicketChange, TicketState, TicketStatus, TicketTerms,
};
use common::id::{OrderId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::words::words;

/// What the seller says of the ticket; texts are trimmed and within bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// What it is for.
    pub title: String,
    /// Where it takes place.
    pub venue: String,
    /// The venue's city.
    pub city: Option<String>,
    /// When it begins.
    pub starts_at: Timestamp,
    /// IANA time zone of the venue.
    pub time_zone: String,
    /// What it costs, all-in.
    pub price: Money,
    /// What is printed on it, in the price's currency.
    pub face_value: Option<Money>,
    /// What kind of event it is for.
    pub category: Option<Category>,
    /// Section or block.
    pub section: Option<String>,
    /// Row.
    pub row: Option<String>,
    /// Seat.
    pub seat: Option<String>,
    /// The seller's own words.
    pub description: Option<String>,
}

/// Where a listing stands, with what belongs to that state alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// For sale.
    Available,
    /// Held for an order.
    Reserved {
        /// The order.
        order_id: OrderId,
    },
    /// Bought by an order; final.
    Sold {
        /// The order.
        order_id: OrderId,
    },
    /// Taken back; final.
    Withdrawn,
}

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// Who sells it.
    pub seller_id: UserId,
    /// What the seller says of it.
    pub listing: Listing,
    /// The words of title, venue and city, by which it is found.
    pub words: Vec<String>,
    /// The last change of the price, if that lowered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_drop: Option<PriceDrop>,
    /// Where it stands.
    pub status: Status,
    /// The orders that can't have it and are not known to be closed.
    pub refusals: Vec<RefusedOrder>,
    /// When it was listed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Listing {
    fn words(&self) -> Vec<String> {
        words([self.title.as_str(), self.venue.as_str(), self.city.as_deref().unwrap_or_default()])
    }
}

/// A transition that the listing's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is held for somebody.
    #[error("the ticket is reserved")]
    Reserved,
    /// It is sold.
    #[error("the ticket is sold")]
    Sold,
    /// It was taken back.
    #[error("the ticket is withdrawn")]
    Withdrawn,
    /// It is not held for this order.
    #[error("the ticket is not held for this order")]
    NotHeld,
}

impl From<TicketError> for Error {
    fn from(error: TicketError) -> Self {
        let (code, detail) = match error {
            TicketError::Reserved => {
                ("ticket-reserved", "Somebody holds this ticket. It can be changed if they let it go.")
            }
            TicketError::Sold => ("ticket-sold", "This ticket is sold and can't be changed."),
            TicketError::Withdrawn => ("ticket-withdrawn", "This listing was withdrawn. List the ticket anew."),
            TicketError::NotHeld => ("ticket-not-held", "The ticket is not held for this order."),
        };
        Self::Conflict(Rejection::new(code, detail))
    }
}

/// The next state with the name of the change, or why there is none.
pub(super) type Changed = Result<(Ticket, TicketChange), TicketError>;

impl Ticket {
    /// A new listing.
    pub fn list(id: TicketId, seller_id: UserId, listing: Listing, now: Timestamp) -> (Self, TicketChange) {
        let ticket = Self {
            id,
            seller_id,
            words: listing.words(),
            price_drop: None,
            listing,
            status: Status::Available,
            refusals: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        (ticket, TicketChange::Created)
    }

    /// The seller replaces what they said of it.
    pub fn revise(self, listing: Listing, now: Timestamp) -> Changed {
        self.for_sale()?;
        let price_drop = self.price_drop_with(&listing.price, now);
        Ok((Self { words: listing.words(), price_drop, listing, updated_at: now, ..self }, TicketChange::Updated))
    }

    /// What there is to tell of the price once it is this one. A price in another currency is neither
    /// lower nor higher.
    fn price_drop_with(&self, price: &Money, now: Timestamp) -> Option<PriceDrop> {
        let before = &self.listing.price;
        if price == before {
            return self.price_drop.clone();
        }
        let is_lower = price.currency == before.currency && price.amount < before.amount;
        is_lower.then(|| PriceDrop { from: before.clone(), at: now })
    }

    /// The seller takes it back.
    pub fn withdraw(self, now: Timestamp) -> Changed {
        self.for_sale()?;
        Ok((Self { status: Status::Withdrawn, updated_at: now, ..self }, TicketChange::Withdrawn))
    }

    /// It is held for an order.
    pub fn reserve(self, order_id: OrderId, now: Timestamp) -> Changed {
        self.for_sale()?;
        Ok((Self { status: Status::Reserved { order_id }, updated_at: now, ..self }, TicketChange::Reserved))
    }

    /// An order can't have it.
    pub fn refuse(mut self, order_id: OrderId, refusal: Refusal, now: Timestamp) -> Changed {
        match self.status {
            Status::Available | Status::Withdrawn => {}
            Status::Reserved { .. } => return Err(TicketError::Reserved),
            Status::Sold { .. } => return Err(TicketError::Sold),
        }
        self.refusals.push(RefusedOrder { order_id, refusal });
        Ok((Self { updated_at: now, ..self }, TicketChange::Refused))
    }

    /// The orders that were refused are closed: nobody needs to be told any more.
    #[must_use]
    pub fn forget_refusals(mut self, closed: &[OrderId], now: Timestamp) -> (Self, TicketChange) {
        self.refusals.retain(|refused| !closed.contains(&refused.order_id));
        (Self { updated_at: now, ..self }, TicketChange::Updated)
    }

    /// The order that holds it is closed.
    pub fn release(self, order_id: OrderId, now: Timestamp) -> Changed {
        self.held_for(order_id)?;
        Ok((Self { status: Status::Available, updated_at: now, ..self }, TicketChange::Released))
    }

    /// The order that holds it is completed.
    pub fn sell(self, order_id: OrderId, now: Timestamp) -> Changed {
        self.held_for(order_id)?;
        Ok((Self { status: Status::Sold { order_id }, updated_at: now, ..self }, TicketChange::Sold))
    }

    fn for_sale(&self) -> Result<(), TicketError> {
        match self.status {
            Status::Available => Ok(()),
            Status::Reserved { .. } => Err(TicketError::Reserved),
            Status::Sold { .. } => Err(TicketError::Sold),
            Status::Withdrawn => Err(TicketError::Withdrawn),
        }
    }

    fn held_for(&self, order: OrderId) -> Result<(), TicketError> {
        match self.status {
            Status::Reserved { order_id } if order_id == order => Ok(()),
            _ => Err(TicketError::NotHeld),
        }
    }

    /// What a buyer agrees to, price aside.
    pub fn terms(&self) -> TicketTerms {
        let listing = self.listing.clone();
        TicketTerms {
            id: self.id,
            title: listing.title,
            venue: listing.venue,
            city: listing.city,
            starts_at: listing.starts_at,
            time_zone: listing.time_zone,
            section: listing.section,
            row: listing.row,
            seat: listing.seat,
        }
    }

    /// Where it stands, in the words of the contract.
    pub fn status_name(&self) -> TicketStatus {
        match self.status {
            Status::Available => TicketStatus::Available,
            Status::Reserved { .. } => TicketStatus::Reserved,
            Status::Sold { .. } => TicketStatus::Sold,
            Status::Withdrawn => TicketStatus::Withdrawn,
        }
    }

    /// The order that holds or bought it.
    pub fn order_id(&self) -> Option<OrderId> {
        match self.status {
            Status::Reserved { order_id } | Status::Sold { order_id } => Some(order_id),
            Status::Available | Status::Withdrawn => None,
        }
    }

    /// Whether an order was refused.
    pub fn has_refused(&self, order: OrderId) -> bool {
        self.refusals.iter().any(|refused| refused.order_id == order)
    }
}

impl Aggregate for Ticket {
    type Payload = TicketState;
    const COLLECTION: &'static str = "tickets";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> TicketState {
        TicketState {
            terms: self.terms(),
            seller_id: self.seller_id,
            price: self.listing.price.clone(),
            price_drop: self.price_drop.clone(),
            face_value: self.listing.face_value.clone(),
            category: self.listing.category,
            description: self.listing.description.clone(),
            status: self.status_name(),
            order_id: self.order_id(),
            refusals: self.refusals.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn is_final(&self) -> bool {
        // A refusal is news until its order is seen closed.
        !matches!(self.status, Status::Reserved { .. }) && self.refusals.is_empty()
    }
}
