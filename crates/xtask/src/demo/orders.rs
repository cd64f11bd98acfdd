//! Orders in every state that the API can bring about at once. (The holds expire by themselves,
//! after `ORDER_TTL`.)

use anyhow::{Context, Result, bail, ensure};
use common::api::orders::CancelOrder;
use common::api::tickets::WithdrawListing;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;

use super::SELLERS;
use super::listings::Offered;
use crate::client::{Session, order, payment, status_of};

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
    seller.send(&WithdrawListing { id: last.id }).await
}

async fn tell(story: Story, ticket: &Offered, buyer: &Session) -> Result<()> {
    let id = buyer.send_patiently(&order(ticket.id)).await?.id;
    buyer.wait_for(id, OrderStatus::AwaitingPayment).await?;
    let pay = async |card: &str| buyer.send_patiently(&payment(id, card)).await;
    match story {
        Story::Held => {}
        Story::Paid(card) => {
            pay(card).await?;
            buyer.wait_for(id, OrderStatus::Completed).await?;
        }
        Story::GivenUp => {
            buyer.send(&CancelOrder { id }).await?;
        }
        Story::Declined(card) => match pay(card).await {
            Ok(payment) => bail!("{payment:?} was not declined"),
            Err(error) if status_of(&error) == Some(402) => {}
            Err(error) => return Err(error),
        },
        Story::RequiresAction => {
            let payment = pay("pm_card_threeDSecure2Required").await?;
            ensure!(payment.status == PaymentStatus::RequiresAction, "{payment:?} requires no action");
        }
    }
    Ok(())
}
