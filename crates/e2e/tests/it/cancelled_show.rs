//! A member of the staff, whose role `ticketctl` grants and revokes, cancels a show, and the payment of its completed
//! order is refunded.

use common::api::Endpoint;
use common::api::orders::{CreateOrder, ListOrdersToRefund, NewOrder, OrderToRefund};
use common::api::page::PageQuery;
use common::api::shows::{CancelShow, ShowCancellation};
use common::api::tickets::{NewListing, ReadListing};
use common::api::users::{ReadCurrentUser, Refresh};
use common::events::order::{CancelReason, OrderStatus};
use common::text::Text;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use e2e::user_client::UserClient;
use testkit::app::eventually;

use crate::operator::Operator;

async fn to_refund(staff: &UserClient) -> Vec<OrderToRefund> {
    staff.send(&ListOrdersToRefund { query: PageQuery::default() }).await.unwrap().body.items
}

/// The code of the problem in the response to this request.
async fn problem<E: Endpoint>(user: &UserClient, request: &E) -> String {
    let failed = user.send(request).await.err().expect("a problem");
    failed.problem().expect("a problem").code().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_cancels_a_show_and_refunds_the_payment() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let operator = Operator::for_fleet(&fleet);
    let (seller, staff) = (fleet.sign_up("Mara").await.unwrap(), fleet.sign_up("Kim").await.unwrap());
    let (ben, olu) = (fleet.sign_up("Ben").await.unwrap(), fleet.sign_up("Olu").await.unwrap());
    let list = async |seat: &str| {
        let listing = NewListing { seat: Text::non_blank(seat), ..listing("Carmen", 8_900) };
        seller.create_listing(listing).await.unwrap()
    };
    let (sold, held) = (list("7").await, list("8").await);
    let show = seller.send(&ReadListing { id: sold }).await.unwrap().body.show_id;
    assert_eq!(seller.send(&ReadListing { id: held }).await.unwrap().body.show_id, show);
    let paid = ben.create_order(sold).await.unwrap();
    let payment = ben.pay(paid.id, "pm_card_visa").await.unwrap().body;
    ben.wait_for_order(paid.id, OrderStatus::Completed).await.unwrap();
    let unpaid = olu.create_order(held).await.unwrap();
    olu.wait_for_order(unpaid.id, OrderStatus::AwaitingPayment).await.unwrap();

    let cancellation = CancelShow { id: show, body: ShowCancellation { reason: Text::new("The singer is ill.") } };
    assert_eq!(problem(&staff, &cancellation).await, "role-required");
    let email = staff.send(&ReadCurrentUser {}).await.unwrap().body.current_user.unwrap().email;
    operator.run_rejected(&["role", "give", "operator", "nobody@example.com"], "no user has this email").await;
    operator.run_ok(&["role", "give", "operator", &email]).await;
    assert!(operator.run_ok(&["role", "list"]).await.contains(&email));
    staff.send(&Refresh {}).await.unwrap();
    assert!(to_refund(&staff).await.is_empty());
    staff.send(&cancellation).await.unwrap();

    let ended = olu.wait_for_order(unpaid.id, OrderStatus::Cancelled).await.unwrap();
    assert_eq!(ended.cancel_reason, Some(CancelReason::ShowCancelled));
    let again = CreateOrder { body: NewOrder { ticket_id: held, quantity: None } };
    assert_eq!(problem(&olu, &again).await, "show-cancelled");
    eventually("the order to be listed", async || !to_refund(&staff).await.is_empty()).await;
    let listed = to_refund(&staff).await;
    assert_eq!(listed.iter().map(|item| (item.order.id, item.payment_id)).collect::<Vec<_>>(), [(paid.id, payment.id)]);
    assert_eq!(listed[0].provider_ref, payment.provider_ref);
    fleet.fakestripe.refund(listed[0].provider_ref.as_deref().unwrap()).await.unwrap();
    eventually("the refund", async || to_refund(&staff).await.is_empty()).await;

    // The user loses the role and all sessions.
    operator.run_rejected(&["role", "take", "operator", &email], "run the command again with --yes").await;
    operator.run_ok(&["--yes", "role", "take", "operator", &email]).await;
    assert!(staff.send(&Refresh {}).await.is_err());
    invariants::assert_eventually(&fleet).await.unwrap();
    fleet.processes.stop().await.unwrap();
}
