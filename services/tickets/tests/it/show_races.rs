//! Shows that change while listings join them.

use common::identity::Role;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::eventually;

use crate::shows::cancel;
use crate::support::{app, body, deliver, last_event, order};

#[tokio::test(flavor = "multi_thread")]
async fn listing_that_joined_a_show_right_before_its_cancellation_follows_it() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    // The request waits for this transaction when it claims its key: after it has made the show, and before it stores
    // the listing.
    let database = &app.context.database;
    let mut session = database.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let claim = doc! { "_id": format!("{}/late", seller.id) };
    database.collection::<Document>("claims").insert_one(claim).session(&mut session).await.unwrap();
    let request = app.request("POST", "/api/tickets").as_user(&seller).header("idempotency-key", "late").json(&body());
    let cancellation = async {
        // A show without listings is in no list.
        let shows = database.collection::<Document>("shows");
        let made = async || shows.find_one(doc! {}).await.unwrap();
        eventually("the show to be made", async || made().await.is_some()).await;
        let id = json!(made().await.unwrap().get_str("_id").unwrap());
        cancel(&app, &staff, &id).await.expect(200);
        // The event of the cancellation does not see the listing either.
        app.wait_until_idle().await;
        session.abort_transaction().await.unwrap();
    };
    let (listing, ()) = tokio::join!(request.send(), cancellation);
    let listing = listing.expect(201).json();
    deliver(&app, 0, &order(&app, &listing)).await;
    app.wait_until_idle().await;
    assert_eq!(last_event(&app, &listing).await.data["refusals"][0]["reason"], "showCancelled");
}
