//! The store on three MongoDB members: a losing writer gets its result only once the winning write is permanent.

use std::time::Duration;

use common::aggregate::Aggregate;
use common::clock::Clock;
use common::events::user::UserChange;
use futures::future::join;
use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, WriteConcern};
use nix::sys::signal::Signal;
use platform::store::error::StoreError;
use testkit::app::eventually;
use testkit::servers::scratch::ScratchDir;
use testkit::servers::{Servers, ServersOptions};
use testkit::tools::Tools;

use crate::demo::{Counter, app_with, insert};

async fn start_three_members() -> (ScratchDir, Servers) {
    let scratch = ScratchDir::new("replica-set").unwrap();
    let tools = Tools::find_or_install().unwrap();
    let options = ServersOptions { members: 3, ..ServersOptions::in_dir(scratch.path()) };
    let servers = Servers::start(&tools, &options).await.unwrap();
    (scratch, servers)
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_writer_returns_after_the_majority_commit() {
    let (_scratch, servers) = start_three_members().await;
    let app = app_with(&[("MONGODB_URL", &servers.mongodb_url())]).await;
    let other = app.start_second_instance(crate::demo::build).await;
    let (store, elsewhere) = (app.context.store::<Counter>(), other.context.store::<Counter>());
    let made = insert(&app, "one").await;
    app.wait_until_idle().await;

    let primary = servers.mongodb_primary().await.unwrap();
    let secondaries = || servers.mongodb_members().into_iter().filter(|member| member.port() != primary.port());
    secondaries().for_each(|member| member.signal(Signal::SIGSTOP));
    // Reads what the primary has, committed or not.
    let client = Client::with_uri_str(primary.url()).await.unwrap();
    let counters = client.database(app.context.database.name()).collection::<Document>(Counter::COLLECTION);
    let now = app.clock.now();

    let losers = async {
        eventually("the winners' writes", async || {
            let bumped = counters.count_documents(doc! { "version": 1 }).await.unwrap();
            let named = counters.count_documents(doc! { "state.name": "two" }).await.unwrap();
            bumped == 1 && named == 1
        })
        .await;
        let mut losers = Box::pin(join(
            elsewhere.save(&made, made.incremented(), UserChange::Updated),
            elsewhere.insert(Counter::new("two", now), UserChange::Registered),
        ));
        let early = tokio::time::timeout(Duration::from_secs(2), &mut losers).await;
        assert!(early.is_err(), "it returned before the majority commit: {early:?}");
        secondaries().for_each(|member| member.signal(Signal::SIGCONT));
        let results = losers.await;
        (results, elsewhere.get(made.id).await, elsewhere.find(doc! { "state.name": "two" }, 2).await)
    };
    let (saved, inserted, (results, read, named)) = tokio::join!(
        store.save(&made, made.incremented(), UserChange::Updated),
        store.insert(Counter::new("two", now), UserChange::Registered),
        losers
    );
    assert!(matches!(results.0, Err(StoreError::VersionConflict)), "{:?}", results.0);
    assert!(results.1.unwrap_err().is_duplicate_of("name_v1"));
    assert_eq!(read.unwrap().unwrap(), saved.unwrap(), "a read after that returns the winning state");
    assert_eq!(named.unwrap(), [inserted.unwrap()]);
    app.wait_until_idle().await;
}

/// A document that no majority has yet is absent for a majority read, but its absence can't be confirmed.
#[tokio::test(flavor = "multi_thread")]
async fn absence_is_not_confirmed_while_a_write_is_pending() {
    let (_scratch, servers) = start_three_members().await;
    let app = app_with(&[("MONGODB_URL", &servers.mongodb_url())]).await;
    let store = app.context.store::<Counter>();
    let made = insert(&app, "one").await;
    app.wait_until_idle().await;
    let primary = servers.mongodb_primary().await.unwrap();
    let client = Client::with_uri_str(primary.url()).await.unwrap();
    let counters = client.database(app.context.database.name()).collection::<Document>(Counter::COLLECTION);
    let mut copy = counters.find_one(doc! { "_id": made.id.to_string() }).await.unwrap().unwrap();
    let other = Counter::new("two", app.clock.now());
    copy.insert("_id", other.id.to_string());
    copy.insert("state", mongodb::bson::serialize_to_bson(&other).unwrap());

    let secondaries = || servers.mongodb_members().into_iter().filter(|member| member.port() != primary.port());
    secondaries().for_each(|member| member.signal(Signal::SIGSTOP));
    let unconfirmed = WriteConcern::builder().w(Acknowledgment::Nodes(1)).build();
    counters.insert_one(copy).write_concern(unconfirmed).await.unwrap();
    assert_eq!(store.get(other.id).await.unwrap(), None);
    let confirmed = store.get_confirming_absence(other.id).await;
    assert!(confirmed.is_err(), "decided by absence: {confirmed:?}");
    secondaries().for_each(|member| member.signal(Signal::SIGCONT));
    eventually("the document", async || {
        store.get_confirming_absence(other.id).await.is_ok_and(|found| found.is_some_and(|it| it.state == other))
    })
    .await;
    app.wait_until_idle().await;
}
