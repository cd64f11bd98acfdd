//! What one visitor repeats makes nobody else's decision slower.

use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;

use crate::support::{app, app_with, id_of, known, path, payment, place, read, reserved, step};
use crate::told::Told;

/// How often somebody repeats it.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_won_past_any_number_of_declined_payments() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    for _ in 0..REPEATS {
        let declined = payment(&order, PaymentStatus::Authorizing);
        for status in [PaymentStatus::Authorizing, PaymentStatus::Declined] {
            Told::payment(&app, &declined, status).handle(&app).await.unwrap();
        }
    }
    let good = payment(&order, PaymentStatus::Authorizing);
    app.assert_examined_at_most(5, async {
        for status in [PaymentStatus::Authorizing, PaymentStatus::Authorized, PaymentStatus::Captured] {
            Told::payment(&app, &good, status).handle(&app).await.unwrap();
        }
        // ResyncResult once more, as everything is.
        let (_, version, state) = step(&good, PaymentStatus::Captured);
        app.handle(&app.event(common::events::payment::PaymentChange::Snapshot, good.id, version, state))
            .await
            .unwrap();
    })
    .await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_held_past_any_number_of_holds_that_ended() {
    let app = app_with(&[("HOLDS_PER_LISTING", "1000")]).await;
    let (idler, buyer, ticket) = (app.signer.user(), app.signer.user(), known(&app).await);
    for _ in 0..REPEATS {
        let order = place(&app, &idler, &ticket).await;
        app.request("DELETE", &path(&order)).by(&idler).send().await.expect(200);
    }
    app.wait_until_idle().await;
    app.assert_examined_at_most(5, async {
        let order = place(&app, &buyer, &ticket).await;
        let answer = reserved(&ticket, id_of(&order));
        Told::ticket(&app, TicketChange::Reserved, 1, answer).handle(&app).await.unwrap();
        assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");
        // One who comes too late.
        let answer = crate::support::post(&app, &app.signer.user(), &ticket).await;
        assert_eq!(answer.expect(409).problem(), "ticket-taken");
    })
    .await;
}
