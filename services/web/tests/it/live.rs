//! The WebSocket of open pages.

use std::net::SocketAddr;
use std::time::Duration;

use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::users::User;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::support::{app, listed, listing, order};

/// An open page.
struct Page(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// The service behind a real port.
#[expect(clippy::disallowed_methods, reason = "a server of the test's own, which ends with its runtime")]
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

    async fn shows(&mut self, versions: &Value) {
        self.0.send(Message::text(json!({ "watch": versions }).to_string())).await.unwrap();
    }

    /// What it is told next.
    async fn told(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(10), self.0.next());
        let message = next.await.expect("it is told something").unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// What it is told before it is told of this.
    async fn told_before(&mut self, last: &str) -> Vec<Value> {
        let mut told = Vec::new();
        loop {
            let next = self.told().await;
            if next["topic"] == last {
                return told;
            }
            told.push(next);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_hears_of_what_it_shows_and_of_nothing_else() {
    let app = app().await;
    let (shown, other) = (listing(&app, "Carmen", 0), listing(&app, "Tosca", 0));
    for ticket in [&shown, &other] {
        listed(&app, ticket).await;
    }
    app.wait_until_idle().await;
    let at = listen(&app).await;
    let mut page = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    let topic = format!("ticket:{}", shown.terms.id);
    page.shows(&json!({ &topic: 0 })).await;
    let held = TicketState { status: TicketStatus::Reserved, ..shown.clone() };
    for ticket in [&other, &shown] {
        let state = TicketState { status: TicketStatus::Reserved, ..ticket.clone() };
        app.publish(TicketChange::Reserved, ticket.terms.id, 1, state).await;
    }
    let told = page.told().await;
    assert_eq!((&told["topic"], &told["version"], &told["open"]), (&json!(topic), &json!(1), &json!(false)));
    assert!(told["html"].as_str().unwrap().contains("Held by a buyer"), "{told}");
    app.wait_until_idle().await;
    // A second page, which was rendered before that, catches up.
    let mut late = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    late.shows(&json!({ &topic: 0, "ticket:nonsense": 0, "user:me": 0 })).await;
    assert_eq!(late.told().await["version"], 1);
    app.publish(TicketChange::Sold, shown.terms.id, 2, TicketState { status: TicketStatus::Sold, ..held }).await;
    for page in [&mut page, &mut late] {
        // Told twice of one version, once as news and once as missed, is no harm.
        let told = loop {
            let told = page.told().await;
            if told["version"] != 1 {
                break told;
            }
        };
        assert_eq!((&told["topic"], &told["version"]), (&json!(topic), &json!(2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_its_buyers_alone() {
    let app = app().await;
    let (ben, eve, ticket) = (app.signer.user(), app.signer.user(), listing(&app, "Carmen", 0));
    let order = order(&app, &ticket, ben.id, OrderStatus::Created);
    listed(&app, &ticket).await;
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let at = listen(&app).await;
    let shown = json!({ format!("order:{}", order.id): 0, format!("ticket:{}", ticket.terms.id): 0 });
    let mut bens = Page::open(at, "http://localhost:8080", Some(&ben)).await.ok().unwrap();
    let mut eves = Page::open(at, "http://localhost:8080", Some(&eve)).await.ok().unwrap();
    for page in [&mut bens, &mut eves] {
        page.shows(&shown).await;
    }
    let mut confirmed = order.clone();
    confirmed.status = OrderStatus::AwaitingPayment;
    // Until both are known to listen.
    let sold = TicketState { status: TicketStatus::Sold, ..ticket.clone() };
    app.publish(OrderChange::Confirmed, order.id, 1, confirmed).await;
    app.publish(TicketChange::Sold, ticket.terms.id, 1, sold).await;
    let topic = format!("ticket:{}", ticket.terms.id);
    let told = eves.told_before(&topic).await;
    assert!(told.is_empty(), "{told:?}");
    let mut told = bens.told_before(&topic).await;
    // The order's page is told once the read model has it, which may be after that.
    while !told.iter().any(|told| told["topic"] == format!("order:{}", order.id)) {
        told.push(bens.told().await);
    }
    assert!(told.iter().any(|told| told["version"] == 1 && told.get("html").is_none()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_are_refused() {
    let app = app().await;
    app.wait_until_idle().await;
    let at = listen(&app).await;
    assert_eq!(Page::open(at, "https://evil.example", None).await.err(), Some(403));
    // What is no message of ours ends the connection.
    let mut page = Page::open(at, "http://localhost:8080", None).await.ok().unwrap();
    page.0.send(Message::text("{}")).await.unwrap();
    let end = tokio::time::timeout(Duration::from_secs(10), page.0.next()).await.unwrap();
    assert!(matches!(end, Some(Ok(Message::Close(_)))), "{end:?}");
}
