//! The cost of queries does not grow with the number of declined payments.

use common::events::order::OrderChange;

use crate::support::{DECLINED, Shop, VISA, authorized_by};

/// Number of declined payments.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn declined_payments_do_not_slow_down_a_payment() {
    let shop = Shop::open_with(&[("PAYMENT_ATTEMPTS", "1000")]).await;
    let buyer = shop.app.signer.user();
    let order = shop.order(&buyer).await;
    for _ in 0..REPEATS {
        shop.pay(&buyer, &order, DECLINED).await.expect(402);
    }
    shop.app.wait_until_idle().await;
    let work = async {
        let payment = shop.pay(&buyer, &order, VISA).await.expect(201).json();
        for change in [OrderChange::Authorized, OrderChange::Snapshot] {
            shop.app.handle(&shop.app.event(change, order.id, 2, authorized_by(&order, &payment))).await.unwrap();
        }
        assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    };
    shop.app.assert_examined_at_most(5, Box::pin(work)).await;
}
