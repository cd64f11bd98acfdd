//! Forwards ticket and order events to the open pages that subscribe to them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use common::error::Error;
use common::events::Change as _;
use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::UserId;
use futures::StreamExt;
use platform::context::Context;
use platform::lifecycle::Backoff;
use platform::telemetry;

use super::message;
use crate::flows::await_version::await_version;
use crate::state::AppState;
use crate::store::lists;
use crate::store::searchable::Searchable;

/// Maximum back-off between attempts to subscribe.
const MAX_BACKOFF: Duration = Duration::from_secs(3);

pub(crate) async fn run(state: AppState, context: Context) {
    let mut backoff = Backoff::up_to(MAX_BACKOFF);
    while !state.tasks.stop_token().is_cancelled() {
        let subscriptions =
            tokio::try_join!(context.subscribe_ephemeral::<TicketState>(), context.subscribe_ephemeral::<OrderState>());
        let (tickets, orders) = match subscriptions {
            Ok(subscriptions) => subscriptions,
            Err(error) => {
                tracing::warn!(error = telemetry::causes(&error), "cannot subscribe to live events yet");
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
                () = state.tasks.stop_token().cancelled() => return,
                Some(event) = tickets.next() => dispatch_ticket(&state, event),
                Some(event) = orders.next() => publish_order(&state, &event),
                else => break,
            }
        }
    }
}

/// Publishes in a separate task, so that a slow query does not delay the next event.
fn dispatch_ticket(state: &AppState, event: Envelope<TicketState>) {
    // A snapshot repeats a known state.
    if event.is_snapshot() {
        return;
    }
    let event = Arc::new(event);
    state.recent_ticket_events.put(event.data.terms.id, Arc::clone(&event));
    let state = state.clone();
    state.tasks.clone().detach(async move {
        if let Err(error) = publish_ticket(&state, &event).await {
            // The pages recover by their periodic version reports.
            tracing::warn!(error = telemetry::causes(&error), "could not publish a ticket event to live pages");
        }
    });
}

async fn publish_ticket(state: &AppState, event: &Envelope<TicketState>) -> Result<(), Error> {
    let ticket = &event.data;
    let topic = message::ticket_topic(ticket.terms.id);
    if state.hub.has_subscribers(&topic) {
        let hold_expiry = lists::hold_expiry(&state.model.live().await?.orders, ticket).await?;
        let message = message::ticket_changed(ticket, event.entityversion, hold_expiry, state.clock.now())?;
        state.hub.publish(&topic, &message);
    }
    if ticket.status == TicketStatus::Sold {
        notify_user(state, ticket.seller_id, event);
    }
    let is_cheaper = ticket.price_drop.as_ref().is_some_and(|drop| drop.at == ticket.updated_at);
    if is_cheaper || event.kind == TicketChange::Released.event_type() {
        for watcher in state.user_data.watchers_of(ticket.terms.id).await? {
            notify_user(state, watcher, event);
        }
    }
    Ok(())
}

fn publish_order(state: &AppState, event: &Envelope<OrderState>) {
    state.recent_order_versions.put(event.data.id, event.entityversion);
    let topic = message::order_topic(event.data.id);
    if let Ok(message) = message::entity_changed(&topic, event.entityversion) {
        publish_once_replicated(state, topic, message, event);
    }
    notify_user(state, event.data.buyer_id, event);
}

/// Tells a user's pages that there may be something new for them.
fn notify_user<S: Searchable>(state: &AppState, user: UserId, event: &Envelope<S>) {
    publish_once_replicated(state, message::user_topic(user), message::user_changed(), event);
}

/// Publishes a message that makes pages query the read model, once the read model has the event or the maximum wait is
/// over.
fn publish_once_replicated<S: Searchable>(state: &AppState, topic: String, message: Utf8Bytes, event: &Envelope<S>) {
    if !state.hub.has_subscribers(&topic) {
        return;
    }
    let (state, id, version) = (state.clone(), event.subject.clone(), event.entityversion);
    state.tasks.clone().detach(async move {
        if await_version::<S>(&state, &id, version).await.is_ok() {
            state.hub.publish(&topic, &message);
        }
    });
}
