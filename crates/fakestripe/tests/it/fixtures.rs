//! Every answered object has every key of Stripe's own example, of the same JSON type or null.

use serde_json::Value;

use crate::client::{Server, text};

/// What is free-form or has no fixed shape in the examples.
const FREE: [&str; 2] = ["metadata", "data.object"];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn compare(example: &Value, answer: &Value, place: &str, faults: &mut Vec<String>) {
    if example.is_null() || answer.is_null() || FREE.iter().any(|free| place.ends_with(free)) {
        return;
    }
    if kind(example) != kind(answer) {
        faults.push(format!("{place}: {} instead of {}", kind(answer), kind(example)));
    }
    if let (Value::Object(example), Value::Object(answer)) = (example, answer) {
        for (key, value) in example {
            match answer.get(key) {
                Some(answer) => compare(value, answer, &format!("{place}.{key}"), faults),
                None => faults.push(format!("{place}.{key} is missing")),
            }
        }
    }
}

#[tokio::test]
async fn answers_have_the_keys_of_the_examples() {
    let Ok(folder) = std::env::var("SCHEMAS_DIR") else {
        println!("skipped: SCHEMAS_DIR is not set");
        return;
    };
    let path = format!("{folder}/stripe-fixtures3.json");
    let examples = std::fs::read_to_string(&path).expect(&path);
    let examples: Value = serde_json::from_str(&examples).unwrap();
    let server = Server::start().await;
    let manual = [("capture_method", "manual"), ("shipping[name]", "A"), ("shipping[address][city]", "B")];
    let held = server.pay("pm_card_visa", &manual).await.ok();
    let path = format!("/v1/payment_intents/{}", text(&held, "id"));
    let mut answers = vec![held];
    answers.push(server.post(&format!("{path}/capture"), &[]).await.ok());
    let intent = answers[1]["id"].as_str().unwrap();
    let refund = server.post("/v1/refunds", &[("payment_intent", intent)]).await;
    answers.push(refund.ok());
    answers.push(server.get("/v1/payment_methods/pm_card_visa").await.ok());
    answers.push(server.pay("pm_card_threeDSecure2Required", &[]).await.ok());
    let refused = server.pay("pm_card_chargeDeclined", &[]).await;
    answers.push(refused.json["error"]["payment_intent"].clone());
    for list in ["payment_intents", "charges", "refunds", "events"] {
        let list = server.get(&format!("/v1/{list}?limit=100")).await.ok();
        answers.extend(list["data"].as_array().unwrap().clone());
    }
    let events: Vec<Value> = answers
        .iter()
        .filter(|answer| answer["object"] == "event")
        .map(|event| event["data"]["object"].clone())
        .collect();
    answers.extend(events);
    let mut faults = Vec::new();
    for answer in &answers {
        let name = text(answer, "object");
        let example = &examples["resources"][&name];
        assert!(example.is_object(), "no example of {name}");
        compare(example, answer, &name, &mut faults);
    }
    assert!(answers.len() > 20);
    assert!(faults.is_empty(), "{faults:#?}");
}
