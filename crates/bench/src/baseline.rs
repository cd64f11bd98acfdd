//! What the Node original needs for the same work: ranges of three rounds on another day, on this
//! kind of machine. Only CPU-seconds per request compare.

use crate::figures::Row;

/// One row of the original.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) rate: &'static str,
    pub(crate) latency: &'static str,
    /// CPU-seconds per 1,000 requests of everything: the best and the worst round.
    pub(crate) cpu: (f64, f64),
}

/// How many rows its list had, which knew no pages.
pub(crate) const LISTED: f64 = 200.0;

/// The original's figures, where it does the same.
pub(crate) fn of(row: Row) -> Option<Original> {
    let original = |rate, latency, cpu| Some(Original { rate, latency, cpu });
    match row {
        Row::OneTicket => original("1,410–1,641", "18–22 / 38–44", (0.84, 0.95)),
        Row::FirstPage => original("178–218 (200 rows)", "142–175 / 445–657", (5.9, 7.2)),
        Row::CreateTicket => original("380–490", "60–79 / 124–152", (3.2, 4.0)),
        Row::CreateOrder => original("141–154", "197–220 / 416–716", (11.0, 12.0)),
        Row::CreateOrderGrown => original("95–118", "256–328 / 563–827", (15.6, 19.5)),
        Row::SignUp => original("36–43", "365–445 / 488–618", (46.0, 55.0)),
        Row::SignIn => original("36–45", "344–439 / 536–721", (44.0, 55.0)),
        _ => None,
    }
}

/// The original's order sent to ticket shown reserved, p50 / p99 in milliseconds.
pub(crate) fn reserved(rate: Option<u32>) -> Option<&'static str> {
    match rate {
        None => Some("12.5–14.7 / 22–32"),
        Some(150) => Some("38–310 / 144–3,010"),
        Some(_) => None,
    }
}
