//! The fleet that is operated: its databases, its NATS servers and its services.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, Tls, TlsOptions, WriteConcern};
use mongodb::{Client, Database};

use crate::output::Rejected;

/// The services. Each has a database of the same name.
pub(crate) const SERVICES: [&str; 6] = ["auth", "tickets", "orders", "payments", "expiration", "web"];

#[derive(Debug, Args)]
pub(crate) struct FleetArgs {
    /// MongoDB, as a user that may read and write every database.
    #[arg(
        long,
        global = true,
        env = "MONGODB_URL",
        hide_env_values = true,
        default_value = "mongodb://127.0.0.1:27017"
    )]
    mongodb_url: String,
    /// NATS, as the user `operator`; `nats://127.0.0.1:4222` by default. Without it `audit` does not check the streams.
    #[arg(long, global = true, env = "NATS_URL", hide_env_values = true)]
    pub(crate) nats_url: Option<String>,
    /// PEM file with the authority that signs the certificates of MongoDB and NATS. With it, the connections to both
    /// use TLS; for MongoDB, `tls` and `tlsCAFile` in the URL take precedence.
    #[arg(long, global = true, env = "TLS_CA_FILE")]
    pub(crate) tls_ca_file: Option<PathBuf>,
    /// Prefix of the streams' names.
    #[arg(long, global = true, env = "NATS_PREFIX", default_value = "ticketing")]
    pub(crate) nats_prefix: String,
    /// The fleet's public URL. It is stored in each backup, and a backup of another fleet is rejected.
    #[arg(long, global = true, env = "PUBLIC_URL", default_value = "http://localhost:8080")]
    pub(crate) public_url: String,
}

pub(crate) struct Fleet {
    pub(crate) client: Client,
    pub(crate) args: FleetArgs,
}

impl Fleet {
    /// Connects to MongoDB with majority read and write concern, so that no failover loses what a backup read or a
    /// restore wrote.
    pub(crate) async fn connect(args: FleetArgs) -> Result<Self> {
        let mut options = ClientOptions::parse(&args.mongodb_url).await.context("MONGODB_URL is wrong")?;
        if let Some(authority) = &args.tls_ca_file {
            let tls = || Tls::Enabled(TlsOptions::builder().ca_file_path(authority.clone()).build());
            options.tls.get_or_insert_with(tls);
        }
        options.app_name = Some("ticketctl".to_owned());
        options.server_selection_timeout = Some(Duration::from_secs(10));
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        Ok(Self { client: Client::with_options(options)?, args })
    }

    pub(crate) fn databases(&self) -> impl Iterator<Item = (&'static str, Database)> {
        SERVICES.into_iter().map(|service| (service, self.client.database(service)))
    }

    /// MongoDB's feature compatibility version, such as (7, 0).
    pub(crate) async fn feature_compatibility_version(&self) -> Result<(u32, u32)> {
        let admin = self.client.database("admin");
        let response = admin.run_command(doc! { "getParameter": 1, "featureCompatibilityVersion": 1 }).await?;
        let text = response.get_document("featureCompatibilityVersion")?.get_str("version")?;
        version(text).with_context(|| format!("MongoDB returned the unexpected version {text}"))
    }

    /// Fails while any service is connected to MongoDB. Its writes would be lost or mixed with the restored data.
    pub(crate) async fn ensure_stopped(&self) -> Result<()> {
        let admin = self.client.database("admin");
        let connections = admin.aggregate([
            doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
            doc! { "$match": { "appName": { "$in": SERVICES.to_vec() } } },
            doc! { "$group": { "_id": "$appName" } },
        ]);
        // The stage $currentOp rejects every read concern except local.
        let connections = connections.read_concern(ReadConcern::local()).await?;
        let connected: Vec<Document> = connections.try_collect().await?;
        let mut names: Vec<_> = connected.iter().filter_map(|service| service.get_str("_id").ok()).collect();
        names.sort_unstable();
        if !names.is_empty() {
            bail!(Rejected(format!("still running: {}; stop every service first", names.join(", "))));
        }
        Ok(())
    }
}

/// The first two numbers of a version.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
