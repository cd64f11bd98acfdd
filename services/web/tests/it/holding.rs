//! Holding a ticket: the bar with the open hold, a guest's hold, and pages of what was just created.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{OrderChange, OrderState, OrderStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::OrderId;
use http::header;
use serde_json::json;
use testkit::app::users::User;

use crate::fake_services::{app_with_services, post_form};
use crate::support::{
    app, assert_contains, give, in_pairs, listing, order, order_json, path, publish_listing, publish_user, show_of,
    show_path,
};

#[tokio::test(flavor = "multi_thread")]
async fn every_page_shows_the_open_hold_to_its_buyer() {
    let app = app().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let own = order(&app, &listing(&app, "Carmen", 0), ben.id, OrderStatus::AwaitingPayment);
    let bought = order(&app, &listing(&app, "Norma", 0), ben.id, OrderStatus::Completed);
    app.publish(OrderChange::Created, own.id, 0, own.clone()).await;
    app.publish(OrderChange::Completed, bought.id, 3, bought.clone()).await;
    app.wait_until_idle().await;
    app.clock.advance(Duration::from_secs(140));
    let pass = format!("/orders/{}/pass", bought.id);
    let get = async |path: &str, user: &User| app.request("GET", path).as_user(user).send().await.expect(200).text();
    let bar = "<section id=\"hold\"";
    for path in ["/", "/browse", "/orders", "/sell", "/notifications", &format!("/orders/{}", own.id)] {
        let html = get(path, &ben).await;
        let checkout = format!("href=\"/checkout/{}\" aria-label=\"Pay for Carmen\"", own.id);
        assert_contains(&html, &[bar, "Held for you <time data-countdown data-left=\"75", &checkout]);
    }
    // No service signs a code here.
    let html = app.request("GET", &pass).as_user(&ben).send().await.expect(503).text();
    assert_contains(&html, &[bar, "hx-trigger=\"load, ", "<article class=\"pass\">"]);
    let (with_script, _) = html.split_once("<noscript>").unwrap();
    assert!(!with_script.contains("data-countdown"), "a kept page would count down anew: {html}");
    assert!(!get("/", &eve).await.contains(bar));
    // The checkout has a countdown of its own.
    assert!(!get(&format!("/checkout/{}", own.id), &ben).await.contains(bar));
    assert!(get("/notifications/hold", &ben).await.starts_with(bar));
    app.request("GET", "/notifications/hold").send().await.expect(401);

    // A paid order holds nothing, and neither does one that has expired.
    let paid = OrderState { status: OrderStatus::Authorized, ..own.clone() };
    app.publish(OrderChange::Authorized, own.id, 1, paid).await;
    let late = order(&app, &listing(&app, "Tosca", 0), ben.id, OrderStatus::AwaitingPayment);
    app.publish(OrderChange::Created, late.id, 0, late.clone()).await;
    app.wait_until_idle().await;
    assert_contains(&get("/", &ben).await, &[&format!("href=\"/checkout/{}\"", late.id)]);
    app.clock.advance(Duration::from_secs(900));
    assert!(!get("/", &ben).await.contains(bar));
    assert_eq!(get("/notifications/hold", &ben).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_hold_is_made_after_sign_in_and_sign_up() {
    let (app, services) = app_with_services().await;
    let (ben, ticket) = (app.signer.user(), listing(&app, "Carmen", 0));
    let own = order(&app, &ticket, ben.id, OrderStatus::Created);
    publish_listing(&app, &ticket).await;
    publish_user(&app, ben.id, "Ben").await;
    app.publish(OrderChange::Created, own.id, 0, own.clone()).await;
    app.wait_until_idle().await;
    let fields = [("key", "the-key"), ("price", "125.50 USD")];
    let response = post_form(&app, &format!("{}/hold", path(&ticket)), None, &fields).await.expect(303);
    assert!(services.take_requests().is_empty());
    let sign_in = response.header("location").to_owned();
    let html = app.request("GET", &sign_in).send().await.expect(200).text();
    assert_contains(&html, &["hold the ticket for you if it is still available"]);
    // The link to the sign-up form has the same intention.
    let sign_up = html.split("href=\"/signup?next=").nth(1).unwrap().split('"').next().unwrap();
    let html = app.request("GET", &format!("/signup?next={sign_up}")).send().await.expect(200).text();
    assert_contains(&html, &["hold the ticket for you if it is still available"]);
    let next = html.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");

    let account = json!({ "id": ben.id, "email": "b@example.com", "displayName": "Ben", "createdAt": own.created_at });
    let access = format!("access={}; Path=/", ben.token);
    let cookies = [(header::SET_COOKIE, access.as_str()), (header::SET_COOKIE, "refresh=b")];
    services.respond_with("POST /api/users/signin", 200, account.clone(), &cookies);
    services.respond_with("POST /api/users/signup", 201, account, &cookies);
    services.respond_with("POST /api/orders", 201, order_json(&own), &[]);
    let typed = [("email", "b@example.com"), ("password", "long enough"), ("next", &*next)];
    for form in ["/signin", "/signup"] {
        let response = post_form(&app, form, None, &typed).await.expect(303);
        assert_eq!(response.header("location"), format!("/checkout/{}", own.id));
        let set = response.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(set.filter(|it| it.starts_with("access=") || it == "refresh=b").count(), 2, "{form}");
        let [signed, ordered] = <[_; 2]>::try_from(services.take_requests()).unwrap();
        assert_eq!(signed.route, format!("POST /api/users{form}"));
        assert_eq!(ordered.route, "POST /api/orders");
        assert_eq!(ordered.headers["idempotency-key"], "the-key");
        assert!(ordered.headers["cookie"].to_str().unwrap().contains(&ben.token), "it is made with the new session");
    }
    // A rejected hold is explained on the ticket's page, which is the page of the user who has signed in.
    services.respond_with_problem("POST /api/orders", 409, "Someone else got this ticket first.", &[]);
    let response = post_form(&app, "/signin", None, &typed).await.expect(409);
    assert_contains(
        &response.text(),
        &["Someone else got this ticket first.", ">Ben<", "<h1>Carmen</h1>", "<section id=\"hold\""],
    );
    assert!(response.header("set-cookie").starts_with("access="));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_wait_for_what_was_just_created_by_the_api() {
    let app = app().await;
    let ben = app.signer.user();
    app.wait_until_idle().await;
    let ticket = TicketState { seller_id: ben.id, ..listing(&app, "Carmen", 0) };
    let edit = format!("/sell/drafts/{}/edit?listing={}", "A".repeat(22), ticket.terms.id);
    let of_listing = [path(&ticket), edit, show_path(&show_of(&ticket))];
    let completed = |title: &str| order(&app, &listing(&app, title, 0), ben.id, OrderStatus::Completed);
    let orders = ["Norma", "Aida", "Tosca", "Fidelio", "Medea"].map(completed);
    let [checkout, page, receipt, calendar, pass] = &orders;
    let of_orders = [
        format!("/checkout/{}", checkout.id),
        format!("/orders/{}", page.id),
        format!("/orders/{}/receipt", receipt.id),
        format!("/orders/{}/ticket.ics", calendar.id),
        format!("/orders/{}/pass", pass.id),
    ];
    let get = |path: &String| app.request("GET", path).as_user(&ben).send();
    let requests = futures::future::join_all(of_listing.iter().chain(&of_orders).map(get));
    // The events arrive after the requests.
    let (responses, ()) = tokio::join!(requests, async {
        publish_listing(&app, &ticket).await;
        for own in &orders {
            app.publish(OrderChange::Completed, own.id, 3, own.clone()).await;
        }
    });
    for (response, path) in responses.into_iter().zip(of_listing.iter().chain(&of_orders)) {
        // No service signs a code here.
        let expected = if path.ends_with("/pass") { 503 } else { 200 };
        assert_eq!(response.status, expected, "{path}");
    }

    // A receipt waits for the end of a payment that the API may have shown.
    let paying = order(&app, &listing(&app, "Otello", 0), ben.id, OrderStatus::Authorized);
    app.publish(OrderChange::Authorized, paying.id, 2, paying.clone()).await;
    app.wait_until_idle().await;
    let receipt = format!("/orders/{}/receipt", paying.id);
    let (response, ()) = tokio::join!(get(&receipt), async {
        let completed = OrderState { status: OrderStatus::Completed, ..paying.clone() };
        app.publish(OrderChange::Completed, paying.id, 3, completed).await;
    });
    response.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn watcher_is_told_that_a_held_ticket_is_free_again() {
    let app = app().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let mut ticket = listing(&app, "Carmen", 0);
    let mut version = 0;
    let (id, watch) = (ticket.terms.id, format!("{}/watch", path(&ticket)));
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    post_form(&app, &watch, Some(&ben), &[]).await.expect(303);
    let news = async |user: &User| {
        app.wait_until_idle().await;
        app.request("GET", "/notifications").as_user(user).send().await.expect(200).text()
    };
    let mut next = |status| {
        app.clock.advance(Duration::from_secs(60));
        (ticket.status, ticket.updated_at) = (status, app.clock.now());
        version += 1;
        (version, ticket.clone())
    };
    let publish = async |change: TicketChange, (version, state): (u64, TicketState)| {
        app.publish(change, id, version, state).await
    };
    publish(TicketChange::Reserved, next(TicketStatus::Reserved)).await;
    assert!(!news(&ben).await.contains("Available again"));
    publish(TicketChange::Released, next(TicketStatus::Available)).await;
    let free = "Available again: Carmen for $125.50.";
    assert_contains(&news(&ben).await, &[free, "Notifications, 1 unread"]);
    assert!(!news(&eve).await.contains(free));
    // Users who begin to watch it now are notified only after later holds. An edit is not a release.
    app.clock.advance(Duration::from_secs(60));
    post_form(&app, &watch, Some(&eve), &[]).await.expect(303);
    publish(TicketChange::Updated, next(TicketStatus::Available)).await;
    assert!(!news(&eve).await.contains(free));
    // It is not free while it is held, nor once it is sold.
    publish(TicketChange::Reserved, next(TicketStatus::Reserved)).await;
    assert!(!news(&ben).await.contains(free));
    publish(TicketChange::Released, next(TicketStatus::Available)).await;
    assert_contains(&news(&eve).await, &[free]);
    publish(TicketChange::Sold, next(TicketStatus::Sold)).await;
    assert!(!news(&eve).await.contains(free));
}

#[tokio::test(flavor = "multi_thread")]
async fn several_seats_are_chosen_held_and_released() {
    let (app, services) = app_with_services().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let mut ticket = in_pairs(listing(&app, "Carmen", 0));
    let (id, at) = (ticket.terms.id, path(&ticket));
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let get = async |at: &str, user: &User| {
        app.wait_until_idle().await;
        app.request("GET", at).as_user(user).send().await.expect(200).text()
    };
    let html = get(&format!("{at}?quantity=4"), &ben).await;
    let chosen = "value=\"4\" required checked";
    assert_contains(&html, &["Seats 12 to 17", "sold in pairs", "4 × $125.50 = $502.00", chosen]);
    assert_contains(
        &get(&format!("{at}?quantity=9"), &ben).await,
        &["The number of seats was ignored.", "value=\"2\" required checked"],
    );

    // The page says that four seats together are gone, names the numbers that are left, and keeps the buyer's choice.
    let fields = [("key", "the-key"), ("price", "125.50 USD"), ("quantity", "4")];
    let problem = json!({
        "type": "urn:ticketing:problem:no-seats", "title": "No", "status": 409, "detail": "None.", "quantities": [2, 6],
    });
    services.respond_with("POST /api/orders", 409, problem, &[]);
    let html = post_form(&app, &format!("{at}/hold"), Some(&ben), &fields).await.expect(409).text();
    assert_contains(
        &html,
        &["4 seats together are no longer available. You can still buy 2 or 6: choose again.", chosen],
    );
    assert_eq!(services.take_requests()[0].body, json!({ "ticketId": id, "quantity": 4 }));

    // The first pair is held: the others are still for sale, and its buyer goes on to the checkout.
    let all = order(&app, &ticket, ben.id, OrderStatus::AwaitingPayment);
    let (slots, seats) = (vec![0, 1], all.seats[..2].to_vec());
    let held = OrderState { slots, seats, price: ticket.price.times(2).unwrap(), ..all };
    services.respond_with("POST /api/orders", 201, order_json(&held), &[]);
    app.publish(OrderChange::Created, held.id, 0, held.clone()).await;
    app.wait_until_idle().await;
    let response = post_form(&app, &format!("{at}/hold"), Some(&ben), &fields).await.expect(303);
    assert_eq!(response.header("location"), format!("/checkout/{}", held.id));
    let html = get(&format!("/checkout/{}", held.id), &ben).await;
    assert_contains(&html, &["2 × $125.50 = $251.00", "Seats 12, 13", "Pay $251.00", "Release tickets"]);
    give(&mut ticket, held.id, &[0, 1], TicketStatus::Reserved);
    app.publish(TicketChange::Reserved, id, 1, ticket.clone()).await;
    assert_contains(
        &get(&at, &ben).await,
        &["You are holding seats from this listing.", "4 of 6 seats left", "2 held"],
    );
    assert_contains(&get(&at, &eve).await, &["(buy 2 or 4 together)", "value=\"4\""]);

    // Seats that are released beside free ones are no news; those of a listing that had none are.
    post_form(&app, &format!("{at}/watch"), Some(&eve), &[]).await.expect(303);
    let free = "Available again: Carmen for $125.50.";
    let others = OrderId::new();
    for (version, change, order, slots, status, is_news) in [
        (2, TicketChange::Released, held.id, &[0, 1][..], TicketStatus::Available, false),
        (3, TicketChange::Reserved, others, &[0, 1, 2, 3, 4, 5], TicketStatus::Reserved, false),
        (4, TicketChange::Released, others, &[2, 3], TicketStatus::Available, true),
    ] {
        app.clock.advance(Duration::from_secs(60));
        give(&mut ticket, order, slots, status);
        ticket.updated_at = app.clock.now();
        app.publish(change, id, version, ticket.clone()).await;
        assert_eq!(get("/notifications", &eve).await.contains(free), is_news, "{version}");
    }
}
