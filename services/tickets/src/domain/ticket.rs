//! The listing aggregate and its transitions.

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::ticket::{
    Category, PriceDrop, Refusal, RefusedOrder, TicketChange, TicketState, TicketStatus, TicketTerms,
};
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::{Blocks, Slot};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::price::{PastPrice, PriceCap, check_cap, past_prices, price_drop};
use super::search_tokens::search_tokens;
use super::seats::{Seats, Status};
use super::show::ShowDetails;
use super::show_link::{Occasion, ShowLink};
use super::ticket_error::TicketError;

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
    /// Price of a seat, without further fees.
    pub price: Money,
    /// Price printed on the ticket of one seat, in the same currency as `price`.
    pub face_value: Option<Money>,
    /// Category of the event.
    pub category: Option<Category>,
    /// Section or block.
    pub section: Option<String>,
    /// Row in the section.
    pub row: Option<String>,
    /// The blocks of seats that the listing is sold in.
    pub blocks: Blocks,
    /// Free text of the seller.
    pub description: Option<String>,
}

/// A listing of one to eight seats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Id of the listing.
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
    pub(crate) status: Status,
    /// The seats, as many as the blocks have.
    pub(crate) seats: Seats,
    /// Whether an edit has reduced the number of seats. An order may still want one that the listing does not have any
    /// more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) had_more_seats: bool,
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

/// Where the seats of a listing are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeatPlace {
    show: ShowId,
    section: Option<String>,
    row: Option<String>,
    names: Vec<Option<String>>,
}

/// The next state and the change, or why the transition is not allowed.
pub(crate) type Transition = Result<(Ticket, TicketChange), TicketError>;

impl Ticket {
    /// Creates a listing of seats with these names, as many as its blocks have.
    pub fn list(
        id: TicketId,
        seller_id: UserId,
        show: ShowLink,
        listing: ListingDetails,
        names: Vec<Option<String>>,
        now: Timestamp,
    ) -> (Self, TicketChange) {
        let seats = Seats::free(names);
        let ticket = Self {
            id,
            seller_id,
            show,
            words: listing.search_tokens(),
            price_drop: None,
            past_prices: Vec::new(),
            status: Status::of(false, &listing.blocks, &seats),
            listing,
            seats,
            had_more_seats: false,
            refusals: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        (ticket, TicketChange::Created)
    }

    /// Replaces the details, which describe this show, and the names of the seats. The terms and the names can't be
    /// replaced while a seat is held, or after one was sold.
    pub(crate) fn revise(
        self,
        show: ShowLink,
        listing: ListingDetails,
        names: Vec<Option<String>>,
        now: Timestamp,
    ) -> Transition {
        self.ensure_for_sale()?;
        if show.is_cancelled {
            return Err(TicketError::ShowCancelled);
        }
        let seats = if self.seats.names().eq(&names) { self.seats.clone() } else { Seats::free(names) };
        let mut revised = Self { show, words: listing.search_tokens(), listing, ..self.clone() }.with_seats(seats, now);
        if revised.show.id != self.show.id || revised.seats != self.seats || revised.terms() != self.terms() {
            self.ensure_untouched()?;
        }
        revised.had_more_seats |= self.seats.as_slice().len() > revised.seats.as_slice().len();
        if revised.listing.price != self.listing.price {
            revised.past_prices = past_prices(self.past_prices, &self.listing.price, now);
            revised.price_drop = price_drop(&revised.past_prices, &revised.listing.price, now);
        }
        Ok((revised, TicketChange::Updated))
    }

    /// Replaces the venue, city, start and time zone by those of the moved show.
    #[must_use]
    pub(crate) fn move_to(mut self, occasion: Occasion) -> Self {
        let Occasion { venue, city, starts_at, time_zone } = occasion;
        self.listing = ListingDetails { venue, city, starts_at, time_zone, ..self.listing };
        Self { words: self.listing.search_tokens(), ..self }
    }

    /// Withdraws the seats that are free. Held seats stay with their orders, and are withdrawn when they are released.
    pub(crate) fn withdraw(self, now: Timestamp) -> Transition {
        self.ensure_for_sale()?;
        let seats = self.seats.clone().withdraw();
        let status = Status::of(true, &self.listing.blocks, &seats);
        Ok((Self { status, seats, updated_at: now, ..self }, TicketChange::Withdrawn))
    }

    /// Reserves these slots for an order, all of them or none.
    pub(crate) fn reserve(self, order_id: OrderId, slots: &[Slot], now: Timestamp) -> Transition {
        let seats = self.seats.clone().reserve(slots, order_id).ok_or(TicketError::NotFree)?;
        Ok((self.with_seats(seats, now), TicketChange::Reserved))
    }

    /// Records that the seats can't be reserved for this order.
    #[must_use]
    pub(crate) fn refuse(mut self, order_id: OrderId, refusal: Refusal, now: Timestamp) -> (Self, TicketChange) {
        self.refusals.push(RefusedOrder { order_id, refusal });
        (Self { updated_at: now, ..self }, TicketChange::Refused)
    }

    /// Removes the refusals of finished orders: `orders` no longer needs them.
    #[must_use]
    pub(crate) fn clear_refusals(mut self, finished: &[OrderId], now: Timestamp) -> (Self, TicketChange) {
        self.refusals.retain(|refused| !finished.contains(&refused.order_id));
        (Self { updated_at: now, ..self }, TicketChange::Updated)
    }

    /// Ends the reservation for an order that was cancelled. If the show was moved meanwhile and no seat is held or
    /// sold any more, the listing takes on the show's new place and time.
    pub(crate) fn release(self, order_id: OrderId, now: Timestamp) -> Transition {
        let free = if self.is_withdrawn() { TicketStatus::Withdrawn } else { TicketStatus::Available };
        let seats = self.seats.clone().release(order_id, free).ok_or(TicketError::NotReserved)?;
        let mut released = self.with_seats(seats, now);
        if released.is_untouched()
            && let Some(occasion) = released.show.moved_to.take()
        {
            released = released.move_to(occasion);
        }
        Ok((released, TicketChange::Released))
    }

    /// Sells the seats that are reserved for an order that was completed.
    pub(crate) fn sell(self, order_id: OrderId, now: Timestamp) -> Transition {
        let seats = self.seats.clone().sell(order_id).ok_or(TicketError::NotReserved)?;
        Ok((self.with_seats(seats, now), TicketChange::Sold))
    }

    fn with_seats(self, seats: Seats, now: Timestamp) -> Self {
        let status = Status::of(self.is_withdrawn(), &self.listing.blocks, &seats);
        Self { status, seats, updated_at: now, ..self }
    }

    fn ensure_for_sale(&self) -> Result<(), TicketError> {
        match self.status.name {
            TicketStatus::Available => Ok(()),
            TicketStatus::Reserved => Err(TicketError::Reserved),
            TicketStatus::Sold => Err(TicketError::Sold),
            TicketStatus::Withdrawn => Err(TicketError::Withdrawn),
        }
    }

    /// Fails unless the terms can be changed, because no seat is held, sold or withdrawn.
    pub(crate) fn ensure_untouched(&self) -> Result<(), TicketError> {
        self.ensure_for_sale()?;
        if self.seats.has(TicketStatus::Reserved) {
            return Err(TicketError::PartlyReserved);
        }
        if self.is_untouched() { Ok(()) } else { Err(TicketError::PartlySold) }
    }

    /// Whether no seat is held, sold or withdrawn.
    pub(crate) fn is_untouched(&self) -> bool {
        self.seats.are_all(TicketStatus::Available)
    }

    pub(crate) fn is_withdrawn(&self) -> bool {
        self.status.name == TicketStatus::Withdrawn
    }

    /// When the show begins: at the start in the terms, or at its new start if that is earlier and the show was moved
    /// while seats were held or sold.
    pub(crate) fn begins_at(&self) -> Timestamp {
        let moved_to = self.show.moved_to.iter().map(|occasion| occasion.starts_at);
        moved_to.chain([self.listing.starts_at]).min().unwrap_or(self.listing.starts_at)
    }

    /// Whether nothing of the listing changes any more: no seat is free or held.
    pub(crate) fn has_ended(&self) -> bool {
        !self.seats.has(TicketStatus::Available) && !self.seats.has(TicketStatus::Reserved)
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
            blocks: listing.blocks,
        }
    }

    /// Where the seats are.
    pub(crate) fn place(&self) -> SeatPlace {
        SeatPlace {
            show: self.show.id,
            section: self.listing.section.clone(),
            row: self.listing.row.clone(),
            names: self.seats.names().cloned().collect(),
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
            status: self.status.name,
            seats: self.seats.as_slice().to_vec(),
            refusals: self.refusals.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn present_change(&self) -> TicketChange {
        match self.status.name {
            TicketStatus::Available => TicketChange::Updated,
            TicketStatus::Reserved => TicketChange::Reserved,
            TicketStatus::Sold => TicketChange::Sold,
            TicketStatus::Withdrawn => TicketChange::Withdrawn,
        }
    }

    /// `None` if the seats of the payload contradict each other or its status. A payload lacks some of the state: what
    /// it lacks about the show comes with the show's next snapshot, and the records of earlier prices and of removed
    /// seats start empty.
    fn from_payload(payload: TicketState) -> Option<Self> {
        let TicketTerms { id, title, venue, city, starts_at, time_zone, section, row, blocks } = payload.terms;
        let seats = Seats::from_payload(payload.seats)
            .filter(|seats| seats.as_slice().len() == blocks.seats() && seats.allow(payload.status))?;
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
            blocks,
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
            status: Status::of(payload.status == TicketStatus::Withdrawn, &listing.blocks, &seats),
            past_prices: past_prices.collect(),
            price_drop: payload.price_drop,
            listing,
            seats,
            had_more_seats: false,
            refusals: payload.refusals,
            created_at: payload.created_at,
            updated_at: payload.updated_at,
        })
    }

    fn contradicts(&self, replicated: &Self) -> bool {
        self.seller_id != replicated.seller_id
    }

    fn is_changed_since(&self, replicated: &Self) -> bool {
        self.has_ended() || self.updated_at > replicated.updated_at
    }

    fn is_settled(&self) -> bool {
        // `orders` needs a refusal until the refused order has finished.
        !self.seats.has(TicketStatus::Reserved) && self.refusals.is_empty()
    }
}
