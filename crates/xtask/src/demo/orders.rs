//! Orders in every state that API requests can reach immediately. (Holds expire after `ORDER_TTL`.)

use anyhow::{Context, Result, bail, ensure};
use common::api::orders::CancelOrder;
use common::api::tickets::WithdrawListing;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;

use super::SELLERS;
use super::listings::CreatedListing;
use crate::client::{Session, order, payment, status_of};

/// The course of an order.
#[derive(Debug, Clone, Copy)]
enum OrderScenario {
    /// Created, not paid yet.
    Held,
    /// Paid with this card.
    Paid(&'static str),
    /// Created, then cancelled by the buyer.
    Cancelled,
    /// This card was declined; the hold remains.
    Declined(&'static str),
    /// The payment waits for 3-D Secure.
    RequiresAction,
}

const SCENARIOS: [OrderScenario; 14] = [
    OrderScenario::Paid("pm_card_visa"),
    OrderScenario::Held,
    OrderScenario::Paid("pm_card_mastercard"),
    OrderScenario::Cancelled,
    OrderScenario::Declined("pm_card_visa_chargeDeclined"),
    OrderScenario::Paid("pm_card_visa"),
    OrderScenario::RequiresAction,
    OrderScenario::Held,
    OrderScenario::Paid("pm_card_visa"),
    OrderScenario::Declined("pm_card_chargeDeclinedInsufficientFunds"),
    OrderScenario::Paid("pm_card_visa"),
    OrderScenario::Cancelled,
    OrderScenario::Paid("pm_card_mastercard"),
    OrderScenario::Held,
];

/// Orders the smallest number of seats of every fourth listing, by the buyers in turn, and withdraws the last one.
pub(super) async fn create(sessions: &[Session], tickets: &[CreatedListing]) -> Result<()> {
    let buyers = sessions.get(SELLERS..).context("there are no buyers")?;
    for ((scenario, ticket), buyer) in SCENARIOS.iter().zip(tickets.iter().step_by(4)).zip(buyers.iter().cycle()) {
        create_order(*scenario, ticket, buyer).await.with_context(|| format!("an order for {scenario:?}"))?;
    }
    let last = tickets.last().context("no tickets")?;
    let seller = sessions.get(last.seller).context("a seller without a session")?;
    seller.send(&WithdrawListing { id: last.id }).await
}

async fn create_order(scenario: OrderScenario, ticket: &CreatedListing, buyer: &Session) -> Result<()> {
    let id = buyer.send_retrying(&order(ticket.id)).await?.id;
    buyer.wait_for(id, OrderStatus::AwaitingPayment).await?;
    let pay = async |card: &str| buyer.send_retrying(&payment(id, card)).await;
    match scenario {
        OrderScenario::Held => {}
        OrderScenario::Paid(card) => {
            pay(card).await?;
            buyer.wait_for(id, OrderStatus::Completed).await?;
        }
        OrderScenario::Cancelled => {
            buyer.send(&CancelOrder { id }).await?;
        }
        OrderScenario::Declined(card) => match pay(card).await {
            Ok(payment) => bail!("{payment:?} was not declined"),
            Err(error) if status_of(&error) == Some(402) => {}
            Err(error) => return Err(error),
        },
        OrderScenario::RequiresAction => {
            let payment = pay("pm_card_threeDSecure2Required").await?;
            ensure!(payment.status == PaymentStatus::RequiresAction, "{payment:?} requires no action");
        }
    }
    Ok(())
}
