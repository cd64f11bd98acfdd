//! From sign-up to a sale, and from a hold to its expiry, through the gateway.

use std::time::{Duration, Instant};

use common::api::orders::{CreateOrder, ListPasses, NewOrder, ReadOrder};
use common::api::tickets::{ReadListing, WithdrawListing};
use common::events::order::{CancelReason, OrderStatus};
use common::events::payment::PaymentStatus;
use common::events::ticket::TicketStatus;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing, with_seats};
use e2e::user_client::UserClient;
use testkit::app::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn ticket_is_sold_and_a_hold_expires_although_redis_is_flushed() {
    let fleet = TestFleet::start(&[("ORDER_TTL", "6s")]).await.unwrap();
    let seller = fleet.sign_up("Mara").await.unwrap();
    let (buyer, other) = (fleet.sign_up("Ben").await.unwrap(), fleet.sign_up("Olu").await.unwrap());
    let (sold, unpaid) = (
        seller.create_listing(listing("Carmen", 8_900)).await.unwrap(),
        seller.create_listing(listing("Tosca", 4_500)).await.unwrap(),
    );

    // This order is paid: the payment is captured, the order completed, the ticket sold; nobody else gets it.
    let order = buyer.create_order(sold).await.unwrap();
    assert_eq!(
        other.send(&CreateOrder { body: NewOrder { ticket_id: sold, quantity: None } }).await.unwrap_err().status(),
        Some(409)
    );
    assert_eq!(buyer.pay(order.id, "pm_card_visa_chargeDeclined").await.unwrap_err().status(), Some(402));
    let payment = buyer.pay(order.id, "pm_card_visa").await.unwrap();
    assert_eq!((payment.status, payment.body.status), (201, PaymentStatus::Authorized));
    buyer.wait_for_order(order.id, OrderStatus::Completed).await.unwrap();
    buyer.wait_for_payment(payment.body.id, PaymentStatus::Captured).await.unwrap();
    seller.wait_for_ticket(sold, TicketStatus::Sold).await.unwrap();
    assert_eq!(other.send(&ReadOrder { id: order.id }).await.unwrap_err().status(), Some(404));

    // This order is not paid. Its timer is lost in Redis, but not in MongoDB.
    let order = other.create_order(unpaid).await.unwrap();
    let began = Instant::now();
    seller.wait_for_ticket(unpaid, TicketStatus::Reserved).await.unwrap();
    let redis = redis::Client::open(fleet.processes.servers().redis.url()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").query_async::<()>(&mut redis).await.unwrap();
    let expired = other.wait_for_order(order.id, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(expired.cancel_reason, Some(CancelReason::Expired));
    // The hold lasts six seconds and began shortly before the clock was read. It may end up to ten seconds late.
    let held = began.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(16)).contains(&held), "the hold ended after {held:?}");
    seller.wait_for_ticket(unpaid, TicketStatus::Available).await.unwrap();
    assert_eq!(other.pay(order.id, "pm_card_visa").await.unwrap_err().status(), Some(410));

    share_a_listing(&seller, &buyer, &other).await;
    invariants::assert_eventually(&fleet).await.unwrap();
    fleet.processes.stop().await.unwrap();
}

/// Two buyers get two seats each of a listing of six in pairs, and a pass for each seat. The seller takes back the
/// rest.
async fn share_a_listing(seller: &UserClient, buyer: &UserClient, other: &UserClient) {
    let ticket = seller.create_listing(with_seats(listing("Aida", 5_000), &[2, 2, 2])).await.unwrap();
    let wrong = buyer.create_order_of(ticket, Some(3)).await.unwrap_err();
    assert_eq!(wrong.problem().expect("a problem").code(), "no-seats");
    let mut taken = Vec::new();
    for user in [buyer, other] {
        let order = user.create_order_of(ticket, Some(2)).await.unwrap();
        assert_eq!((order.quantity, order.price.amount, order.unit_price.amount), (2, 10_000, 5_000));
        let payment = user.pay(order.id, "pm_card_visa").await.unwrap().body;
        assert_eq!(payment.amount.amount, 10_000);
        user.wait_for_order(order.id, OrderStatus::Completed).await.unwrap();
        let passes = user.send(&ListPasses { id: order.id }).await.unwrap().body.items;
        let seats: Vec<_> = passes.iter().map(|pass| pass.seat.clone()).collect();
        assert_eq!((passes.len(), seats), (2, order.seats));
        taken.extend(order.slots);
    }
    assert_eq!(taken, [0, 1, 2, 3]);
    let more = other.create_order_of(ticket, Some(4)).await.unwrap_err();
    assert_eq!(more.problem().expect("a problem").code(), "no-seats");
    seller.send_until_definitive(&WithdrawListing { id: ticket }, None).await.unwrap();
    let statuses = async || {
        let listing = seller.send(&ReadListing { id: ticket }).await.unwrap().body;
        listing.seats.iter().map(|seat| seat.status).collect::<Vec<_>>()
    };
    let expected = [[TicketStatus::Sold; 4].as_slice(), &[TicketStatus::Withdrawn; 2]].concat();
    eventually("the seats to be sold or withdrawn", async || statuses().await == expected).await;
}
