//! Live updates over the WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderStatus};
use common::events::show::{ShowChange, ShowStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::users::User;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{app, listing, order, page, publish_listing, show_of, show_path};

/// An open page.
struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Serves the service on a real port.
#[expect(clippy::disallowed_methods, reason = "a server of the test itself, which stops with its runtime")]
async fn listen(app: &TestApp) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = app.running.public.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

impl Page {
    async fn open(at: SocketAddr, origin: &str, user: Option<&User>) -> Result<Self, u16> {
        let mut request = format!("ws://{at}/live").into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        if let Some(user) = user {
            request.headers_mut().insert("cookie", format!("access={}", user.token).parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn report_versions(&mut self, versions: &Value) {
        self.0.send(Message::text(json!({ "watch": versions }).to_string())).await.unwrap();
    }

    async fn next_message_or_response(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next());
        let message = next.await.expect("no message arrived").unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// The next message that is not the response to a report.
    async fn next_message(&mut self) -> Value {
        loop {
            let message = self.next_message_or_response().await;
            if message["topic"] != "report" {
                return message;
            }
        }
    }

    /// The next message of this topic that is wanted; skips others.
    async fn next_of(&mut self, topic: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let next = self.next_message().await;
            if next["topic"] == topic && is_wanted(&next) {
                return next;
            }
        }
    }

    /// Returns the messages up to the update of this topic to this version, which is the last one.
    async fn messages_until(&mut self, topic: &str, version: u64) -> Vec<Value> {
        let mut messages = Vec::new();
        loop {
            let message = self.next_message().await;
            let is_last = message["topic"] == topic && message["version"] == version;
            messages.push(message);
            if is_last {
                return messages;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_receive_updates_of_shown_entities_only() {
    let app = app().await;
    let (shown, other) = (listing(&app, "Carmen", 0), listing(&app, "Tosca", 0));
    for ticket in [&shown, &other] {
        publish_listing(&app, ticket).await;
    }
    app.wait_until_idle().await;
    let at = listen(&app).await;
    let mut page = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    let topic = format!("ticket:{}", shown.terms.id);
    page.report_versions(&json!({ &topic: 0 })).await;
    let held = TicketState { status: TicketStatus::Reserved, ..shown.clone() };
    for ticket in [&other, &shown] {
        let state = TicketState { status: TicketStatus::Reserved, ..ticket.clone() };
        app.publish(TicketChange::Reserved, ticket.terms.id, 1, state).await;
    }
    let message = page.next_message().await;
    let update = (&message["topic"], &message["version"], &message["isForSale"]);
    assert_eq!(update, (&json!(topic), &json!(1), &json!(false)));
    assert!(message["html"].as_str().unwrap().contains("Held by a buyer"), "{message}");
    app.wait_until_idle().await;
    // A second page, rendered with the old version, catches up.
    let mut late = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    // Topics that the page may not follow are ignored.
    late.report_versions(&json!({ &topic: 0, "ticket:nonsense": 0, "user:me": 0 })).await;
    assert_eq!(late.next_message_or_response().await["version"], 1, "what the page missed precedes the response");
    app.publish(TicketChange::Sold, shown.terms.id, 2, TicketState { status: TicketStatus::Sold, ..held }).await;
    for page in [&mut page, &mut late] {
        // A version may arrive twice: once live and once as catch-up.
        let message = loop {
            let message = page.next_message().await;
            if message["version"] != 1 {
                break message;
            }
        };
        assert_eq!((&message["topic"], &message["version"]), (&json!(topic), &json!(2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_a_show_follow_its_listings() {
    let app = app().await;
    let first = listing(&app, "Carmen", 0);
    let mut show = show_of(&first);
    publish_listing(&app, &first).await;
    app.wait_until_idle().await;
    // The revision that the page was rendered with.
    let html = page(&app, &show_path(&show)).await;
    let (_, list) = html.split_once(&format!("data-live=\"list:{}\" data-version=\"", show.id)).unwrap();
    let revision: u64 = list.split('"').next().unwrap().parse().unwrap();
    let (offer, list) = (format!("show:{}", show.id), format!("list:{}", show.id));
    let pairs = format!("{offer}:2");
    let at = listen(&app).await;
    let mut open = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    open.report_versions(&json!({ &offer: revision, &pairs: revision, &list: revision })).await;

    // A second listing: the list gets the listing itself, the card its number.
    app.clock.advance(Duration::from_secs(1));
    let second = TicketState { show_id: show.id, ..listing(&app, "Carmen", 0) };
    app.publish(TicketChange::Created, second.terms.id, 0, second.clone()).await;
    let added = open.next_of(&format!("ticket:{}", second.terms.id), |_| true).await;
    assert_eq!((&added["list"], &added["isForSale"]), (&json!(list), &json!(true)));
    assert_eq!(added["revision"], second.updated_at.as_millis());
    let is_newer = |message: &Value| message["version"].as_u64() > Some(revision);
    let offered = open.next_of(&offer, is_newer).await;
    assert!(offered["html"].as_str().unwrap().contains("2 left"), "{offered}");
    assert_eq!(offered["show"], 0);
    // The card of a search for two seats together counts only listings that have them.
    let of_pairs = open.next_of(&pairs, is_newer).await;
    assert!(of_pairs["html"].as_str().unwrap().contains("No tickets right now"), "{of_pairs}");

    // A page that was away gets what it missed: the list a reason to reload, the card its number.
    app.wait_until_idle().await;
    let mut late = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    late.report_versions(&json!({ &offer: revision, &pairs: revision, &list: revision })).await;
    assert_eq!(late.next_of(&list, is_newer).await["version"], offered["version"]);
    assert_eq!(late.next_of(&offer, is_newer).await["version"], offered["version"]);
    assert_eq!(late.next_of(&pairs, is_newer).await["html"], of_pairs["html"]);

    // The show itself changes.
    app.clock.advance(Duration::from_secs(1));
    (show.status, show.updated_at) = (ShowStatus::Cancelled, app.clock.now());
    app.publish(ShowChange::Cancelled, show.id, 1, show).await;
    let cancelled = open.next_of(&offer, |message| message["show"] == 1).await;
    assert!(cancelled["html"].as_str().unwrap().contains("Cancelled"), "{cancelled}");
}

#[tokio::test(flavor = "multi_thread")]
async fn order_updates_reach_its_buyer_only() {
    let app = app().await;
    let (ben, eve, ticket) = (app.signer.user(), app.signer.user(), listing(&app, "Carmen", 0));
    let order = order(&app, &ticket, ben.id, OrderStatus::Created);
    publish_listing(&app, &ticket).await;
    app.publish(TicketChange::Updated, ticket.terms.id, 1, ticket.clone()).await;
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let at = listen(&app).await;
    let (order_topic, ticket_topic) = (format!("order:{}", order.id), format!("ticket:{}", ticket.terms.id));
    let shown = json!({ &order_topic: 0, &ticket_topic: 0 });
    let mut bens = Page::open(at, "http://localhost:8080", Some(&ben)).await.ok().unwrap();
    let mut eves = Page::open(at, "http://localhost:8080", Some(&eve)).await.ok().unwrap();
    for page in [&mut bens, &mut eves] {
        page.report_versions(&shown).await;
        // A page that has caught up with the listing is subscribed to all topics that it may follow.
        page.messages_until(&ticket_topic, 1).await;
    }
    let mut confirmed = order.clone();
    confirmed.status = OrderStatus::AwaitingPayment;
    app.publish(OrderChange::Confirmed, order.id, 1, confirmed).await;
    let messages = bens.messages_until(&order_topic, 1).await;
    // An order's update has no HTML, because the page reloads the order.
    assert_eq!(messages.last(), Some(&json!({ "topic": &order_topic, "version": 1 })), "{messages:?}");
    // Everybody may see the listing. Its event is published after the order's update was sent, so a page that gets both
    // gets the order's first.
    let sold = TicketState { status: TicketStatus::Sold, ..ticket.clone() };
    app.publish(TicketChange::Sold, ticket.terms.id, 2, sold).await;
    let messages = eves.messages_until(&ticket_topic, 2).await;
    assert!(messages.iter().all(|message| message["topic"] == ticket_topic), "{messages:?}");
    bens.messages_until(&ticket_topic, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_from_other_sites_are_rejected() {
    let app = app().await;
    app.wait_until_idle().await;
    let at = listen(&app).await;
    assert_eq!(Page::open(at, "https://evil.example", None).await.err(), Some(403));
    // An invalid message closes the connection, with the reason.
    let topics = |count: usize| {
        let versions = (0..count).map(|n| (format!("ticket:{n}"), json!(0))).collect::<serde_json::Map<_, _>>();
        json!({ "watch": versions }).to_string()
    };
    for (message, expected) in [
        ("{}".to_owned(), "not understood"),
        (json!({ "watch": ["me"] }).to_string(), "not understood"),
        (json!({ "watch": { "me": -1 } }).to_string(), "not understood"),
        (topics(121), "too many topics"),
    ] {
        let mut page = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
        page.0.send(Message::text(message)).await.unwrap();
        let end = tokio::time::timeout(Duration::from_secs(10), page.0.next()).await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = end else { panic!("{end:?}") };
        assert_eq!(frame.reason.as_str(), expected);
    }
    let mut page = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    // A report gets a response though the page missed nothing, so that the page knows that the connection lives.
    for _ in 0..2 {
        page.0.send(Message::text(topics(120))).await.unwrap();
        assert_eq!(page.next_message_or_response().await, json!({ "topic": "report" }));
    }
}
