//! The page of one listing.

use std::time::Duration;

use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::events::user::UserChange;
use common::id::TicketId;
use common::money::Money;

use crate::support::{app, is_page, listed, listing, page, path, registered, shows, user};

#[tokio::test(flavor = "multi_thread")]
async fn it_says_what_when_where_and_for_how_much() {
    let app = app().await;
    let mut ticket = listing(&app, "Nina Simone Tribute", 0);
    ticket.terms.starts_at = "2099-06-01T19:30:00Z".parse().unwrap();
    ticket.face_value = Some(Money { amount: 9_900, currency: "USD".parse().unwrap() });
    ticket.description = Some("Aisle seat.".to_owned());
    registered(&app, ticket.seller_id, "Ana").await;
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    let response = app.request("GET", &path(&ticket)).send().await.expect(200);
    is_page(&response);
    let canonical = format!("rel=\"canonical\" href=\"http://localhost:8080{}\"", path(&ticket));
    shows(
        &response.text(),
        &[
            "<title>Nina Simone Tribute · Ticketing</title>",
            "Monday, 1 June 2099, 15:30 EDT (America/New_York)",
            "Town Hall, New York",
            "Seat 14",
            "125.50 USD",
            "99.00 USD",
            "Ana <span",
            "Aisle seat.",
            ">For sale<",
            "Hold this ticket",
            "href=\"/signin\"",
            &canonical,
        ],
    );
    let seller = testkit::app::users::User {
        id: ticket.seller_id,
        token: app.signer.sign(&testkit::app::users::Signer::claims(ticket.seller_id)),
    };
    let html = app.request("GET", &path(&ticket)).by(&seller).send().await.expect(200).text();
    shows(&html, &["href=\"/account\">Ana<", "This is your own listing."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sellers_name_that_arrives_later_is_filled_in_and_follows_changes() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    shows(&page(&app, &path(&ticket)).await, &["a member of the marketplace"]);
    registered(&app, ticket.seller_id, "Ana").await;
    app.wait_until_idle().await;
    for path in ["/browse", &path(&ticket)] {
        shows(&page(&app, path).await, &["Ana"]);
    }
    app.publish(UserChange::Updated, ticket.seller_id, 1, user(&app, ticket.seller_id, "Ana B.")).await;
    app.wait_until_idle().await;
    shows(&page(&app, &path(&ticket)).await, &["Ana B."]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_what_becomes_of_the_ticket() {
    let app = app().await;
    let ticket = listing(&app, "Jazz", 0);
    let told = async |words: &str| shows(&page(&app, &path(&ticket)).await, &[words]);
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    told(">For sale<").await;
    for (version, change, status, words) in [
        (1, TicketChange::Reserved, TicketStatus::Reserved, "Held by a buyer"),
        (2, TicketChange::Released, TicketStatus::Available, ">For sale<"),
        (4, TicketChange::Sold, TicketStatus::Sold, "Sold."),
        // Overtaken by what came before it.
        (3, TicketChange::Reserved, TicketStatus::Reserved, "Sold."),
        (5, TicketChange::Withdrawn, TicketStatus::Withdrawn, "the seller has withdrawn it"),
        (6, TicketChange::Updated, TicketStatus::Available, ">For sale<"),
    ] {
        app.publish(change, ticket.terms.id, version, TicketState { status, ..ticket.clone() }).await;
        app.wait_until_idle().await;
        told(words).await;
    }
    app.clock.advance(Duration::from_secs(2 * 86_400));
    told("the event has begun").await;
    shows(&page(&app, &path(&ticket)).await, &["content=\"noindex\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_words_stay_words() {
    let app = app().await;
    let hostile = "</title><script>alert('x')</script>\" onload=\"";
    let mut ticket = listing(&app, hostile, 0);
    ticket.terms.venue = hostile.to_owned();
    ticket.terms.seat = Some(hostile.to_owned());
    ticket.terms.time_zone = hostile.to_owned();
    ticket.description = Some(hostile.to_owned());
    registered(&app, ticket.seller_id, hostile).await;
    listed(&app, &ticket).await;
    app.wait_until_idle().await;
    for path in ["/", "/browse", &path(&ticket)] {
        let html = page(&app, path).await;
        assert!(!html.contains("<script>alert") && !html.contains("\" onload"), "{html}");
        assert_eq!(html.matches("</title>").count(), 1, "{html}");
        shows(&html, &["&#60;script&#62;alert(&#39;x&#39;)"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_page_too() {
    let app = app().await;
    for path in [format!("/tickets/{}", TicketId::new()), "/tickets/nonsense".to_owned(), "/tickets/".to_owned()] {
        let response = app.request("GET", &path).send().await.expect(404);
        is_page(&response);
        shows(&response.text(), &["<h1>Not found</h1>", "See what is for sale", response.header("x-request-id")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_just_listed_it_is_not_told_that_it_does_not_exist() {
    let app = app().await;
    let ticket = listing(&app, "Carmen", 0);
    let path = path(&ticket);
    // The browser is faster than the event.
    let looking = app.request("GET", &path).send();
    let (page, ()) = tokio::join!(looking, async {
        app.wait_until_idle().await;
        listed(&app, &ticket).await;
    });
    shows(&page.expect(200).text(), &["Carmen"]);
    // An id that is no longer fresh is not waited for.
    let old = TicketId::new();
    app.clock.advance(Duration::from_secs(60));
    let began = tokio::time::Instant::now();
    app.request("GET", &format!("/tickets/{old}")).send().await.expect(404);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
