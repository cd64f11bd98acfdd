//! Configuration: environment variables or flags, read once at startup.
//!
//! A missing or invalid setting ends the process with exit code 2 and one line that names the variable.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, FromArgMatches};
use ipnet::IpNet;

use crate::limits;
use crate::parsers::{duration, duration_or_zero, proxies, public_url, redis_client, signed_duration};

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for a terminal.
    Pretty,
}

/// The settings of every service.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Config {
    /// Address of the public HTTP server.
    #[arg(long, env = "BIND", default_value = "0.0.0.0:3000")]
    pub bind: SocketAddr,
    /// Address of the admin server, for `ticketctl` alone: POST /resync, POST /raise, and routes of the service.
    #[arg(long, env = "ADMIN_BIND", default_value = "0.0.0.0:9090")]
    pub admin_bind: SocketAddr,
    /// Address of the metrics server, for probes and Prometheus: /healthz, /readyz, /metrics. Not for the internet.
    #[arg(long, env = "METRICS_BIND", default_value = "0.0.0.0:9091")]
    pub metrics_bind: SocketAddr,
    /// Where browsers reach the marketplace, without a trailing slash, such as `https://ticketing.dev`
    #[arg(long, env = "PUBLIC_URL", value_parser = public_url)]
    pub public_url: String,
    /// MongoDB connection string of the replica set.
    #[arg(long, env = "MONGODB_URL", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub mongodb_url: String,
    /// Name of the service's database; by default, the service's name.
    #[arg(long, env = "MONGODB_DATABASE", value_parser = NonEmptyStringValueParser::new())]
    pub mongodb_database: Option<String>,
    /// NATS servers, comma-separated, such as `nats://host:4222`
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub nats_url: String,
    /// Credentials file of the NATS user, if the server requires one.
    #[arg(long, env = "NATS_CREDENTIALS")]
    pub nats_credentials: Option<std::path::PathBuf>,
    /// Prefix of all subjects and stream names.
    #[arg(long, env = "NATS_PREFIX", default_value = "ticketing", value_parser = NonEmptyStringValueParser::new())]
    pub nats_prefix: String,
    /// PEM file with the authority that signs the certificates of MongoDB, NATS and Redis. With it, the connections to
    /// all three use TLS; for MongoDB, `tls` and `tlsCAFile` in the URL take precedence.
    #[arg(long, env = "TLS_CA_FILE")]
    pub tls_ca_file: Option<std::path::PathBuf>,
    /// Number of NATS servers that store each stream.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1)]
    pub nats_replicas: usize,
    /// Maximum size of the service's stream in bytes; for `orders`, also of the stream of all dead letters. Beyond it
    /// the oldest events are dropped; snapshots of current states replace them.
    #[arg(long, env = "STREAM_MAX_BYTES", default_value_t = 4 << 30)]
    pub stream_max_bytes: i64,
    /// Addresses or networks of proxies whose X-Forwarded-For is trusted, comma-separated.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = proxies)]
    pub trusted_proxies: Vec<IpNet>,
    /// Log filter: info, or debug,mongodb=warn
    #[arg(long, env = "LOG", default_value = "info,stripe=error")]
    pub log: String,
    /// Format of log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// Release identifier, such as a commit; shown in the metric `build_info`.
    #[arg(long, env = "RELEASE", default_value = "development")]
    pub release: String,
    /// OTLP/gRPC endpoint for traces; no traces if unset.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// Maximum duration of a request; then it gets 504.
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long a client may take to send the head of a request; then its connection is closed.
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long a connection may idle between two requests; longer than the idle timeout of any proxy in front.
    #[arg(long, env = "IDLE_TIMEOUT", default_value = "150s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long after SIGTERM requests are still accepted, while /readyz makes load balancers stop sending them.
    #[arg(long, env = "DRAIN_DELAY", default_value = "0s", value_parser = duration_or_zero)]
    pub drain_delay: Duration,
    /// How long requests and messages in flight may take to finish after the drain delay.
    #[arg(long, env = "SHUTDOWN_GRACE", default_value = "25s", value_parser = duration)]
    pub shutdown_grace: Duration,
    /// How often the outboxes are searched for events that a crash left unpublished.
    #[arg(long, env = "OUTBOX_SWEEP_INTERVAL", default_value = "1s", value_parser = duration)]
    pub outbox_sweep_interval: Duration,
    /// How long a published event may stay in the outbox for its document's next write to remove it. After 2 s,
    /// the sweepers of other instances publish it again.
    #[arg(long, env = "OUTBOX_REMOVAL_DELAY", default_value = "800ms", value_parser = duration)]
    pub outbox_removal_delay: Duration,
    /// How often the gauges at /metrics are updated.
    #[arg(long, env = "GAUGE_INTERVAL", default_value = "5s", value_parser = duration)]
    pub gauge_interval: Duration,
    /// How long after its last change the state of an entity is announced, which means published again as a snapshot;
    /// the interval then doubles up to an hour.
    #[arg(long, env = "ANNOUNCE_AFTER", default_value = "60s", value_parser = duration)]
    pub announce_after: Duration,
    /// Maximum number of entities per second that all instances together announce by the scan, which goes through all
    /// entities slowly; 0 disables the scan. The rate is reduced to fill at most a twentieth of `STREAM_MAX_BYTES` per
    /// day.
    #[arg(long, env = "ANNOUNCE_PER_SECOND", default_value_t = 10)]
    pub announce_per_second: u32,
    /// How often expired data is removed, such as payments that were declined 90 days ago.
    #[arg(long, env = "CLEANUP_INTERVAL", default_value = "10m", value_parser = duration)]
    pub cleanup_interval: Duration,
    /// The Redis server.
    #[command(flatten)]
    pub redis: Redis,
    /// The rate limits.
    #[command(flatten)]
    pub limits: limits::settings::Settings,
    /// Offset of this instance's clock, such as 2m or -2m; for tests of clock skew.
    #[arg(long, env = "CLOCK_OFFSET", default_value = "0s", value_parser = signed_duration, allow_hyphen_values = true)]
    pub clock_offset: jiff::SignedDuration,
}

/// The Redis server, which is optional for every service.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Redis {
    /// Redis server for rate limits shared by all instances, such as `redis://user:password@host:6379`. Without it each
    /// instance counts on its own, and `expiration` fires timers by its sweep only.
    #[arg(id = "redis_url", long = "redis-url", env = "REDIS_URL", hide_env_values = true, value_parser = redis_client,
        requires = "limit_secret")]
    pub client: Option<redis::Client>,
    /// Prefix of all Redis keys.
    #[arg(id = "redis_prefix", long = "redis-prefix", env = "REDIS_PREFIX", default_value = "ticketing",
        value_parser = NonEmptyStringValueParser::new())]
    pub prefix: String,
}

/// The public keys with which services other than `auth` verify access tokens.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Keys {
    /// JWK set (JSON) with the public keys of `auth`, as GET /api/users/jwks.json serves it.
    #[arg(long, env = "JWKS", value_parser = NonEmptyStringValueParser::new())]
    pub jwks: String,
}

/// The process ends at startup: help was requested (exit code 0), or a setting is invalid (exit code 2).
#[derive(Debug)]
pub struct EarlyExit {
    /// The help, for standard output; or the error, for standard error.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// Reads the settings of the platform and of the service from arguments and environment.
pub fn parse<C: Args + FromArgMatches>(
    service: &'static str,
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<(Config, C), EarlyExit> {
    // Set last, since `augment_args` overwrites it with the doc comment of the settings.
    let about = format!("The {service} service of the ticket marketplace. Every flag is also an environment variable.");
    let command =
        C::augment_args(Config::augment_args(Command::new(service))).about(about).long_about(None::<&'static str>);
    let read = |command: Command| {
        let mut matches = command.try_get_matches_from(arguments)?;
        let platform = Config::from_arg_matches_mut(&mut matches)?;
        Ok((platform, C::from_arg_matches_mut(&mut matches)?))
    };
    read(command.clone()).map_err(|error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => EarlyExit { text: error.render().to_string(), code: 0 },
        _ => EarlyExit { text: format!("{service}: {}", one_line(&command, &error)), code: 2 },
    })
}

/// Formats a clap error as one line that names the environment variable.
fn one_line(command: &Command, error: &clap::Error) -> String {
    let arguments = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(one)) => vec![one.clone()],
        Some(ContextValue::Strings(many)) => many.clone(),
        _ => Vec::new(),
    };
    let variable = |usage: &String| {
        let flag = usage.trim_start_matches("--").split([' ', '=']).next().unwrap_or_default().to_owned();
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag.as_str()));
        let env = argument.and_then(|argument| argument.get_env()).map(|env| env.to_string_lossy().into_owned());
        let help = argument.and_then(|argument| argument.get_help()).map(ToString::to_string).unwrap_or_default();
        let secret = argument.is_some_and(clap::Arg::is_hide_env_values_set);
        (env.unwrap_or(flag), help, secret)
    };
    let named: Vec<_> = arguments.iter().map(variable).collect();
    let value = match error.get(ContextKind::InvalidValue) {
        Some(ContextValue::String(value)) => value.as_str(),
        _ => "",
    };
    let first_line = || {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or("invalid arguments");
        format!("{}. See --help.", line.trim_start_matches("error: "))
    };
    match (error.kind(), named.as_slice()) {
        (ErrorKind::UnknownArgument, _) => first_line(),
        (ErrorKind::MissingRequiredArgument, [(name, help, _)]) => format!("{name} is not set: {help}. See --help."),
        (ErrorKind::MissingRequiredArgument, many) => {
            let names: Vec<_> = many.iter().map(|(name, ..)| name.as_str()).collect();
            format!("{} are not set. See --help.", names.join(", "))
        }
        (_, [(name, help, secret), ..]) => {
            let source = std::error::Error::source(error).map(ToString::to_string);
            let why = source.unwrap_or_else(|| format!("must be valid: {help}"));
            let shown = if *secret || value.is_empty() { String::new() } else { format!("'{value}' ") };
            format!("{name} is wrong: {shown}{why}. See --help.")
        }
        _ => first_line(),
    }
}
