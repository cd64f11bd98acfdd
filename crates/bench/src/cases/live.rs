//! Thousands of open pages that all show one ticket, whose price changes.
//!
//! Each page has a WebSocket and subscribes to the tickets that it shows; the service notifies it of changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::api::live::VersionReport;
use common::api::tickets::ReplaceListing;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::Deserialize;
use testkit::proc::resident_bytes;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::workload::Workload;
use crate::catalogue;
use crate::http1::get;
use crate::latency::Latencies;
use crate::results::{LivePages, Results};
use crate::testbed::TestBed;

/// Number of tickets on a page, about as many as on a page of a list.
const TICKETS_PER_PAGE: usize = 20;
/// Interval at which a page repeats its subscription, as `live.js` does.
const RESUBSCRIBE_INTERVAL: Duration = Duration::from_secs(25);
/// Number of pages that are opened concurrently.
const OPEN_CONCURRENCY: usize = 64;
/// Pause between two changes.
const PAUSE: Duration = Duration::from_millis(500);
/// Maximum time until all pages are notified of a change.
const NOTIFICATION_TIMEOUT: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The version that a page was notified of, and when.
type Notification = (u64, Instant);

/// The topics that a page shows, with their known versions.
type Subscription = BTreeMap<String, u64>;

/// The message of the service: a topic has changed to this version.
#[derive(Deserialize)]
struct ChangeMessage<'a> {
    topic: &'a str,
    version: u64,
}

pub(super) async fn open_pages(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.listings).await?;
    let index = bed.listed.get();
    let mut seller = bed.connect("tickets").await?;
    let changing = bed.list_unstocked(&mut seller).await?;
    // `web` has replicated the ticket once its page renders.
    bed.connect("web").await?.fetch(get(&format!("/tickets/{changing}"))?).await?;
    let web = bed.fleet.service("web")?.pid();
    let before = resident_bytes(web)?;

    let tickets = bed.tickets.borrow().clone();
    let (notify, mut notified) = mpsc::unbounded_channel();
    let topic: Arc<str> = format!("ticket:{changing}").into();
    let subscription = |page: usize| {
        let others = (1..TICKETS_PER_PAGE).filter_map(|n| tickets.get((page * TICKETS_PER_PAGE + n) % tickets.len()));
        others.chain([&changing]).map(|id| (format!("ticket:{id}"), 0)).collect::<Subscription>()
    };
    let opened = stream::iter(0..workload.pages)
        .map(|page| {
            let (subscription, notify, topic) = (subscription(page), notify.clone(), Arc::clone(&topic));
            async move {
                let mut socket = open(bed).await.with_context(|| format!("opening page {page}"))?;
                socket.send(subscribe_message(&subscription)?).await?;
                anyhow::Ok(tokio::spawn(run_page(socket, subscription, topic, notify)))
            }
        })
        .buffer_unordered(OPEN_CONCURRENCY)
        .try_collect::<Vec<_>>()
        .await?;
    bed.processes()?.wait_until_idle().await?;
    let resident = resident_bytes(web)?;

    let (mut sent, mut notifications) = (HashMap::new(), Vec::new());
    for change in 0..workload.changes {
        let at = Instant::now();
        let body = catalogue::listing(index, 20_000 + i64::try_from(change)?)?;
        let listing = seller.send(&ReplaceListing { id: changing, body }, bed.seller(index)).await?;
        sent.insert(listing.version, at);
        let expected = (change + 1) * workload.pages;
        while notifications.len() < expected {
            let next = tokio::time::timeout_at(at + NOTIFICATION_TIMEOUT, notified.recv()).await;
            let Ok(Some(next)) = next else {
                bail!("{} of {expected} notifications arrived within {NOTIFICATION_TIMEOUT:?}", notifications.len());
            };
            notifications.push(next);
        }
        tokio::time::sleep(PAUSE).await;
    }
    // Later cases run without these pages.
    opened.iter().for_each(JoinHandle::abort);
    let mut notification = Latencies::default();
    for (version, at) in notifications {
        let sent = *sent.get(&version).with_context(|| format!("a notification of the unknown version {version}"))?;
        notification.record(at.duration_since(sent));
    }
    let (pages, changes) = (workload.pages, workload.changes);
    results.live = Some(LivePages { pages, before, resident, changes, notification });
    Ok(())
}

async fn open(bed: &TestBed) -> Result<Socket> {
    let mut request = format!("ws://{}/live", bed.address("web")?).into_client_request()?;
    request.headers_mut().insert("origin", bed.fleet.public_url().parse()?);
    // This process has the buffers of thousands of browsers.
    let config = WebSocketConfig::default().read_buffer_size(2048).write_buffer_size(0);
    Ok(connect_async_with_config(request, Some(config), true).await?.0)
}

fn subscribe_message(subscription: &Subscription) -> Result<Message> {
    let report = VersionReport { versions: subscription.clone() };
    Ok(Message::text(serde_json::to_string(&report)?))
}

/// Runs an open page: repeats its subscription at an interval, and records when it is notified of a new version of
/// `topic`.
async fn run_page(
    mut socket: Socket,
    mut subscription: Subscription,
    topic: Arc<str>,
    notify: mpsc::UnboundedSender<Notification>,
) -> Result<()> {
    let mut interval = tokio::time::interval_at(Instant::now() + RESUBSCRIBE_INTERVAL, RESUBSCRIBE_INTERVAL);
    loop {
        tokio::select! {
            _ = interval.tick() => socket.send(subscribe_message(&subscription)?).await?,
            message = socket.next() => {
                let Some(Ok(message)) = message else { return Ok(()) };
                let at = Instant::now();
                let text = message.to_text().unwrap_or_default();
                let change = serde_json::from_str::<ChangeMessage<'_>>(text).ok();
                let Some(change) = change.filter(|change| *change.topic == *topic) else { continue };
                let known = subscription.insert(topic.to_string(), change.version);
                if known.is_none_or(|known| known < change.version) {
                    notify.send((change.version, at)).ok();
                }
            }
        }
    }
}
