//! `put_if_newer`: the highest version wins, in any order of arrival.

use common::events::user::{UserChange, UserState};
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::future::join_all;
use mongodb::bson::doc;
use platform::stream::subscription::{Applied, Delivery};

use crate::demo::app;

fn user(id: UserId, version: u64) -> UserState {
    UserState { id, display_name: format!("v{version}"), created_at: Timestamp::from_millis(0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_newer_versions_are_stored() {
    let app = app().await;
    let replica = app.context.replica::<UserState>();
    let id = UserId::new();
    for (version, expected, kept) in [
        (3, Applied::Applied, 3),
        (3, Applied::Stale, 3),
        (2, Applied::Stale, 3),
        (0, Applied::Stale, 3),
        (4, Applied::Applied, 4),
        (9, Applied::Applied, 9),
    ] {
        let event = app.event(UserChange::Updated, id, version, user(id, version));
        assert_eq!(replica.put_if_newer(&event).await.unwrap(), expected, "{version}");
        let known = replica.get(id).await.unwrap().unwrap();
        assert_eq!((known.version, known.state), (kept, user(id, kept)));
    }
    assert!(replica.get(UserId::new()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn handler_gets_what_is_stored_after_its_event() {
    let app = app().await;
    let replica = app.context.replica::<UserState>();
    let id = UserId::new();
    for (version, change, expected, stored, is_first) in [
        (3, UserChange::Updated, Applied::Applied, 3, true),
        (3, UserChange::Updated, Applied::Stale, 3, false),
        (2, UserChange::Updated, Applied::Stale, 3, false),
        (5, UserChange::Updated, Applied::Applied, 5, true),
        (4, UserChange::Snapshot, Applied::Stale, 5, false),
        (6, UserChange::Snapshot, Applied::Applied, 6, false),
    ] {
        let event = app.event(change, id, version, user(id, version));
        let put = replica.put_and_read(&event).await.unwrap();
        assert_eq!((put.applied, put.entity.version), (expected, stored), "{version} {change:?}");
        assert_eq!(put.entity.state, user(id, stored), "{version} {change:?}");
        assert_eq!(Delivery::of(event).is_first(&put), is_first, "{version} {change:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn highest_of_concurrent_versions_wins() {
    let app = app().await;
    let other = app.start_second_instance(crate::demo::build).await;
    let replicas = [app.context.replica::<UserState>(), other.context.replica::<UserState>()];
    for round in 0..20_u64 {
        let id = UserId::new();
        // Every order of arrival: forward, backward, from the middle; each version twice.
        let versions = (0..40_u64).map(|n| match round % 3 {
            0 => n / 2,
            1 => 19 - n / 2,
            _ => (n * 7 + round) % 20,
        });
        let puts = versions.enumerate().map(|(n, version)| {
            let event = app.event(UserChange::Updated, id, version, user(id, version));
            let replica = &replicas[n % 2];
            async move { (version, replica.put_if_newer(&event).await.unwrap()) }
        });
        let puts = join_all(puts).await;
        let known = replicas[0].get(id).await.unwrap().unwrap();
        assert_eq!((known.version, known.state), (19, user(id, 19)), "round {round}");
        for version in 0..20 {
            let applied = puts.iter().filter(|put| **put == (version, Applied::Applied)).count();
            assert!(applied <= 1, "round {round}: version {version} was applied twice");
        }
        assert!(puts.contains(&(19, Applied::Applied)), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn derived_fields_are_stored_with_the_state_and_do_not_replace_it() {
    let app = app().await;
    let replica = app.context.replica::<UserState>();
    let replica = replica.with_derived_fields(|user| doc! { "words": [user.display_name.as_str()], "version": 99_i64 });
    let id = UserId::new();
    let put = async |version| {
        replica.put_if_newer(&app.event(UserChange::Updated, id, version, user(id, version))).await.unwrap()
    };
    for (version, expected, kept) in [(1, Applied::Applied, 1), (0, Applied::Stale, 1), (2, Applied::Applied, 2)] {
        assert_eq!(put(version).await, expected);
        for other in 0..3_u64 {
            let found = replica.find(doc! { "words": format!("v{other}") }).await.unwrap();
            let versions: Vec<_> = found.iter().map(|found| found.version).collect();
            assert_eq!(versions, if other == kept { vec![kept] } else { Vec::new() }, "{version} {other}");
        }
    }
}

/// A snapshot repairs a wrong copy of the same version, and writes nothing if the copy is right.
#[tokio::test(flavor = "multi_thread")]
async fn snapshot_replaces_a_different_state_of_the_same_version() {
    let app = app().await;
    let replica = app.context.replica::<UserState>();
    let replica = replica.with_derived_fields(|user| doc! { "words": [user.display_name.as_str()] });
    let id = UserId::new();
    let right = user(id, 3);
    let wrong = UserState { display_name: "wrong".to_owned(), ..right.clone() };
    let known = async || {
        let found = replica.get(id).await.unwrap().unwrap();
        (found.version, found.state)
    };
    let put = async |change, version, state: &UserState| {
        replica.put_if_newer(&app.event(change, id, version, state.clone())).await.unwrap()
    };
    assert_eq!(put(UserChange::Snapshot, 3, &wrong).await, Applied::Applied);
    assert_eq!(put(UserChange::Updated, 3, &right).await, Applied::Stale, "one version has one change");
    assert_eq!(put(UserChange::Snapshot, 2, &right).await, Applied::Stale);
    assert_eq!(known().await, (3, wrong));
    assert_eq!(put(UserChange::Snapshot, 3, &right).await, Applied::Applied);
    assert_eq!(known().await, (3, right.clone()));
    assert_eq!(replica.find(doc! { "words": "wrong" }).await.unwrap().len(), 0, "the derived fields are updated too");
    assert_eq!(put(UserChange::Snapshot, 3, &right).await, Applied::Stale, "the state is the same");
    // Several snapshots at once, some of which have the stored state.
    let others = [UserId::new(), UserId::new()];
    for other in others {
        replica.put_if_newer(&app.event(UserChange::Registered, other, 0, user(other, 0))).await.unwrap();
    }
    let snapshots = [id, others[0], others[1]].map(|of| {
        let state = if of == others[1] { user(of, 7) } else { user(of, if of == id { 3 } else { 0 }) };
        app.event(UserChange::Snapshot, of, if of == id { 3 } else { 0 }, state)
    });
    let applied = join_all(snapshots.iter().map(|event| replica.put_if_newer(event))).await;
    let applied: Vec<_> = applied.into_iter().map(Result::unwrap).collect();
    assert_eq!(applied, [Applied::Stale, Applied::Stale, Applied::Applied]);
}
