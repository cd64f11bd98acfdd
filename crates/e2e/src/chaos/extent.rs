//! Whether a run has tested anything: enough faults and orders, few visitors who gave up, and nothing that they waited for
//! in vain is still missing.

use std::time::Duration;

use common::events::order::OrderStatus;
use futures::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::ChaosOptions;
use super::visitors::Journeys;
use crate::user_client::TimedOut;

/// Minimum number of faults in a minute: 200 in ten minutes.
const FAULTS_PER_MINUTE: u64 = if cfg!(debug_assertions) { 15 } else { 20 };
/// Minimum number of orders of a visitor in a minute: with 50 visitors, 5,000 in ten minutes.
const ORDERS_PER_VISITOR_MINUTE: u64 = if cfg!(debug_assertions) { 2 } else { 10 };
/// Of this number of journeys, at most one may be given up.
const JOURNEYS_PER_GIVEN_UP: usize = 10;
/// How often a healthy fleet is asked for what was waited for.
const LOOKS: usize = 3;

/// What the run lacks.
pub(super) fn shortfalls(options: &ChaosOptions, faults: usize, orders: u64, journeys: &Journeys) -> Vec<String> {
    let mut shortfalls = Vec::new();
    let mut require = |what: &str, count: u64, minimum: u64| {
        if count < minimum {
            shortfalls.push(format!("extent: {count} {what}, fewer than {minimum}"));
        }
    };
    let (seconds, visitors) = (options.duration.as_secs(), options.visitors as u64);
    require("faults", faults as u64, seconds * FAULTS_PER_MINUTE / 60);
    require("orders", orders, seconds * visitors * ORDERS_PER_VISITOR_MINUTE / 60);
    let (given_up, all) = (journeys.gave_up.len(), journeys.count());
    if given_up * JOURNEYS_PER_GIVEN_UP > all {
        shortfalls.push(format!("extent: {given_up} of {all} journeys were given up"));
    }
    shortfalls
}

/// What visitors waited for in vain and the healed and settled fleet still does not show.
pub(super) async fn still_missing(journeys: &Journeys) -> Vec<String> {
    join_all(journeys.timed_out.iter().map(look)).await.into_iter().flatten().collect()
}

async fn look(waited: &TimedOut) -> Option<String> {
    let mut seen = String::new();
    for _ in 0..LOOKS {
        match waited.client.visit(&waited.path, None).await {
            Ok(page) if page.status == 200 && is_over(&waited.path, &page.html) => return None,
            // The access token of an account that is older than a quarter of an hour has expired.
            Ok(page) if page.status == 401 => return None,
            Ok(page) => seen = format!("{} of {}", page.status, page.path),
            Err(error) => seen = error.to_string(),
        }
        sleep(Duration::from_secs(1)).await;
    }
    Some(format!("still missing: {waited}; in the end {seen}"))
}

/// Whether an order has ended; a page has nothing to wait for.
fn is_over(path: &str, body: &str) -> bool {
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
    fn run_in_which_nothing_happens_falls_short() {
        let options = ChaosOptions::new(1, Duration::from_secs(600));
        let mut journeys = Journeys::default();
        assert_eq!(shortfalls(&options, 200, 5_000, &journeys), Vec::<String>::new());
        journeys.gave_up = vec!["sale: no response".to_owned()];
        let found = shortfalls(&options, 0, 0, &journeys);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[2], "extent: 1 of 1 journeys were given up");
    }

    #[test]
    fn order_is_over_once_it_has_ended() {
        let path = "/api/orders/o";
        assert!(is_over(path, r#"{"status":"completed"}"#));
        assert!(!is_over(path, r#"{"status":"authorized"}"#));
        assert!(!is_over(path, "not found"));
        assert!(is_over("/tickets/t", "a page"));
    }
}
