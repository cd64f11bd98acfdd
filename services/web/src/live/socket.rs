//! GET /live: the WebSocket of an open page.
//!
//! # Why
//! A connection may be dead though nothing has closed it: a phone changed networks, a laptop slept. Each side notices
//! by itself. A page reports its versions periodically, and the server closes a connection without reports. The server
//! responds to every report, and a page that gets no response connects again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use common::api::live::VersionReport;
use common::error::Error;
use common::events::order::OrderState;
use common::events::ticket::TicketState;
use common::id::{OrderId, ShowId, TicketId, UserId};
use futures::future::try_join_all;
use futures::{Stream, StreamExt as _};
use platform::telemetry;
use tokio::sync::mpsc;
use tokio::time::Instant;
use validator::Validate as _;

use super::feed::ticket_message;
use super::hub::Subscriber;
use super::message;
use crate::flows::await_version::await_version;
use crate::flows::collect_notifications::collect_notifications;
use crate::i18n::reader::{self, Reader};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::{lists, offers};
use crate::viewer::Viewer;

const MAX_MESSAGE_BYTES: usize = 16 * 1024;
/// A page reports its versions every 25 s. A connection is closed this long after the last message from its page.
const IDLE_TIMEOUT: Duration = Duration::from_secs(80);
/// Reports that follow the previous one sooner than this are early.
const MIN_REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// Maximum number of early reports in a row.
const MAX_EARLY_REPORTS: u32 = 20;

pub(crate) async fn live(State(state): State<AppState>, viewer: Viewer, upgrade: WebSocketUpgrade) -> Response {
    let reader = Reader::current();
    upgrade
        // For thousands of mostly silent pages, default buffers would take most of the memory.
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(move |socket| reader.scope_future(serve(state, viewer.id(), socket)))
}

async fn serve(state: AppState, user: Option<UserId>, mut socket: WebSocket) {
    metrics::gauge!("live_pages").increment(1.0);
    let mut subscriber = state.hub.subscribe(reader::locale());
    let slow = subscriber.slow.clone();
    let reason = tokio::select! {
        reason = run_connection(&state, user, &mut socket, &mut subscriber) => reason,
        () = slow.cancelled() => Some((close_code::AGAIN, "too slow")),
        () = state.tasks.stop_token().cancelled() => Some((close_code::RESTART, "restarting")),
    };
    metrics::gauge!("live_pages").decrement(1.0);
    if let Some((code, reason)) = reason {
        let goodbye = socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() })));
        tokio::time::timeout(Duration::from_secs(1), goodbye).await.ok();
    }
}

/// Runs until the connection ends; returns the close code and reason to send, if the page is still connected.
async fn run_connection(
    state: &AppState,
    user: Option<UserId>,
    socket: &mut WebSocket,
    subscriber: &mut Subscriber,
) -> Option<(u16, &'static str)> {
    let mut unread = None;
    let (mut last_report, mut early_reports) = (Instant::now(), 0);
    let mut last_message = Instant::now();
    loop {
        let text = match next(&mut subscriber.messages, socket, last_message).await {
            Next::Update(message) => {
                socket.send(Message::Text(message?)).await.ok()?;
                continue;
            }
            Next::Silence => return Some((close_code::AWAY, "silent")),
            Next::Message(None | Some(Err(_) | Ok(Message::Close(_)))) => return None,
            Next::Message(Some(Ok(message))) => {
                last_message = Instant::now();
                let Message::Text(text) = message else { continue };
                text
            }
        };
        early_reports = if last_report.elapsed() < MIN_REPORT_INTERVAL { early_reports + 1 } else { 0 };
        last_report = Instant::now();
        if early_reports > MAX_EARLY_REPORTS {
            return Some((close_code::POLICY, "too often"));
        }
        let Ok(report) = serde_json::from_str::<VersionReport>(&text) else {
            return Some((close_code::UNSUPPORTED, "not understood"));
        };
        if report.validate().is_err() {
            return Some((close_code::POLICY, "too many topics"));
        }
        match catch_up(state, user, subscriber, report, &mut unread).await {
            Ok(missed) => {
                for message in missed {
                    socket.send(Message::Text(message)).await.ok()?;
                }
            }
            // The page's next report repeats the attempt.
            Err(error) => tracing::warn!(error = telemetry::causes(&error), "could not bring a live page up to date"),
        }
        socket.send(Message::Text(message::report_handled())).await.ok()?;
    }
}

/// The next thing that a connection has to react to.
#[derive(Debug)]
enum Next<M> {
    /// An update for the page; `None` if there will be no more.
    Update(Option<Utf8Bytes>),
    /// A message from the page; `None` if the connection has ended.
    Message(Option<M>),
    /// The page has sent nothing for too long, however much was sent to it.
    Silence,
}

async fn next<M>(
    updates: &mut mpsc::Receiver<Utf8Bytes>,
    socket: &mut (impl Stream<Item = M> + Unpin),
    last_message: Instant,
) -> Next<M> {
    tokio::select! {
        update = updates.recv() => Next::Update(update),
        message = socket.next() => Next::Message(message),
        () = tokio::time::sleep_until(last_message + IDLE_TIMEOUT) => Next::Silence,
    }
}

/// Subscribes the page to what it shows, and returns the updates that it missed.
async fn catch_up(
    state: &AppState,
    user: Option<UserId>,
    subscriber: &mut Subscriber,
    mut report: VersionReport,
    unread: &mut Option<usize>,
) -> Result<Vec<Utf8Bytes>, Error> {
    let model = state.model.live().await?;
    let (mut tickets, mut orders, mut shows) = (Vec::new(), HashMap::new(), Vec::new());
    // The number of unread notifications that the page shows.
    if let Some(shown) = report.versions.remove("me") {
        *unread = usize::try_from(shown).ok();
    }
    let mut topics: Vec<_> = user.map(message::user_topic).into_iter().collect();
    for (topic, version) in report.versions {
        match topic.split_once(':') {
            Some(("ticket", id)) => {
                let Ok(id) = id.parse::<TicketId>() else { continue };
                tickets.push((id, version));
                topics.push(topic);
            }
            Some(("show", name)) => {
                let Some((id, quantity)) = message::shown_offer(name) else { continue };
                shows.push(ShownShow { id, part: ShownPart::Offer(quantity), revision: version });
                topics.push(topic);
            }
            Some(("list", id)) => {
                let Ok(id) = id.parse::<ShowId>() else { continue };
                shows.push(ShownShow { id, part: ShownPart::Listings, revision: version });
                topics.push(topic);
            }
            Some(("order", id)) => {
                let Ok(id) = id.parse::<OrderId>() else { continue };
                orders.insert(id, version);
            }
            _ => {}
        }
    }
    let own_orders = lists::own_orders_by_ids(&model.orders, user, orders.keys().copied()).await?;
    topics.extend(own_orders.iter().map(|order| message::order_topic(order.id)));
    // Subscribe before the query, so that no change is missed in between.
    subscriber.set_topics(&topics);
    let mut missed = Vec::new();
    // One query for the whole page, since thousands of pages report every few seconds.
    let stored = lists::tickets_by_ids(&model.tickets, tickets.iter().map(|(id, _)| *id)).await?;
    let mut stored: HashMap<_, _> = stored.into_iter().map(|ticket| (ticket.terms.id, ticket)).collect();
    for (id, shown) in tickets {
        let stored = stored.remove(&id).map(|ticket| (ticket.version, ticket.state));
        let recent = state.recent_ticket_events.get(&id).map(|event| (event.entityversion, event.data.clone()));
        let latest = stored.into_iter().chain(recent).max_by_key(|(version, _)| *version);
        if let Some((version, ticket)) = latest.filter(|(version, _)| *version > shown) {
            let message = ticket_message(state, &model, &ticket, version).await?;
            missed.push(message.get(reader::locale()).clone());
        }
    }
    missed.extend(missed_of_shows(state, &model, &shows).await?);
    for order in &own_orders {
        if let Some(recent) = state.recent_order_versions.get(&order.id).filter(|recent| *recent > order.version) {
            // Wait, so that the page's reload sees this version.
            await_version::<OrderState>(state, &order.id.to_string(), recent).await?;
        }
    }
    for order in lists::own_orders_by_ids(&model.orders, user, own_orders.iter().map(|order| order.id)).await? {
        if orders.get(&order.id).is_some_and(|shown| order.version > *shown) {
            missed.push(message::entity_changed(&message::order_topic(order.id), order.version)?);
        }
    }
    if let Some(user) = user {
        let current = collect_notifications(state, &model, user).await?.unread;
        if unread.replace(current).is_some_and(|shown| shown != current) {
            missed.push(message::user_changed());
        }
    }
    Ok(missed)
}

/// A show on a page, with the revision of what the page says is for sale.
struct ShownShow {
    id: ShowId,
    part: ShownPart,
    revision: u64,
}

/// What a page shows of a show.
#[derive(Debug, Clone, Copy)]
enum ShownPart {
    /// The number and the lowest price of its listings, or of those that sell this many seats together.
    Offer(Option<u8>),
    /// The listings.
    Listings,
}

/// Waits until the read model has the latest change of a listing of each show, so that neither the next query nor the
/// page's reload misses it. One query checks all shows, because there is hardly ever a change to wait for.
async fn await_recent_changes(state: &AppState, model: &Replicas, shown: &[ShownShow]) -> Result<(), Error> {
    let mut recent: HashMap<TicketId, u64> =
        shown.iter().filter_map(|show| state.recent_show_changes.get(&show.id)).collect();
    let stored = lists::tickets_by_ids(&model.tickets, recent.keys().copied().collect::<Vec<_>>()).await?;
    for ticket in stored {
        if recent.get(&ticket.terms.id).is_some_and(|version| *version <= ticket.version) {
            recent.remove(&ticket.terms.id);
        }
    }
    let late: Vec<_> = recent.into_iter().map(|(ticket, version)| (ticket.to_string(), version)).collect();
    let awaited: Vec<_> =
        late.iter().map(|(ticket, version)| await_version::<TicketState>(state, ticket, *version)).collect();
    try_join_all(awaited).await?;
    Ok(())
}

/// The updates about shows that a page missed. Takes one query for the revisions of all shows, and one more for the
/// offers of the outdated ones that the page shows without their listings, for each number of seats together.
async fn missed_of_shows(state: &AppState, model: &Replicas, shown: &[ShownShow]) -> Result<Vec<Utf8Bytes>, Error> {
    await_recent_changes(state, model, shown).await?;
    let revisions = offers::revisions(model, shown.iter().map(|show| show.id)).await?;
    let outdated = shown.iter().filter(|show| revisions.get(&show.id).is_some_and(|newest| *newest > show.revision));
    let mut missed = Vec::new();
    let mut cards: BTreeMap<Option<u8>, Vec<ShowId>> = BTreeMap::new();
    for show in outdated {
        match show.part {
            ShownPart::Listings => {
                let revision = revisions.get(&show.id).copied().unwrap_or_default();
                missed.push(message::entity_changed(&message::list_topic(show.id), revision)?);
            }
            ShownPart::Offer(quantity) => cards.entry(quantity).or_default().push(show.id),
        }
    }
    for (quantity, ids) in cards {
        for found in offers::shows_with_seats_together(model, ids, quantity).await? {
            missed.push(message::show_changed(&found, quantity, state.clock.now())?);
        }
    }
    Ok(missed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silent_page_is_noticed_though_it_is_sent_updates() {
        let (sender, mut updates) = mpsc::channel::<Utf8Bytes>(1);
        let mut dead = futures::stream::pending::<()>();
        let opened = Instant::now();
        for _ in 0..3 {
            tokio::time::advance(IDLE_TIMEOUT / 4).await;
            sender.send("an update".into()).await.unwrap();
            assert!(matches!(next(&mut updates, &mut dead, opened).await, Next::Update(Some(_))));
        }
        assert!(matches!(next(&mut updates, &mut dead, opened).await, Next::Silence));
        assert_eq!(opened.elapsed().as_secs(), IDLE_TIMEOUT.as_secs());
        let mut alive = futures::stream::iter(["a report"]);
        assert!(matches!(next(&mut updates, &mut alive, Instant::now()).await, Next::Message(Some("a report"))));
        assert!(matches!(next(&mut updates, &mut alive, Instant::now()).await, Next::Message(None)));
    }
}
