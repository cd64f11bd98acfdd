//! Deliveries: each event is posted, signed as Stripe signs, until it is answered with 2xx.

use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use crate::app::App;

const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Starts the delivery of each event, in tasks of their own, as the faults have it.
pub(crate) fn send(app: &App, events: Vec<Value>) {
    if !app.hook().is_set() {
        return;
    }
    for event in events {
        let (lost, repeat, delay, jitter) = {
            let mut faults = app.faults();
            (faults.loses_event(), faults.webhook_repeat, faults.webhook_delay_ms, faults.webhook_jitter_ms)
        };
        if lost {
            record(app, &event, 0, &json!("dropped"));
            continue;
        }
        for _ in 0..=repeat {
            let pause = delay.saturating_add(rand::rng().random_range(0..=jitter));
            tokio::spawn(deliver(app.clone(), event.clone(), Duration::from_millis(pause)));
        }
    }
}

async fn deliver(app: App, event: Value, pause: Duration) {
    tokio::time::sleep(pause).await;
    let body = format!("{event:#}");
    let mut backoff = Duration::from_millis(app.config().webhook_backoff_ms);
    for attempt in 1..=app.config().webhook_attempts {
        // Looked up anew each time: the address may have been changed since.
        let hook = app.hook().clone();
        let Some(url) = &hook.url else { return };
        let time = app.config().clock.now();
        let sent = app
            .http()
            .post(url)
            .timeout(ANSWER_WITHIN)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", hook.signature(time, &body))
            .body(body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => {
                record(&app, &event, attempt, &json!(response.status().as_u16()));
                if response.status().is_success() {
                    delivered(&app, &event);
                    return;
                }
            }
            Err(error) => record(&app, &event, attempt, &json!(error.to_string())),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_PAUSE);
    }
}

fn delivered(app: &App, event: &Value) {
    let id = event["id"].as_str().unwrap_or_default();
    if let Some(event) = app.world().events.get_mut(id) {
        event.pending = 0;
    }
}

fn record(app: &App, event: &Value, attempt: u32, result: &Value) {
    app.deliveries().push(json!({
        "event": event["id"],
        "type": event["type"],
        "attempt": attempt,
        "result": result,
        "at": app.config().clock.now(),
    }));
}
