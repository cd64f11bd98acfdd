//! What the gateway adds and what it must not lose.

use e2e::shop::{Shop, listing};
use testkit::app::eventually;

#[tokio::test(flavor = "multi_thread")]
async fn errors_cookies_and_pages_come_through() {
    let shop = Shop::open(&[]).await.unwrap();
    let seller = shop.sign_up("Mara").await.unwrap();
    let ticket = seller.lists(&listing("Carmen", 8_900)).await.unwrap();
    let me = seller.get("/api/users/currentuser").await.unwrap().body;
    assert_eq!(me["currentUser"]["displayName"], "Mara");

    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{}{path}", shop.url())).send();
    for (path, kind) in [
        ("/api/nothing", "application/problem+json"),
        ("/api/tickets/1/2", "application/problem+json"),
        ("/nothing", "text/html"),
    ] {
        let answer = get(path).await.unwrap();
        assert_eq!(answer.status().as_u16(), 404, "{path}");
        let headers = answer.headers().clone();
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind), "{path}: {headers:?}");
        assert!(headers.contains_key("x-request-id") && headers["x-content-type-options"] == "nosniff", "{path}");
    }
    // The read model learns of the listing a moment later, and of its seller's name perhaps after that:
    // events of different services have no order among them.
    eventually("the page shows the listing and its seller", async || {
        let answer = get(&format!("/tickets/{ticket}")).await.unwrap();
        match answer.status().as_u16() {
            200 => {
                let page = answer.text().await.unwrap();
                assert!(page.contains("Carmen"), "{page}");
                page.contains("Mara")
            }
            status => {
                assert_eq!(status, 404);
                false
            }
        }
    })
    .await;
    assert!(get("/").await.unwrap().text().await.unwrap().contains("Carmen"));

    let forged = client
        .post(format!("{}/api/users/signout", shop.url()))
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status().as_u16(), 403);
}
