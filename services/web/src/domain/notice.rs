//! Notifications: what somebody should know, made of what is known. They are not stored, so none can be
//! lost, and a rebuild of the read model brings them all back.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::timestamp::Timestamp;

use super::moment::Moment;

/// From how long before its end a hold is told to be expiring.
const EXPIRING: Duration = Duration::from_secs(180);

/// Something that somebody should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// When it became so.
    pub at: Timestamp,
    /// What, in a sentence.
    pub text: String,
    /// Where it leads.
    pub link: String,
}

impl Notice {
    /// A listing of theirs was sold.
    pub fn of_sale(ticket: &TicketState) -> Option<Self> {
        let sold = ticket.status == TicketStatus::Sold;
        sold.then(|| Self {
            at: ticket.updated_at,
            text: format!("Sold: {} for {}.", ticket.terms.title, ticket.price),
            link: format!("/tickets/{}", ticket.terms.id),
        })
    }

    /// An order of theirs is paid, or its hold is about to end.
    pub fn of_order(order: &OrderState, now: Timestamp) -> Option<Self> {
        let (id, title) = (order.id, &order.ticket.title);
        match order.status {
            OrderStatus::Completed => Some(Self {
                at: order.updated_at,
                text: format!("Paid: {title} is yours for {}.", order.price),
                link: format!("/orders/{id}"),
            }),
            OrderStatus::Created | OrderStatus::AwaitingPayment => {
                let from = order.expires_at.minus(EXPIRING).max(order.created_at);
                let is_soon = from <= now && now < order.expires_at;
                is_soon.then(|| Self {
                    at: from,
                    text: format!("Your hold on {title} ends soon, and is not paid."),
                    link: format!("/checkout/{id}"),
                })
            }
            OrderStatus::Authorized | OrderStatus::Cancelled => None,
        }
    }

    /// A ticket that they have watched since then can be had for less.
    pub fn of_drop(ticket: &TicketState, since: Timestamp) -> Option<Self> {
        let drop = ticket.price_drop.as_ref().filter(|drop| drop.at > since)?;
        let for_sale = ticket.status == TicketStatus::Available;
        for_sale.then(|| Self {
            at: drop.at,
            text: format!("Now {}, was {}: {}.", ticket.price, drop.from, ticket.terms.title),
            link: format!("/tickets/{}", ticket.terms.id),
        })
    }

    /// When it became so, for people; their own time zone is not known.
    pub fn moment(&self) -> Moment {
        Moment::new(self.at, "UTC")
    }
}
