//! The listings of the smoke test of a deployment. No list and no number includes them, but they can be ordered.

use common::id::UserId;
use common::identity::Role;
use serde_json::{Value, json};
use testkit::app::users::{Signer, User};

use crate::shows::{listed, read_show, show_path};
use crate::support::{app_with, body_of, body_with, create_listing_with, deliver, order, read};

#[tokio::test(flavor = "multi_thread")]
async fn listings_of_the_smoke_test_are_in_no_list_and_no_figure() {
    let id = UserId::new();
    let app = app_with(&[("SMOKE_TEST_SELLER", &id.to_string())]).await;
    let hidden_seller = User { id, token: app.signer.sign(&Signer::claims(id)) };
    let (seller, staff) = (app.signer.user(), app.signer.staff(Role::Support));
    let seat = |amount: u32| body_of(json!({ "seat": "14", "price": { "amount": amount, "currency": "USD" } }));
    let ordinary = create_listing_with(&app, &seller, &seat(9_900)).await;
    // The hidden seller lists the same seat of the same show for less, and a seat of another show.
    create_listing_with(&app, &hidden_seller, &seat(100)).await;
    let hidden = create_listing_with(&app, &hidden_seller, &body_with("title", json!("Smoke test"))).await;
    app.wait_until_idle().await;

    let ids = async |path: &str| -> Vec<Value> {
        let page = app.request("GET", path).send().await.expect(200).json();
        page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect()
    };
    let of_show = format!("{}/tickets", show_path(&ordinary["showId"]));
    for path in ["/api/tickets", "/api/tickets?status=available", "/api/tickets?q=town", &of_show] {
        assert_eq!(ids(path).await, [ordinary["id"].clone()], "{path}");
    }
    let of_hidden_show = format!("{}/tickets", show_path(&hidden["showId"]));
    for path in ["/api/tickets?q=smoke", &format!("/api/tickets?seller={id}"), &of_hidden_show] {
        assert_eq!(ids(path).await, Vec::<Value>::new(), "{path}");
    }
    assert_eq!(listed(&app, "").await, ["Nina Simone Tribute"]);
    let show = read_show(&app, &ordinary["showId"]).await;
    assert_eq!((&show["free"], &show["from"]), (&json!(1), &json!([{ "amount": 9_900, "currency": "USD" }])));
    let show = read_show(&app, &hidden["showId"]).await;
    assert_eq!((&show["free"], &show["from"]), (&json!(0), &json!([])));
    let duplicates = app.request("GET", "/api/tickets/duplicate-seats").as_user(&staff).send().await.expect(200).json();
    assert_eq!(duplicates["items"], json!([]));

    deliver(&app, 0, &order(&app, &hidden)).await;
    assert_eq!(read(&app, &hidden).await["status"], "reserved");
}
