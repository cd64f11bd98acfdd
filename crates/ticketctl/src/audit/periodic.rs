//! `ticketctl audit --every`: runs the audit at an interval until SIGTERM, and serves the results as metrics.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use common::clock::{Clock, SystemClock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::names::AUDITED;
use super::{AuditOptions, Connections};
use crate::output::Output;
use crate::reports::AuditReport;

/// The content of `/metrics`.
#[derive(Debug, Default)]
struct Metrics {
    /// The last successful audit. Before the first one, its metrics are absent: if they were 0, a program that crashes
    /// and restarts repeatedly would seem to find no violations.
    last: Option<LastAudit>,
    /// Number of documents and events that all successful audits have read.
    documents: u64,
}

/// The results of an audit.
#[derive(Debug)]
struct LastAudit {
    /// Number of findings by number and name of the invariant, such as `12 ledger`; 0 for invariants that hold.
    findings: BTreeMap<String, usize>,
    /// Number of documents that seemed to violate an invariant, but were not rechecked, because there were more than
    /// the maximum.
    unlisted: u64,
    /// Number of invariants that were not checked, or only partially.
    unchecked: usize,
    /// When it ended, in seconds since 1970.
    ended: i64,
    duration: Duration,
}

impl Metrics {
    /// Replaces the results by those of this audit, which took `duration`.
    fn record(&mut self, report: &AuditReport, duration: Duration) {
        let mut findings: BTreeMap<String, usize> =
            AUDITED.iter().map(|invariant| (invariant.to_string(), 0)).collect();
        for finding in &report.findings {
            *findings.entry(format!("{} {}", finding.invariant, finding.kind)).or_default() += 1;
        }
        let ended = SystemClock.now().as_seconds();
        let (unlisted, unchecked) = (report.unlisted, report.unchecked.len());
        self.last = Some(LastAudit { findings, unlisted, unchecked, ended, duration });
        self.documents += report.documents;
    }

    /// Renders the metrics in the text format of Prometheus.
    fn render(&self) -> Result<String, std::fmt::Error> {
        let Self { last, documents } = self;
        let mut text = String::from("# TYPE audit_documents_total counter\n");
        writeln!(text, "audit_documents_total {documents}")?;
        let Some(LastAudit { findings, unlisted, unchecked, ended, duration }) = last else { return Ok(text) };
        writeln!(text, "# TYPE audit_violations gauge")?;
        for (invariant, count) in findings {
            writeln!(text, "audit_violations{{invariant=\"{invariant}\"}} {count}")?;
        }
        writeln!(text, "# TYPE audit_unlisted_findings gauge")?;
        writeln!(text, "audit_unlisted_findings {unlisted}")?;
        writeln!(text, "# TYPE audit_last_success_timestamp_seconds gauge")?;
        writeln!(text, "audit_last_success_timestamp_seconds {ended}")?;
        writeln!(text, "# TYPE audit_duration_seconds gauge")?;
        writeln!(text, "audit_duration_seconds {:.3}", duration.as_secs_f64())?;
        writeln!(text, "# TYPE audit_unchecked gauge")?;
        writeln!(text, "audit_unchecked {unchecked}")?;
        Ok(text)
    }
}

type SharedMetrics = Arc<Mutex<Metrics>>;

async fn serve_metrics(State(metrics): State<SharedMetrics>) -> impl IntoResponse {
    let text = metrics.lock().unwrap_or_else(PoisonError::into_inner).render().unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

/// Runs the audit at the interval `every` until SIGTERM, and serves `/metrics` and `/healthz` at `address`. Prints each
/// report that has findings. If an audit fails, its error is printed on stderr, and the next one runs as usual.
///
/// # Errors
/// If `address` can't be bound, if serving fails, or if a report can't be printed.
pub(crate) async fn run(
    connections: Connections<'_>,
    options: &AuditOptions,
    every: Duration,
    address: SocketAddr,
    output: Output,
) -> Result<()> {
    let metrics = SharedMetrics::default();
    let routes = Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/metrics", get(serve_metrics))
        .with_state(Arc::clone(&metrics));
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    eprintln!("metrics are served at http://{}/metrics", listener.local_addr()?);
    for unchecked in connections.unchecked(options) {
        eprintln!("not checked: {unchecked}");
    }
    // As process 1 of a container, the program would ignore SIGTERM if it did not handle it.
    let mut stop = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, routes).into_future() => served?,
        audited = audit_repeatedly(connections, options, every, &metrics, output) => audited?,
        _ = stop.recv() => {}
    }
    Ok(())
}

/// Runs the audit now, and then at the interval `every`. Returns only if a report can't be printed.
async fn audit_repeatedly(
    connections: Connections<'_>,
    options: &AuditOptions,
    every: Duration,
    metrics: &Mutex<Metrics>,
    output: Output,
) -> Result<()> {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let began = Instant::now();
        match super::run(connections, options).await {
            Ok(report) => {
                metrics.lock().unwrap_or_else(PoisonError::into_inner).record(&report, began.elapsed());
                if !report.findings.is_empty() {
                    output.print(&report)?;
                }
            }
            Err(error) => eprintln!("the audit failed: {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::finding::Finding;
    use crate::audit::names::LEDGER;

    #[test]
    fn metrics_show_the_last_audit() {
        let mut metrics = Metrics::default();
        let text = metrics.render().unwrap();
        assert_eq!(text, "# TYPE audit_documents_total counter\naudit_documents_total 0\n", "nothing was audited");
        let report = |findings| AuditReport {
            audited: BTreeMap::new(),
            documents: 7,
            findings,
            unlisted: 3,
            unchecked: vec!["12 provider, without STRIPE_KEY".to_owned()],
        };
        let finding = Finding::new(LEDGER, "payments", ["1"], "the ledger of payment 1 does not balance".to_owned());
        metrics.record(&report(vec![finding.clone(), finding]), Duration::from_millis(1_500));
        let text = metrics.render().unwrap();
        for line in [
            "audit_violations{invariant=\"1 held-once\"} 0",
            "audit_violations{invariant=\"12 ledger\"} 2",
            "audit_unlisted_findings 3",
            "audit_duration_seconds 1.500",
            "audit_documents_total 7",
            "audit_unchecked 1",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
        metrics.record(&report(Vec::new()), Duration::ZERO);
        let text = metrics.render().unwrap();
        assert!(text.contains("audit_violations{invariant=\"12 ledger\"} 0\n"), "{text}");
        assert!(text.contains("audit_documents_total 14\n"), "{text}");
    }
}
