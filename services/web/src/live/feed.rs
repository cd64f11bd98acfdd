//! Forwards ticket, order and show events to the open pages that subscribe to them.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use common::error::Error;
use common::events::Change as _;
use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::show::ShowState;
use common::events::ticket::{TicketChange, TicketState};
use common::id::{ShowId, UserId};
use common::seats::MAX_SEATS;
use futures::StreamExt;
use platform::context::Context;
use platform::lifecycle::Backoff;
use platform::telemetry;

use super::message;
use crate::flows::await_version::await_version;
use crate::i18n::localized::Localized;
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::searchable::Searchable;
use crate::store::{lists, offers};

/// Maximum back-off between attempts to subscribe.
const MAX_BACKOFF: Duration = Duration::from_secs(3);
/// How long changes of one show are collected before pages are told.
const SHOW_PAUSE: Duration = Duration::from_millis(200);

pub(crate) async fn run(state: AppState, context: Context) {
    let mut backoff = Backoff::up_to(MAX_BACKOFF);
    while !state.tasks.stop_token().is_cancelled() {
        let subscriptions = tokio::try_join!(
            context.subscribe_ephemeral::<TicketState>(),
            context.subscribe_ephemeral::<OrderState>(),
            context.subscribe_ephemeral::<ShowState>(),
        );
        let (tickets, orders, shows) = match subscriptions {
            Ok(subscriptions) => subscriptions,
            Err(error) => {
                tracing::warn!(error = telemetry::causes(&error), "cannot subscribe to live events yet");
                if !state.tasks.sleep_unless_stopping(backoff.next_delay()).await {
                    return;
                }
                continue;
            }
        };
        tokio::pin!(tickets, orders, shows);
        backoff.reset();
        loop {
            tokio::select! {
                () = state.tasks.stop_token().cancelled() => return,
                Some(event) = tickets.next() => dispatch_ticket(&state, event),
                Some(event) = orders.next() => publish_order(&state, &event),
                Some(event) = shows.next() => publish_show(&state, event.data.id, &event),
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
    state.recent_show_changes.put(event.data.show_id, (event.data.terms.id, event.entityversion));
    publish_show(state, event.data.show_id, &*event);
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
    let mut topics = vec![message::ticket_topic(ticket.terms.id)];
    // The listings of the smoke test are on no show's page.
    if state.config.smoke_test_seller != Some(ticket.seller_id) {
        topics.push(message::list_topic(ticket.show_id));
    }
    if topics.iter().any(|topic| state.hub.has_subscribers(topic)) {
        let message = ticket_message(state, &state.model.live().await?, ticket, event.entityversion).await?;
        for topic in &topics {
            state.hub.publish(topic, &message);
        }
    }
    if event.kind == TicketChange::Sold.event_type() {
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

/// The message about a listing at this version, for pages that show it.
pub(super) async fn ticket_message(
    state: &AppState,
    model: &Replicas,
    ticket: &TicketState,
    version: u64,
) -> Result<Localized<Utf8Bytes>, Error> {
    let (hold_expiry, show) =
        tokio::try_join!(lists::hold_expiry(&model.orders, ticket), model.shows.get(ticket.show_id))?;
    let show = show.as_ref().map(|show| &show.state);
    let now = state.clock.now();
    Localized::render(|| message::ticket_changed(ticket, show, version, hold_expiry, now))
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
            state.hub.publish(&topic, &Localized::same(message));
        }
    });
}

/// Tells the pages that show this show what it has for sale, once the read model has the event or the maximum wait is
/// over.
fn publish_show<S: Searchable>(state: &AppState, show: ShowId, event: &Envelope<S>) {
    if event.is_snapshot() || offer_topics(state, show).is_empty() {
        return;
    }
    let (state, id, version) = (state.clone(), event.subject.clone(), event.entityversion);
    state.tasks.clone().detach(async move {
        // After this, whoever is the first to add the show reads a model that has this event.
        if await_version::<S>(&state, &id, version).await.is_err() || !state.pending_shows.add(show) {
            return;
        }
        state.tasks.sleep_unless_stopping(SHOW_PAUSE).await;
        state.pending_shows.take(show);
        if let Err(error) = publish_offer(&state, show).await {
            // The pages recover by their periodic version reports.
            tracing::warn!(error = telemetry::causes(&error), "could not publish what a show has for sale");
        }
    });
}

async fn publish_offer(state: &AppState, show: ShowId) -> Result<(), Error> {
    let model = state.model.live().await?;
    for (quantity, topic) in offer_topics(state, show) {
        for found in offers::shows_with_seats_together(&model, [show], quantity).await? {
            let now = state.clock.now();
            let message = Localized::render(|| message::show_changed(&found, quantity, now))?;
            state.hub.publish(&topic, &message);
        }
    }
    Ok(())
}

/// The topics of what this show has for sale that pages have subscribed to, each with its number of seats together.
fn offer_topics(state: &AppState, show: ShowId) -> Vec<(Option<u8>, String)> {
    let quantities = iter::once(None).chain((1..=MAX_SEATS).map(|quantity| u8::try_from(quantity).ok()));
    let topics = quantities.map(move |quantity| (quantity, message::show_topic(show, quantity)));
    topics.filter(|(_, topic)| state.hub.has_subscribers(topic)).collect()
}
