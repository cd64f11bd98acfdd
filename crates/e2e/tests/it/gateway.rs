//! The gateway: added headers, pass-through of errors, cookies and pages, and size limits.

use std::time::Duration;

use common::api::Endpoint;
use common::api::users::{ReadCurrentUser, SignOut};
use e2e::test_fleet::{TestFleet, listing};
use testkit::app::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn errors_cookies_and_pages_pass_through_the_gateway() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let seller = fleet.sign_up("Mara").await.unwrap();
    let ticket = seller.create_listing(listing("Carmen", 8_900)).await.unwrap();
    let me = seller.send(&ReadCurrentUser {}).await.unwrap().body;
    assert_eq!(me.current_user.unwrap().display_name, "Mara");

    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("{}{path}", fleet.url())).send();
    for (path, kind) in [
        ("/api/nothing", "application/problem+json"),
        ("/api/tickets/1/2", "application/problem+json"),
        ("/nothing", "text/html"),
    ] {
        let response = get(path).await.unwrap();
        assert_eq!(response.status().as_u16(), 404, "{path}");
        let headers = response.headers().clone();
        assert!(headers["content-type"].to_str().unwrap().starts_with(kind), "{path}: {headers:?}");
        assert!(headers.contains_key("x-request-id") && headers["x-content-type-options"] == "nosniff", "{path}");
    }
    // The listing and the seller's name arrive at the read model later, in any order: events of different services are
    // not ordered.
    eventually("the page shows the listing and its seller", async || {
        let response = get(&format!("/tickets/{ticket}")).await.unwrap();
        match response.status().as_u16() {
            200 => {
                let page = response.text().await.unwrap();
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
        .post(format!("{}{}", fleet.url(), SignOut::PATH))
        .header("sec-fetch-site", "cross-site")
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status().as_u16(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_requests_are_rejected_before_the_body() {
    let fleet = TestFleet::start(&[]).await.unwrap();
    let address = fleet.url().replace("http://localhost", "127.0.0.1").replace("http://", "");
    // Sends only the head of a request; the announced body never follows.
    let respond_to = async |head: String| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        // Reads to the end of the response, which does not always close the connection.
        while !String::from_utf8_lossy(&response).contains("headers-too-large")
            && !response.ends_with(b"}")
            && !response.ends_with(b"</html>")
        {
            let mut part = [0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut part)).await;
            let so_far = || format!("{:?} to {}", String::from_utf8_lossy(&response), head.lines().next().unwrap());
            match read {
                Ok(Ok(0)) => break,
                Ok(Ok(read)) => response.extend_from_slice(&part[..read]),
                Ok(Err(error)) => panic!("{error} after {}", so_far()),
                Err(late) => panic!("{late}: incomplete response {}", so_far()),
            }
        }
        String::from_utf8_lossy(&response).into_owned()
    };
    // Lengths in bytes; the limit is 1 MiB.
    for (length, path) in [
        ("8388608", "/api/tickets"),
        ("1048577", "/api/orders"),
        ("8388608", "/api/payments/webhooks/stripe"),
        ("8388608", "/sell/drafts/a/edit"),
        ("99999999999999999", "/"),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let response = respond_to(head).await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{length} to {path}: {response}");
        let kind = if path.starts_with("/api/") { "application/problem+json" } else { "text/html" };
        assert!(response.to_lowercase().contains(&format!("content-type: {kind}")), "{path}: {response}");
    }
    for (path, kind) in [("/", "text/html"), ("/api/tickets", "application/problem+json")] {
        let cookie = "a".repeat(40 << 10);
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\ncookie: visitor={cookie}\r\nconnection: close\r\n\r\n");
        let response = respond_to(head).await;
        assert!(response.starts_with("HTTP/1.1 431 "), "{path}: {response}");
        assert!(response.to_lowercase().contains(&format!("content-type: {kind}")), "{path}: {response}");
        assert!(response.contains("cookies of this site"), "{path}: {response}");
        for count in [101, 500] {
            let headers = "x-header: 1\r\n".repeat(count);
            let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n");
            let response = respond_to(head).await;
            assert!(response.starts_with("HTTP/1.1 431 "), "{count} to {path}: {response}");
            assert!(response.to_lowercase().contains(&format!("content-type: {kind}")), "{path}: {response}");
            // The page for browsers tells users to delete cookies, since they can't change other headers.
            let remedy = if path.starts_with("/api/") { "at most 100 headers" } else { "cookies of this site" };
            assert!(response.contains(remedy), "{count} to {path}: {response}");
        }
    }
}
