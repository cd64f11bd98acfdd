//! The pages of the viewer's orders: list, order with ticket, calendar file, receipt.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::id::{OrderId, UserId};
use common::timestamp::Timestamp;
use serde_json::json;
use testkit::app::TestApp;
use testkit::app::request::Response;
use testkit::app::users::User;

use crate::fake_services::FakeServices;
use crate::support::{
    app, assert_contains, assert_page, in_pairs, listing, order, payment, publish_listing, publish_user, show_of,
    with_settings,
};

/// The path of an order's page.
pub(crate) fn path(order: &OrderState) -> String {
    format!("/orders/{}", order.id)
}

pub(crate) async fn get(app: &TestApp, viewer: &User, path: &str) -> Response {
    app.wait_until_idle().await;
    app.request("GET", path).as_user(viewer).send().await
}

/// Publishes the event that this order is completed.
async fn publish_completed(app: &TestApp, order: &OrderState) {
    let state = OrderState { status: OrderStatus::Completed, ..order.clone() };
    app.publish(OrderChange::Completed, order.id, 3, state).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_get_the_sign_in_form_with_a_way_back() {
    let app = app().await;
    let address = format!("/orders/{}", OrderId::new());
    for (path, next) in [
        ("/orders".to_owned(), "/orders"),
        (address.clone(), address.as_str()),
        (format!("{address}/ticket.ics"), address.as_str()),
        (format!("{address}/receipt"), address.as_str()),
        (format!("{address}/pass"), address.as_str()),
    ] {
        let response = app.request("GET", &path).send().await.expect(401);
        assert_page(&response);
        assert_contains(&response.text(), &["<h1>Sign in</h1>", "Sign in to continue", &format!("value=\"{next}\"")]);
    }
    let forged = app.request("GET", "/orders").header("cookie", "access=eyJhbGciOiJub25lIn0.e30.").send().await;
    forged.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_an_order_and_hide_other_buyers() {
    let app = app().await;
    let ana = app.signer.user();
    let ticket = listing(&app, "Tosca", 0);
    let placed = order(&app, &ticket, ana.id, OrderStatus::Created);
    let others = order(&app, &listing(&app, "Secret Show", 0), UserId::new(), OrderStatus::Completed);
    let orders = async || {
        let response = get(&app, &ana, "/orders").await.expect(200);
        assert_page(&response);
        assert!(!response.text().contains("Secret Show"), "{}", response.text());
        response.text()
    };
    let page = async || {
        let response = get(&app, &ana, &path(&placed)).await.expect(200);
        assert_page(&response);
        response.text()
    };
    assert_contains(&orders().await, &["You have no orders yet"]);
    publish_user(&app, ana.id, "Ana").await;
    app.publish(OrderChange::Completed, others.id, 3, others.clone()).await;
    app.publish(OrderChange::Created, placed.id, 0, placed.clone()).await;
    assert_contains(
        &orders().await,
        &[">Ana<", "Tosca", "still available.", "Your hold ends", &format!("href=\"{}\"", path(&placed))],
    );
    let live = format!("id=\"live\" data-live=\"order:{}\" data-version=\"0\" data-mode=\"reload\"", placed.id);
    assert_contains(
        &page().await,
        &["<h1>Tosca</h1>", "Town Hall, New York", "Seat 14", "The ticket was held for you.", &live],
    );

    let in_state = |status| OrderState { status, ..placed.clone() };
    app.publish(OrderChange::Confirmed, placed.id, 1, in_state(OrderStatus::AwaitingPayment)).await;
    assert_contains(&orders().await, &["Held for you. Pay before the hold ends.", "Payment due"]);
    assert_contains(&page().await, &["data-version=\"1\"", &format!("href=\"/checkout/{}\"", placed.id)]);
    // The payment's events arrive in reverse order.
    let paid = payment(&app, &placed, PaymentStatus::Authorizing);
    let captured = PaymentState { status: PaymentStatus::Captured, ..paid.clone() };
    app.publish(PaymentChange::Captured, paid.id, 2, captured).await;
    app.publish(PaymentChange::Started, paid.id, 0, paid.clone()).await;
    assert_contains(&page().await, &["Your card was charged $125.50."]);
    publish_completed(&app, &placed).await;
    app.publish(OrderChange::Authorized, placed.id, 2, in_state(OrderStatus::Authorized)).await;
    assert_contains(&orders().await, &["Paid. The ticket is yours."]);
    let html = page().await;
    assert_contains(&html, &["Paid. The ticket is yours.", "data-version=\"3\""]);
    for gone in ["Your hold ends", "started a payment", "/checkout/"] {
        assert!(!html.contains(gone), "{gone} is in {html}");
    }

    for end in ["", "/ticket.ics", "/receipt", "/pass"] {
        assert_page(&get(&app, &ana, &format!("{}{end}", path(&others))).await.expect(404));
        // A page waits for a recent id.
        get(&app, &ana, &format!("/orders/01970000-0000-7000-8000-000000000001{end}")).await.expect(404);
        get(&app, &ana, &format!("/orders/1{end}")).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_order_says_that_nothing_was_charged() {
    let app = app().await;
    let ana = app.signer.user();
    let mut placed = order(&app, &listing(&app, "Tosca", 0), ana.id, OrderStatus::Cancelled);
    placed.cancel_reason = Some(CancelReason::Expired);
    let voided = payment(&app, &placed, PaymentStatus::Voided);
    app.publish(OrderChange::Cancelled, placed.id, 2, placed.clone()).await;
    app.publish(PaymentChange::Voided, voided.id, 2, voided).await;
    let expired = "Expired: you did not pay in time. You were not charged.";
    assert_contains(&get(&app, &ana, "/orders").await.expect(200).text(), &[expired, ">Expired<"]);
    let html = get(&app, &ana, &path(&placed)).await.expect(200).text();
    assert_contains(&html, &[expired, "The $125.50 set aside on your card was released"]);

    // The buyer never completed 3-D Secure.
    let mut placed = order(&app, &listing(&app, "Aida", 0), ana.id, OrderStatus::Cancelled);
    placed.cancel_reason = Some(CancelReason::Expired);
    let unconfirmed = PaymentState { authorized_at: None, ..payment(&app, &placed, PaymentStatus::Voided) };
    app.publish(OrderChange::Cancelled, placed.id, 2, placed.clone()).await;
    app.publish(PaymentChange::Voided, unconfirmed.id, 2, unconfirmed).await;
    assert_contains(&get(&app, &ana, "/orders").await.expect(200).text(), &["Aida"]);
    let html = get(&app, &ana, &path(&placed)).await.expect(200).text();
    assert_contains(&html, &[expired, "was not confirmed with your bank. You were not charged."]);
    let html = get(&app, &ana, &path(&placed).replace("/orders/", "/checkout/")).await.expect(200).text();
    assert_contains(&html, &["Nothing is set aside on your card"]);
    assert!(!html.contains("is refunded"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_order_shows_the_signed_pass() {
    let (services, url) = FakeServices::start().await;
    let app = with_settings(&[("ORDERS_URL", &url)]).await;
    let ana = app.signer.user();
    let placed = order(&app, &listing(&app, "Tosca", 0), ana.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Confirmed, placed.id, 1, placed.clone()).await;
    let html = get(&app, &ana, &path(&placed)).await.expect(200).text();
    assert!(!html.contains("QR code") && services.take_requests().is_empty(), "{html}");

    publish_completed(&app, &placed).await;
    let route = format!("GET /api/orders/{}/passes", placed.id);
    services.respond_with(
        &route,
        200,
        json!({ "items": [{ "pass": "head.claims.signature", "slot": 0, "seat": "14" }] }),
        &[],
    );
    let html = get(&app, &ana, &path(&placed)).await.expect(200).text();
    assert_contains(
        &html,
        &["aria-label=\"QR code of your ticket for Tosca\"", "viewBox=\"0 0 ", "/ticket.ics\"", "/receipt\""],
    );
    let [request] = <[_; 1]>::try_from(services.take_requests()).unwrap();
    assert_eq!(
        (request.route, request.headers["cookie"].to_str().unwrap()),
        (route.clone(), &*format!("access={}", ana.token))
    );

    // The page for the door has the same code.
    let door = format!("{}/pass", path(&placed));
    let code = html.split("fill=\"#000\" d=\"").nth(1).unwrap().split('"').next().unwrap();
    let response = get(&app, &ana, &door).await.expect(200);
    assert_page(&response);
    assert_contains(&response.text(), &[code, "<h1>Tosca</h1>", "Seat 14", "Order TK-"]);

    // An error or a malformed response: the page says so and shows the rest.
    services.respond_with_problem(&route, 503, "not now", &[]);
    let unavailable = ["The code can’t be shown right now", "Reload the page", "Paid. The ticket is yours.", "Seat 14"];
    assert_contains(&get(&app, &ana, &path(&placed)).await.expect(200).text(), &unavailable);
    // Browsers keep no page without the code.
    assert_contains(&get(&app, &ana, &door).await.expect(503).text(), &["The code can’t be shown right now"]);
    services.respond_with(&route, 200, json!({ "ticket": 1 }), &[]);
    let html = get(&app, &ana, &path(&placed)).await.expect(200).text();
    assert_contains(&html, &unavailable);
    assert!(!html.contains("QR code"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_seat_has_a_pass_and_the_order_one_receipt() {
    let (services, url) = FakeServices::start().await;
    let app = with_settings(&[("ORDERS_URL", &url)]).await;
    let ana = app.signer.user();
    let all = order(&app, &in_pairs(listing(&app, "Tosca", 0)), ana.id, OrderStatus::Completed);
    let (slots, seats) = (vec![2, 3], all.seats[2..4].to_vec());
    let placed = OrderState { slots, seats, price: all.unit_price.times(2).unwrap(), ..all };
    publish_completed(&app, &placed).await;
    let route = format!("GET /api/orders/{}/passes", placed.id);
    let pass = |slot: u8, seat: &str| json!({ "pass": format!("head.{slot}.signature"), "slot": slot, "seat": seat });
    services.respond_with(&route, 200, json!({ "items": [pass(2, "14"), pass(3, "15")] }), &[]);
    for at in [path(&placed), format!("{}/pass", path(&placed))] {
        let html = get(&app, &ana, &at).await.expect(200).text();
        assert_contains(&html, &["Seats 14, 15", "id=\"seat-2\"", "id=\"seat-3\"", "Seat 15</strong>"]);
        assert_eq!(html.matches("role=\"img\"").count(), 2, "{html}");
    }
    let receipt = get(&app, &ana, &format!("{}/receipt", path(&placed))).await.expect(200).text();
    assert_contains(&receipt, &[">2 tickets<", "2 × $125.50 = $251.00"]);
    let file = get(&app, &ana, &format!("{}/ticket.ics", path(&placed))).await.expect(200).text();
    assert_eq!(file.matches("BEGIN:VEVENT").count(), 1, "{file}");
    assert_contains(&file, &["Seats 14\\, 15\\nYour passes: "]);
    // A code is missing: the page must not be kept in place of one with both.
    services.respond_with(&route, 200, json!({ "items": [pass(2, "14")] }), &[]);
    let html = get(&app, &ana, &format!("{}/pass", path(&placed))).await.expect(503).text();
    assert_contains(&html, &["can’t be shown right now. Your tickets are safe"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_omits_the_code_when_orders_is_unreachable() {
    let app = app().await;
    let ana = app.signer.user();
    let placed = order(&app, &listing(&app, "Tosca", 0), ana.id, OrderStatus::Completed);
    publish_completed(&app, &placed).await;
    let response = get(&app, &ana, &path(&placed)).await.expect(200);
    assert_page(&response);
    assert_contains(
        &response.text(),
        &["The code can’t be shown right now", "Town Hall, New York", "Paid. The ticket is yours."],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn completed_order_has_a_calendar_file_and_a_receipt() {
    let app = app().await;
    let ana = app.signer.user();
    let ticket = listing(&app, "Tosca, or not", 0);
    let placed = order(&app, &ticket, ana.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Confirmed, placed.id, 1, placed.clone()).await;
    for end in ["ticket.ics", "receipt", "pass"] {
        get(&app, &ana, &format!("{}/{end}", path(&placed))).await.expect(404);
    }

    publish_completed(&app, &placed).await;
    let file = get(&app, &ana, &format!("{}/ticket.ics", path(&placed))).await.expect(200);
    assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
    let disposition = file.header("content-disposition");
    assert!(disposition.starts_with("attachment; filename=\"tosca-or-not-TK-"), "{disposition}");
    let text = file.text();
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"), "{text}");
    assert_contains(
        &text,
        &[&format!("UID:{}\r\n", placed.id), "SUMMARY:Tosca\\, or not\r\n", "LOCATION:Town Hall\\, New York\r\n"],
    );
    assert_contains(&text.replace("\r\n ", ""), &[&format!("\r\nURL:http://localhost:8080{}\r\n", path(&placed))]);

    let request = app.request("GET", &format!("{}/ticket.ics", path(&placed))).as_user(&ana);
    let german = request.header("accept-language", "de-AT, en;q=0.5").send().await.expect(200).text();
    assert_contains(&german.replace("\r\n ", ""), &["\\nDein Einlasscode: http://localhost:8080/orders/"]);

    // The names and the payment have not been replicated yet.
    let receipt = async || {
        let response = get(&app, &ana, &format!("{}/receipt", path(&placed))).await.expect(200);
        assert_page(&response);
        response.text()
    };
    assert_contains(&receipt().await, &["a member of the marketplace", "$125.50", "$0.00", &placed.id.to_string()]);
    publish_listing(&app, &ticket).await;
    publish_user(&app, ana.id, "Ana Buyer").await;
    publish_user(&app, ticket.seller_id, "Ben Seller").await;
    let html = receipt().await;
    assert_contains(&html, &["Ana Buyer", "Ben Seller", "Tosca, or not"]);
    assert!(!html.contains("a member of"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_upcoming_or_past_and_found_by_their_number() {
    let app = app().await;
    let (ana, eve) = (app.signer.user(), app.signer.user());
    // The hours until the event began or begins, as the order says.
    for (title, hours, status) in [
        ("Later", 48, OrderStatus::Completed),
        ("Dropped", 30, OrderStatus::Cancelled),
        ("Sooner", 24, OrderStatus::AwaitingPayment),
        ("Tonight", -2, OrderStatus::Completed),
        ("Postponed", -40, OrderStatus::Completed),
        ("Yesterday", -20, OrderStatus::Completed),
    ] {
        let mut ticket = listing(&app, title, 0);
        let now = app.clock.now().as_millis();
        ticket.terms.starts_at = Timestamp::from_millis(now + hours * 3_600_000);
        let placed = order(&app, &ticket, ana.id, status);
        app.publish(OrderChange::Created, placed.id, 0, placed).await;
        if title == "Postponed" {
            let starts_at = app.clock.now().plus(Duration::from_secs(36 * 3600));
            let moved = ShowState { status: ShowStatus::Moved, starts_at, ..show_of(&ticket) };
            app.publish(ShowChange::Moved, moved.id, 1, moved).await;
        }
    }
    let html = get(&app, &ana, "/orders").await.expect(200).text();
    let expected = [
        "Upcoming</h2>",
        ">Tonight<",
        ">Sooner<",
        ">Postponed<",
        "The show has moved.",
        ">Later<",
        "Past and cancelled</h2>",
        ">Yesterday<",
    ];
    let positions = expected.map(|part| html.find(part).unwrap_or_else(|| panic!("{part} is not in {html}")));
    assert!(positions.is_sorted() && html.find(">Dropped<") > html.find(">Yesterday<"), "{html}");
    let numbers: Vec<_> = html.split(">Order TK-").skip(1).map(|tail| tail.split('<').next().unwrap()).collect();
    assert_eq!(numbers.len(), 6, "{html}");
    // The browser keeps the passes of past shows too, after those of the next ones: what is paid has one.
    assert_eq!(html.matches("/pass\" data-keep").count(), 4, "{html}");

    // In the order of the page, the second is of Sooner. People type it as they like.
    let typed = numbers[1].replace('-', "").to_lowercase();
    let html = get(&app, &ana, &format!("/orders?number=tk+{typed}")).await.expect(200).text();
    assert_contains(&html, &["Your order</h2>", ">Sooner<", &format!("value=\"TK-{}\"", numbers[1])]);
    assert!(!html.contains(">Later<"), "{html}");
    let html = get(&app, &eve, &format!("/orders?number={typed}")).await.expect(200).text();
    assert_contains(&html, &["We couldn’t find an order with the number"]);
    let html = get(&app, &ana, "/orders?number=12").await.expect(200).text();
    assert_contains(&html, &["The order number was ignored. Enter a number such as TK-7F3K-29.", ">Later<"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_paged_newest_first() {
    let app = app().await;
    let ana = app.signer.user();
    for n in 0..25 {
        let placed = order(&app, &listing(&app, &format!("Show-{n:02}"), 0), ana.id, OrderStatus::Cancelled);
        app.publish(OrderChange::Cancelled, placed.id, 1, placed).await;
    }
    let get = async |path: &str| self::get(&app, &ana, path).await.expect(200).text();
    let first = get("/orders").await;
    assert!(first.contains("Show-24") && first.contains("Show-05") && !first.contains("Show-04"), "{first}");
    let (head, _) = first.split_once("\" rel=\"next\"").unwrap();
    let second = get(head.rsplit_once("href=\"").unwrap().1).await;
    assert!(second.contains("Show-04") && second.contains("Show-00") && !second.contains("Show-05"), "{second}");
    assert!(!second.contains("rel=\"next\""), "{second}");
    // An invalid cursor is dropped and reported.
    for path in ["/orders?cursor=x", "/orders?cursor=a&cursor=b&utm_source=c", "/orders?cursor=", "/orders?cursor=%FF"]
    {
        let html = get(path).await;
        assert!(
            html.contains("A part of the link wasn’t valid and was ignored.") && html.contains("Show-24"),
            "{html}"
        );
    }
    // Unknown parameters are not reported.
    assert!(!get("/orders?fbclid=x&utm_source=%zz&limit=0").await.contains("was ignored"));
}

#[tokio::test(flavor = "multi_thread")]
async fn order_page_query_cost_is_bounded() {
    let app = app().await;
    let ben = app.signer.user();
    let placed = order(&app, &listing(&app, "Carmen", 0), ben.id, OrderStatus::AwaitingPayment);
    app.handle(&app.event(OrderChange::Confirmed, placed.id, 1, placed.clone())).await.unwrap();
    for _ in 0..200 {
        let declined = payment(&app, &placed, PaymentStatus::Declined);
        app.handle(&app.event(PaymentChange::Declined, declined.id, 1, declined.clone())).await.unwrap();
    }
    let page = app.request("GET", &path(&placed)).as_user(&ben);
    app.assert_examined_at_most(60, Box::pin(async { drop(page.send().await.expect(200)) })).await;
}
