//! GET /live: the WebSocket of an open page.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use common::error::Error;
use common::events::order::OrderState;
use common::id::{OrderId, TicketId, UserId};
use platform::telemetry;
use serde::Deserialize;
use tokio::time::Instant;

use super::hub::Listener;
use super::{feed, message};
use crate::flows::await_version::await_version;
use crate::flows::notices;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

/// How many things one page may show.
const TOPICS: usize = 120;
/// What one message of a page may have.
const LARGEST: usize = 16 * 1024;
/// A page says what it shows every 25 s; one that is silent for longer is gone.
const SILENCE: Duration = Duration::from_secs(80);
/// How soon a page may say it again, and how often it may do so sooner, in a row.
const LEAST: Duration = Duration::from_millis(250);
const HASTY: u32 = 20;

/// What a page says: which versions of what it shows.
#[derive(Debug, Deserialize)]
struct Shows {
    watch: BTreeMap<String, u64>,
}

/// The WebSocket of an open page.
pub(crate) async fn live(State(state): State<AppState>, viewer: Viewer, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        // Thousands of pages, each with little to say: the buffers would be most of what they need.
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .on_upgrade(move |socket| serve(state, viewer.id(), socket))
}

async fn serve(state: AppState, user: Option<UserId>, mut socket: WebSocket) {
    metrics::gauge!("live_pages").increment(1.0);
    let mut listener = state.hub.listener();
    let slow = listener.slow.clone();
    let reason = tokio::select! {
        reason = talk(&state, user, &mut socket, &mut listener) => reason,
        () = slow.cancelled() => Some((close_code::AGAIN, "too slow")),
        () = state.tasks.stop().cancelled() => Some((close_code::RESTART, "restarting")),
    };
    metrics::gauge!("live_pages").decrement(1.0);
    if let Some((code, reason)) = reason {
        let goodbye = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })));
        tokio::time::timeout(Duration::from_secs(1), goodbye).await.ok();
    }
}

/// Until the page is gone, or is to be let go, and why.
async fn talk(
    state: &AppState,
    user: Option<UserId>,
    socket: &mut WebSocket,
    listener: &mut Listener,
) -> Option<(u16, &'static str)> {
    let mut unread = None;
    let (mut last, mut hasty) = (Instant::now(), 0);
    loop {
        let heard = tokio::select! {
            message = listener.messages.recv() => {
                socket.send(Message::Text(message?)).await.ok()?;
                continue;
            }
            heard = tokio::time::timeout(SILENCE, socket.recv()) => heard,
        };
        let text = match heard {
            Err(_) => return Some((close_code::AWAY, "silent")),
            Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => return None,
            Ok(Some(Ok(Message::Text(text)))) => text,
            Ok(Some(Ok(_))) => continue,
        };
        hasty = if last.elapsed() < LEAST { hasty + 1 } else { 0 };
        last = Instant::now();
        if hasty > HASTY {
            return Some((close_code::POLICY, "too often"));
        }
        let Ok(shows) = serde_json::from_str::<Shows>(&text) else {
            return Some((close_code::UNSUPPORTED, "not understood"));
        };
        match catch_up(state, user, listener, shows, &mut unread).await {
            Ok(missed) => {
                for message in missed {
                    socket.send(Message::Text(message)).await.ok()?;
                }
            }
            // The page says it again before long.
            Err(error) => tracing::warn!(error = telemetry::causes(&error), "a live page can't be brought up to date"),
        }
    }
}

/// Listens to what the page shows from now on, and finds what it has missed.
async fn catch_up(
    state: &AppState,
    user: Option<UserId>,
    listener: &mut Listener,
    mut shows: Shows,
    unread: &mut Option<usize>,
) -> Result<Vec<Utf8Bytes>, Error> {
    let model = state.model.live().await?;
    let (mut tickets, mut orders) = (Vec::new(), HashMap::new());
    // How many notifications its bell shows.
    if let Some(shown) = shows.watch.remove("me") {
        *unread = usize::try_from(shown).ok();
    }
    let mut topics: Vec<_> = user.map(message::user_topic).into_iter().collect();
    for (topic, version) in shows.watch.into_iter().take(TOPICS) {
        match topic.split_once(':') {
            Some(("ticket", id)) => {
                let Ok(id) = id.parse::<TicketId>() else { continue };
                tickets.push((id, version));
                topics.push(topic);
            }
            Some(("order", id)) => {
                let Ok(id) = id.parse::<OrderId>() else { continue };
                orders.insert(id, version);
            }
            _ => {}
        }
    }
    let own = lists::own_orders(&model.orders, user, orders.keys().copied()).await?;
    topics.extend(own.iter().map(|order| message::order_topic(order.id)));
    // Listen first and look then: nothing can fall between the two.
    listener.listen_to(&topics);
    let mut missed = Vec::new();
    // One query for the page: thousands of pages ask every few seconds.
    let known = lists::versions_of(&model.tickets, tickets.iter().map(|(id, _)| *id)).await?;
    let mut known: HashMap<_, _> = known.into_iter().map(|known| (known.terms.id, known)).collect();
    for (id, version) in tickets {
        let known = known.remove(&id).map(|known| (known.version, known.state));
        let heard = state.heard_tickets.get(&id).map(|event| (event.entityversion, event.data.clone()));
        let latest = known.into_iter().chain(heard).max_by_key(|(version, _)| *version);
        if let Some((known, ticket)) = latest.filter(|(known, _)| *known > version) {
            let ends = feed::hold_ends(state, &ticket).await?;
            missed.push(message::ticket(&ticket, known, ends, state.clock.now())?);
        }
    }
    for order in &own {
        if let Some(heard) = state.heard_orders.get(&order.id).filter(|heard| *heard > order.version) {
            // The page then asks for itself, and is to see it.
            await_version::<OrderState>(state, &order.id.to_string(), heard).await?;
        }
    }
    for order in lists::own_orders(&model.orders, user, own.iter().map(|order| order.id)).await? {
        if orders.get(&order.id).is_some_and(|shown| order.version > *shown) {
            missed.push(message::changed(&message::order_topic(order.id), order.version)?);
        }
    }
    if let Some(user) = user {
        let now = notices::unread(state, &model, user).await?;
        if unread.replace(now).is_some_and(|before| before != now) {
            missed.push(message::me());
        }
    }
    Ok(missed)
}
