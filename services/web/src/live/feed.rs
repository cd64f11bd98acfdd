//! Hears what happens in the fleet, and tells the pages that show it.

use std::sync::Arc;
use std::time::Duration;

use common::error::Error;
use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::StreamExt;
use platform::context::Context;
use platform::lifecycle::Backoff;
use platform::telemetry;

use super::message;
use crate::flows::await_version::{Shown, await_version};
use crate::state::AppState;
use crate::store::lists;

/// The longest pause between attempts to listen.
const LONGEST: Duration = Duration::from_secs(3);

/// Listens until the service ends.
pub async fn run(state: AppState, context: Context) {
    let mut backoff = Backoff::up_to(LONGEST);
    while !state.tasks.stop().is_cancelled() {
        let heard = tokio::try_join!(context.listen::<TicketState>(), context.listen::<OrderState>());
        let (tickets, orders) = match heard {
            Ok(heard) => heard,
            Err(error) => {
                tracing::warn!(error = telemetry::causes(&error), "live pages hear nothing yet");
                if !state.tasks.sleep_unless_stopping(backoff.next_delay()).await {
                    return;
                }
                continue;
            }
        };
        tokio::pin!(tickets, orders);
        backoff.reset();
        loop {
            tokio::select! {
                () = state.tasks.stop().cancelled() => return,
                Some(event) = tickets.next() => pass_on(&state, event),
                Some(event) = orders.next() => order(&state, &event),
                else => break,
            }
        }
    }
}

/// Nothing here is waited for: a slow look-up is not to keep the next event from being told.
fn pass_on(state: &AppState, event: Envelope<TicketState>) {
    // A resync tells everything again.
    if event.is_snapshot() {
        return;
    }
    let event = Arc::new(event);
    state.heard_tickets.put(event.data.terms.id, Arc::clone(&event));
    let state = state.clone();
    state.tasks.clone().detach(async move { ticket(&state, &event).await });
}

async fn ticket(state: &AppState, event: &Envelope<TicketState>) {
    let told = async {
        let ticket = &event.data;
        let topic = message::ticket_topic(ticket.terms.id);
        if state.hub.is_heard(&topic) {
            let ends = hold_ends(state, ticket).await?;
            state.hub.tell(&topic, &message::ticket(ticket, event.entityversion, ends, state.clock.now())?);
        }
        if ticket.status == TicketStatus::Sold {
            concern(state, ticket.seller_id, event);
        }
        if ticket.price_drop.as_ref().is_some_and(|drop| drop.at == ticket.updated_at) {
            for watcher in state.own.watchers_of(ticket.terms.id).await? {
                concern(state, watcher, event);
            }
        }
        Ok::<_, Error>(())
    };
    if let Err(error) = told.await {
        // The pages find it out when they say which version they show.
        tracing::warn!(error = telemetry::causes(&error), "a change was not passed on to live pages");
    }
}

/// When the hold on a ticket ends.
pub(crate) async fn hold_ends(state: &AppState, ticket: &TicketState) -> Result<Option<Timestamp>, Error> {
    match (ticket.status, ticket.order_id) {
        (TicketStatus::Reserved, Some(order)) => Ok(lists::hold_ends(&state.model.live().await?.orders, order).await?),
        _ => Ok(None),
    }
}

fn order(state: &AppState, event: &Envelope<OrderState>) {
    let topic = message::order_topic(event.data.id);
    state.heard_orders.put(event.data.id, event.entityversion);
    if state.hub.is_heard(&topic) {
        let (state, event) = (state.clone(), event.clone());
        state.tasks.clone().detach(async move {
            // The page then asks for itself, and is to see it.
            let arrived = await_version::<OrderState>(&state, &event.subject, event.entityversion).await;
            if let (Ok(_), Ok(message)) = (arrived, message::changed(&topic, event.entityversion)) {
                state.hub.tell(&topic, &message);
            }
        });
    }
    concern(state, event.data.buyer_id, event);
}

/// Tells a user's pages that there may be something new for them, once the read model has it.
fn concern<S: Shown>(state: &AppState, user: UserId, event: &Envelope<S>) {
    let topic = message::user_topic(user);
    if !state.hub.is_heard(&topic) {
        return;
    }
    let (state, id, version) = (state.clone(), event.subject.clone(), event.entityversion);
    state.tasks.clone().detach(async move {
        if await_version::<S>(&state, &id, version).await.is_ok() {
            state.hub.tell(&topic, &message::me());
        }
    });
}
