//! Rate limits with the production defaults.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::api::Endpoint;
use common::api::orders::{CancelOrder, CreateOrder, NewOrder};
use common::api::tickets::ReadListing;
use common::api::users::ReadCurrentUser;
use common::id::OrderId;
use e2e::exchange::status;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use futures::future::join_all;
use testkit::app::eventually;
use testkit::fleet::SERVICES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The default limits.
const LIMITS: [(&str, &str); 6] = [
    ("GUEST_REQUESTS_PER_MINUTE", "3000"),
    ("READS_PER_MINUTE", "1200"),
    ("WRITES_PER_MINUTE", "300"),
    ("ORDERS_PER_MINUTE", "60"),
    ("PAYMENTS_PER_MINUTE", "30"),
    // A long timeout, so that the services of a busy machine do not fall back to counting per instance.
    ("LIMIT_REDIS_TIMEOUT", "10s"),
];

/// Requests a path; returns the status, the `RateLimit` header and the body.
async fn get_ratelimit(fleet: &TestFleet, token: &str, path: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.get(format!("{}{path}", fleet.url())).header("cookie", format!("access={token}"));
    let response = request.send().await.unwrap();
    let state = response.headers().get("ratelimit").map(|state| state.to_str().unwrap().to_owned());
    (response.status().as_u16(), state.unwrap_or_default(), response.text().await.unwrap())
}

/// The remaining requests: `r` of `"reads";r=1199;t=60`.
fn remaining(state: &str) -> u32 {
    let text = state.split("r=").nth(1).and_then(|rest| rest.split(';').next());
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no remaining quota in {state:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn users_behind_one_address_are_not_limited_but_one_account_is() {
    let fleet = TestFleet::start(&LIMITS).await.unwrap();
    // Two hundred users on one network, and one ticket.
    let (seller, buyers): (_, Vec<_>) =
        (fleet.token_user().unwrap(), (0..200).map(|_| fleet.token_user().unwrap()).collect());
    let ticket = seller.create_listing(listing("Carmen", 4_500)).await.unwrap();
    let first = buyers[0].create_order(ticket).await.unwrap();
    assert_eq!(buyers[0].send(&CancelOrder { id: first.id }).await.unwrap().status, 200);
    let (read, order) =
        (ReadListing { id: ticket }, CreateOrder { body: NewOrder { ticket_id: ticket, quantity: None } });
    let responses = join_all(buyers.iter().map(async |buyer| {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(status(buyer.send(&read).await).unwrap());
        }
        statuses.push(status(buyer.send(&order).await).unwrap());
        statuses
    }))
    .await;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    responses.into_iter().flatten().for_each(|status| *statuses.entry(status).or_default() += 1);
    assert_eq!(statuses, BTreeMap::from([(200, 4_000), (201, 1), (409, 199)]), "4,200 requests from one address");

    // One account that orders too often; the 429 passes through the gateway.
    let busy = fleet.token_user().unwrap();
    for number in 0..60 {
        let rejected = busy.send(&order).await.unwrap_err();
        assert_eq!(rejected.status(), Some(409), "order {number}: {rejected:?}");
    }
    let rejected = busy.send(&order).await.unwrap_err();
    let problem = rejected.problem().unwrap();
    assert_eq!((problem.status, problem.kind.as_str()), (429, "urn:ticketing:problem:rate-limited"));
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_of_one_account_are_limited_even_if_all_are_rejected() {
    let fleet = TestFleet::start(&LIMITS).await.unwrap();
    let busy = fleet.token_user().unwrap();
    // The payments are made at once, since each waits for the unknown order.
    let payments =
        join_all((0..31).map(async |_| status(busy.pay(OrderId::new(), "pm_card_visa").await).unwrap())).await;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for status in payments {
        *statuses.entry(status).or_default() += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(404, 30), (429, 1)]));
}

/// Posts a form or, without one, a JSON body; returns the status and the `RateLimit` header.
async fn post_ratelimit(fleet: &TestFleet, token: &str, path: &str, kind: &str, body: String) -> (u16, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.post(format!("{}{path}", fleet.url())).header("cookie", format!("access={token}"));
    let response = request.header("content-type", kind).body(body).send().await.unwrap();
    let state = response.headers().get("ratelimit").map(|state| state.to_str().unwrap().to_owned());
    (response.status().as_u16(), state.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn form_counts_as_a_read_and_its_command_once_at_the_owner() {
    let fleet = TestFleet::start(&LIMITS).await.unwrap();
    let (seller, buyer) = (fleet.token_user().unwrap(), fleet.token_user().unwrap());
    let ticket = seller.create_listing(listing("Carmen", 4_500)).await.unwrap();
    let token = buyer.token().unwrap();
    // Waits until the listing has arrived everywhere.
    let warm_up = fleet.token_user().unwrap().create_order(ticket).await.unwrap();
    eventually("the page of the listing", async || {
        get_ratelimit(&fleet, token, &format!("/tickets/{ticket}")).await.0 == 200
    })
    .await;
    let form = "application/x-www-form-urlencoded";
    let (status, state) =
        post_ratelimit(&fleet, token, &format!("/tickets/{ticket}/hold"), form, "key=a".to_owned()).await;
    assert_eq!(status, 409, "order {} holds the ticket", warm_up.id);
    assert!(state.starts_with("\"reads\""), "{state}");
    let body = format!("{{\"ticketId\":\"{ticket}\"}}");
    let (status, state) = post_ratelimit(&fleet, token, CreateOrder::PATH, "application/json", body).await;
    assert_eq!(status, 409);
    assert!(state.starts_with("\"orders\"") && remaining(&state) == 60 - 2, "one by the form, one by the API: {state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn page_request_counts_once_despite_its_backend_calls() {
    let settings = [("READS_PER_MINUTE", "40"), ("LIMIT_REDIS_TIMEOUT", "10s")];
    let fleet = TestFleet::start(&settings).await.unwrap();
    for service in SERVICES.into_iter().filter(|service| *service != "expiration") {
        let url = format!("{}/metrics", fleet.processes.service(service).unwrap().metrics_url());
        eventually("Redis to count", async || {
            reqwest::get(&url).await.unwrap().text().await.unwrap().contains("rate_limit_redis_up 1")
        })
        .await;
    }
    let user = fleet.token_user().unwrap();
    let token = user.token().unwrap();
    // The page calls `auth` twice.
    for number in 0..3 {
        let (status, state, _) = get_ratelimit(&fleet, token, "/account").await;
        assert!(status < 500, "{status}");
        assert_eq!(remaining(&state), 39 - number, "{state}");
    }
    let (_, state, _) = get_ratelimit(&fleet, token, ReadCurrentUser::PATH).await;
    assert!(remaining(&state) <= 39, "{state}");
    // Counts are synchronized through Redis once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (_, state, _) = get_ratelimit(&fleet, token, ReadCurrentUser::PATH).await;
    assert_eq!(remaining(&state), 40 - 5, "three pages and two requests to `auth`: {state}");
    // Beyond the limit, a page request gets an error page.
    let mut error_page = None;
    for _ in 0..40 {
        let (status, _, text) = get_ratelimit(&fleet, token, "/account").await;
        if status == 429 {
            error_page = Some(text);
            break;
        }
    }
    let page = error_page.expect("a 429");
    assert!(page.starts_with("<!") && page.contains("Too many requests"), "{page}");
    let asset = page.split('"').find(|text| text.starts_with("/assets/")).expect("the page has a style sheet");
    for free in [asset, "/sw.js", "/robots.txt", "/api/users/jwks.json", "/api/orders/openapi.json"] {
        let (status, state, _) = get_ratelimit(&fleet, token, free).await;
        assert_eq!((status, state.as_str()), (200, ""), "{free} is not limited");
    }
    for service in SERVICES {
        let url = format!("{}/metrics", fleet.processes.service(service).unwrap().metrics_url());
        let response = reqwest::get(&url).await.unwrap();
        assert!(response.status() == 200 && !response.headers().contains_key("ratelimit"), "{service}'s metrics port");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_header_and_silent_clients_are_disconnected_on_every_port() {
    let fleet = TestFleet::start(&[("HEADER_TIMEOUT", "1s"), ("IDLE_TIMEOUT", "2s")]).await.unwrap();
    let ports = SERVICES.into_iter().flat_map(|service| {
        let instance = fleet.processes.service(service).unwrap();
        let urls = [instance.url(), instance.admin_url(), instance.metrics_url()];
        urls.map(|url| (service, url.trim_start_matches("http://").to_owned()))
    });
    join_all(ports.map(async |(service, address)| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{service} at {address} still waits");
        assert!(began.elapsed() > Duration::from_millis(900), "{service} at {address}: {:?}", began.elapsed());
        let mut silent = TcpStream::connect(&address).await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(15), silent.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{service} at {address} keeps a silent connection");
    }))
    .await;
}
