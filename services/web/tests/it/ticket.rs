//! The page of one listing.

use std::time::Duration;

use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::events::user::UserChange;
use common::id::TicketId;
use common::money::Money;

use crate::support::{
    app, assert_contains, assert_page, listing, page, path, publish_listing, publish_user, show_of, show_path, user,
};

#[tokio::test(flavor = "multi_thread")]
async fn page_shows_the_listing() {
    let app = app().await;
    let mut ticket = listing(&app, "Nina Simone Tribute", 0);
    ticket.terms.starts_at = "2099-06-01T19:30:00Z".parse().unwrap();
    ticket.face_value = Some(Money { amount: 9_900, currency: "USD".parse().unwrap() });
    ticket.description = Some("Aisle seat.".to_owned());
    publish_user(&app, ticket.seller_id, "Ana").await;
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    let response = app.request("GET", &path(&ticket)).send().await.expect(200);
    assert_page(&response);
    let canonical = format!("rel=\"canonical\" href=\"http://localhost:8080{}\"", path(&ticket));
    assert_contains(
        &response.text(),
        &[
            "<title>Nina Simone Tribute · Ticketing</title>",
            "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT",
            "Town Hall, New York",
            "Seat 14",
            "$125.50",
            "$99.00",
            "Ana <span",
            "Aisle seat.",
            ">For sale<",
            "Buy this ticket",
            "href=\"/signin\"",
            &canonical,
        ],
    );
    let seller = testkit::app::users::User {
        id: ticket.seller_id,
        token: app.signer.sign(&testkit::app::users::Signer::claims(ticket.seller_id)),
    };
    let html = app.request("GET", &path(&ticket)).as_user(&seller).send().await.expect(200).text();
    assert_contains(&html, &["href=\"/account\">Ana<", "This is your listing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_name_appears_when_replicated_and_follows_changes() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    assert_contains(&page(&app, &path(&ticket)).await, &["a member of the marketplace"]);
    publish_user(&app, ticket.seller_id, "Ana").await;
    app.wait_until_idle().await;
    for path in [&show_path(&show_of(&ticket)), &path(&ticket)] {
        assert_contains(&page(&app, path).await, &["Ana"]);
    }
    app.publish(UserChange::Updated, ticket.seller_id, 1, user(&app, ticket.seller_id, "Ana B.")).await;
    app.wait_until_idle().await;
    assert_contains(&page(&app, &path(&ticket)).await, &["Ana B."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_follows_the_tickets_status() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    let shows = async |words: &str| assert_contains(&page(&app, &path(&ticket)).await, &[words]);
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    shows(">For sale<").await;
    for (version, change, status, words) in [
        (1, TicketChange::Reserved, TicketStatus::Reserved, "Held by a buyer"),
        (2, TicketChange::Released, TicketStatus::Available, ">For sale<"),
        (4, TicketChange::Sold, TicketStatus::Sold, "Sold."),
        // A stale event.
        (3, TicketChange::Reserved, TicketStatus::Reserved, "Sold."),
        (5, TicketChange::Withdrawn, TicketStatus::Withdrawn, "the seller has withdrawn it"),
        (6, TicketChange::Updated, TicketStatus::Available, ">For sale<"),
    ] {
        app.publish(change, ticket.terms.id, version, TicketState { status, ..ticket.clone() }).await;
        app.wait_until_idle().await;
        shows(words).await;
    }
    app.clock.advance(Duration::from_secs(2 * 86_400));
    shows("the show has started").await;
    assert_contains(&page(&app, &path(&ticket)).await, &["content=\"noindex\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn user_text_is_escaped() {
    let app = app().await;
    let hostile = "</title><script>alert('x')</script>\" onload=\"";
    let mut ticket = listing(&app, hostile, 0);
    ticket.terms.venue = hostile.to_owned();
    ticket.seats[0].name = Some(hostile.to_owned());
    ticket.terms.time_zone = hostile.to_owned();
    ticket.description = Some(hostile.to_owned());
    publish_user(&app, ticket.seller_id, hostile).await;
    publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    for path in ["/", "/browse", &show_path(&show_of(&ticket)), &path(&ticket)] {
        // Structured data is JSON, in which a quotation mark follows a backslash.
        let html = page(&app, path).await.replace("\\\" onload", "");
        assert!(!html.contains("<script>alert") && !html.contains("\" onload"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1, "{html}");
        assert_contains(&html, &["&#60;script&#62;alert(&#39;x&#39;)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_ticket_is_a_404_page() {
    let app = app().await;
    for path in [format!("/tickets/{}", TicketId::new()), "/tickets/nonsense".to_owned(), "/tickets/".to_owned()] {
        let response = app.request("GET", &path).send().await.expect(404);
        assert_page(&response);
        assert_contains(
            &response.text(),
            &["<h1>We couldn’t find that page</h1>", "Browse shows", response.header("x-request-id")],
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_waits_for_a_listing_just_created() {
    let app = app().await;
    let ticket = listing(&app, "Carmen", 0);
    let path = path(&ticket);
    // The request arrives before the event.
    let request = app.request("GET", &path).send();
    let (page, ()) = tokio::join!(request, async {
        app.wait_until_idle().await;
        publish_listing(&app, &ticket).await;
    });
    assert_contains(&page.expect(200).text(), &["Carmen"]);
    // The page waits for neither an older id nor one of the future.
    let old = TicketId::new();
    app.clock.advance(Duration::from_secs(60));
    for id in [old.to_string(), "0fff0000-0000-7000-8000-000000000001".to_owned()] {
        let began = tokio::time::Instant::now();
        app.request("GET", &format!("/tickets/{id}")).send().await.expect(404);
        assert!(began.elapsed() < Duration::from_secs(2), "{id}: {:?}", began.elapsed());
    }
}
