//! The cost of queries does not grow with the number of declined payments or ended holds.

use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;

use crate::scenarios::TestEvent;
use crate::support::{app, app_with, create_listing, id_of, path, payment, payment_transition, place, read, reserved};

/// Number of declined payments or ended holds.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn declined_payments_do_not_slow_down_an_authorisation() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    for _ in 0..REPEATS {
        let declined = payment(&order, PaymentStatus::Authorizing);
        for status in [PaymentStatus::Authorizing, PaymentStatus::Declined] {
            TestEvent::payment(&app, &declined, status).handle(&app).await.unwrap();
        }
    }
    let good = payment(&order, PaymentStatus::Authorizing);
    app.assert_examined_at_most(5, async {
        for status in [PaymentStatus::Authorizing, PaymentStatus::Authorized, PaymentStatus::Captured] {
            TestEvent::payment(&app, &good, status).handle(&app).await.unwrap();
        }
        // A snapshot costs no more.
        let (_, version, state) = payment_transition(&good, PaymentStatus::Captured);
        app.handle(&app.event(common::events::payment::PaymentChange::Snapshot, good.id, version, state))
            .await
            .unwrap();
    })
    .await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_holds_do_not_slow_down_a_new_hold() {
    let app = app_with(&[("HOLDS_PER_LISTING", "1000")]).await;
    let (idler, buyer, ticket) = (app.signer.user(), app.signer.user(), create_listing(&app).await);
    for _ in 0..REPEATS {
        let order = place(&app, &idler, &ticket).await;
        app.request("DELETE", &path(&order)).as_user(&idler).send().await.expect(200);
    }
    app.wait_until_idle().await;
    app.assert_examined_at_most(5, async {
        let order = place(&app, &buyer, &ticket).await;
        let listing = reserved(&ticket, id_of(&order));
        TestEvent::ticket(&app, TicketChange::Reserved, 1, listing).handle(&app).await.unwrap();
        assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
        // Another buyer is too late.
        let response = crate::support::post(&app, &app.signer.user(), &ticket).await;
        assert_eq!(response.expect(409).problem(), "ticket-taken");
    })
    .await;
}
