//! List objects: newest first, cursors in both directions, filters.

use serde_json::Value;

use crate::client::Server;

const INTENTS: &str = "/v1/payment_intents";

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap();
    let ids = data.iter().map(|item| item["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test]
async fn cursors_paginate_in_both_directions() {
    let server = Server::start().await;
    let mut created = Vec::new();
    for amount in ["101", "102", "103", "104", "105"] {
        let form = [("amount", amount), ("currency", "usd")];
        let intent = server.post(INTENTS, &form).await.ok();
        created.push(intent["id"].as_str().unwrap().to_owned());
    }
    created.reverse();
    let all = server.get(INTENTS).await.ok();
    assert_eq!(all["object"], "list");
    assert_eq!(all["url"], INTENTS);
    assert_eq!(all["has_more"], false);
    assert_eq!(ids(&all), created);
    let first = server.get(&format!("{INTENTS}?limit=2")).await.ok();
    assert_eq!(ids(&first), created[..2]);
    assert_eq!(first["has_more"], true);
    let path = format!("{INTENTS}?limit=3&starting_after={}", created[1]);
    let rest = server.get(&path).await.ok();
    assert_eq!(ids(&rest), created[2..]);
    assert_eq!(rest["has_more"], false);
    let path = format!("{INTENTS}?limit=2&ending_before={}", created[4]);
    let back = server.get(&path).await.ok();
    assert_eq!(ids(&back), created[2..4]);
    assert_eq!(back["has_more"], true);
    let future = server.get(&format!("{INTENTS}?created[gt]=99999999999")).await.ok();
    assert!(ids(&future).is_empty());
    let past = server.get(&format!("{INTENTS}?created[gte]=1&created[lt]=99999999999")).await;
    assert_eq!(ids(&past.ok()).len(), 5);
    let wrong = server.get(&format!("{INTENTS}?limit=1000")).await;
    assert_eq!(wrong.error("param"), "limit");
}

#[tokio::test]
async fn charges_and_events_can_be_listed_and_retrieved() {
    let server = Server::start().await;
    let intent = server.pay("pm_card_visa", &[]).await.ok();
    server.pay("pm_card_mastercard", &[]).await.ok();
    let id = intent["id"].as_str().unwrap();
    let path = format!("/v1/charges?payment_intent={id}&expand[]=data.payment_intent");
    let charges = server.get(&path).await.ok();
    assert_eq!(ids(&charges), [intent["latest_charge"].as_str().unwrap()]);
    assert_eq!(charges["data"][0]["payment_intent"]["id"], id);
    let events = server.get("/v1/events?type=payment_intent.succeeded").await.ok();
    assert_eq!(ids(&events).len(), 2);
    let event = server.get(&format!("/v1/events/{}", ids(&events)[1])).await.ok();
    assert_eq!(event["data"]["object"]["id"], id);
}
