//! Thousands of open pages that all show one ticket, whose price changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use common::api::tickets::ReplaceListing;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::scale::Scale;
use crate::catalogue;
use crate::cpu::resident;
use crate::figures::{Figures, Open};
use crate::http1::get;
use crate::latency::Latencies;
use crate::shop::Shop;

/// How many tickets a page shows; a page of a list has about as many.
const SHOWN: usize = 20;
/// How often a page says what it shows, as `live.js` does.
const EVERY: Duration = Duration::from_secs(25);
/// How many pages are opened at once.
const OPENING: usize = 64;
/// Between two changes.
const PAUSE: Duration = Duration::from_millis(500);
/// Within which every page must have heard of a change.
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A page was told of this version at this time.
type Heard = (u64, Instant);

/// What a page says: which versions of what it shows.
#[derive(Serialize)]
struct Shows {
    watch: BTreeMap<String, u64>,
}

/// What a page is told.
#[derive(Deserialize)]
struct Told<'a> {
    topic: &'a str,
    version: u64,
}

pub(super) async fn open_pages(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let index = shop.listed.get();
    let changing = shop.list_next(shop.connections("tickets", 1).await?.first_mut().context("a connection")?).await?;
    // It is there once its page is.
    let mut browser = shop.connections("web", 1).await?.pop().context("a connection")?;
    browser.fetch(get(&format!("/tickets/{changing}"))?).await?;
    let web = shop.fleet.service("web")?.pid();
    let before = resident(web)?;

    let tickets = shop.tickets.borrow().clone();
    let (hear, mut heard) = mpsc::unbounded_channel();
    let topic: Arc<str> = format!("ticket:{changing}").into();
    let shows = |page: usize| {
        let others = (1..SHOWN).filter_map(|n| tickets.get((page * SHOWN + n) % tickets.len()));
        Shows { watch: others.chain([&changing]).map(|id| (format!("ticket:{id}"), 0)).collect() }
    };
    let opened = stream::iter(0..scale.pages)
        .map(|page| {
            let (shows, hear, topic) = (shows(page), hear.clone(), Arc::clone(&topic));
            async move {
                let mut socket = open(shop).await.with_context(|| format!("opening page {page}"))?;
                socket.send(says(&shows)?).await?;
                anyhow::Ok(tokio::spawn(stay(socket, shows, topic, hear)))
            }
        })
        .buffer_unordered(OPENING)
        .try_collect::<Vec<_>>()
        .await?;
    shop.processes()?.wait_until_idle().await?;
    let resident = resident(web)?;

    let mut seller = shop.connections("tickets", 1).await?.pop().context("a connection")?;
    let (mut sent, mut times) = (HashMap::new(), Vec::new());
    for change in 0..scale.changes {
        let at = Instant::now();
        let body = catalogue::listing(index, 20_000 + i64::try_from(change)?)?;
        let listing = seller.send(&ReplaceListing { id: changing, body }, shop.seller(index)).await?;
        sent.insert(listing.version, at);
        let everybody = (change + 1) * scale.pages;
        while times.len() < everybody {
            let next = tokio::time::timeout_at(at + PATIENCE, heard.recv()).await;
            let Ok(Some(next)) = next else {
                bail!("{} of {everybody} were told of {} changes after {PATIENCE:?}", times.len(), change + 1);
            };
            times.push(next);
        }
        tokio::time::sleep(PAUSE).await;
    }
    // Further rows are without them.
    opened.iter().for_each(JoinHandle::abort);
    let mut told = Latencies::default();
    for (version, at) in times {
        let sent = *sent.get(&version).with_context(|| format!("nobody changed it to version {version}"))?;
        told.record(at.duration_since(sent));
    }
    figures.open = Some(Open { pages: scale.pages, before, resident, changes: scale.changes, told });
    Ok(())
}

async fn open(shop: &Shop) -> Result<Socket> {
    let mut request = format!("ws://{}/live", shop.address("web")?).into_client_request()?;
    request.headers_mut().insert("origin", shop.fleet.public_url().parse()?);
    // The buffers of thousands of browsers are in one process here.
    let config = WebSocketConfig::default().read_buffer_size(2048).write_buffer_size(0);
    Ok(connect_async_with_config(request, Some(config), true).await?.0)
}

fn says(shows: &Shows) -> Result<Message> {
    Ok(Message::text(serde_json::to_string(shows)?))
}

/// An open page: says now and then what it shows, and notes when it is told of the change.
async fn stay(mut socket: Socket, mut shows: Shows, topic: Arc<str>, hear: mpsc::UnboundedSender<Heard>) -> Result<()> {
    let mut every = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => socket.send(says(&shows)?).await?,
            message = socket.next() => {
                let Some(Ok(message)) = message else { return Ok(()) };
                let at = Instant::now();
                let told = message.to_text().ok().and_then(|text| serde_json::from_str::<Told<'_>>(text).ok());
                let Some(told) = told.filter(|told| *told.topic == *topic) else { continue };
                let known = shows.watch.insert(topic.to_string(), told.version);
                if known.is_none_or(|known| known < told.version) {
                    hear.send((told.version, at)).ok();
                }
            }
        }
    }
}
