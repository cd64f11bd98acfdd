//! `main` of a service: reads the configuration, listens, and drains on SIGTERM.

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
use crate::http::server::{self, Patience};
use crate::lifecycle::{self, Tasks};
use crate::{config, telemetry};

/// `main` of a service: reads the configuration, runs until SIGTERM, drains.
pub fn run<C, B>(service: &'static str, build: B) -> ExitCode
where
    C: Args + FromArgMatches,
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (platform, own) = match config::parse::<C>(service, std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(ended) => {
            tell(&ended.text, ended.code == 0);
            return ExitCode::from(ended.code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tell(&format!("{service}: no async runtime: {error}"), false);
            return ExitCode::FAILURE;
        }
    };
    let end = runtime.block_on(async {
        let telemetry = telemetry::start(service, &platform)?;
        let end = serve(service, platform, own, build).await;
        drop(telemetry);
        end
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    match end {
        Ok(code) => code,
        Err(error) => {
            tell(&format!("{error:#}"), false);
            ExitCode::from(2)
        }
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "before logging, and for --help")]
fn tell(text: &str, good: bool) {
    if good {
        println!("{}", text.trim_end());
    } else {
        eprintln!("{}", text.trim_end());
    }
}

async fn serve<C, B>(service: &'static str, config: config::Config, own: C, build: B) -> anyhow::Result<ExitCode>
where
    B: FnOnce(C, &Context) -> anyhow::Result<App>,
{
    let (tasks, mut deaths) = Tasks::new();
    let grace = config.shutdown_grace;
    let public = listen(service, "BIND", config.bind).await?;
    let administration = listen(service, "ADMIN_BIND", config.admin_bind).await?;
    let delay = config.drain_delay;
    let patience = Patience::from(&config);
    let clock = ShiftedClock::by_millis(i64::try_from(config.clock_offset.as_millis()).unwrap_or(0));
    let (context, queue) = Context::new(service, config, Arc::new(clock), tasks.clone()).await?;
    let running = build(own, &context)?.start(&context, queue);
    let closing = CancellationToken::new();
    let server = server::serve(public, running.public, patience, closing.clone());
    let (served, mut ended) = tokio::sync::oneshot::channel();
    tasks.detach(async move {
        server.await;
        served.send(()).ok();
    });
    tasks.detach(server::serve(administration, running.admin, patience, tasks.stop().clone()));
    tracing::info!(service, "started");
    let died = tokio::select! {
        () = lifecycle::shutdown_signal() => None,
        death = deaths.recv() => death,
        _ = &mut ended => Some("public server"),
    };
    if let Some(task) = died {
        tracing::error!(task, "a part of the service died; ending, so that a whole one is started");
    }
    tracing::info!(service, "draining");
    context.readiness.set_draining();
    // Who balances the load must see that, and send no more, before the door is closed.
    if died.is_none() {
        tokio::time::sleep(delay).await;
    }
    closing.cancel();
    // Requests first: what they write can still be relayed. Then everything else, in what is left.
    let began = tokio::time::Instant::now();
    if died.is_none() && tokio::time::timeout(grace, ended).await.is_err() {
        tracing::warn!("requests were still open at the end of the grace period");
    }
    if !tasks.drain(grace.saturating_sub(began.elapsed()).max(Duration::from_secs(1))).await {
        tracing::warn!("background work was still busy at the end of the grace period");
    }
    // The last acknowledgements are not waited for where they are sent.
    tokio::time::timeout(Duration::from_secs(1), context.nats.flush()).await.ok();
    tracing::info!(service, "ended");
    Ok(if died.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn listen(service: &str, variable: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{service}: {variable} is wrong: can't listen on {address}"))
}
