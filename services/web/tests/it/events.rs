//! Tests of `web`'s subscriptions: each keeps the newest version of an entity, although events are delivered more than
//! once, concurrently or in the wrong order. Malformed messages become dead letters.

use common::events::order::{OrderChange, OrderStatus};
use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::show::ShowChange;
use common::events::ticket::TicketChange;
use common::events::user::UserChange;
use common::events::{Change, Payload};
use common::id::UserId;
use platform::store::replica::Applied;
use testkit::app::TestApp;

use crate::support::{app, listing, order, payment, show_of, user};

/// Delivers two versions of an entity to two instances, also repeatedly and in the wrong order. The replica must keep
/// the newer one.
async fn newest_version_wins<S>([app, other]: [&TestApp; 2], change: S::Change, id: impl ToString, first: S, second: S)
where
    S: Payload + PartialEq + std::fmt::Debug,
{
    let id = id.to_string();
    let stored = async || app.context.replica::<S>().get(&id).await.unwrap().unwrap();
    let old = app.event(change, &id, 3, first.clone());
    let new = app.event(change, &id, 4, second.clone());
    // Both instances receive the older event at the same time, as after a lost acknowledgement.
    let (one, two) = tokio::join!(app.handle(&old), other.handle(&old));
    let applied = [one.unwrap(), two.unwrap()];
    assert_eq!(applied.iter().filter(|applied| **applied == Applied::Applied).count(), 1, "{applied:?}");
    assert_eq!((stored().await.version, stored().await.state), (3, first));
    assert_eq!(app.handle(&new).await.unwrap(), Applied::Applied);
    for event in [&new, &old] {
        assert_eq!(other.handle(event).await.unwrap(), Applied::Stale);
        assert_eq!((stored().await.version, &stored().await.state), (4, &second));
    }
    // A snapshot is handled like any other event: it is stale unless its version is newer.
    let again = app.event(S::Change::SNAPSHOT, &id, 4, second.clone());
    assert_eq!(app.handle(&again).await.unwrap(), Applied::Stale);
    let later = app.event(S::Change::SNAPSHOT, &id, 5, second);
    assert_eq!(app.handle(&later).await.unwrap(), Applied::Applied);
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_version_of_each_entity_wins() {
    let app = app().await;
    let both = [&app, &app.start_second_instance(web::build).await];
    let rows: Vec<_> = app.running.subscriptions.iter().map(|row| row.entity).collect();
    assert_eq!(rows, ["user", "ticket", "order", "payment", "show"], "add a case below for a new subscription");
    let id = UserId::new();
    Box::pin(newest_version_wins(both, UserChange::Updated, id, user(&app, id, "Ana"), user(&app, id, "Bea"))).await;
    let ticket = listing(&app, "Jazz", 0);
    let mut changed = ticket.clone();
    changed.terms.title = "Blues".to_owned();
    Box::pin(newest_version_wins(both, TicketChange::Updated, ticket.terms.id, ticket.clone(), changed)).await;
    let show = show_of(&ticket);
    let mut moved = show.clone();
    moved.venue = "Arena".to_owned();
    Box::pin(newest_version_wins(both, ShowChange::Moved, show.id, show, moved)).await;
    let first = order(&app, &ticket, id, OrderStatus::Created);
    let mut second = first.clone();
    second.status = OrderStatus::Cancelled;
    Box::pin(newest_version_wins(both, OrderChange::Cancelled, first.id, first.clone(), second)).await;
    let paid = payment(&app, &first, PaymentStatus::Authorized);
    let mut captured = paid.clone();
    captured.status = PaymentStatus::Captured;
    Box::pin(newest_version_wins(both, PaymentChange::Captured, paid.id, paid, captured)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_message_is_dead_lettered_without_blocking() {
    let app = app().await;
    app.expect_dead_letters(1);
    app.publish_raw("tickets", "ticket", "ticket.created.v1", b"{\"no\": \"event\"}").await;
    let ticket = listing(&app, "Jazz", 0);
    crate::support::publish_listing(&app, &ticket).await;
    app.wait_until_idle().await;
    assert!(crate::support::page(&app, "/").await.contains("Jazz"));
}
