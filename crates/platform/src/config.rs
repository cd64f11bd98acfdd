//! Configuration: environment variables (or the same as flags), read once at the start.
//!
//! A wrong or missing one ends the start with one line that names the variable, and exit code 2.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command, FromArgMatches};
use ipnet::IpNet;

use crate::limits;
use crate::parsers::{duration, network, offset, pause, public_url, redis_client};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people at a terminal.
    Pretty,
}

/// What every service is told.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Config {
    /// Address of the public HTTP server.
    #[arg(long, env = "BIND", default_value = "0.0.0.0:3000")]
    pub bind: SocketAddr,
    /// Address of the admin server: /healthz, /readyz, /metrics, POST /resync. Not for the internet.
    #[arg(long, env = "ADMIN_BIND", default_value = "0.0.0.0:9090")]
    pub admin_bind: SocketAddr,
    /// Where browsers reach the marketplace, without a trailing slash, such as `https://ticketing.dev`
    #[arg(long, env = "PUBLIC_URL", value_parser = public_url)]
    pub public_url: String,
    /// MongoDB connection string of the replica set.
    #[arg(long, env = "MONGODB_URL", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub mongodb_url: String,
    /// The service's own database; its own name unless told.
    #[arg(long, env = "MONGODB_DATABASE", value_parser = NonEmptyStringValueParser::new())]
    pub mongodb_database: Option<String>,
    /// NATS server, or several with commas between, such as `nats://host:4222`
    #[arg(long, env = "NATS_URL", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    pub nats_url: String,
    /// NATS user's credentials file; none when the server asks for none.
    #[arg(long, env = "NATS_CREDENTIALS")]
    pub nats_credentials: Option<std::path::PathBuf>,
    /// First part of every subject and stream name.
    #[arg(long, env = "NATS_PREFIX", default_value = "ticketing", value_parser = NonEmptyStringValueParser::new())]
    pub nats_prefix: String,
    /// On how many NATS servers each stream is kept.
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1)]
    pub nats_replicas: usize,
    /// Size in bytes at which the service's stream drops its oldest events (they can be announced again).
    #[arg(long, env = "STREAM_MAX_BYTES", default_value_t = 4 << 30)]
    pub stream_max_bytes: i64,
    /// Addresses or networks whose X-Forwarded-For is believed, with commas between.
    #[arg(long, env = "TRUSTED_PROXIES", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Log filter: info, or debug,mongodb=warn
    #[arg(long, env = "LOG", default_value = "info,stripe=error")]
    pub log: String,
    /// How log lines are written.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
    /// What is deployed, such as a commit; shown in the metric `build_info`.
    #[arg(long, env = "RELEASE", default_value = "development")]
    pub release: String,
    /// OTLP/gRPC endpoint that receives traces; no traces when unset.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// How long a request may take before it gets 504.
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "30s", value_parser = duration)]
    pub request_timeout: Duration,
    /// How long a client may take to send the head of a request; then the connection is closed.
    #[arg(long, env = "HEADER_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long a connection is kept between two requests; longer than any proxy before it keeps its own.
    #[arg(long, env = "IDLE_TIMEOUT", default_value = "150s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// How long after SIGTERM requests are still taken, while /readyz tells load balancers to send no more.
    #[arg(long, env = "DRAIN_DELAY", default_value = "0s", value_parser = pause)]
    pub drain_delay: Duration,
    /// How long requests and messages in flight may take to finish after that.
    #[arg(long, env = "SHUTDOWN_GRACE", default_value = "25s", value_parser = duration)]
    pub shutdown_grace: Duration,
    /// How often the outboxes are searched for what a crash left behind.
    #[arg(long, env = "OUTBOX_SWEEP_INTERVAL", default_value = "1s", value_parser = duration)]
    pub outbox_sweep_interval: Duration,
    /// How often the gauges at /metrics are read anew.
    #[arg(long, env = "GAUGE_INTERVAL", default_value = "5s", value_parser = duration)]
    pub gauge_interval: Duration,
    /// How long an entity is unchanged before its state is announced again.
    #[arg(long, env = "ANNOUNCE_AFTER", default_value = "60s", value_parser = duration)]
    pub announce_after: Duration,
    /// How many entities a second are announced again whether they have changed or not, by all instances together; fewer
    /// where that would fill more than a twentieth of `STREAM_MAX_BYTES` a day. None when 0.
    #[arg(long, env = "ANNOUNCE_PER_SECOND", default_value_t = 10)]
    pub announce_per_second: u32,
    /// How often it is looked for what has been kept long enough, such as idempotency answers after a day.
    #[arg(long, env = "CLEANUP_INTERVAL", default_value = "10m", value_parser = duration)]
    pub cleanup_interval: Duration,
    /// Where Redis is.
    #[command(flatten)]
    pub redis: Redis,
    /// How often one visitor may ask.
    #[command(flatten)]
    pub limits: limits::settings::Settings,
    /// How wrong this instance's clock is to be, such as 2m or -2m; for tests of what a wrong clock does.
    #[arg(long, env = "CLOCK_OFFSET", default_value = "0s", value_parser = offset, allow_hyphen_values = true)]
    pub clock_offset: jiff::SignedDuration,
}

/// Redis, which every service can do without.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Redis {
    /// Redis server in which instances count requests together, such as `redis://user:password@host:6379`; without it
    /// each counts alone, and expiration fires timers by its sweep.
    #[arg(id = "redis_url", long = "redis-url", env = "REDIS_URL", hide_env_values = true, value_parser = redis_client,
        requires = "limit_secret")]
    pub client: Option<redis::Client>,
    /// First part of every key in Redis.
    #[arg(id = "redis_prefix", long = "redis-prefix", env = "REDIS_PREFIX", default_value = "ticketing",
        value_parser = NonEmptyStringValueParser::new())]
    pub prefix: String,
}

/// The public keys by which a service that is not auth believes an access token.
#[derive(Debug, Clone, Args)]
#[group(skip)]
pub struct Keys {
    /// JWK set (JSON) of auth's public keys, as GET /api/users/jwks.json serves it.
    #[arg(long, env = "JWKS", value_parser = NonEmptyStringValueParser::new())]
    pub jwks: String,
}

/// The start ends here: help was asked for (exit 0), or a line says what is wrong (exit 2).
#[derive(Debug)]
pub struct Ended {
    /// For standard output (help) or standard error (a fault).
    pub text: String,
    /// The process's exit code.
    pub code: u8,
}

/// Reads the platform's and the service's configuration from arguments and environment.
pub fn parse<C: Args + FromArgMatches>(
    service: &'static str,
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<(Config, C), Ended> {
    // Said last: the settings' own doc comments would take this place.
    let about = format!("The {service} service of the ticket marketplace. Every flag is also an environment variable.");
    let command =
        C::augment_args(Config::augment_args(Command::new(service))).about(about).long_about(None::<&'static str>);
    let read = |command: Command| {
        let mut matches = command.try_get_matches_from(arguments)?;
        let platform = Config::from_arg_matches_mut(&mut matches)?;
        Ok((platform, C::from_arg_matches_mut(&mut matches)?))
    };
    read(command.clone()).map_err(|error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ended { text: error.render().to_string(), code: 0 },
        _ => Ended { text: format!("{service}: {}", one_line(&command, &error)), code: 2 },
    })
}

/// What clap has to say, in one line that names the environment variable.
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
        let line = text.lines().next().unwrap_or("wrong arguments");
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
            let why = source.unwrap_or_else(|| format!("must be right: {help}"));
            if *secret || value.is_empty() {
                format!("{name} is wrong: {why}. See --help.")
            } else {
                format!("{name} is wrong: '{value}' {why}. See --help.")
            }
        }
        _ => first_line(),
    }
}
