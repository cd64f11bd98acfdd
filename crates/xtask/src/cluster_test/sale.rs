//! Sells tickets through the Gateway in every way: by the README's tour, on pages, with a WebSocket and by a webhook.
//! Of twenty buyers of one ticket, one gets it.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use common::api::live::VersionReport;
use common::api::orders::ReadOrder;
use common::api::tickets::ReadListing;
use common::events::order::OrderStatus;
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use common::id::TicketId;
use futures::future::try_join_all;
use futures::{SinkExt as _, StreamExt as _};
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use reqwest::{Method, StatusCode, Upgraded};
use serde_json::{Value, json};
use sha2::Sha256;
use testkit::tools::progress;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Cluster;
use super::forward::Forward;
use super::gateway::{Connector, GatewayForward};
use super::kube::output;
use super::load::Traders;
use crate::client::{Session, order, payment};

const BUYERS: usize = 20;
/// How long each part of a sale may take.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);
/// How long a webhook may take to complete an order: less than `RECONCILE_AFTER`, after which `payments` looks the
/// payment up by itself.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(18);
/// The port of fakestripe.
const STRIPE_PORT: u16 = 12111;
const WEBHOOK: &str = "/api/payments/webhooks/stripe";

type Live = WebSocketStream<Upgraded>;

pub(super) async fn sell(cluster: &Cluster) -> Result<()> {
    let gateway = GatewayForward::open(cluster).await?;
    let mut tour = cluster.kube.command("python3");
    tour.args(["-B", "infra/cluster-test/tour.py", &cluster.overlay.shop]).arg(&gateway.curl_home);
    progress("Toured", output(tour, "the README's tour").await?.trim());
    sell_on_pages(&gateway.connector).await.context("a sale on pages")?;
    sell_by_webhook(cluster, &gateway.connector).await.context("a sale completed by a webhook")?;
    sell_contested(&gateway.connector).await.with_context(|| format!("{BUYERS} buyers of one ticket"))
}

/// Sells a ticket whose page is open: it shows the listing and is told of the sale, and the order's page has the pass.
async fn sell_on_pages(connector: &Connector) -> Result<()> {
    let traders = Traders::sign_up(connector).await?;
    let ticket = traders.list().await?;
    let topic = format!("ticket:{ticket}");
    wait_for_page(traders.buyer(), &format!("/tickets/{ticket}"), &topic).await?;
    let mut page = open_live(connector).await?;
    let report = VersionReport { versions: [(topic.clone(), 0)].into() };
    page.send(Message::text(serde_json::to_string(&report)?)).await?;
    let order = traders.hold(ticket).await?;
    traders.pay(order).await?;
    let sold = wait_until_sold(traders.buyer(), ticket).await?;
    wait_for_version(&mut page, &topic, sold).await?;
    wait_for_page(traders.buyer(), &format!("/orders/{order}"), "class=\"qr\"").await?;
    progress(
        "Sold",
        &format!("a ticket on pages: its open page was told of version {sold}, and the order's has the pass"),
    );
    Ok(())
}

/// Opens the WebSocket of a page.
async fn open_live(connector: &Connector) -> Result<Live> {
    let client = connector.client()?.http1_only().build()?;
    let request = client.get(format!("{}/live", connector.shop)).header("origin", &connector.origin);
    let request = request.header("connection", "Upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", generate_key());
    let response = request.send().await?;
    ensure!(response.status() == StatusCode::SWITCHING_PROTOCOLS, "/live returned {}", response.status());
    Ok(WebSocketStream::from_raw_socket(response.upgrade().await?, Role::Client, None).await)
}

/// Waits until an open page is told of this version of a topic, or of a later one.
async fn wait_for_version(page: &mut Live, topic: &str, version: u64) -> Result<()> {
    let told = async {
        while let Some(message) = page.next().await {
            let Message::Text(text) = message? else { continue };
            let update: Value = serde_json::from_str(&text)?;
            let told = update.get("version").and_then(Value::as_u64);
            if update.get("topic").and_then(Value::as_str) == Some(topic) && told >= Some(version) {
                return Ok(());
            }
        }
        bail!("the WebSocket was closed")
    };
    timeout(TIMEOUT, told).await.with_context(|| format!("the open page was not told of version {version}"))?
}

/// Waits until a page contains this text.
async fn wait_for_page(session: &Session, path: &str, expected: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let (status, text) = session.page(path).await?;
        if status == 200 && text.contains(expected) {
            return Ok(());
        }
        ensure!(started.elapsed() < TIMEOUT, "{path} returns {status} without {expected}");
        sleep(POLL).await;
    }
}

/// Waits until the listing is sold, and returns its version.
async fn wait_until_sold(session: &Session, ticket: TicketId) -> Result<u64> {
    let started = Instant::now();
    loop {
        let listing = session.send(&ReadListing { id: ticket }).await?;
        if listing.status == TicketStatus::Sold {
            return Ok(listing.version);
        }
        ensure!(started.elapsed() < TIMEOUT, "the listing is still {:?}", listing.status);
        sleep(POLL).await;
    }
}

/// Sells a ticket with a card that requires 3-D Secure. The buyer does not ask for the payment's status, so that a
/// webhook completes the order. The Gateway passes webhooks too, of which only those with the right signature are
/// accepted.
async fn sell_by_webhook(cluster: &Cluster, connector: &Connector) -> Result<()> {
    let traders = Traders::sign_up(connector).await?;
    let order = traders.hold(traders.list().await?).await?;
    let payment = payment(order, "pm_card_authenticationRequired");
    let payment = traders.buyer().send_retrying(&payment).await?;
    let requested = Instant::now();
    ensure!(payment.status == PaymentStatus::RequiresAction, "the payment is {:?}", payment.status);
    let intent = payment.provider_ref.context("the payment has no intent")?;
    // The challenge's page is not behind production's Gateway.
    let stripe = Forward::open(&cluster.kube, "deployment/fakestripe", &[STRIPE_PORT]).await?;
    let address = stripe.addresses.first().context("no port of fakestripe is forwarded")?;
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
    let passed = client.post(format!("http://{address}/3ds/{intent}")).form(&[("outcome", "succeed")]).send().await?;
    ensure!(!passed.status().is_client_error() && !passed.status().is_server_error(), "the challenge: {passed:?}");
    let started = Instant::now();
    traders.buyer().wait_for(order, OrderStatus::Completed).await?;
    let completed = started.elapsed().as_secs_f32();
    let elapsed = requested.elapsed();
    ensure!(elapsed < WEBHOOK_TIMEOUT, "completed only {elapsed:?} after the payment, so maybe not by a webhook");

    let secret = cluster.overlay.secret("payments", "STRIPE_WEBHOOK_SECRETS")?;
    let object = json!({ "object": "payment_intent", "id": intent });
    let event = json!({ "type": "payment_intent.succeeded", "data": { "object": object } });
    let (body, now) = (event.to_string(), Timestamp::now().as_second());
    let post = async |secret: &str| {
        let request =
            traders.buyer().request(Method::POST, WEBHOOK).header("stripe-signature", sign(secret, now, &body)?);
        let request = request.header("content-type", "application/json").body(body.clone());
        anyhow::Ok(request.send().await?.status())
    };
    let (right, wrong) = (post(&secret).await?, post("whsec_of_somebody_else").await?);
    let expected = (StatusCode::NO_CONTENT, StatusCode::BAD_REQUEST);
    ensure!((right, wrong) == expected, "a signed event through the Gateway returned {right}, a forged one {wrong}");
    progress(
        "Sold",
        &format!(
            "a ticket by a webhook, {completed:.1} s after 3-D Secure; through the Gateway, signed events are accepted \
             and forged ones rejected"
        ),
    );
    Ok(())
}

/// The value of the header `Stripe-Signature`.
fn sign(secret: &str, time: i64, body: &str) -> Result<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok().context("the secret is no key")?;
    mac.update(format!("{time}.{body}").as_bytes());
    Ok(format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes())))
}

/// Has many buyers order one ticket at the same moment. One gets it.
async fn sell_contested(connector: &Connector) -> Result<()> {
    let traders = Traders::sign_up(connector).await?;
    let ticket = traders.list().await?;
    wait_for_page(traders.buyer(), &format!("/tickets/{ticket}"), "Carmen").await?;
    let mut buyers = Vec::new();
    for _ in 0..BUYERS {
        buyers.push(Session::sign_up(connector.client()?, &connector.shop, "Nora").await?);
    }
    let started = Instant::now();
    let purchases = try_join_all(buyers.iter().map(|buyer| timeout(TIMEOUT, buy_contested(buyer, ticket))));
    let outcomes = purchases.await.context("a buyer got no final response")?;
    let mut bought = 0;
    for outcome in outcomes {
        bought += usize::from(outcome?);
    }
    ensure!(bought == 1, "{bought} of {BUYERS} buyers got the ticket");
    wait_until_sold(traders.buyer(), ticket).await?;
    let duration = started.elapsed().as_secs_f32();
    progress("Sold", &format!("one ticket to one of {BUYERS} buyers who wanted it at once, in {duration:.1} s"));
    Ok(())
}

/// Tries to buy the ticket, and returns whether that succeeded.
async fn buy_contested(buyer: &Session, ticket: TicketId) -> Result<bool> {
    let id = loop {
        match buyer.exchange(&order(ticket)).await? {
            // The listing has not reached `orders`.
            (404, _) => sleep(POLL).await,
            (409, _) => return Ok(false),
            (_, response) => break response?.id,
        }
    };
    loop {
        match buyer.send(&ReadOrder { id }).await?.status {
            OrderStatus::AwaitingPayment => break,
            OrderStatus::Cancelled => return Ok(false),
            _ => sleep(POLL).await,
        }
    }
    buyer.send_retrying(&payment(id, "pm_card_visa")).await?;
    buyer.wait_for(id, OrderStatus::Completed).await?;
    Ok(true)
}
