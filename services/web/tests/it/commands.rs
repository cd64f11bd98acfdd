//! Form submissions: the requests to the other services, and the rendered responses.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::OrderId;
use common::money::Money;
use platform::stream::subscription::GroupSummary;
use testkit::app::users::User;

use crate::fake_services::{app_with_services, post_form};
use crate::support::{
    app, assert_contains, assert_page, give, listing, order, order_json, page, path, publish_listing,
};

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
    let at = format!("<body data-at=\"{}\"", path(&ticket));
    assert_contains(&html, &["The price has changed to $125.50. Nothing is held yet.", &at]);
    assert!(!page(&app, &path(&ticket)).await.contains("<body data-at"));
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
    services.respond_with("POST /api/orders", 201, order_json(&order), &[]);
    // The event is delayed: the page shows the response.
    let html = post_form(&app, &hold, Some(&ben), &typed).await.expect(200).text();
    assert_contains(&html, &["<h1>Checkout</h1>", "not up to date yet", "Pay $125.50"]);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    let response = post_form(&app, &hold, Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}", order.id));
    // The orders service has a newer price than this page.
    order.price = Money { amount: 15_000, ..order.price };
    order.unit_price = order.price.clone();
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
    assert_contains(&response.text(), &["data-left=\"", "Pay $125.50", "https://js.stripe.com/v3/", "Release ticket"]);
    let policy = response.header("content-security-policy");
    assert!(policy.contains("https://js.stripe.com") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn release_that_is_handled_together_with_a_later_change_is_notified() {
    let app = app().await;
    let ben = app.signer.user();
    let ticket = listing(&app, "Carmen", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    post_form(&app, &format!("{}/watch", path(&ticket)), Some(&ben), &[]).await.expect(303);
    let mut held = ticket.clone();
    give(&mut held, OrderId::new(), &[0], TicketStatus::Reserved);
    app.publish(TicketChange::Reserved, ticket.terms.id, 1, held.clone()).await;
    app.wait_until_idle().await;
    app.clock.advance(Duration::from_secs(60));
    let tickets = app.running.subscriptions.iter().find(|row| row.entity == "ticket").unwrap();
    let with_release = GroupSummary { has_noted: true, ..GroupSummary::default() };
    let notifications = async || app.request("GET", "/notifications").as_user(&ben).send().await.expect(200).text();
    // The consumer has the release and a later change at once, and handles the later one for both.
    for (version, later, is_free) in [(3, held, false), (5, ticket, true)] {
        let later = TicketState { updated_at: app.clock.now(), ..later };
        let event = app.event(TicketChange::Updated, later.terms.id, version, later);
        tickets.handle_newest(&serde_json::to_vec(&event).unwrap(), with_release).await.unwrap();
        assert_eq!(notifications().await.contains("Available again"), is_free, "version {version}");
    }
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
    assert_contains(&html, &["Price drop: Carmen is now $99.00, was $125.50.", "Mark all as read"]);
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
    give(&mut ticket, common::id::OrderId::new(), &[0], TicketStatus::Sold);
    ticket.updated_at = app.clock.now();
    app.publish(TicketChange::Sold, ticket.terms.id, 3, ticket.clone()).await;
    app.wait_until_idle().await;
    assert_contains(
        &app.request("GET", "/notifications").as_user(&ana).send().await.text(),
        &["Sold: Carmen for $99.00."],
    );
    // The buyer is notified of a hold that ends soon.
    let order = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, order.id, 0, order.clone()).await;
    app.wait_until_idle().await;
    assert!(!bell(&ben).await.contains(" unread\""));
    app.clock.advance(Duration::from_secs(800));
    assert_contains(
        &app.request("GET", "/notifications").as_user(&ben).send().await.text(),
        &["is about to end. Pay now"],
    );
    app.clock.advance(Duration::from_secs(200));
    assert!(!app.request("GET", "/notifications").as_user(&ben).send().await.text().contains("is about to end"));
    app.request("GET", "/notifications").send().await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn unavailable_service_is_reported() {
    let app = crate::support::app().await;
    let response = post_form(&app, "/signin", None, &[("email", "a@example.com")]).await.expect(503);
    assert_contains(&response.text(), &["We can’t do that right now", "in a moment"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_form_submissions_are_rejected() {
    let (app, services) = app_with_services().await;
    for path in [
        "/signin",
        "/signup",
        "/signout",
        "/sell/drafts/a/edit",
        "/account",
        "/account/password",
        "/notifications/read",
    ] {
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
    let explanation = "Go back, check it, then try again.";
    for (at, fields) in [
        ("/notifications/read", &[("until", "soon")][..]),
        ("/notifications/read", &[]),
        (&hold, &[("key", "a\nb")]),
        (&hold, &[("key", long.as_str())]),
        (&hold, &[("quantity", "9")]),
        (&hold, &[("price", long.as_str())]),
    ] {
        let html = post_form(&app, at, Some(&ana), fields).await.expect(400).text();
        assert_contains(&html, &["<h1>That didn’t look right</h1>", explanation]);
        assert!(!html.contains("until") && !html.contains("must "), "{html}");
    }
    for at in ["/sell/drafts/a/edit", "/notifications/read", &hold] {
        let request = app.request("POST", at).as_user(&ana).header("content-type", "application/json").body("{}");
        let html = request.send().await.expect(400).text();
        assert_contains(&html, &[explanation]);
        assert!(!html.contains("application/json") && !html.contains("Content-Type"), "{html}");
    }
    assert!(services.take_requests().is_empty(), "no request is sent");
}
