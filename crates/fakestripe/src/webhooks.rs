//! Webhook deliveries: each event is posted, signed as Stripe signs, and retried until the endpoint responds with 2xx
//! or the attempt limit is reached. The back-off is implemented here, although the platform has one: this crate stands
//! in for another company's server, so it shares no code with the marketplace.

use std::mem;
use std::time::Duration;

use rand::Rng;
use serde_json::{Value, json};

use crate::app::App;
use crate::store::Store;

const MAX_BACKOFF: Duration = Duration::from_secs(30);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

impl App {
    /// Runs a change under the store's lock, then delivers the events that it emitted.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let has_webhook = self.webhook.lock().is_set();
        let (result, events) = {
            let mut store = self.store.lock();
            store.has_webhook = has_webhook;
            let result = change(&mut store);
            (result, mem::take(&mut store.undelivered))
        };
        send(self, events);
        result
    }
}

/// Spawns the delivery tasks of each event, applying the configured faults.
pub(crate) fn send(app: &App, events: Vec<Value>) {
    if !app.webhook.lock().is_set() {
        return;
    }
    for event in events {
        let (is_dropped, duplicates, delay, jitter) = {
            let mut faults = app.faults.lock();
            (faults.drops_event(), faults.webhook_duplicates, faults.webhook_delay_ms, faults.webhook_jitter_ms)
        };
        if is_dropped {
            record(app, &event, 0, &json!("dropped"));
            continue;
        }
        for _ in 0..=duplicates {
            let pause = delay.saturating_add(rand::rng().random_range(0..=jitter));
            tokio::spawn(deliver(app.clone(), event.clone(), Duration::from_millis(pause)));
        }
    }
}

async fn deliver(app: App, event: Value, pause: Duration) {
    tokio::time::sleep(pause).await;
    let body = format!("{event:#}");
    let mut backoff = Duration::from_millis(app.config.webhook_backoff_ms);
    for attempt in 1..=app.config.webhook_attempts {
        // Read before each attempt: the endpoint may have changed.
        let endpoint = app.webhook.lock().clone();
        let Some(url) = &endpoint.url else { return };
        let time = app.config.clock.now();
        let sent = app
            .http
            .post(url)
            .timeout(REQUEST_TIMEOUT)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
            .header("stripe-signature", endpoint.signature(time, &body))
            .body(body.clone())
            .send()
            .await;
        match sent {
            Ok(response) => {
                record(&app, &event, attempt, &json!(response.status().as_u16()));
                if response.status().is_success() {
                    let id = event.get("id").and_then(Value::as_str).unwrap_or_default();
                    if let Some(event) = app.store.lock().events.get_mut(id) {
                        event.pending_webhooks = 0;
                    }
                    return;
                }
            }
            Err(error) => record(&app, &event, attempt, &json!(error.to_string())),
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(MAX_BACKOFF);
    }
}

fn record(app: &App, event: &Value, attempt: u32, result: &Value) {
    app.deliveries.lock().push(json!({
        "event": event["id"],
        "type": event["type"],
        "attempt": attempt,
        "result": result,
        "at": app.config.clock.now(),
    }));
}
