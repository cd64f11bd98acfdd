//! Seats that are listed twice: the warnings, which sellers see and buyers do not.

use std::time::Duration;

use common::clock::Clock;
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::{OrderId, ShowId};
use testkit::app::TestApp;
use testkit::app::users::User;

use crate::fake_services::post_form;
use crate::orders::get;
use crate::support::{
    app, assert_contains, give, in_pairs, listing, path, publish_listing, publish_user, show_of, show_path,
};

const BY_ANOTHER: &str = "Seat 14 is also listed by another seller.";

async fn html(app: &TestApp, viewer: &User, at: &str) -> String {
    get(app, viewer, at).await.expect(200).text()
}

async fn publish(app: &TestApp, change: TicketChange, version: u64, ticket: &TicketState) {
    app.publish(change, ticket.terms.id, version, ticket.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn seat_of_two_sellers_is_flagged_to_both_until_one_withdraws() {
    let app = app().await;
    let (ana, ben, eve) = (app.signer.user(), app.signer.user(), app.signer.user());
    publish_user(&app, ana.id, "Ana Seller").await;
    publish_user(&app, ben.id, "Ben Seller").await;
    let first = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    publish_listing(&app, &first).await;
    assert!(!html(&app, &ana, "/notifications").await.contains("listed twice"));
    assert!(!html(&app, &ana, &path(&first)).await.contains("another seller"));

    app.clock.advance(Duration::from_secs(60));
    let six = in_pairs(listing(&app, "Carmen", 0));
    let mut six = TicketState { seller_id: ben.id, show_id: first.show_id, ..six };
    publish(&app, TicketChange::Created, 0, &six).await;
    for (seller, ticket, other) in [(&ana, &first, "Ben Seller"), (&ben, &six, "Ana Seller")] {
        let link = format!("<a href=\"{}\">Seat 14 for Carmen is listed twice.</a>", path(ticket));
        assert_contains(&html(&app, seller, "/notifications").await, &[&link, "Notifications, 1 unread"]);
        for at in [path(ticket), "/selling".to_owned()] {
            let html = html(&app, seller, &at).await;
            assert_contains(&html, &[BY_ANOTHER, "edit or withdraw this listing. Our staff can see this too."]);
            assert!(!html.contains(other), "{html}");
        }
        let until = six.created_at.to_string();
        post_form(&app, "/notifications/read", Some(seller), &[("until", &until)]).await.expect(303);
    }
    for at in [path(&first), path(&six), show_path(&show_of(&first)), "/notifications".to_owned()] {
        let html = html(&app, &eve, &at).await;
        assert!(!html.contains("another seller") && !html.contains("twice"), "{html}");
    }

    // A seat that a buyer holds is still flagged, which is no news.
    app.clock.advance(Duration::from_secs(60));
    give(&mut six, OrderId::new(), &[2, 3], TicketStatus::Reserved);
    six.updated_at = app.clock.now();
    publish(&app, TicketChange::Reserved, 1, &six).await;
    for (seller, remedy) in [(&ana, "edit or withdraw this listing"), (&ben, "withdraw the remaining seats")] {
        assert_contains(&html(&app, seller, "/selling").await, &[BY_ANOTHER, remedy]);
        let html = html(&app, seller, "/notifications").await;
        assert!(html.contains("is listed twice.") && !html.contains(" unread\""), "{html}");
    }

    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..six };
    publish(&app, TicketChange::Withdrawn, 2, &withdrawn).await;
    for (seller, ticket) in [(&ana, &first), (&ben, &withdrawn)] {
        for at in [path(ticket), "/selling".to_owned(), "/notifications".to_owned()] {
            let html = html(&app, seller, &at).await;
            assert!(!html.contains("another seller") && !html.contains("twice"), "{html}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sellers_own_second_listing_is_flagged_while_it_has_the_same_seat() {
    let app = app().await;
    let ana = app.signer.user();
    let mut first = TicketState { seller_id: ana.id, ..listing(&app, "Carmen", 0) };
    (first.terms.section, first.terms.row) = (Some("A".to_owned()), Some("3".to_owned()));
    publish_listing(&app, &first).await;
    let same = || {
        let mut ticket = TicketState { seller_id: ana.id, show_id: first.show_id, ..listing(&app, "Carmen", 0) };
        (ticket.terms.section, ticket.terms.row) = (first.terms.section.clone(), first.terms.row.clone());
        ticket
    };
    let again = same();
    publish(&app, TicketChange::Created, 0, &again).await;
    for _ in 0..2 {
        let mut unnamed = same();
        unnamed.seats[0].name = None;
        publish(&app, TicketChange::Created, 0, &unnamed).await;
    }
    let told = async || {
        let selling = html(&app, &ana, "/selling").await.matches("You have listed seat 14 twice.").count();
        let page = html(&app, &ana, &path(&first)).await.matches("You have listed seat 14 twice.").count();
        let notifications =
            html(&app, &ana, "/notifications").await.matches("Seat 14 for Carmen is listed twice.").count();
        (selling, page, notifications)
    };
    let (twice, once) = ((2, 1, 2), (0, 0, 0));
    assert_eq!(told().await, twice);

    let mut other_row = again.clone();
    other_row.terms.row = Some("4".to_owned());
    let mut sold = again.clone();
    give(&mut sold, OrderId::new(), &[0], TicketStatus::Sold);
    let other_show = TicketState { show_id: ShowId::new(), ..again.clone() };
    for (version, ticket, expected) in [
        (1, &other_row, once),
        (2, &again, twice),
        (3, &sold, once),
        (4, &other_show, once),
        // Its show is merged into that of the first.
        (5, &again, twice),
    ] {
        publish(&app, TicketChange::Updated, version, ticket).await;
        assert_eq!(told().await, expected, "{version}");
    }

    // What the seller has withdrawn costs nothing.
    for _ in 0..60 {
        let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..same() };
        let event = app.event(TicketChange::Withdrawn, withdrawn.terms.id, 1, withdrawn);
        app.handle(&event).await.unwrap();
    }
    let page = app.request("GET", "/notifications").as_user(&ana);
    app.assert_examined_at_most(20, Box::pin(async { drop(page.send().await.expect(200)) })).await;
}
