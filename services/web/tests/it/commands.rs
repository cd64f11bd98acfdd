//! Form submissions: the requests to the other services, and the rendered responses.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::money::Money;
use serde_json::{Value, json};
use testkit::app::users::User;

use crate::fake_services::{app_with_services, post_form};
use crate::support::{assert_contains, assert_page, listing, order, path, publish_listing};

/// A listing in the tickets service's format.
pub(crate) fn listing_json(ticket: &TicketState, version: u64) -> Value {
    let mut json = serde_json::to_value(ticket).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.remove("refusals");
    fields.remove("orderId");
    fields.insert("version".to_owned(), version.into());
    json
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
async fn sell_form_keeps_its_fields_until_they_are_valid() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    assert_eq!(app.request("GET", "/sell/new").send().await.status, 401);
    assert_contains(
        &app.request("GET", "/sell/new").as_user(&ana).send().await.expect(200).text(),
        &["List this ticket", "Europe/Paris"],
    );
    // Local validation errors are shown without a request.
    let mut wrong = TYPED;
    wrong[4] = ("price", "much");
    let response = post_form(&app, "/sell", Some(&ana), &wrong).await.expect(400);
    assert_page(&response);
    assert_contains(
        &response.text(),
        &["Must be an amount such as 125.55.", "value=\"much\"", "value=\"Carmen &#38; &#60;b&#62;\""],
    );
    assert!(services.take_requests().is_empty());
    // A preview sends no request.
    let mut preview = TYPED;
    preview[9] = ("action", "preview");
    let html = post_form(&app, "/sell", Some(&ana), &preview).await.expect(200).text();
    assert_contains(
        &html,
        &[
            "The buyer pays 89.00 EUR",
            "Payouts to sellers are not made yet",
            "Sunday, 1 March 2099, 20:00 CET (Europe/Paris)",
        ],
    );
    assert!(services.take_requests().is_empty());
    // An amount that might have been meant otherwise is said back before it counts.
    let mut uncertain = TYPED.to_vec();
    uncertain[4] = ("price", "1.234");
    let html = post_form(&app, "/sell", Some(&ana), &uncertain).await.expect(200).text();
    let said = "You typed 1.234 as the price. It is read as <strong>1234.00 EUR</strong>.";
    assert_contains(&html, &[said, "value=\"1.234\"", "name=\"said_price\" value=\"1234.00 EUR\""]);
    assert!(services.take_requests().is_empty());
    services.respond_with_problem("POST /api/tickets", 400, "Correct it.", &[]);
    uncertain.push(("said_price", "1234.00 EUR"));
    post_form(&app, "/sell", Some(&ana), &uncertain).await.expect(400);
    assert_eq!(services.take_requests()[0].body["price"], json!({ "amount": 123_400, "currency": "EUR" }));
    // Errors of the tickets service are shown at their fields.
    services.respond_with_problem(
        "POST /api/tickets",
        400,
        "Correct it.",
        &[("startsAt", "must be in the future"), ("odd", "is odd")],
    );
    let html = post_form(&app, "/sell", Some(&ana), &TYPED).await.expect(400).text();
    assert_contains(
        &html,
        &["id=\"starts_at-fault\">Must be in the future.", "Odd is odd.", "value=\"2099-03-01T20:00\""],
    );
    let requests = services.take_requests();
    assert_eq!(requests[0].headers["idempotency-key"], "the-key");
    assert_eq!(
        (&requests[0].body["price"], &requests[0].body["startsAt"], &requests[0].body["description"]),
        (&json!({ "amount": 8900, "currency": "EUR" }), &json!("2099-03-01T19:00:00.000Z"), &json!("Two\nlines"))
    );
    // The listing is created, and its event arrives.
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let response = post_form(&app, "/sell", Some(&ana), &TYPED).await.expect(303);
    assert_eq!(response.header("location"), path(&ticket));
}

#[tokio::test(flavor = "multi_thread")]
async fn response_is_shown_when_the_event_is_delayed() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    services.respond_with("POST /api/tickets", 201, listing_json(&ticket, 0), &[]);
    let html = post_form(&app, "/sell", Some(&ana), &TYPED).await.expect(200).text();
    assert_contains(&html, &["<h1>Carmen</h1>", "not up to date yet", "This is your own listing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn seller_edits_a_listing_at_the_version_shown() {
    let (app, services) = app_with_services().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let edit = format!("{}/edit", path(&ticket));
    app.request("GET", &edit).as_user(&ben).send().await.expect(404);
    let html = app.request("GET", &edit).as_user(&ana).send().await.expect(200).text();
    assert_contains(&html, &["value=\"Carmen\"", "name=\"version\" value=\"0\"", "Save the changes"]);
    let mut typed = TYPED.to_vec();
    typed.push(("version", "0"));
    let put = format!("PUT /api{}", path(&ticket));
    services.respond_with_problem(&put, 412, "Changed.", &[]);
    assert_contains(
        &post_form(&app, &edit, Some(&ana), &typed).await.expect(412).text(),
        &["has changed since you opened this page"],
    );
    assert_eq!(services.take_requests()[0].headers["if-match"], "\"0\"");
    // Without a valid version, the request would overwrite concurrent changes.
    for version in ["", "x", "-1"] {
        let mut mangled = TYPED.to_vec();
        mangled.push(("version", version));
        let html = post_form(&app, &edit, Some(&ana), &mangled).await.expect(400).text();
        assert_contains(&html, &["be read any more. Open it again, then make your changes.", "value=\"89.00\""]);
    }
    assert!(services.take_requests().is_empty(), "no request is sent");
    // A second click: the PUT fails with 412, but the listing is already as the form says, so it counts as saved.
    let get = format!("GET /api{}", path(&ticket));
    let html = app.request("GET", &edit).as_user(&ana).send().await.expect(200).text();
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
    services.respond_with(&get, 200, listing_json(&ticket, 1), &[]);
    let response = post_form(&app, &edit, Some(&ana), &unchanged).await;
    assert_eq!(response.expect(303).header("location"), path(&ticket));
    assert_contains(
        &post_form(&app, &edit, Some(&ana), &typed).await.expect(412).text(),
        &["has changed since you opened this page"],
    );
    services.respond_with_problem(&put, 409, "It is held by a buyer.", &[]);
    assert_contains(&post_form(&app, &edit, Some(&ana), &typed).await.expect(409).text(), &["It is held by a buyer."]);
    let withdraw = format!("{}/withdraw", path(&ticket));
    services.respond_with_problem(&format!("DELETE /api{}", path(&ticket)), 409, "It is held by a buyer.", &[]);
    assert_contains(&post_form(&app, &withdraw, Some(&ana), &[]).await.expect(409).text(), &["It is held by a buyer."]);
    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..ticket.clone() };
    services.respond_with(&get, 200, listing_json(&withdrawn, 1), &[]);
    let response = post_form(&app, &withdraw, Some(&ana), &[]).await;
    assert_eq!(response.expect(303).header("location"), "/selling");
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_redirects_to_checkout_and_rejection_shows_the_ticket() {
    let (app, services) = app_with_services().await;
    let (ben, ticket) = (app.signer.user(), listing(&app, "Carmen", 0));
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let hold = format!("{}/hold", path(&ticket));
    let response = post_form(&app, &hold, None, &[]).await.expect(303);
    assert!(response.header("location").starts_with("/signin?next=%2Ftickets%2F"), "{response:?}");
    // The buyer has not seen the current price.
    let html = post_form(&app, &hold, Some(&ben), &[("price", "1.00 USD")]).await.expect(409).text();
    assert_contains(&html, &["The price has changed to 125.50 USD. Nothing is held yet."]);
    assert!(services.take_requests().is_empty());
    let typed = [("price", "125.50 USD"), ("key", "the-key")];
    services.respond_with_problem("POST /api/orders", 409, "Someone else got this ticket first.", &[]);
    assert_contains(
        &post_form(&app, &hold, Some(&ben), &typed).await.expect(409).text(),
        &["Someone else got this ticket first."],
    );
    assert_eq!(services.take_requests()[0].headers["idempotency-key"], "the-key");
    services.respond_with_problem("POST /api/orders", 429, "You have held this ticket too often.", &[]);
    assert_contains(
        &post_form(&app, &hold, Some(&ben), &typed).await.expect(429).text(),
        &["You have held this ticket too often."],
    );
    let mut order = order(&app, &ticket, ben.id, OrderStatus::Created);
    let order_json = |order: &common::events::order::OrderState| {
        let mut view = serde_json::to_value(order).unwrap();
        view["version"] = 0.into();
        view
    };
    services.respond_with("POST /api/orders", 201, order_json(&order), &[]);
    // The event is delayed: the page shows the response.
    let html = post_form(&app, &hold, Some(&ben), &typed).await.expect(200).text();
    assert_contains(&html, &["<h1>Checkout</h1>", "not up to date yet", "Pay 125.50 USD"]);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let response = post_form(&app, &hold, Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}", order.id));
    // The orders service has a newer price than this page.
    order.price = Money { amount: 15_000, ..order.price };
    services.respond_with("POST /api/orders", 201, order_json(&order), &[]);
    let response = post_form(&app, &hold, Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}?price=new", order.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkout_is_visible_to_its_buyer_only() {
    let (app, _upstream) = app_with_services().await;
    let (ben, eve, ticket) = (app.signer.user(), app.signer.user(), listing(&app, "Carmen", 0));
    let order = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let checkout = format!("/checkout/{}", order.id);
    app.request("GET", &checkout).send().await.expect(401);
    app.request("GET", &checkout).as_user(&eve).send().await.expect(404);
    let response = app.request("GET", &checkout).as_user(&ben).send().await.expect(200);
    assert_contains(
        &response.text(),
        &["data-left=\"", "Pay 125.50 USD", "https://js.stripe.com/v3/", "Release ticket"],
    );
    let policy = response.header("content-security-policy");
    assert!(policy.contains("https://js.stripe.com") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_and_read_marks_determine_notifications() {
    let (app, _upstream) = app_with_services().await;
    let (ana, ben) = (app.signer.user(), app.signer.user());
    let mut ticket = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let bell =
        async |user: &User| app.request("GET", "/notifications/bell").as_user(user).send().await.expect(200).text();
    post_form(&app, &format!("{}/watch", path(&ticket)), Some(&ben), &[]).await.expect(303);
    assert_contains(&app.request("GET", &path(&ticket)).as_user(&ben).send().await.text(), &["Stop watching"]);
    app.clock.advance(Duration::from_secs(60));
    // The price drops: only the watcher is notified.
    let from = ticket.price.clone();
    ticket.price = Money { amount: 9_900, ..ticket.price };
    ticket.updated_at = app.clock.now();
    ticket.price_drop = Some(common::events::ticket::PriceDrop { from, at: app.clock.now() });
    app.publish(TicketChange::Updated, ticket.terms.id, 1, ticket.clone()).await;
    app.wait_until_idle().await;
    assert_contains(&bell(&ben).await, &["Notifications, 1 unread"]);
    assert!(!bell(&ana).await.contains(" unread\""));
    let html = app.request("GET", "/notifications").as_user(&ben).send().await.expect(200).text();
    assert_contains(&html, &["Now 99.00 USD, was 125.50 USD: Carmen.", "Mark all as read"]);
    // A notification that arrives after the page was rendered stays unread.
    let until = ticket.updated_at.to_string();
    assert_contains(&html, &[&format!("name=\"until\" value=\"{until}\"")]);
    app.clock.advance(Duration::from_secs(1));
    ticket.updated_at = app.clock.now();
    ticket.price_drop = ticket.price_drop.map(|drop| common::events::ticket::PriceDrop { at: app.clock.now(), ..drop });
    app.publish(TicketChange::Updated, ticket.terms.id, 2, ticket.clone()).await;
    app.wait_until_idle().await;
    post_form(&app, "/notifications/read", Some(&ben), &[("until", &until)]).await.expect(303);
    assert_contains(&bell(&ben).await, &["Notifications, 1 unread"]);
    let until = ticket.updated_at.to_string();
    post_form(&app, "/notifications/read", Some(&ben), &[("until", &until)]).await.expect(303);
    assert!(!bell(&ben).await.contains(" unread\""));
    // The ticket is sold: the seller is notified.
    app.clock.advance(Duration::from_secs(60));
    ticket.status = TicketStatus::Sold;
    ticket.updated_at = app.clock.now();
    app.publish(TicketChange::Sold, ticket.terms.id, 3, ticket.clone()).await;
    app.wait_until_idle().await;
    assert_contains(
        &app.request("GET", "/notifications").as_user(&ana).send().await.text(),
        &["Sold: Carmen for 99.00 USD."],
    );
    // A hold that ends soon.
    let order = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    assert!(!bell(&ben).await.contains(" unread\""));
    app.clock.advance(Duration::from_secs(800));
    assert_contains(
        &app.request("GET", "/notifications").as_user(&ben).send().await.text(),
        &["ends soon, and is not paid"],
    );
    app.clock.advance(Duration::from_secs(200));
    assert!(!app.request("GET", "/notifications").as_user(&ben).send().await.text().contains("ends soon"));
    app.request("GET", "/notifications").send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_service_is_reported_and_fields_are_kept() {
    let app = crate::support::app().await;
    let ana = app.signer.user();
    let response = post_form(&app, "/sell", Some(&ana), &TYPED).await.expect(503);
    assert_page(&response);
    assert!(!response.header("retry-after").is_empty());
    assert_contains(
        &response.text(),
        &["What you typed is kept", "value=\"Carmen &#38; &#60;b&#62;\"", "value=\"the-key\""],
    );
    let response = post_form(&app, "/signin", None, &[("email", "a@example.com")]).await.expect(503);
    assert_contains(&response.text(), &["Not available right now", "in a moment"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_form_submissions_are_rejected() {
    let (app, services) = app_with_services().await;
    for path in ["/signin", "/signup", "/signout", "/sell", "/account", "/account/password", "/notifications/read"] {
        let request = app.request("POST", path).header("content-type", "application/x-www-form-urlencoded");
        let response =
            request.header("sec-fetch-site", "cross-site").as_user(&app.signer.user()).body("email=a").send().await;
        assert_page(&response.expect(403));
    }
    assert!(services.take_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_form_is_explained_as_a_form() {
    let (app, services) = app_with_services().await;
    let ana = app.signer.user();
    let ticket = listing(&app, "Carmen", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let (hold, long) = (format!("{}/hold", path(&ticket)), "x".repeat(256));
    for (at, fields, expected) in [
        ("/notifications/read", &[("until", "soon")][..], "until: "),
        ("/notifications/read", &[], "until: "),
        (&hold, &[("key", "a\nb")], "key: must have visible ASCII characters"),
        (&hold, &[("key", long.as_str())], "key: must have at most 255 characters"),
        (&hold, &[("price", long.as_str())], "price: must have at most 40 characters"),
    ] {
        let html = post_form(&app, at, Some(&ana), fields).await.expect(400).text();
        assert_contains(&html, &[expected]);
    }
    for at in ["/sell", "/notifications/read", &hold] {
        let request = app.request("POST", at).as_user(&ana).header("content-type", "application/json").body("{}");
        let html = request.send().await.expect(400).text();
        assert_contains(&html, &["Content-Type: must be application/x-www-form-urlencoded"]);
        assert!(!html.contains("application/json"), "{html}");
    }
    assert!(services.take_requests().is_empty(), "no request is sent");
}
