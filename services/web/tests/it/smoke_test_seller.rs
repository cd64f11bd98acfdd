//! The listings of the smoke test of a deployment: in no list and no figure, and on a page of their own.

use std::time::Duration;

use common::clock::Clock;
use common::events::ticket::{PriceDrop, TicketChange, TicketState};
use common::id::{TicketId, UserId};
use common::money::Money;

use crate::fake_services::post_form;
use crate::support::{assert_contains, listing, page, path, publish_listing, show_of, show_path, with_settings};

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_the_smoke_test_are_in_no_list_and_no_figure() {
    let seller_id = UserId::new();
    let app = with_settings(&[("SMOKE_TEST_SELLER", &seller_id.to_string())]).await;
    let user = app.signer.user();
    let starts_at = "2099-11-01T00:00:00Z".parse().unwrap();
    let mut ordinary = listing(&app, "Jazz", 0);
    ordinary.terms.starts_at = starts_at;
    publish_listing(&app, &ordinary).await;
    app.wait_until_idle().await;
    let watch = format!("/shows/{}/watch", ordinary.show_id);
    post_form(&app, &watch, Some(&user), &[("max", ""), ("currency", "USD")]).await.expect(303);

    app.clock.advance(Duration::from_secs(60));
    let dollars = |amount: i64| Money { amount, currency: "USD".parse().unwrap() };
    let mut hidden = TicketState {
        seller_id,
        price: dollars(100),
        price_drop: Some(PriceDrop { from: dollars(200), at: app.clock.now() }),
        ..listing(&app, "Smoke test", 0)
    };
    hidden.terms.starts_at = starts_at;
    publish_listing(&app, &hidden).await;
    // One of the ordinary show, cheaper.
    let mut beside = TicketState { show_id: ordinary.show_id, updated_at: app.clock.now(), ..hidden.clone() };
    beside.terms = ordinary.terms.clone();
    beside.terms.id = TicketId::new();
    app.publish(TicketChange::Created, beside.terms.id, 0, beside.clone()).await;
    app.wait_until_idle().await;

    let (listed, unlisted) = (show_path(&show_of(&ordinary)), show_path(&show_of(&hidden)));
    for list in ["/", "/browse", "/browse?status=all", "/browse?min=2&currency=USD", "/sitemaps/2099-11.xml"] {
        let html = page(&app, list).await;
        assert!(html.contains(&listed) && !html.contains(&unlisted), "{list}: {html}");
        assert!(!html.contains("$1.00"), "{list}: {html}");
    }
    for search in ["/browse?q=smoke", "/browse?q=smoke&status=all", "/browse?max=1&currency=USD"] {
        let html = page(&app, search).await;
        assert!(!html.contains(&unlisted) && html.contains("No shows"), "{search}: {html}");
    }
    assert_contains(&page(&app, "/").await, &["1 left"]);
    let html = page(&app, &listed).await;
    assert_contains(&html, &["$125.50"]);
    for absent in [path(&beside).as_str(), "$1.00", "\"lowPrice\":\"1.00\""] {
        assert!(!html.contains(absent), "{absent}: {html}");
    }
    let html = app.request("GET", "/notifications").as_user(&user).send().await.expect(200).text();
    assert!(!html.contains("was listed"), "{html}");

    // It can be bought on its page, which search engines do not list.
    let html = page(&app, &path(&hidden)).await;
    let hold = format!("action=\"{}/hold\"", path(&hidden));
    assert_contains(&html, &["$1.00", &hold, "content=\"noindex\""]);
}
