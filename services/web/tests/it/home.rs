//! The home page: what is for sale.

use std::time::Duration;

use common::events::ticket::{TicketChange, TicketState, TicketStatus};

use crate::support::{app, is_page, listed, listing, page, path, registered, shows};

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_is_for_sale_soonest_first() {
    let app = app().await;
    shows(&page(&app, "/").await, &["Nothing is for sale at the moment"]);
    let (later, sooner) = (listing(&app, "Later Show", 60), listing(&app, "Sooner Show", 5));
    let gone: Vec<_> = [TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn]
        .map(|status| TicketState { status, ..listing(&app, &format!("{status:?} Show"), 1) })
        .into();
    registered(&app, sooner.seller_id, "Ana").await;
    for ticket in [&later, &sooner].into_iter().chain(&gone) {
        listed(&app, ticket).await;
    }
    app.settle().await;
    let response = app.request("GET", "/").send().await.expect(200);
    is_page(&response);
    let html = response.text();
    shows(&html, &[&path(&sooner), &path(&later), "Seller: Ana", "Town Hall, New York", "Seat 14", "125.50 USD"]);
    assert!(html.find("Sooner Show") < html.find("Later Show"), "{html}");
    for status in ["Reserved", "Sold", "Withdrawn"] {
        assert!(!html.contains(&format!("{status} Show")), "{html}");
    }
    // What has begun is gone by itself.
    app.clock.advance(Duration::from_secs(86_400 + 6 * 60));
    let html = page(&app, "/").await;
    assert!(!html.contains("Sooner Show") && html.contains("Later Show"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_ticket_goes_and_comes_back() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    listed(&app, &ticket).await;
    app.settle().await;
    for (version, change, status, is_there) in [
        (1, TicketChange::Reserved, TicketStatus::Reserved, false),
        (2, TicketChange::Released, TicketStatus::Available, true),
        (3, TicketChange::Withdrawn, TicketStatus::Withdrawn, false),
    ] {
        app.publish(change, ticket.terms.id, version, TicketState { status, ..ticket.clone() }).await;
        app.settle().await;
        assert_eq!(page(&app, "/").await.contains("Jazz"), is_there, "{status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn following_the_pages_shows_each_listing_once() {
    let app = app().await;
    // Twos that begin at the same moment: their order must be certain too.
    let titles: Vec<_> = (0..60).map(|n| format!("Show-{n:02}")).collect();
    for (title, minutes) in titles.iter().zip(0..) {
        listed(&app, &listing(&app, title, minutes / 2)).await;
    }
    app.settle().await;
    let (mut next, mut seen, mut pages) = (Some("/".to_owned()), Vec::new(), 0);
    while let Some(path) = next {
        let html = page(&app, &path).await;
        seen.extend(html.split("Show-").skip(1).map(|tail| format!("Show-{}", &tail[..2])));
        next = html.split_once("\" rel=\"next\"").map(|(head, _)| {
            let href = head.rsplit_once("href=\"").unwrap().1;
            href.replace("&#38;", "&")
        });
        assert_eq!(html.contains("First page"), pages > 0);
        pages += 1;
    }
    assert_eq!(pages, 3);
    seen.sort();
    assert_eq!(seen, titles);
    let response = app.request("GET", "/?after=yesterday").send().await.expect(400);
    shows(&response.text(), &["after: must be from a link"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_words_of_title_venue_and_city() {
    let app = app().await;
    let mut opera = listing(&app, "Tosca", 0);
    opera.terms.venue = "Staatsoper".to_owned();
    opera.terms.city = Some("München".to_owned());
    listed(&app, &opera).await;
    listed(&app, &listing(&app, "Jazz Night", 0)).await;
    app.settle().await;
    for (q, tosca, jazz) in [
        ("tosca", true, false),
        ("STAATSOPER", true, false),
        ("munchen", true, false),
        ("jazz+hall", false, true),
        ("jazz+staatsoper", false, false),
        ("-jazz", false, true),
        ("%22%24%22", false, false),
        ("", true, true),
        ("+++", true, true),
    ] {
        let html = page(&app, &format!("/?q={q}&utm_source=elsewhere")).await;
        assert_eq!((html.contains("Tosca"), html.contains("Jazz Night")), (tosca, jazz), "{q}");
    }
    let html = page(&app, "/?q=%22%3E%3Cscript%3E").await;
    assert!(!html.contains("<script"), "{html}");
    shows(&html, &["value=\"&#34;&#62;&#60;script&#62;\"", "content=\"noindex\""]);
}
