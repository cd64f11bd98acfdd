//! Sets up logs, traces and metrics of the process, and propagates the trace context over NATS and HTTP.

use std::collections::HashMap;
use std::sync::OnceLock;

use anyhow::Context as _;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::config::{Config, LogFormat};

/// Starts logging, and tracing if an endpoint is configured. Call it once, inside the runtime.
pub fn start(service: &'static str, config: &Config) -> anyhow::Result<Option<SdkTracerProvider>> {
    let filter = EnvFilter::try_new(&config.log).context("LOG is wrong")?;
    let logs: Box<dyn Layer<Registry> + Send + Sync> = match config.log_format {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
        LogFormat::Pretty => tracing_subscriber::fmt::layer().compact().with_filter(filter).boxed(),
    };
    let provider = config.otlp_endpoint.as_deref().map(|endpoint| tracer(service, endpoint)).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        // The spans of the exporter itself are not exported, because exporting them would create further spans
        // endlessly.
        let spans = EnvFilter::new("info,tower=off,h2=off,hyper=off,tonic=off");
        tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(spans)
    });
    tracing_subscriber::registry().with(logs).with(traces).try_init().context("logging was started twice")?;
    // Installs the recorder before the first metric is recorded.
    metrics_handle();
    Ok(provider)
}

fn tracer(service: &'static str, endpoint: &str) -> anyhow::Result<SdkTracerProvider> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .build()
        .context("OTEL_EXPORTER_OTLP_ENDPOINT is wrong")?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(service).build())
        .build())
}

/// The metrics of this process, which the metrics server renders.
pub fn metrics_handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let builder = PrometheusBuilder::new().set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &buckets);
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics stays empty");
        }
        handle
    })
}

/// The W3C `traceparent` of the current span; none if it is not traced.
pub fn traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut carrier);
    carrier.remove("traceparent")
}

/// The error and its sources, outermost first: `the database failed: connection refused`.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let all: Vec<_> = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    all.join(": ")
}

/// Makes the span a child of the one that this `traceparent` names.
pub fn continue_trace(span: &tracing::Span, traceparent: &str) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&carrier);
    // Fails only if the span is not traced.
    span.set_parent(parent).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_continues_in_the_consumer_of_an_event() {
        let provider = SdkTracerProvider::builder().build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            let sender = tracing::info_span!("request");
            let sent = sender.in_scope(traceparent).expect("a traced span has a traceparent");
            let receiver = tracing::info_span!("event");
            continue_trace(&receiver, &sent);
            let passed_on = receiver.in_scope(traceparent).expect("a traced span has a traceparent");
            let trace = |traceparent: &str| traceparent.split('-').nth(1).map(ToOwned::to_owned);
            assert_eq!(trace(&sent), trace(&passed_on));
            assert_ne!(sent, passed_on, "another span of the same trace");
        });
    }

    #[test]
    fn causes_include_the_sources_of_an_error() {
        let inner = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = common::error::Error::unavailable(inner);
        assert_eq!(causes(&error), format!("{error}: connection refused"));
    }

    #[test]
    fn untraced_span_has_no_traceparent() {
        assert_eq!(tracing::info_span!("request").in_scope(traceparent), None);
    }
}
