//! Tests of the filters of the browse page that need several listings of a show, or several days.

use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::OrderId;

use crate::browse::{money, titles, titles_for};
use crate::support::{app, assert_contains, give, in_pairs, listing, page, publish_listing, show_of, show_path};

#[tokio::test(flavor = "multi_thread")]
async fn seats_together_are_found_in_one_listing_at_its_price() {
    let app = app().await;
    let mut pairs = TicketState { price: money(5_000, "EUR"), ..in_pairs(listing(&app, "Duo", 0)) };
    let cheaper = TicketState { show_id: pairs.show_id, price: money(3_000, "EUR"), ..listing(&app, "Duo", 0) };
    publish_listing(&app, &pairs).await;
    app.publish(TicketChange::Created, cheaper.terms.id, 0, cheaper.clone()).await;
    publish_listing(&app, &TicketState { price: money(2_000, "EUR"), ..listing(&app, "Solo", 1) }).await;
    app.wait_until_idle().await;
    for (query, expected, offer) in [
        ("", "Duo Solo", "€30.00</span>, <span class=\"status open\">7 left"),
        ("quantity=", "Duo Solo", "7 left"),
        ("quantity=1", "Duo Solo", "€30.00</span>, <span class=\"status open few\">1 left"),
        ("quantity=2", "Duo", "€50.00</span>, <span class=\"status open\">6 left"),
        ("quantity=2&q=duo", "Duo", "6 left"),
        ("quantity=2&max=60&currency=EUR", "Duo", "Up to €60.00"),
        // The default is USD, but the price says another currency.
        ("quantity=2&max=+60+%E2%82%AC", "Duo", "Up to €60.00"),
        // The cheaper listing has one seat.
        ("quantity=2&max=40&currency=EUR", "", "No shows"),
        ("quantity=3&status=all", "", "No shows"),
        ("quantity=4", "Duo", "6 left"),
    ] {
        let html = page(&app, &format!("/browse?{query}")).await;
        assert_eq!(titles(&html), expected.split_whitespace().collect::<Vec<_>>(), "{query}");
        assert_contains(&html, &[offer]);
    }
    // The page of the show has the same filters.
    let html = page(&app, "/browse?quantity=2&max=60&currency=EUR").await;
    let link = format!("{}?quantity=2&max=60&currency=EUR", show_path(&show_of(&pairs)));
    assert_contains(&html, &[&format!("href=\"{}\"", link.replace('&', "&#38;")), "Seats together: 2"]);
    let found = page(&app, &link).await;
    let (dear, cheap) = (format!("/tickets/{}?quantity=2", pairs.terms.id), format!("t-{}", cheaper.terms.id));
    assert!(found.contains(&dear) && !found.contains(&cheap), "{found}");
    // The pair in the middle is sold, so that there are no four seats together.
    give(&mut pairs, OrderId::new(), &[2, 3], TicketStatus::Sold);
    app.publish(TicketChange::Sold, pairs.terms.id, 1, pairs).await;
    app.wait_until_idle().await;
    assert_eq!(titles_for(&app, "quantity=4").await, [""; 0]);
    assert_contains(&page(&app, "/browse?quantity=2").await, &["4 left"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_the_next_days_has_a_link() {
    let app = app().await;
    let day = 24 * 60;
    for (title, days) in [("Tomorrow", 0), ("Soon", 2), ("Later", 30)] {
        publish_listing(&app, &listing(&app, title, days * day)).await;
    }
    app.wait_until_idle().await;
    let html = page(&app, "/browse?quantity=1").await;
    let (_, days) = html.split_once("<nav aria-label=\"Days\">").unwrap();
    let (days, _) = days.split_once("</nav>").unwrap();
    let links = days.split("href=\"").skip(1).map(|tail| tail.split('"').next().unwrap().replace("&#38;", "&"));
    let mut found = Vec::new();
    for link in links {
        let html = page(&app, &link).await;
        assert_contains(&html, &["aria-current=\"true\"", "Seats together: 1"]);
        assert!(!titles(&html).is_empty(), "{link}");
        found.extend(titles(&html));
    }
    // While it is still yesterday somewhere, tomorrow has a link by its date too.
    found.dedup();
    assert_eq!(found, ["Tomorrow", "Soon"]);
    assert_eq!(titles_for(&app, "when=tomorrow").await, ["Tomorrow"]);
    assert_eq!(titles_for(&app, "when=today").await, [""; 0]);
}
