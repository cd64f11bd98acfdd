//! The main function of a service.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, FromArgMatches};
use common::clock::ShiftedClock;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::context::Context;
use crate::http::server::{self, ConnectionTimeouts};
use crate::lifecycle::{self, Tasks};
use crate::{config, telemetry};

/// Reads the configuration, runs the service until SIGTERM, and drains it.
pub fn run<C, B>(service: &'static str, build: B) -> ExitCode
where
    C: Args + FromArgMatches,
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (platform, settings) = match config::parse::<C>(service, std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(exit) => {
            print(&exit.text, exit.code == 0);
            return ExitCode::from(exit.code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print(&format!("{service}: no async runtime: {error}"), false);
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        let tracer = telemetry::start(service, &platform)?;
        let result = serve(service, platform, settings, build).await;
        if let Some(tracer) = tracer {
            // Flushes pending spans. An error can't be reported any more.
            tracer.shutdown().ok();
        }
        result
    });
    // The process ends now. A runtime that is dropped cancels the tasks that have not ended, one after another, and the
    // MongoDB driver panics in a task that still runs while the connection that it opens is cancelled.
    std::mem::forget(runtime);
    match result {
        Ok(code) => code,
        Err(error) => {
            print(&format!("{error:#}"), false);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "before logging, and for --help")]
fn print(text: &str, is_output: bool) {
    if is_output {
        println!("{}", text.trim_end());
    } else {
        eprintln!("{}", text.trim_end());
    }
}

async fn serve<C, B>(service: &'static str, config: config::Config, settings: C, build: B) -> anyhow::Result<ExitCode>
where
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (tasks, mut failures) = Tasks::new();
    let grace = config.shutdown_grace;
    let public = listen(service, "BIND", config.bind).await?;
    let admin = listen(service, "ADMIN_BIND", config.admin_bind).await?;
    let metrics = listen(service, "METRICS_BIND", config.metrics_bind).await?;
    let delay = config.drain_delay;
    let timeouts =
        ConnectionTimeouts { head: config.header_timeout, idle: config.idle_timeout, write: config.request_timeout };
    // Nonzero only in tests of clock skew.
    let clock = ShiftedClock::by_millis(i64::try_from(config.clock_offset.as_millis()).unwrap_or(0));
    let (context, queue) = Context::new(service, config, Arc::new(clock), tasks.clone()).await?;
    let running = build(settings, &context)?.start(&context, queue);
    let closing = CancellationToken::new();
    let server = server::serve(public, running.public, timeouts, closing.clone());
    let (server_ended, mut ended) = tokio::sync::oneshot::channel();
    tasks.detach(async move {
        server.await;
        server_ended.send(()).ok();
    });
    tasks.detach(server::serve(admin, running.admin, timeouts, tasks.stop_token().clone()));
    tasks.detach(server::serve(metrics, running.metrics, timeouts, tasks.stop_token().clone()));
    tracing::info!(service, "started");
    let failed = tokio::select! {
        () = lifecycle::shutdown_signal() => None,
        failed = failures.recv() => failed,
        _ = &mut ended => Some("public server"),
    };
    if let Some(task) = failed {
        tracing::error!(task, "a part of the service failed; shutting down, so that the process is restarted");
    }
    tracing::info!(service, "draining");
    context.readiness.set_draining();
    // Load balancers must see this, and stop sending requests, before the listener is closed.
    if failed.is_none() {
        tokio::time::sleep(delay).await;
    }
    closing.cancel();
    // The requests end first, so that the relay still publishes their events; then the tasks end, in the rest of the
    // grace period.
    let started = tokio::time::Instant::now();
    if failed.is_none() && tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("requests were still open at the end of the grace period");
    }
    if !tasks.drain(grace.saturating_sub(started.elapsed()).max(Duration::from_secs(1))).await {
        tracing::warn!("background work was still busy at the end of the grace period");
    }
    // The consumers send acks without waiting for the server.
    tokio::time::timeout(Duration::from_secs(1), context.nats.flush()).await.ok();
    tracing::info!(service, "ended");
    Ok(if failed.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn listen(service: &str, variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{service}: {variable} is wrong: can't listen on {address}"))
}
