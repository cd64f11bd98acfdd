//! `put_if_newer`: the highest version wins, whatever comes first.

use common::events::user::{UserChange, UserState};
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::future::join_all;
use platform::stream::subscription::Applied;

use crate::demo::app;

fn user(id: UserId, version: u64) -> UserState {
    UserState { id, display_name: format!("v{version}"), created_at: Timestamp::from_millis(0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_newer_is_taken() {
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
async fn of_many_versions_at_once_the_highest_wins() {
    let app = app().await;
    let other = app.another(crate::demo::build).await;
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
            let taken = puts.iter().filter(|put| **put == (version, Applied::Applied)).count();
            assert!(taken <= 1, "round {round}: version {version} was news twice");
        }
        assert!(puts.contains(&(19, Applied::Applied)), "round {round}");
    }
}
