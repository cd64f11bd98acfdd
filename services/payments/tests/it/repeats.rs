//! What one visitor repeats makes nobody else's decision slower.

use common::events::order::OrderChange;

use crate::support::{DECLINED, Shop, VISA, won};

/// How often a card is declined.
const REPEATS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_decided_past_any_number_of_declined_ones() {
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
            shop.app.handle(&shop.app.event(change, order.id, 2, won(&order, &payment))).await.unwrap();
        }
        assert_eq!(shop.read(&buyer, &payment).await["status"], "captured");
    };
    shop.app.assert_examined_at_most(5, Box::pin(work)).await;
}
