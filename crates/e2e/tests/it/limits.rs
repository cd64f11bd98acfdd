//! What one visitor may do to the whole fleet, with the limits that production has.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::api::Endpoint;
use common::api::orders::{CancelOrder, CreateOrder, NewOrder};
use common::api::tickets::ReadListing;
use common::api::users::ReadCurrentUser;
use e2e::exchange::status;
use e2e::invariants;
use e2e::test_fleet::{TestFleet, listing};
use futures::future::join_all;
use testkit::app::eventually;
use testkit::fleet::SERVICES;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The limits as they are unless somebody says otherwise.
const LIMITS: [(&str, &str); 6] = [
    ("GUEST_REQUESTS_PER_MINUTE", "3000"),
    ("READS_PER_MINUTE", "1200"),
    ("WRITES_PER_MINUTE", "300"),
    ("ORDERS_PER_MINUTE", "60"),
    ("PAYMENTS_PER_MINUTE", "30"),
    // A busy machine is no reason for another count.
    ("LIMIT_REDIS_TIMEOUT", "10s"),
];

/// What an answer of this path says is left.
async fn left(fleet: &TestFleet, token: &str, path: &str) -> (u16, String, String) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.get(format!("{}{path}", fleet.url())).header("cookie", format!("access={token}"));
    let answer = request.send().await.unwrap();
    let state = answer.headers().get("ratelimit").map(|state| state.to_str().unwrap().to_owned());
    (answer.status().as_u16(), state.unwrap_or_default(), answer.text().await.unwrap())
}

/// `r` of `"reads";r=1199;t=60`.
fn remaining(state: &str) -> u32 {
    let text = state.split("r=").nth(1).and_then(|rest| rest.split(';').next());
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no limit: {state}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_behind_one_address_sees_no_limit_and_one_visitor_does() {
    let fleet = TestFleet::start(&LIMITS).await.unwrap();
    // Two hundred people of one network, and one ticket.
    let (seller, buyers): (_, Vec<_>) = (fleet.token_user().unwrap(), (0..200).map(|_| fleet.token_user().unwrap()).collect());
    let ticket = seller.create_listing(listing("Carmen", 4_500)).await.unwrap();
    let first = buyers[0].create_order(ticket).await.unwrap();
    assert_eq!(buyers[0].send(&CancelOrder { id: first.id }).await.unwrap().status, 200);
    let (look, order) = (ReadListing { id: ticket }, CreateOrder { body: NewOrder { ticket_id: ticket } });
    let answers = join_all(buyers.iter().map(async |buyer| {
        let mut statuses = Vec::new();
        for _ in 0..20 {
            statuses.push(status(buyer.send(&look).await).unwrap());
        }
        statuses.push(status(buyer.send(&order).await).unwrap());
        statuses
    }))
    .await;
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    answers.into_iter().flatten().for_each(|status| *statuses.entry(status).or_default() += 1);
    assert_eq!(statuses, BTreeMap::from([(200, 4_000), (201, 1), (409, 199)]), "4,200 requests from one address");

    // One account that asks for more orders than anybody needs; what it gets is told by the gateway too.
    let busy = fleet.token_user().unwrap();
    for number in 0..60 {
        let refused = busy.send(&order).await.unwrap_err();
        assert_eq!(refused.status(), Some(409), "order {number}: {refused:?}");
    }
    let refused = busy.send(&order).await.unwrap_err();
    let problem = refused.problem().unwrap();
    assert_eq!((problem.status, problem.kind.as_str()), (429, "urn:ticketing:problem:rate-limited"));
    invariants::assert_eventually(&fleet).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_counted_once_however_many_services_it_asks() {
    let settings = [("READS_PER_MINUTE", "40"), ("LIMIT_REDIS_TIMEOUT", "10s")];
    let fleet = TestFleet::start(&settings).await.unwrap();
    for service in SERVICES.into_iter().filter(|service| *service != "expiration") {
        let url = format!("{}/metrics", fleet.processes.service(service).unwrap().admin_url());
        eventually("Redis to count", async || {
            reqwest::get(&url).await.unwrap().text().await.unwrap().contains("rate_limit_redis_up 1")
        })
        .await;
    }
    let person = fleet.token_user().unwrap();
    let token = person.token().unwrap();
    // The page asks auth twice.
    for number in 0..3 {
        let (status, state, _) = left(&fleet, token, "/account").await;
        assert!(status < 500, "{status}");
        assert_eq!(remaining(&state), 39 - number, "{state}");
    }
    let (_, state, _) = left(&fleet, token, ReadCurrentUser::PATH).await;
    assert!(remaining(&state) <= 39, "{state}");
    // Told and learnt once a second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (_, state, _) = left(&fleet, token, ReadCurrentUser::PATH).await;
    assert_eq!(remaining(&state), 40 - 5, "three pages and two answers of auth: {state}");
    // A page too many is refused by a page.
    let mut refusal = None;
    for _ in 0..40 {
        let (status, _, text) = left(&fleet, token, "/account").await;
        if status == 429 {
            refusal = Some(text);
            break;
        }
    }
    let page = refusal.expect("a refusal");
    assert!(page.starts_with("<!") && page.contains("Too many requests"), "{page}");
    for free in ["/robots.txt", "/api/users/jwks.json", "/api/orders/openapi.json"] {
        assert_eq!(left(&fleet, token, free).await.1, "", "{free} is free");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_port_of_every_service_lets_go_of_a_slow_client() {
    let fleet = TestFleet::start(&[("HEADER_TIMEOUT", "1s")]).await.unwrap();
    let ports = SERVICES.into_iter().flat_map(|service| {
        let instance = fleet.processes.service(service).unwrap();
        let admin = instance.admin_url().trim_start_matches("http://").to_owned();
        [(service, instance.address()), (service, admin)]
    });
    join_all(ports.map(async |(service, address)| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.unwrap();
        let began = Instant::now();
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "{service} at {address} still waits");
        assert!(began.elapsed() > Duration::from_millis(900), "{service} at {address}: {:?}", began.elapsed());
    }))
    .await;
}
