//! The store writes state, version and event of a change atomically.

use common::aggregate::Aggregate;
use common::api::page::PageQuery;
use common::clock::Clock;
use common::events::envelope::Envelope;
use common::events::user::{UserChange, UserState};
use futures::StreamExt;
use futures::future::join_all;
use mongodb::bson::{Bson, Document, doc};
use platform::store::error::StoreError;
use platform::store::page::PageRequest;

use crate::demo::{Counter, app, document, insert};

#[tokio::test(flavor = "multi_thread")]
async fn state_and_event_are_in_one_document() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    // The change stream shows what was written before the relay removes the event.
    let mut seen = app.context.database.collection::<Document>(Counter::COLLECTION).watch().await.unwrap();
    let made = insert(&app, "one").await;
    let saved = store.save(&made, made.incremented(), UserChange::Updated).await.unwrap();
    assert_eq!((made.version, saved.version, saved.count), (0, 1, 1));
    let first = seen.next().await.unwrap().expect("the insert").full_document.expect("the document");
    assert_eq!(first.get_i64("version").unwrap(), 0);
    let outbox = first.get_array("outbox").unwrap();
    assert_eq!(outbox.len(), 1);
    let event = outbox[0].as_document().unwrap();
    assert_eq!(event.get_str("type").unwrap(), "user.registered.v1");
    let payload: Envelope<UserState> = serde_json::from_str(event.get_str("payload").unwrap()).unwrap();
    assert_eq!(event.get_str("id").unwrap(), payload.id.to_string());
    assert_eq!((payload.entityversion, payload.subject.as_str()), (0, made.id.to_string().as_str()));
    assert_eq!(payload.data, made.state.payload());
    app.wait_until_idle().await;
    let published = app.events("demo").await;
    assert_eq!(
        published[0],
        serde_json::from_str(event.get_str("payload").unwrap()).unwrap(),
        "published as it was written"
    );
    assert_eq!(published.iter().map(|e| e.entityversion).collect::<Vec<_>>(), [0, 1]);
    let left = document(&app, made.id).await;
    assert!(left.get_array("outbox").unwrap().is_empty());
    assert_eq!(left.get_i64("version").unwrap(), 1, "the removal of an event is not a change");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_of_concurrent_saves_succeeds() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    let saves = join_all((0..30).map(|_| store.save(&made, made.incremented(), UserChange::Updated))).await;
    assert_eq!(saves.iter().filter(|save| save.is_ok()).count(), 1);
    assert!(saves.iter().all(|save| matches!(save, Ok(_) | Err(StoreError::VersionConflict))));
    assert_eq!(store.get(made.id).await.unwrap().unwrap().version, 1);
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2, "the others published nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_concurrent_saves_gets_its_own_result() {
    let app = app().await;
    let other = app.start_second_instance(crate::demo::build).await;
    let (store, elsewhere) = (app.context.store::<Counter>(), other.context.store::<Counter>());
    let names: Vec<_> = (0..60).map(|n| format!("counter {n}")).collect();
    let made = join_all(names.iter().map(|name| insert(&app, name))).await;
    // Another instance changes every third counter first.
    let faster = made.iter().step_by(3).map(|made| elsewhere.save(made, made.incremented(), UserChange::Updated));
    assert!(join_all(faster).await.iter().all(Result::is_ok));
    let saves = join_all(made.iter().map(|made| store.save(made, made.incremented(), UserChange::Updated))).await;
    for (n, save) in saves.iter().enumerate() {
        let expected = n % 3 != 0;
        assert!(
            if expected { save.is_ok() } else { matches!(save, Err(StoreError::VersionConflict)) },
            "{n}: {save:?}"
        );
    }
    let kept = join_all(made.iter().map(|made| store.get(made.id))).await;
    for (made, kept) in made.iter().zip(kept) {
        let kept = kept.unwrap().unwrap();
        assert_eq!((kept.id, kept.version, kept.count), (made.id, 1, 1));
    }
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 120, "the creation and one change of each counter");
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_write_does_not_fail_others() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let taken = insert(&app, "taken").await;
    let counters: Vec<_> = (0..30)
        .map(|n| Counter::new(&if n == 7 { "taken".to_owned() } else { format!("counter {n}") }, app.clock.now()))
        .collect();
    let inserts = counters.iter().map(|counter| store.insert(counter.clone(), UserChange::Registered));
    let made = join_all(inserts).await;
    let rejected: Vec<_> = made.iter().filter_map(|made| made.as_ref().err()).collect();
    assert!(matches!(rejected.as_slice(), [rejected] if rejected.is_duplicate_of("name_v1")), "{rejected:?}");
    let made: Vec<_> = made.into_iter().filter_map(Result::ok).collect();
    let saves = made.iter().enumerate().map(|(n, made)| {
        let next = if n == 7 { Counter { name: taken.name.clone(), ..made.state.clone() } } else { made.incremented() };
        store.save(made, next, UserChange::Updated)
    });
    let saves = join_all(saves).await;
    let rejected: Vec<_> = saves.iter().filter_map(|save| save.as_ref().err()).collect();
    assert!(matches!(rejected.as_slice(), [rejected] if rejected.is_duplicate_of("name_v1")), "{rejected:?}");
    app.wait_until_idle().await;
    // There are the insert that took the name, 29 of 30 inserts, and 28 of 29 saves.
    assert_eq!(app.events("demo").await.len(), 1 + 29 + 28);
}

#[tokio::test(flavor = "multi_thread")]
async fn saving_a_missing_document_is_a_version_conflict() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    let mut elsewhere = made.clone();
    elsewhere.state.id = common::id::UserId::new();
    let next = elsewhere.incremented();
    assert!(matches!(store.save(&elsewhere, next, UserChange::Updated).await, Err(StoreError::VersionConflict)));
    assert!(store.get(elsewhere.id).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn unique_violation_names_the_index_and_stores_nothing() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    insert(&app, "one").await;
    let again = Counter::new("one", app.clock.now());
    let rejected = store.insert(again.clone(), UserChange::Registered).await.unwrap_err();
    assert!(rejected.is_duplicate_of("name_v1"), "{rejected:?}");
    assert!(store.get(again.id).await.unwrap().is_none());
    let other = insert(&app, "two").await;
    let renamed = Counter { name: "one".to_owned(), ..other.state.clone() };
    let rejected = store.save(&other, renamed, UserChange::Updated).await.unwrap_err();
    assert!(rejected.is_duplicate_of("name_v1"), "{rejected:?}");
    assert_eq!(store.get(other.id).await.unwrap().unwrap(), other);
    app.wait_until_idle().await;
    assert_eq!(app.events("demo").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn save_replaces_the_state_and_keeps_other_fields() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    let documents = app.context.database.collection::<Document>(Counter::COLLECTION);
    let newer = doc! { "$set": { "state.colour": "red", "shard": 7 } };
    documents.update_one(doc! { "_id": made.id.to_string() }, newer).await.unwrap();
    let read = store.get(made.id).await.unwrap().unwrap();
    store.save(&read, read.incremented(), UserChange::Updated).await.unwrap();
    let left = document(&app, made.id).await;
    assert_eq!(left.get_document("state").unwrap().get("colour"), None, "the state is replaced as a whole");
    assert_eq!(left.get("shard"), Some(&Bson::Int32(7)), "other fields are unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_contain_each_item_once() {
    let app = app().await;
    let store = app.context.store::<Counter>();
    let mut made = Vec::new();
    for n in 0..25 {
        made.insert(0, insert(&app, &format!("n{n}")).await.id);
    }
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let query = PageQuery { limit: Some(7), cursor };
        let page = store.page(doc! {}, &PageRequest::from(&query)).await.unwrap();
        assert!(page.items.len() <= 7);
        all.extend(page.items.iter().map(|item| item.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(all, made);
}
