//! What one visitor may try on a shop with the limits that one has unless its operator sets others.

use e2e::invariants;
use e2e::shop::Shop;
use testkit::tools::progress;

use crate::operator::Operator;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_one_visitor_tries_others_buy_as_fast_and_the_promises_hold() {
    let shop = Shop::open_limited().await.unwrap();
    progress("Tried", &Operator::of(&shop).runs(&["abuse"]).await);
    invariants::hold(&shop).await.unwrap();
}
