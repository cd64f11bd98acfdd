//! The listing aggregate and its transitions.

use common::aggregate::Aggregate;
use common::error::{Error, Rejection};
use common::events::ticket::{
    Category, PriceDrop, Refusal, RefusedOrder, TicketChange, TicketState, TicketStatus, TicketTerms,
};
use common::id::{OrderId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::price::{PastPrice, PriceCap, check_cap, past_prices, price_drop};
use super::search_tokens::search_tokens;
use super::show::ShowDetails;
use super::show_link::{Occasion, ShowLink};

/// What the seller enters; texts are trimmed and within bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListingDetails {
    /// Name of the event.
    pub title: String,
    /// Venue of the event.
    pub venue: String,
    /// City of the venue.
    pub city: Option<String>,
    /// When the event starts.
    pub starts_at: Timestamp,
    /// IANA time zone of the venue.
    pub time_zone: String,
    /// Total price, without further fees.
    pub price: Money,
    /// Price printed on the ticket, in the same currency as `price`.
    pub face_value: Option<Money>,
    /// Category of the event.
    pub category: Option<Category>,
    /// Section or block.
    pub section: Option<String>,
    /// Row in the section.
    pub row: Option<String>,
    /// Seat in the row.
    pub seat: Option<String>,
    /// Free text of the seller.
    pub description: Option<String>,
}

/// Status of a listing, with the data specific to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// For sale.
    Available,
    /// Reserved for an order.
    Reserved {
        /// The order.
        order_id: OrderId,
    },
    /// Sold to an order's buyer; never changes again.
    Sold {
        /// The order.
        order_id: OrderId,
    },
    /// Withdrawn by the seller; never changes again.
    Withdrawn,
}

/// A listing of a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Id of the listing, and of its ticket.
    pub id: TicketId,
    pub(crate) seller_id: UserId,
    /// The show that the ticket is for.
    pub(crate) show: ShowLink,
    pub(crate) listing: ListingDetails,
    /// Search tokens of title, venue and city.
    pub(crate) words: Vec<String>,
    /// The latest price change, if it was a reduction below the lowest price of the 30 days before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price_drop: Option<PriceDrop>,
    /// The earlier prices that a later reduction is measured against.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) past_prices: Vec<PastPrice>,
    /// Current status.
    pub status: Status,
    /// Refused orders that are not yet known to be finished.
    pub(crate) refusals: Vec<RefusedOrder>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl ListingDetails {
    fn search_tokens(&self) -> Vec<String> {
        search_tokens([self.title.as_str(), self.venue.as_str(), self.city.as_deref().unwrap_or_default()])
    }

    /// Rejects a price above the cap of this country.
    pub(crate) fn check_cap(&self, caps: &[PriceCap], country: Option<&str>) -> Result<(), Error> {
        check_cap(caps, country, &self.price, self.face_value.as_ref())
    }

    /// The show that the seller describes. The table of cities decides its country and time zone.
    pub(crate) fn show(&self) -> ShowDetails {
        let details = ShowDetails {
            title: self.title.clone(),
            venue: self.venue.clone(),
            city: self.city.clone(),
            country: None,
            starts_at: self.starts_at,
            ends_at: None,
            time_zone: self.time_zone.clone(),
            category: self.category,
        };
        details.located()
    }
}

/// Why a transition is not allowed in the listing's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("the ticket is reserved")]
    Reserved,
    #[error("the ticket is sold")]
    Sold,
    #[error("the ticket is withdrawn")]
    Withdrawn,
    #[error("the ticket is not reserved for this order")]
    NotReserved,
    #[error("the show is cancelled")]
    ShowCancelled,
}

impl From<TicketError> for Error {
    fn from(error: TicketError) -> Self {
        let (code, detail) = match error {
            TicketError::Reserved => {
                ("ticket-reserved", "A buyer is holding this ticket. You can change it if they release it.")
            }
            TicketError::Sold => ("ticket-sold", "This ticket is sold and can't be changed."),
            TicketError::Withdrawn => {
                ("ticket-withdrawn", "This listing was withdrawn. Create a new listing to sell the ticket.")
            }
            TicketError::NotReserved => ("ticket-not-held", "The ticket is not held for this order."),
            TicketError::ShowCancelled => ("show-cancelled", "This show is cancelled."),
        };
        Self::Conflict(Rejection::new(code, detail))
    }
}

/// The next state and the change, or why the transition is not allowed.
pub(crate) type Transition = Result<(Ticket, TicketChange), TicketError>;

impl Ticket {
    /// Creates a listing.
    pub fn list(
        id: TicketId,
        seller_id: UserId,
        show: ShowLink,
        listing: ListingDetails,
        now: Timestamp,
    ) -> (Self, TicketChange) {
        let ticket = Self {
            id,
            seller_id,
            show,
            words: listing.search_tokens(),
            price_drop: None,
            past_prices: Vec::new(),
            listing,
            status: Status::Available,
            refusals: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        (ticket, TicketChange::Created)
    }

    /// Replaces the details, which describe this show.
    pub(crate) fn revise(mut self, show: ShowLink, listing: ListingDetails, now: Timestamp) -> Transition {
        self.ensure_available()?;
        if show.is_cancelled {
            return Err(TicketError::ShowCancelled);
        }
        if listing.price != self.listing.price {
            self.past_prices = past_prices(self.past_prices, &self.listing.price, now);
            self.price_drop = price_drop(&self.past_prices, &listing.price, now);
        }
        Ok((Self { show, words: listing.search_tokens(), listing, updated_at: now, ..self }, TicketChange::Updated))
    }

    /// Takes on where and when the show takes place.
    #[must_use]
    pub(crate) fn move_to(mut self, occasion: Occasion) -> Self {
        let Occasion { venue, city, starts_at, time_zone } = occasion;
        self.listing = ListingDetails { venue, city, starts_at, time_zone, ..self.listing };
        Self { words: self.listing.search_tokens(), ..self }
    }

    pub(crate) fn withdraw(self, now: Timestamp) -> Transition {
        self.ensure_available()?;
        Ok((Self { status: Status::Withdrawn, updated_at: now, ..self }, TicketChange::Withdrawn))
    }

    pub(crate) fn reserve(self, order_id: OrderId, now: Timestamp) -> Transition {
        self.ensure_available()?;
        Ok((Self { status: Status::Reserved { order_id }, updated_at: now, ..self }, TicketChange::Reserved))
    }

    /// Records that the ticket can't be reserved for this order. A reserved ticket refuses no order: the new one waits
    /// for its release, as [`next_transition`](super::reconcile::next_transition) explains.
    pub(crate) fn refuse(mut self, order_id: OrderId, refusal: Refusal, now: Timestamp) -> Transition {
        if let Err(error @ (TicketError::Reserved | TicketError::Sold)) = self.ensure_available() {
            return Err(error);
        }
        self.refusals.push(RefusedOrder { order_id, refusal });
        Ok((Self { updated_at: now, ..self }, TicketChange::Refused))
    }

    /// Removes the refusals of finished orders: `orders` no longer needs them.
    #[must_use]
    pub(crate) fn clear_refusals(mut self, finished: &[OrderId], now: Timestamp) -> (Self, TicketChange) {
        self.refusals.retain(|refused| !finished.contains(&refused.order_id));
        (Self { updated_at: now, ..self }, TicketChange::Updated)
    }

    /// Makes the ticket available again after its order was cancelled, where and when its show takes place now.
    pub(crate) fn release(mut self, order_id: OrderId, now: Timestamp) -> Transition {
        self.ensure_reserved_for(order_id)?;
        let moved_to = self.show.moved_to.take();
        let present = match moved_to {
            Some(occasion) => self.move_to(occasion),
            None => self,
        };
        Ok((Self { status: Status::Available, updated_at: now, ..present }, TicketChange::Released))
    }

    /// Marks the ticket as sold after its order was completed.
    pub(crate) fn sell(self, order_id: OrderId, now: Timestamp) -> Transition {
        self.ensure_reserved_for(order_id)?;
        Ok((Self { status: Status::Sold { order_id }, updated_at: now, ..self }, TicketChange::Sold))
    }

    pub(crate) fn ensure_available(&self) -> Result<(), TicketError> {
        match self.status {
            Status::Available => Ok(()),
            Status::Reserved { .. } => Err(TicketError::Reserved),
            Status::Sold { .. } => Err(TicketError::Sold),
            Status::Withdrawn => Err(TicketError::Withdrawn),
        }
    }

    fn ensure_reserved_for(&self, order: OrderId) -> Result<(), TicketError> {
        match self.status {
            Status::Reserved { order_id } if order_id == order => Ok(()),
            _ => Err(TicketError::NotReserved),
        }
    }

    /// The terms that a buyer agrees to, apart from the price.
    pub(crate) fn terms(&self) -> TicketTerms {
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

    /// The status as events and the API name it.
    pub(crate) fn status_name(&self) -> TicketStatus {
        match self.status {
            Status::Available => TicketStatus::Available,
            Status::Reserved { .. } => TicketStatus::Reserved,
            Status::Sold { .. } => TicketStatus::Sold,
            Status::Withdrawn => TicketStatus::Withdrawn,
        }
    }

    /// The order for which the ticket is reserved or to which it is sold.
    pub(crate) fn order_id(&self) -> Option<OrderId> {
        match self.status {
            Status::Reserved { order_id } | Status::Sold { order_id } => Some(order_id),
            Status::Available | Status::Withdrawn => None,
        }
    }

    pub(crate) fn has_refused(&self, order: OrderId) -> bool {
        self.refusals.iter().any(|refused| refused.order_id == order)
    }
}

impl Aggregate for Ticket {
    type Payload = TicketState;
    const COLLECTION: &'static str = "tickets";
    const CHANGEABLE_STATUSES: &'static [&'static str] = &["available"];

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> TicketState {
        TicketState {
            terms: self.terms(),
            show_id: self.show.id,
            show_cancelled: self.show.is_cancelled,
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

    fn present_change(&self) -> TicketChange {
        match self.status {
            Status::Available => TicketChange::Updated,
            Status::Reserved { .. } => TicketChange::Reserved,
            Status::Sold { .. } => TicketChange::Sold,
            Status::Withdrawn => TicketChange::Withdrawn,
        }
    }

    /// `None` if the payload lacks what its status requires. What a payload does not have of the show and of earlier
    /// prices is left to the show's next announcement, or begins anew.
    fn from_payload(payload: TicketState) -> Option<Self> {
        let status = match payload.status {
            TicketStatus::Available => Status::Available,
            TicketStatus::Reserved => Status::Reserved { order_id: payload.order_id? },
            TicketStatus::Sold => Status::Sold { order_id: payload.order_id? },
            TicketStatus::Withdrawn => Status::Withdrawn,
        };
        let TicketTerms { id, title, venue, city, starts_at, time_zone, section, row, seat } = payload.terms;
        let listing = ListingDetails {
            title,
            venue,
            city,
            starts_at,
            time_zone,
            price: payload.price,
            face_value: payload.face_value,
            category: payload.category,
            section,
            row,
            seat,
            description: payload.description,
        };
        let past_prices = payload.price_drop.iter().map(|drop| PastPrice { price: drop.from.clone(), until: drop.at });
        Some(Self {
            id,
            seller_id: payload.seller_id,
            show: ShowLink {
                is_cancelled: payload.show_cancelled,
                ..ShowLink::new(payload.show_id, listing.show().country)
            },
            words: listing.search_tokens(),
            past_prices: past_prices.collect(),
            price_drop: payload.price_drop,
            listing,
            status,
            refusals: payload.refusals,
            created_at: payload.created_at,
            updated_at: payload.updated_at,
        })
    }

    fn contradicts(&self, replicated: &Self) -> bool {
        self.seller_id != replicated.seller_id
    }

    fn is_changed_since(&self, replicated: &Self) -> bool {
        self.status_name().is_final() || self.updated_at > replicated.updated_at
    }

    fn is_settled(&self) -> bool {
        // `orders` needs a refusal until the refused order has finished.
        !matches!(self.status, Status::Reserved { .. }) && self.refusals.is_empty()
    }
}
