//! Forms: what is sent to the other services for them, and what people see of the answer.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::UserId;
use common::money::Money;
use http::header;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::User;

use crate::support::{is_page, listed, listing, order, path, registered, shows, with_settings};
use crate::upstream::Upstream;

async fn shop() -> (TestApp, Upstream) {
    let (upstream, url) = Upstream::start().await;
    let settings = [("AUTH_URL", url.as_str()), ("TICKETS_URL", url.as_str()), ("ORDERS_URL", url.as_str())];
    (with_settings(&settings).await, upstream)
}

async fn post(app: &TestApp, path: &str, user: Option<&User>, fields: &[(&str, &str)]) -> Response {
    let body = serde_urlencoded::to_string(fields).unwrap();
    let request = app.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body);
    let request = match user {
        Some(user) => request.by(user),
        None => request,
    };
    request.send().await
}

/// A user as auth answers.
fn account(id: UserId) -> Value {
    json!({ "id": id, "email": "a@example.com", "displayName": "Ana", "createdAt": "2026-01-01T00:00:00Z" })
}

/// As the public sees it.
fn view(ticket: &TicketState, version: u64) -> Value {
    let mut view = serde_json::to_value(ticket).unwrap();
    let fields = view.as_object_mut().unwrap();
    fields.remove("refusals");
    fields.remove("orderId");
    fields.insert("version".to_owned(), version.into());
    view
}

const TYPED: [(&str, &str); 10] = [
    ("title", "Carmen & <b>"),
    ("venue", "Opera"),
    ("starts_at", "2099-03-01T20:00"),
    ("time_zone", "Europe/Paris"),
    ("price", "89.00"),
    ("currency", "EUR"),
    ("face_value", ""),
    ("description", "Two\r\nlines"),
    ("key", "the-key"),
    ("action", "do"),
];

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_relays_cookies_and_leads_back() {
    let (app, upstream) = shop().await;
    let cookies = [(header::SET_COOKIE, "access=a; Path=/"), (header::SET_COOKIE, "refresh=b; Path=/")];
    upstream.answers("POST /api/users/signin", 200, account(UserId::new()), &cookies);
    let typed = [("email", " a@example.com "), ("password", " secret "), ("next", "/orders")];
    let response = post(&app, "/signin", None, &typed).await.expect(303);
    assert_eq!(response.header("location"), "/orders");
    assert_eq!(response.headers.get_all("set-cookie").iter().count(), 2);
    let asked = upstream.asked();
    assert_eq!(asked[0].body, json!({ "email": "a@example.com", "password": " secret " }));
    assert_eq!(asked[0].headers["x-forwarded-for"], "127.0.0.1");
    let html = app.request("GET", "/signin?next=https%3A%2F%2Fevil.example").send().await.expect(200).text();
    shows(&html, &["left out: next must be a path of this site", "name=\"next\" value=\"/\""]);
    // Never to another site.
    let elsewhere = [("email", "a@example.com"), ("password", "secret"), ("next", "//evil.example")];
    assert_eq!(post(&app, "/signin", None, &elsewhere).await.header("location"), "/");

    upstream.refuses("POST /api/users/signin", 401, "No such address with that password.", &[]);
    let response = post(&app, "/signin", None, &typed).await.expect(401);
    is_page(&response);
    shows(&response.text(), &["No such address with that password.", "value=\" a@example.com \"", "value=\"/orders\""]);
    assert!(!response.text().contains("value=\" secret \""), "a password is not sent back");
    upstream.answers(
        "POST /api/users/signin",
        429,
        json!({
            "type": "urn:ticketing:problem:rate-limited", "title": "T", "status": 429, "detail": "D",
        }),
        &[(header::RETRY_AFTER, "7")],
    );
    let response = post(&app, "/signin", None, &typed).await.expect(429);
    assert_eq!(response.header("retry-after"), "7");
    shows(&response.text(), &["Too many tries"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_up_tells_faults_at_their_fields() {
    let (app, upstream) = shop().await;
    let typed = |password| [("email", "a@example.com"), ("displayName", "Ana <i>"), ("password", password)];
    let html = post(&app, "/signup", None, &typed("short")).await.expect(400).text();
    shows(&html, &["Must have 8 to 128 characters.", "id=\"password-fault\"", "value=\"Ana &#60;i&#62;\""]);
    assert!(!html.contains("\"short\""), "a password is not sent back");
    assert!(upstream.asked().is_empty(), "the rules are known here");
    upstream.refuses("POST /api/users/signup", 400, "Correct it.", &[("password", "must be another")]);
    let typed = typed("long enough");
    shows(&post(&app, "/signup", None, &typed).await.expect(400).text(), &["Must be another.", "password-fault"]);
    upstream.refuses("POST /api/users/signup", 409, "This address is in use.", &[]);
    shows(&post(&app, "/signup", None, &typed).await.expect(409).text(), &["This address is in use."]);
    let id = UserId::new();
    registered(&app, id, "Ana").await;
    app.wait_until_idle().await;
    upstream.answers("POST /api/users/signup", 201, account(id), &[(header::SET_COOKIE, "access=a")]);
    let response = post(&app, "/signup", None, &typed).await.expect(303);
    assert_eq!((response.header("location"), response.header("set-cookie")), ("/", "access=a"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_and_never_sent_back() {
    let (app, upstream) = shop().await;
    let ana = app.signer.user();
    let page = json!({ "currentUser": account(ana.id) });
    upstream.answers("GET /api/users/currentuser", 200, page, &[]);
    upstream.answers("GET /api/users/sessions", 200, json!({ "items": [], "nextCursor": null }), &[]);
    let change = |new: &'static str| {
        let (app, ana) = (&app, &ana);
        async move { post(app, "/account/password", Some(ana), &[("current", "the old one"), ("new", new)]).await }
    };
    let html = change("short").await.expect(400).text();
    shows(&html, &["Must have 8 to 128 characters.", "id=\"new-fault\"", "value=\"Ana\""]);
    assert!(!html.contains("\"short\"") && !html.contains("the old one"), "a password is not sent back");
    assert!(upstream.asked().iter().all(|asked| asked.what.starts_with("GET")), "the rules are known here");

    upstream.refuses("PUT /api/users/password", 400, "Correct it.", &[("current", "must be your current password")]);
    shows(&change("long enough").await.expect(400).text(), &["Must be your current password.", "id=\"current-fault\""]);
    upstream.refuses("PUT /api/users/password", 409, "It has just been changed.", &[]);
    shows(&change("long enough").await.expect(409).text(), &["It has just been changed.", "value=\"Ana\""]);
    let problem = json!({ "type": "urn:ticketing:problem:rate-limited", "title": "T", "status": 429, "detail": "D" });
    upstream.answers("PUT /api/users/password", 429, problem, &[(header::RETRY_AFTER, "7")]);
    let response = change("long enough").await.expect(429);
    assert_eq!(response.header("retry-after"), "7");
    shows(&response.text(), &["Too many tries."]);
    upstream.answers("PUT /api/users/password", 204, Value::Null, &[]);
    upstream.asked();
    let response = change("long enough").await.expect(303);
    assert_eq!(upstream.asked()[0].body, json!({ "current": "the old one", "new": "long enough" }));
    let html = app.request("GET", response.header("location")).by(&ana).send().await.expect(200).text();
    shows(&html, &["Your password is changed."]);
    let html = app.request("GET", "/account?password_changed=maybe&utm_source=x").by(&ana).send().await.text();
    shows(&html, &["left out: password_changed"]);
    assert!(!html.contains("Your password is changed.") && !html.contains("utm_source"), "{html}");
    let html = post(&app, "/account/password", None, &[]).await.expect(401).text();
    shows(&html, &["That page is for those who are signed in.", "value=\"/account\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_a_ticket_keeps_what_was_typed_until_it_is_right() {
    let (app, upstream) = shop().await;
    let ana = app.signer.user();
    assert_eq!(app.request("GET", "/sell").send().await.status, 401);
    shows(&app.request("GET", "/sell").by(&ana).send().await.expect(200).text(), &["List this ticket", "Europe/Paris"]);
    // What is wrong here already is told without a command.
    let mut wrong = TYPED;
    wrong[4] = ("price", "much");
    let response = post(&app, "/sell", Some(&ana), &wrong).await.expect(400);
    is_page(&response);
    shows(
        &response.text(),
        &["Must be an amount such as 125.55.", "value=\"much\"", "value=\"Carmen &#38; &#60;b&#62;\""],
    );
    assert!(upstream.asked().is_empty());
    // A preview commands nothing either.
    let mut preview = TYPED;
    preview[9] = ("action", "preview");
    let html = post(&app, "/sell", Some(&ana), &preview).await.expect(200).text();
    shows(&html, &["You will receive 89.00 EUR", "Sunday, 1 March 2099, 20:00 CET (Europe/Paris)"]);
    assert!(upstream.asked().is_empty());
    // What tickets finds wrong is told at its field.
    upstream.refuses(
        "POST /api/tickets",
        400,
        "Correct it.",
        &[("startsAt", "must lie in the future"), ("odd", "is odd")],
    );
    let html = post(&app, "/sell", Some(&ana), &TYPED).await.expect(400).text();
    shows(&html, &["id=\"starts_at-fault\">Must lie in the future.", "Odd is odd.", "value=\"2099-03-01T20:00\""]);
    let asked = upstream.asked();
    assert_eq!(asked[0].headers["idempotency-key"], "the-key");
    assert_eq!(
        (&asked[0].body["price"], &asked[0].body["startsAt"], &asked[0].body["description"]),
        (&json!({ "amount": 8900, "currency": "EUR" }), &json!("2099-03-01T19:00:00.000Z"), &json!("Two\nlines"))
    );
    // Listed, and the event arrives.
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    upstream.answers("POST /api/tickets", 201, view(&ticket, 0), &[]);
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    let response = post(&app, "/sell", Some(&ana), &TYPED).await.expect(303);
    assert_eq!(response.header("location"), path(&ticket));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_takes_its_time_is_not_waited_for_for_ever() {
    let (app, upstream) = shop().await;
    let ana = app.signer.user();
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    upstream.answers("POST /api/tickets", 201, view(&ticket, 0), &[]);
    let html = post(&app, "/sell", Some(&ana), &TYPED).await.expect(200).text();
    shows(&html, &["<h1>Carmen</h1>", "still being brought up to date", "This is your own listing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_edited_by_its_seller_at_the_version_that_they_saw() {
    let (app, upstream) = shop().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    let edit = format!("{}/edit", path(&ticket));
    app.request("GET", &edit).by(&ben).send().await.expect(404);
    let html = app.request("GET", &edit).by(&ana).send().await.expect(200).text();
    shows(&html, &["value=\"Carmen\"", "name=\"version\" value=\"0\"", "Save the changes"]);
    let mut typed = TYPED.to_vec();
    typed.push(("version", "0"));
    let put = format!("PUT /api{}", path(&ticket));
    upstream.refuses(&put, 412, "Changed.", &[]);
    shows(&post(&app, &edit, Some(&ana), &typed).await.expect(412).text(), &["has changed since you opened this page"]);
    assert_eq!(upstream.asked()[0].headers["if-match"], "\"0\"");
    // Without a version that can be read, whatever others have changed would be overwritten.
    for version in ["", "x", "-1"] {
        let mut mangled = TYPED.to_vec();
        mangled.push(("version", version));
        let html = post(&app, &edit, Some(&ana), &mangled).await.expect(400).text();
        shows(&html, &["be read any more. Open it again, then make your changes.", "value=\"89.00\""]);
    }
    assert!(upstream.asked().is_empty(), "nothing is sent");
    // A second click: the first one has made the listing what is asked for.
    let get = format!("GET /api{}", path(&ticket));
    let html = app.request("GET", &edit).by(&ana).send().await.expect(200).text();
    let value = |name: &str| {
        let (_, field) = html.split_once(&format!("name=\"{name}\"")).unwrap();
        field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (starts_at, unedited, price) = (value("starts_at"), value("unedited"), value("price"));
    let unchanged = [
        ("title", "Carmen"),
        ("venue", "Town Hall"),
        ("city", "New York"),
        ("starts_at", starts_at.as_str()),
        ("time_zone", "America/New_York"),
        ("price", price.as_str()),
        ("currency", "USD"),
        ("seat", "14"),
        ("version", "0"),
        ("unedited", unedited.as_str()),
        ("action", "do"),
    ];
    upstream.answers(&get, 200, view(&ticket, 1), &[]);
    let response = post(&app, &edit, Some(&ana), &unchanged).await;
    assert_eq!(response.expect(303).header("location"), path(&ticket));
    shows(&post(&app, &edit, Some(&ana), &typed).await.expect(412).text(), &["has changed since you opened this page"]);
    upstream.refuses(&put, 409, "It is held by a buyer.", &[]);
    shows(&post(&app, &edit, Some(&ana), &typed).await.expect(409).text(), &["It is held by a buyer."]);
    let withdraw = format!("{}/withdraw", path(&ticket));
    upstream.refuses(&format!("DELETE /api{}", path(&ticket)), 409, "It is held by a buyer.", &[]);
    shows(&post(&app, &withdraw, Some(&ana), &[]).await.expect(409).text(), &["It is held by a buyer."]);
    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..ticket.clone() };
    upstream.answers(&get, 200, view(&withdrawn, 1), &[]);
    let response = post(&app, &withdraw, Some(&ana), &[]).await;
    assert_eq!(response.expect(303).header("location"), "/selling");
}

#[tokio::test(flavor = "multi_thread")]
async fn holding_leads_to_the_checkout_and_refusals_back_to_the_ticket() {
    let (app, upstream) = shop().await;
    let (ben, ticket) = (app.signer.user(), listing(&app, "Carmen", 0));
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    let hold = format!("{}/hold", path(&ticket));
    let response = post(&app, &hold, None, &[]).await.expect(303);
    assert_eq!(response.header("location"), format!("/signin?next={}", path(&ticket)));
    // Nobody agrees to a price that they have not seen.
    let html = post(&app, &hold, Some(&ben), &[("price", "1.00 USD")]).await.expect(409).text();
    shows(&html, &["The price has changed to 125.50 USD. Nothing is held yet."]);
    assert!(upstream.asked().is_empty());
    let typed = [("price", "125.50 USD"), ("key", "the-key")];
    upstream.refuses("POST /api/orders", 409, "Somebody else was faster.", &[]);
    shows(&post(&app, &hold, Some(&ben), &typed).await.expect(409).text(), &["Somebody else was faster."]);
    assert_eq!(upstream.asked()[0].headers["idempotency-key"], "the-key");
    upstream.refuses("POST /api/orders", 429, "You held this ticket again and again.", &[]);
    shows(&post(&app, &hold, Some(&ben), &typed).await.expect(429).text(), &["You held this ticket again and again."]);
    let mut order = order(&app, &ticket, ben.id, OrderStatus::Created);
    let answer = |order: &common::events::order::OrderState| {
        let mut view = serde_json::to_value(order).unwrap();
        view["version"] = 0.into();
        view
    };
    upstream.answers("POST /api/orders", 201, answer(&order), &[]);
    // Its event takes its time: the answer is shown.
    let html = post(&app, &hold, Some(&ben), &typed).await.expect(200).text();
    shows(&html, &["<h1>Checkout</h1>", "still being brought up to date", "Pay 125.50 USD"]);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let response = post(&app, &hold, Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}", order.id));
    // orders had a newer price than this page.
    order.price = Money { amount: 15_000, ..order.price };
    upstream.answers("POST /api/orders", 201, answer(&order), &[]);
    let response = post(&app, &hold, Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}?price=new", order.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_till_is_its_buyers_alone() {
    let (app, _upstream) = shop().await;
    let (ben, eve, ticket) = (app.signer.user(), app.signer.user(), listing(&app, "Carmen", 0));
    let order = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let till = format!("/checkout/{}", order.id);
    app.request("GET", &till).send().await.expect(401);
    app.request("GET", &till).by(&eve).send().await.expect(404);
    let response = app.request("GET", &till).by(&ben).send().await.expect(200);
    shows(&response.text(), &["data-left=\"", "Pay 125.50 USD", "https://js.stripe.com/v3/", "Let it go"]);
    let policy = response.header("content-security-policy");
    assert!(policy.contains("https://js.stripe.com") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_and_read_marks_make_notifications() {
    let (app, _upstream) = shop().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let mut ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    let bell = async |user: &User| app.request("GET", "/notifications/bell").by(user).send().await.expect(200).text();
    post(&app, &format!("{}/watch", path(&ticket)), Some(&ben), &[]).await.expect(303);
    shows(&app.request("GET", &path(&ticket)).by(&ben).send().await.text(), &["Stop watching"]);
    app.clock.advance(Duration::from_secs(60));
    // Cheaper: the watcher is told, and nobody else.
    let from = ticket.price.clone();
    ticket.price = Money { amount: 9_900, ..ticket.price };
    ticket.updated_at = app.clock.now();
    ticket.price_drop = Some(common::events::ticket::PriceDrop { from, at: app.clock.now() });
    app.publish(TicketChange::Updated, ticket.terms.id, 1, ticket.clone()).await;
    app.wait_until_idle().await;
    shows(&bell(&ben).await, &["Notifications, 1 unread"]);
    assert!(!bell(&ana).await.contains(" unread\""));
    let html = app.request("GET", "/notifications").by(&ben).send().await.expect(200).text();
    shows(&html, &["Now 99.00 USD, was 125.50 USD: Carmen.", "Mark all as read"]);
    // What has come since the page was made stays new.
    let until = ticket.updated_at.to_string();
    shows(&html, &[&format!("name=\"until\" value=\"{until}\"")]);
    app.clock.advance(Duration::from_secs(1));
    ticket.updated_at = app.clock.now();
    ticket.price_drop = ticket.price_drop.map(|drop| common::events::ticket::PriceDrop { at: app.clock.now(), ..drop });
    app.publish(TicketChange::Updated, ticket.terms.id, 2, ticket.clone()).await;
    app.wait_until_idle().await;
    post(&app, "/notifications/read", Some(&ben), &[("until", &until)]).await.expect(303);
    shows(&bell(&ben).await, &["Notifications, 1 unread"]);
    let until = ticket.updated_at.to_string();
    post(&app, "/notifications/read", Some(&ben), &[("until", &until)]).await.expect(303);
    assert!(!bell(&ben).await.contains(" unread\""));
    // Sold: the seller is told.
    app.clock.advance(Duration::from_secs(60));
    ticket.status = TicketStatus::Sold;
    ticket.updated_at = app.clock.now();
    app.publish(TicketChange::Sold, ticket.terms.id, 3, ticket.clone()).await;
    app.wait_until_idle().await;
    shows(&app.request("GET", "/notifications").by(&ana).send().await.text(), &["Sold: Carmen for 99.00 USD."]);
    // A hold of which little is left.
    let order = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    assert!(!bell(&ben).await.contains(" unread\""));
    app.clock.advance(Duration::from_secs(800));
    shows(&app.request("GET", "/notifications").by(&ben).send().await.text(), &["ends soon, and is not paid"]);
    app.clock.advance(Duration::from_secs(200));
    assert!(!app.request("GET", "/notifications").by(&ben).send().await.text().contains("ends soon"));
    app.request("GET", "/notifications").send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_said_to_be_and_what_was_typed_is_kept() {
    let app = crate::support::app().await;
    let ana = app.signer.user();
    let response = post(&app, "/sell", Some(&ana), &TYPED).await.expect(503);
    is_page(&response);
    assert!(!response.header("retry-after").is_empty());
    shows(&response.text(), &["What you typed is kept", "value=\"Carmen &#38; &#60;b&#62;\"", "value=\"the-key\""]);
    let response = post(&app, "/signin", None, &[("email", "a@example.com")]).await.expect(503);
    shows(&response.text(), &["Not available right now", "in a moment"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_can_not_send_our_forms() {
    let (app, upstream) = shop().await;
    for path in ["/signin", "/signup", "/signout", "/sell", "/account", "/account/password", "/notifications/read"] {
        let request = app.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let response =
            request.header("sec-fetch-site", "cross-site").by(&app.signer.user()).body("email=a").send().await;
        is_page(&response.expect(403));
    }
    assert!(upstream.asked().is_empty());
}
