//! The home page.

use std::time::Duration;

use common::clock::Clock;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{PriceDrop, TicketChange, TicketState, TicketStatus};
use common::money::Money;

use crate::support::{
    app, assert_contains, assert_page, listing, page, publish_listing, publish_show, show_of, show_path,
};

/// The HTML of the selection with this title.
fn selection<'a>(html: &'a str, title: &str) -> Option<&'a str> {
    html.split("<section").find(|section| section.contains(&format!("\">{title}</h2>")))
}

#[tokio::test(flavor = "multi_thread")]
async fn selections_are_sorted_by_start_and_by_listing_time() {
    let app = app().await;
    let html = page(&app, "/").await;
    assert_contains(
        &html,
        &["No tickets are for sale right now", "action=\"/browse\"", "href=\"/browse?category=concert\""],
    );
    assert!(!html.contains("/browse?when="), "no day has a show: {html}");
    assert_eq!((selection(&html, "Coming up"), selection(&html, "Just added")), (None, None));
    let german = app.request("GET", "/").header("accept-language", "de-AT").send().await.expect(200).text();
    assert_contains(&german, &["<h1>Tickets von Leuten", "Gerade werden keine Tickets angeboten.", "lang=\"de\""]);
    // Ids increase with the time of creation.
    let (later, sooner) = (listing(&app, "Later Show", 60), listing(&app, "Sooner Show", 5));
    let gone: Vec<_> = [TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn]
        .map(|status| TicketState { status, ..listing(&app, &format!("{status:?} Show"), 1) })
        .into();
    for ticket in [&later, &sooner].into_iter().chain(&gone) {
        publish_listing(&app, ticket).await;
    }
    app.wait_until_idle().await;
    let response = app.request("GET", "/").send().await.expect(200);
    assert_page(&response);
    let html = response.text();
    assert_contains(
        &html,
        &[&show_path(&show_of(&sooner)), &show_path(&show_of(&later)), "Town Hall, New York", "$125.50", "1 left"],
    );
    assert_contains(&html, &["rel=\"canonical\" href=\"http://localhost:8080/\"", "href=\"/browse?sort=newest\""]);
    assert!(html.contains("/browse?when=week") && !html.contains("/browse?when=today"), "{html}");
    let soon = selection(&html, "Coming up").unwrap();
    assert!(soon.find("Sooner Show") < soon.find("Later Show"), "{soon}");
    let new = selection(&html, "Just added").unwrap();
    assert!(new.find("Sooner Show") < new.find("Later Show"), "{new}");
    for status in ["Reserved", "Sold", "Withdrawn"] {
        assert!(!html.contains(&format!("{status} Show")), "{html}");
    }
    // A show disappears when it begins, although no message is published.
    app.clock.advance(Duration::from_secs(86_400 + 6 * 60));
    let html = page(&app, "/").await;
    assert!(!html.contains("Sooner Show") && html.contains("Later Show"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn show_is_hidden_while_its_only_ticket_is_held() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    for (version, change, status, is_there) in [
        (1, TicketChange::Reserved, TicketStatus::Reserved, false),
        (2, TicketChange::Released, TicketStatus::Available, true),
        (3, TicketChange::Withdrawn, TicketStatus::Withdrawn, false),
    ] {
        app.publish(change, ticket.terms.id, version, TicketState { status, ..ticket.clone() }).await;
        app.wait_until_idle().await;
        assert_eq!(page(&app, "/").await.contains("Jazz"), is_there, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn price_drops_are_shown_latest_first_while_they_last() {
    let app = app().await;
    let now = app.clock.now();
    let dropped = |title: &str, minutes: u64| {
        let from = Money { amount: 15_000, currency: "USD".parse().unwrap() };
        let at = now.plus(Duration::from_secs(60 * minutes));
        TicketState { price_drop: Some(PriceDrop { from, at }), ..listing(&app, title, 0) }
    };
    let (first, second) = (dropped("First Drop", 1), dropped("Second Drop", 2));
    for ticket in [&first, &second, &listing(&app, "No Drop", 0)] {
        publish_listing(&app, ticket).await;
    }
    // Those of cancelled shows do not take the place of others.
    for n in 0..4 {
        let cancelled = TicketState { show_cancelled: true, ..dropped(&format!("Gone {n}"), 3) };
        let show = ShowState { status: ShowStatus::Cancelled, ..show_of(&cancelled) };
        publish_show(&app, &show).await;
        app.publish(TicketChange::Created, cancelled.terms.id, 0, cancelled).await;
    }
    app.wait_until_idle().await;
    let html = page(&app, "/").await;
    let drops = selection(&html, "Price drops").unwrap();
    assert_contains(
        drops,
        &["First Drop", "Second Drop", "A price dropped to $125.50", "<s class=\"was\">$150.00</s>"],
    );
    assert!(drops.find("Second Drop") < drops.find("First Drop") && !drops.contains("No Drop"), "{drops}");
    assert!(!drops.contains("Gone"), "{drops}");
    // The price of one ticket has risen again, and the other ticket is held.
    app.publish(TicketChange::Updated, first.terms.id, 1, TicketState { price_drop: None, ..first.clone() }).await;
    let status = TicketStatus::Reserved;
    app.publish(TicketChange::Reserved, second.terms.id, 1, TicketState { status, ..second.clone() }).await;
    app.wait_until_idle().await;
    assert_eq!(selection(&page(&app, "/").await, "Price drops"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn legacy_search_urls_redirect_to_browse() {
    let app = app().await;
    let response = app.request("GET", "/?q=jazz+%26+blues").send().await.expect(308);
    assert_eq!(response.header("location"), "/browse?q=jazz+%26+blues");
    for path in ["/?q=", "/?q=+", "/?utm_source=elsewhere"] {
        app.request("GET", path).send().await.expect(200);
    }
}
