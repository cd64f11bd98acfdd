//! Shows: their cards in lists, and their pages (`/shows/…`).

use std::time::Duration;

use common::clock::Clock;
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::{ShowId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use testkit::app::TestApp;

use crate::browse::{titles, titles_for};
use crate::support::{
    app, assert_contains, assert_page, give, in_pairs, listing, page, path, publish_listing, publish_show,
    publish_user, show_of, show_path,
};

fn money(amount: i64, currency: &str) -> Money {
    Money { amount, currency: currency.parse().unwrap() }
}

/// Publishes listings of one show: section, price in cents and face value.
async fn publish_tickets(app: &TestApp, show: &ShowState, tickets: &[(Option<&str>, i64, Option<i64>)]) {
    for (n, (section, amount, face)) in tickets.iter().enumerate() {
        let mut ticket = listing(app, &show.title, 0);
        (ticket.show_id, ticket.price) = (show.id, money(*amount, "EUR"));
        ticket.face_value = face.map(|amount| money(amount, "EUR"));
        ticket.terms.section = section.map(str::to_owned);
        ticket.seats[0].name = Some(n.to_string());
        app.publish(TicketChange::Created, ticket.terms.id, 0, ticket).await;
    }
}

/// The prices of the rows on a show's page, in order.
fn prices(html: &str) -> Vec<String> {
    let (_, rows) = html.split_once("<ul class=\"rows\">").unwrap_or_default();
    rows.split("data-live-price>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn today_is_the_day_of_the_venue() {
    let app = app().await;
    let now: Timestamp = "2099-12-01T00:30:00Z".parse().unwrap();
    app.clock.advance(now.since(app.clock.now()));
    for (title, starts_at, zone) in [
        // It is still Monday, 30 November, there, and it is 19:30.
        ("Tonight", "2099-12-01T01:00:00Z", "America/New_York"),
        ("Early", "2099-12-01T06:00:00Z", "America/New_York"),
        ("Berlin", "2099-12-01T19:00:00Z", "Europe/Berlin"),
        ("Later", "2099-12-02T12:00:00Z", "Europe/Berlin"),
        ("January", "2100-01-02T12:00:00Z", "UTC"),
    ] {
        let mut ticket = listing(&app, title, 0);
        (ticket.terms.starts_at, ticket.terms.time_zone) = (starts_at.parse().unwrap(), zone.to_owned());
        publish_listing(&app, &ticket).await;
    }
    app.wait_until_idle().await;
    for (query, expected) in [
        ("from=2099-11-30&to=2099-11-30", "Tonight"),
        ("from=2099-12-01&to=2099-12-01", "Early Berlin"),
        ("when=today", "Tonight Berlin"),
        ("when=today&q=berlin", "Berlin"),
        ("when=week", "Tonight Early Berlin Later"),
        // In New York the month ends today.
        ("when=month", "Tonight Berlin Later"),
        ("when=month&from=2099-12-02", "Later"),
    ] {
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(titles_for(&app, query).await, expected, "{query}");
    }
    assert_contains(
        &page(&app, "/browse?when=today").await,
        &["Remove filter: Today</span>", "<option value=\"today\" selected>"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn show_with_many_listings_is_one_card() {
    let app = app().await;
    let (first, other) = (listing(&app, "Jazz", 0), listing(&app, "Blues", 1));
    let mut cancelled = show_of(&listing(&app, "Gone", 2));
    cancelled.status = ShowStatus::Cancelled;
    publish_show(&app, &cancelled).await;
    let of_show = |show: &TicketState, amount: i64, currency: &str| TicketState {
        show_id: show.show_id,
        price: money(amount, currency),
        ..listing(&app, &show.terms.title, 0)
    };
    let mut tickets: Vec<_> = (0..60).map(|n| of_show(&first, 5_000 + n, "USD")).collect();
    tickets.extend([of_show(&first, 4_600, "EUR"), of_show(&other, 9_900, "USD")]);
    tickets.push(TicketState { show_id: cancelled.id, ..listing(&app, "Gone", 2) });
    for ticket in [&first, &other] {
        publish_show(&app, &show_of(ticket)).await;
    }
    for ticket in &tickets {
        app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    }
    app.wait_until_idle().await;
    let html = page(&app, "/browse").await;
    assert_eq!(titles(&html), ["Jazz", "Blues"]);
    assert_contains(&html, &["$50.00 or €46.00", "61 left", "$99.00", "1 left", "2 shows, soonest first"]);
    // The numbers of a card are those of the show, also where a price has filtered it.
    let html = page(&app, "/browse?max=50").await;
    assert_contains(&html, &["61 left", "1 show, soonest first · Prices in USD"]);
    assert_eq!(titles_for(&app, "status=all").await, ["Jazz", "Blues", "Gone"]);
    let reads = app.profile_reads(async { drop(page(&app, "/browse").await) }).await;
    let reads = reads.iter().filter(|read| read.collection.starts_with("replica_")).count();
    assert_eq!(reads, 3, "the shows, their latest changes, and what they have for sale, however many there are");
    // A merged show is not found; its listings are the other's.
    let mut merged = show_of(&other);
    merged.merged_into = Some(first.show_id);
    app.publish(ShowChange::Merged, merged.id, 1, merged).await;
    app.wait_until_idle().await;
    assert_eq!(titles_for(&app, "status=all").await, ["Jazz", "Gone"]);
}

/// A search reads further shows until its page is full. All of these begin at the same time, so that their ids decide
/// where the next query continues.
#[tokio::test(flavor = "multi_thread")]
async fn shows_with_a_ticket_are_found_among_many_without() {
    let app = app().await;
    let mut with_ticket = Vec::new();
    for n in 0..140 {
        let ticket = listing(&app, &format!("Show {n:03}"), 0);
        publish_show(&app, &show_of(&ticket)).await;
        if n % 13 == 0 {
            with_ticket.push(ticket.terms.title.clone());
            app.publish(TicketChange::Created, ticket.terms.id, 0, ticket).await;
        }
    }
    app.wait_until_idle().await;
    assert_eq!(titles_for(&app, "").await, with_ticket);
    assert_eq!(titles_for(&app, "max=1000").await, with_ticket, "a price that all of them have");
    with_ticket.reverse();
    assert_eq!(titles_for(&app, "sort=newest").await, with_ticket);
    assert!(titles_for(&app, "max=1").await.is_empty(), "a price that none of them has");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_lists_the_tickets_cheapest_first() {
    let app = app().await;
    let seller = UserId::new();
    let first = TicketState { seller_id: seller, ..listing(&app, "Nina Simone Tribute", 0) };
    let show = show_of(&first);
    publish_user(&app, seller, "Ana").await;
    publish_listing(&app, &first).await;
    let tickets = [
        (Some("Stalls"), 6_200, Some(6_000)),
        (Some("Balcony"), 4_600, Some(5_000)),
        (Some("stalls"), 5_000, Some(5_000)),
    ];
    publish_tickets(&app, &show, &tickets).await;
    app.wait_until_idle().await;
    let address = show_path(&show);
    let response = app.request("GET", &address).send().await.expect(200);
    assert_page(&response);
    let html = response.text();
    assert_eq!(prices(&html), ["€46.00", "€50.00", "€62.00", "$125.50"]);
    assert_contains(
        &html,
        &[
            "<title>Nina Simone Tribute · Ticketing</title>",
            "Town Hall, New York",
            "€46.00 or $125.50",
            "4 left",
            "4 tickets, cheapest first in each currency",
            "Section Balcony, seat 1",
            "€4.00 under face value",
            "at face value",
            "€2.00 over face value",
            "Cheapest in Section Balcony",
            "Cheapest in Section stalls",
            "Cheapest without a section",
            "Ana",
            "a member of the marketplace",
            "<option value=\"stalls\">",
            "<option value=\"USD\">",
            &format!("rel=\"canonical\" href=\"http://localhost:8080{address}\""),
            &format!("href=\"{}\"", path(&first)),
            &format!("href=\"/sell/new?show={}\"", show.id),
        ],
    );
    for (query, expected) in [
        ("section=STALLS", vec!["€50.00", "€62.00"]),
        ("max=50", vec!["€46.00", "€50.00"]),
        ("max=50,01&section=stalls", vec!["€50.00"]),
        ("currency=USD", vec!["$125.50"]),
        ("max=200&currency=USD", vec!["$125.50"]),
        ("max=1", vec![]),
        ("section=&max=&currency=&utm_source=x", vec!["€46.00", "€50.00", "€62.00", "$125.50"]),
    ] {
        assert_eq!(prices(&page(&app, &format!("{address}?{query}")).await), expected, "{query}");
    }
    assert_contains(
        &page(&app, &format!("{address}?max=50")).await,
        &["2 of 4 tickets, cheapest first · Prices in EUR"],
    );
    assert_contains(
        &page(&app, &format!("{address}?max=1")).await,
        &["No tickets match your filters", "Show all tickets"],
    );
    for (query, message) in [
        ("max=much", "The maximum price was ignored. Enter an amount"),
        ("currency=euro", "The currency was ignored"),
        ("section=Loge", "no ticket for sale is in “Loge”"),
    ] {
        let html = page(&app, &format!("{address}?{query}")).await;
        assert_contains(&html, &["ignored", message]);
        assert_eq!(prices(&html).len(), 4, "{query}");
    }
    // The page of one listing leads to its show.
    assert_contains(&page(&app, &path(&first)).await, &["All tickets for this show", &address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_listings_are_one_page() {
    let app = app().await;
    let show = show_of(&listing(&app, "Jazz", 0));
    publish_show(&app, &show).await;
    publish_tickets(&app, &show, &[(None, 5_000, None); 200]).await;
    app.wait_until_idle().await;
    let mut html = String::new();
    let reads = app.profile_reads(async { html = page(&app, &show_path(&show)).await }).await;
    assert_eq!(prices(&html).len(), 200);
    assert_contains(&html, &["200 left", "200 tickets, cheapest first"]);
    // A filter that can't narrow the list is not offered: there is one section, one currency and one price.
    assert!(!html.contains("aria-label=\"Filter the tickets\""), "{html}");
    assert_eq!(html.matches("Cheapest").count(), 1);
    let reads = reads.iter().filter(|read| read.collection.starts_with("replica_")).count();
    assert!(reads <= 5, "the show, its latest change, what it has for sale, its listings, their sellers: {reads}");
}

#[tokio::test(flavor = "multi_thread")]
async fn address_is_corrected_and_a_merged_show_leads_to_the_other() {
    let app = app().await;
    let (one, other) = (listing(&app, "Jazz", 0), listing(&app, "Jazz Night", 0));
    for ticket in [&one, &other] {
        publish_listing(&app, ticket).await;
    }
    app.wait_until_idle().await;
    let address = show_path(&show_of(&one));
    for former in [format!("/shows/{}", one.show_id), format!("/shows/other-words-{}", one.show_id)] {
        let response = app.request("GET", &format!("{former}?max=9")).send().await.expect(307);
        assert_eq!(response.header("location"), format!("{address}?max=9"));
    }
    let mut merged = show_of(&one);
    merged.merged_into = Some(other.show_id);
    app.publish(ShowChange::Merged, merged.id, 1, merged).await;
    app.wait_until_idle().await;
    let response = app.request("GET", &format!("{address}?section=a")).send().await.expect(307);
    assert_eq!(response.header("location"), show_path(&show_of(&other)));
    for unknown in ["/shows/jazz", "/shows/", &format!("/shows/jazz{}", other.show_id)] {
        assert_page(&app.request("GET", unknown).send().await.expect(404));
    }
    // The page does not wait for an id that is not recent.
    let unknown = ShowId::new();
    app.clock.advance(Duration::from_secs(60));
    app.request("GET", &format!("/shows/jazz-{unknown}")).send().await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_and_cancelled_shows_say_so() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    let moved = ShowState {
        status: ShowStatus::Moved,
        starts_at: "2099-06-01T19:30:00Z".parse().unwrap(),
        venue: "Arena".to_owned(),
        ..show_of(&ticket)
    };
    app.publish(ShowChange::Moved, moved.id, 1, moved.clone()).await;
    app.wait_until_idle().await;
    let address = show_path(&moved);
    assert_contains(
        &page(&app, &address).await,
        &["This show has moved.", "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT", "Arena, New York", "$125.50"],
    );
    assert_contains(&page(&app, &path(&ticket)).await, &["This show has moved.", "Arena, New York", "Buy this ticket"]);
    let cancel_reason = Some("The singer is ill".to_owned());
    let cancelled = ShowState { status: ShowStatus::Cancelled, cancel_reason, ..moved };
    app.publish(ShowChange::Cancelled, cancelled.id, 2, cancelled).await;
    app.wait_until_idle().await;
    let html = page(&app, &address).await;
    assert_contains(&html, &["This show has been cancelled.</strong> The singer is ill."]);
    assert!(prices(&html).is_empty() && !html.contains("/sell/new"), "{html}");
    let html = page(&app, &path(&ticket)).await;
    assert_contains(&html, &["Not for sale: the show has been cancelled."]);
    assert!(!html.contains("Buy this ticket") && !html.contains(">Watch<"), "{html}");
    // What has been sold is still its buyer's.
    let sold = TicketState { status: TicketStatus::Sold, ..ticket.clone() };
    app.publish(TicketChange::Sold, ticket.terms.id, 1, sold).await;
    app.wait_until_idle().await;
    assert_contains(&page(&app, &path(&ticket)).await, &["Sold."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_narrowed_to_seats_together() {
    let app = app().await;
    let single = listing(&app, "Carmen", 0);
    let show = show_of(&single);
    let mut six = TicketState { show_id: show.id, ..in_pairs(listing(&app, "Carmen", 0)) };
    six.price.amount = 13_000;
    publish_listing(&app, &single).await;
    app.publish(TicketChange::Created, six.terms.id, 0, six.clone()).await;
    let address = show_path(&show);
    let get = async |query: &str| {
        app.wait_until_idle().await;
        page(&app, &format!("{address}?{query}")).await
    };
    let html = get("").await;
    assert_eq!(prices(&html), ["$125.50", "$130.00"]);
    assert_contains(&html, &["7 left", "7 tickets, cheapest first", "Seats 12 to 17", "6 of 6 seats left"]);
    let html = get("quantity=4").await;
    assert_eq!(prices(&html), ["$130.00"]);
    let link = format!("href=\"{}?quantity=4\"", path(&six));
    assert_contains(&html, &["6 of 7 tickets, cheapest first", "<option value=\"4\" selected>", &link]);
    assert_eq!(prices(&get("quantity=1").await), ["$125.50"]);
    assert_contains(&get("quantity=3").await, &["No tickets match your filters"]);
    assert_contains(&get("quantity=9").await, &["The number of seats was ignored. Choose 1 to 8."]);
    // The middle pair is sold: the listing stays, but not for four together. Its seller hears of the sale.
    let seller = app.signer.user();
    six.seller_id = seller.id;
    give(&mut six, common::id::OrderId::new(), &[2, 3], TicketStatus::Sold);
    app.publish(TicketChange::Sold, six.terms.id, 1, six.clone()).await;
    assert!(prices(&get("quantity=4").await).is_empty());
    assert_contains(&get("quantity=2").await, &["5 left", "4 of 6 seats left (buy 2 together), 2 of 6 sold"]);
    let get = async |at: &str| app.request("GET", at).as_user(&seller).send().await.expect(200).text();
    assert_contains(&get("/notifications").await, &["Sold: 2 of 6 seats for Carmen for $260.00."]);
    assert_contains(&get("/selling").await, &["2 of 6 sold", "Withdraw remaining seats"]);
    assert_contains(&get(&path(&six)).await, &["2 tickets sold"]);
}
