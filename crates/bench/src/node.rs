//! Results of the Node version of this project for the same work: ranges over three runs, measured on another day on
//! comparable hardware. Only CPU seconds per request are comparable.

use crate::results::Case;

#[derive(Debug)]
pub(crate) struct NodeResult {
    /// Requests per second, as a range.
    pub(crate) rate: &'static str,
    /// Latency in milliseconds, as ranges: median / 99th percentile.
    pub(crate) latency: &'static str,
    /// Total CPU seconds per 1,000 requests, in the best and in the worst run.
    pub(crate) cpu: (f64, f64),
}

/// Number of rows in its list, which had no pagination.
pub(crate) const LIST_ROWS: f64 = 200.0;

/// Its results, if it has the same operation.
pub(crate) fn result(case: Case) -> Option<NodeResult> {
    let (rate, latency, cpu) = match case {
        Case::OneTicket => ("1,410–1,641", "18–22 / 38–44", (0.84, 0.95)),
        Case::FirstPage => ("178–218 (200 rows)", "142–175 / 445–657", (5.9, 7.2)),
        Case::CreateTicket => ("380–490", "60–79 / 124–152", (3.2, 4.0)),
        Case::CreateOrder => ("141–154", "197–220 / 416–716", (11.0, 12.0)),
        Case::CreateOrderGrown => ("95–118", "256–328 / 563–827", (15.6, 19.5)),
        Case::SignUp => ("36–43", "365–445 / 488–618", (46.0, 55.0)),
        Case::SignIn => ("36–45", "344–439 / 536–721", (44.0, 55.0)),
        _ => return None,
    };
    Some(NodeResult { rate, latency, cpu })
}

/// Its latency from sending an order until the ticket is shown as reserved, p50 / p99 in milliseconds.
pub(crate) fn reserved(rate: Option<u32>) -> Option<&'static str> {
    match rate {
        None => Some("12.5–14.7 / 22–32"),
        Some(150) => Some("38–310 / 144–3,010"),
        Some(_) => None,
    }
}
