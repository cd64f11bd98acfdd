//! Orders in every state that the API can bring about at once. (The holds expire by themselves,
//! after `ORDER_TTL`.)

use anyhow::{Context, Result};
use serde_json::json;

use super::SELLERS;
use super::listings::Offered;
use crate::client::{Session, text};

/// What becomes of an order.
#[derive(Debug, Clone, Copy)]
enum Story {
    /// Held, not paid yet.
    Held,
    /// Paid with this card.
    Paid(&'static str),
    /// Held, then given up.
    GivenUp,
    /// This card was declined; the hold goes on.
    Declined(&'static str),
    /// The bank wants to see the buyer first.
    RequiresAction,
}

const STORIES: [Story; 14] = [
    Story::Paid("pm_card_visa"),
    Story::Held,
    Story::Paid("pm_card_mastercard"),
    Story::GivenUp,
    Story::Declined("pm_card_visa_chargeDeclined"),
    Story::Paid("pm_card_visa"),
    Story::RequiresAction,
    Story::Held,
    Story::Paid("pm_card_visa"),
    Story::Declined("pm_card_chargeDeclinedInsufficientFunds"),
    Story::Paid("pm_card_visa"),
    Story::GivenUp,
    Story::Paid("pm_card_mastercard"),
    Story::Held,
];

/// Every fourth ticket is ordered, by the buyers in turn; the last ticket is withdrawn.
pub(super) async fn place(people: &[Session], tickets: &[Offered]) -> Result<()> {
    let buyers = people.get(SELLERS..).context("nobody buys")?;
    for ((story, ticket), buyer) in STORIES.iter().zip(tickets.iter().step_by(4)).zip(buyers.iter().cycle()) {
        tell(*story, ticket, buyer).await.with_context(|| format!("an order that is to be {story:?}"))?;
    }
    let last = tickets.last().context("no tickets")?;
    let seller = people.get(last.seller).context("a seller without a session")?;
    seller.delete(&format!("/api/tickets/{}", last.id)).await?.expect(204)?;
    Ok(())
}

async fn tell(story: Story, ticket: &Offered, buyer: &Session) -> Result<()> {
    let order = buyer.post_patiently("/api/orders", &json!({ "ticketId": ticket.id })).await?.expect(201)?;
    let id = text(&order, "id")?;
    let path = format!("/api/orders/{id}");
    buyer.wait_for(&path, "awaitingPayment").await?;
    let pay = async |card: &str| {
        buyer.post_patiently("/api/payments", &json!({ "orderId": id, "paymentMethod": card })).await
    };
    match story {
        Story::Held => {}
        Story::Paid(card) => {
            pay(card).await?.expect(201)?;
            buyer.wait_for(&path, "completed").await?;
        }
        Story::GivenUp => {
            buyer.delete(&path).await?.expect(200)?;
        }
        Story::Declined(card) => {
            pay(card).await?.expect(402)?;
        }
        Story::RequiresAction => {
            pay("pm_card_threeDSecure2Required").await?.expect(202)?;
        }
    }
    Ok(())
}
