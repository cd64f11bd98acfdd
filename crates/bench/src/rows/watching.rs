//! Thousands of open pages that all show one ticket, whose price changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Scale;
use crate::cpu::resident;
use crate::http1::get;
use crate::latency::Latencies;
use crate::report::Figures;
use crate::shop::{Entity, Shop};
use crate::storefront::Open;

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

#[derive(Deserialize)]
struct Told<'a> {
    topic: &'a str,
    version: u64,
}

pub(super) async fn open_pages(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let (changing, index) = shop.list().await?;
    // It is there once its page is.
    let mut browser = shop.connections("web", 1).await?.pop().context("a connection")?;
    browser.send(get(&format!("/tickets/{changing}"))?, StatusCode::OK).await?;
    let web = shop.fleet.service("web")?.pid();
    let before = resident(web)?;

    let tickets = shop.tickets.borrow().clone();
    let (hear, mut heard) = mpsc::unbounded_channel();
    let topic: Arc<str> = format!("ticket:{changing}").into();
    let shows = |page: usize| {
        let others = (1..SHOWN).filter_map(|n| tickets.get((page * SHOWN + n) % tickets.len()));
        let mut watch: Map<String, Value> = others.map(|id| (format!("ticket:{id}"), json!(0))).collect();
        watch.insert(topic.to_string(), json!(0));
        watch
    };
    let opened = stream::iter(0..scale.pages)
        .map(|page| {
            let (shows, hear, topic) = (shows(page), hear.clone(), Arc::clone(&topic));
            async move {
                let mut socket = open(shop).await.with_context(|| format!("opening page {page}"))?;
                socket.send(says(&shows)).await?;
                anyhow::Ok(tokio::spawn(stay(socket, shows, topic, hear)))
            }
        })
        .buffer_unordered(OPENING)
        .try_collect::<Vec<_>>()
        .await?;
    shop.processes()?.settle().await?;
    let resident = resident(web)?;

    let mut seller = shop.connections("tickets", 1).await?.pop().context("a connection")?;
    let (mut sent, mut times) = (HashMap::new(), Vec::new());
    for change in 0..scale.changes {
        let at = Instant::now();
        let call = shop.repricing(&changing, index, 20_000 + u32::try_from(change)?)?;
        let body = seller.send(call, StatusCode::OK).await?;
        sent.insert(Entity::read(&body)?.version, at);
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

/// What a page says: which versions of what it shows.
fn says(shows: &Map<String, Value>) -> Message {
    Message::text(json!({ "watch": shows }).to_string())
}

/// An open page: says now and then what it shows, and notes when it is told of the change.
async fn stay(mut socket: Socket, mut shows: Map<String, Value>, topic: Arc<str>, hear: mpsc::UnboundedSender<Heard>) {
    let mut every = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
    loop {
        tokio::select! {
            _ = every.tick() => {
                if socket.send(says(&shows)).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                let Some(Ok(message)) = message else { return };
                let at = Instant::now();
                let told = message.to_text().ok().and_then(|text| serde_json::from_str::<Told<'_>>(text).ok());
                let Some(told) = told.filter(|told| *told.topic == *topic) else { continue };
                let known = shows.insert(topic.to_string(), json!(told.version));
                if known.and_then(|known| known.as_u64()).is_none_or(|known| known < told.version) {
                    hear.send((told.version, at)).ok();
                }
            }
        }
    }
}
