//! Concurrency: one ticket, one idempotency key, and repeated cancellations.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{app, create_listing, expected_changes, id_of, path, place, read};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_hundred_concurrent_buyers_gets_the_ticket() {
    let app = app().await;
    // Half of the requests go to another instance.
    let other = app.start_second_instance(orders::build).await;
    let buyers: Vec<_> = (0..200).map(|_| app.signer.user()).collect();
    let mut requests = JoinSet::new();
    let mut tickets = BTreeMap::new();
    for _ in 0..5 {
        let ticket = create_listing(&app).await;
        tickets.insert(ticket.terms.id, Vec::new());
        for (n, buyer) in buyers.iter().enumerate() {
            let instance = if n % 2 == 0 { &app } else { &other };
            let body = json!({ "ticketId": ticket.terms.id });
            let request = instance.request("POST", "/api/orders").as_user(buyer).json(&body);
            requests.spawn(async move { (ticket.terms.id, request.send().await) });
        }
    }
    while let Some(joined) = requests.join_next().await {
        let (ticket, response) = joined.unwrap();
        if response.status != 201 {
            assert_eq!((response.status, response.problem().as_str()), (409, "ticket-taken"), "{}", response.text());
        }
        tickets.get_mut(&ticket).unwrap().push(response);
    }
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 5, "one order per ticket");
    for responses in tickets.into_values() {
        assert_eq!(responses.len(), 200);
        let placed: Vec<_> = responses.iter().filter(|response| response.status == 201).collect();
        assert_eq!(placed.len(), 1);
        let history = app.history("orders", id_of(&placed[0].json())).await;
        assert_eq!(history, expected_changes(&["created"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_requests_with_one_key_place_one_order() {
    let app = app().await;
    let other = app.start_second_instance(orders::build).await;
    for round in 0..10 {
        let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
        let mut requests = JoinSet::new();
        for n in 0..20 {
            let instance = if n % 2 == 0 { &app } else { &other };
            let body = json!({ "ticketId": ticket.terms.id });
            let request = instance.request("POST", "/api/orders").as_user(&buyer).json(&body);
            requests.spawn(request.header("idempotency-key", format!("k{round}")).send());
        }
        let responses = requests.join_all().await;
        let first = responses[0].json();
        for response in responses {
            assert_eq!(response.expect(201).json(), first);
        }
        assert_eq!(read(&app, &buyer, &first).await, first);
    }
    app.wait_until_idle().await;
    assert_eq!(app.events("orders").await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_cancellations_cancel_once() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        requests.spawn(app.request("DELETE", &path(&order)).as_user(&buyer).send());
    }
    let mut statuses = requests.join_all().await.iter().map(|response| response.status).collect::<Vec<_>>();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1]), (200, 409));
    assert!(statuses[1..].iter().all(|status| *status == 409), "{statuses:?}");
    assert_eq!(crate::support::changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
}
