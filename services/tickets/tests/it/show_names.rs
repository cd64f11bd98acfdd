//! The show that a name leads to after moves and merges.

use common::events::show::{ShowChange, ShowState};
use common::id::ShowId;
use common::identity::Role;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::shows::{merge, read_show, replace};
use crate::support::{app, body_with, create_listing, create_listing_with, read};

/// A number of merges that the staff hardly ever makes.
const LONG_CHAIN: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn move_that_is_taken_back_releases_its_name_unless_a_listing_used_it() {
    let app = app().await;
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let at = |start: &Value| body_with("startsAt", start.clone());
    let show = read_show(&app, &create_listing(&app, &seller).await["showId"]).await;
    let [wrong, used] = [json!("2099-06-02T19:30:00.000Z"), json!("2099-06-08T19:30:00.000Z")];
    // A slow release must not take the name that the show got later.
    let names = app.context.database.collection::<Document>("show_names");
    let later = doc! {
        "_id": "later", "showId": show["id"].as_str(), "version": 99_i64, "isKept": false, "at": wrong.as_str(),
    };
    names.insert_one(later).await.unwrap();
    let moved = replace(&app, &staff, &show, "startsAt", wrong.clone()).send().await.expect(200).json();
    let back = replace(&app, &staff, &moved, "startsAt", show["startsAt"].clone()).send().await.expect(200).json();
    let other = create_listing_with(&app, &seller, &at(&wrong)).await;
    assert_eq!(other["startsAt"], wrong);
    assert_ne!(other["showId"], show["id"]);
    assert_eq!(names.count_documents(doc! { "_id": "later" }).await.unwrap(), 1);

    let moved = replace(&app, &staff, &back, "startsAt", used.clone()).send().await.expect(200).json();
    assert_eq!(create_listing_with(&app, &seller, &at(&used)).await["showId"], show["id"]);
    replace(&app, &staff, &moved, "startsAt", show["startsAt"].clone()).send().await.expect(200);
    for start in [&used, &show["startsAt"]] {
        let late = create_listing_with(&app, &seller, &at(start)).await;
        assert_eq!((&late["showId"], &late["startsAt"]), (&show["id"], &show["startsAt"]));
    }
    // What a merge brings is kept, even if no listing used it.
    let third = json!("2099-06-15T19:30:00.000Z");
    let other = read_show(&app, &other["showId"]).await;
    replace(&app, &staff, &other, "startsAt", third.clone()).send().await.expect(200);
    merge(&app, &staff, &other["id"], &show["id"]).await.expect(200);
    replace(&app, &staff, &show, "endsAt", Value::Null).send().await.expect(200);
    for start in [&wrong, &third] {
        let merged = create_listing_with(&app, &seller, &at(start)).await;
        assert_eq!((&merged["showId"], &merged["startsAt"]), (&show["id"], &show["startsAt"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_follows_a_long_chain_of_merges() {
    let app = app().await;
    let listing = create_listing(&app, &app.signer.user()).await;
    app.wait_until_idle().await;
    let created = app.events("tickets").await.into_iter().find(|event| event.kind == "show.created.v1").unwrap();
    let state: ShowState = serde_json::from_value(created.data).unwrap();
    // The spread of each of these merges was lost.
    let shows = app.context.database.collection::<Document>("shows");
    let mut show = shows.find_one(doc! {}).await.unwrap().unwrap();
    let ids: Vec<ShowId> = std::iter::once(state.id).chain((0..LONG_CHAIN).map(|_| ShowId::new())).collect();
    let mut chain = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let merged_into = ids.get(n + 1).map(ToString::to_string);
        let stored = show.get_document_mut("state").unwrap();
        stored.insert("id", id.to_string());
        stored.insert("mergedInto", merged_into);
        show.insert("_id", id.to_string());
        show.insert("version", 1_i64);
        show.insert("outbox", Vec::<Document>::new());
        chain.push(show.clone());
    }
    shows.delete_many(doc! {}).await.unwrap();
    shows.insert_many(chain).await.unwrap();
    app.handle(&app.event(ShowChange::Snapshot, state.id, 1, state)).await.unwrap();
    assert_eq!(read(&app, &listing).await["showId"], json!(ids[LONG_CHAIN]));
    let late = create_listing(&app, &app.signer.user()).await;
    assert_eq!(late["showId"], json!(ids[LONG_CHAIN]));
}
