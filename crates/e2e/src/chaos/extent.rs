//! Checks whether a run has tested enough: a minimum of faults and orders, and few abandoned journeys. Also
//! checks that each page or order for which a visitor waited in vain has appeared since.

use std::time::Duration;

use common::events::order::OrderStatus;
use futures::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::ChaosOptions;
use super::visitors::Journeys;
use crate::user_client::TimedOut;

/// Minimum number of faults per minute. A release build needs 200 in ten minutes.
const FAULTS_PER_MINUTE: u64 = if cfg!(debug_assertions) { 15 } else { 20 };
/// Minimum number of orders per minute: 5,000 in ten minutes, and a tenth of that in a debug build.
const ORDERS_PER_MINUTE: u64 = if cfg!(debug_assertions) { 50 } else { 500 };
/// At most one of this many journeys may be abandoned.
const JOURNEYS_PER_ABANDONED: usize = 10;
/// Maximum number of requests to the healed fleet for a page or an order, before it counts as missing.
const ATTEMPTS: usize = 3;

/// Returns a message for each minimum of faults or orders that the run missed, and one if it had too many abandoned
/// journeys.
pub(super) fn shortfalls(options: &ChaosOptions, faults: usize, orders: u64, journeys: &Journeys) -> Vec<String> {
    let mut shortfalls = Vec::new();
    let mut require = |what: &str, count: u64, minimum: u64| {
        if count < minimum {
            shortfalls.push(format!("extent: {count} {what}, fewer than {minimum}"));
        }
    };
    let seconds = options.duration.as_secs();
    require("faults", faults as u64, seconds * FAULTS_PER_MINUTE / 60);
    require("orders", orders, seconds * ORDERS_PER_MINUTE / 60);
    let (abandoned, all) = (journeys.abandoned.len(), journeys.count());
    if abandoned * JOURNEYS_PER_ABANDONED > all {
        shortfalls.push(format!("extent: {abandoned} of {all} journeys were abandoned"));
    }
    shortfalls
}

/// Describes the pages and orders for which visitors waited in vain and which the healed, settled fleet still lacks.
pub(super) async fn still_missing(journeys: &Journeys) -> Vec<String> {
    join_all(journeys.timed_out.iter().map(revisit)).await.into_iter().flatten().collect()
}

async fn revisit(waited: &TimedOut) -> Option<String> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS {
        match waited.client.visit(&waited.path, None).await {
            Ok(page) if page.status == 200 && ends_wait(&waited.path, &page.html) => return None,
            // The visitor signed up more than 15 minutes ago, so the access token has expired.
            Ok(page) if page.status == 401 => return None,
            Ok(page) => last = format!("{} from {}", page.status, page.path),
            Err(error) => last = error.to_string(),
        }
        sleep(Duration::from_secs(1)).await;
    }
    Some(format!("still missing: {waited}; last result: {last}"))
}

/// Whether a response with status 200 and this body ends the wait. An order must have a final status; a page need not
/// show anything in particular.
fn ends_wait(path: &str, body: &str) -> bool {
    if !path.starts_with("/api/orders/") {
        return true;
    }
    let order: Value = serde_json::from_str(body).unwrap_or_default();
    let status: Option<OrderStatus> = order["status"].as_str().and_then(|status| status.parse().ok());
    status.is_some_and(OrderStatus::is_final)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_without_activity_falls_short() {
        let options = ChaosOptions::new(1, Duration::from_secs(600));
        let mut journeys = Journeys::default();
        assert_eq!(shortfalls(&options, 200, 5_000, &journeys), Vec::<String>::new());
        journeys.abandoned = vec!["sale: no response".to_owned()];
        let found = shortfalls(&options, 0, 0, &journeys);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[2], "extent: 1 of 1 journeys were abandoned");
    }

    #[test]
    fn order_ends_the_wait_once_it_is_final() {
        let path = "/api/orders/o";
        assert!(ends_wait(path, r#"{"status":"completed"}"#));
        assert!(!ends_wait(path, r#"{"status":"authorized"}"#));
        assert!(!ends_wait(path, "not found"));
        assert!(ends_wait("/tickets/t", "a page"));
    }
}
