//! The fleet that is looked after: its databases, where NATS is, and which services there are.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Database};

/// Each has a database of its name.
pub const SERVICES: [&str; 6] = ["auth", "tickets", "orders", "payments", "expiration", "web"];

/// Whom the commands speak to.
pub struct Fleet {
    /// MongoDB, as a user that may read and write every database.
    pub client: Client,
    /// Where NATS is.
    pub nats_url: String,
    /// First part of every stream's name.
    pub nats_prefix: String,
    /// The fleet's public address, by which a backup is known as its own.
    pub public_url: String,
}

impl Fleet {
    /// A client whose reads and writes are a majority's: what a backup or a restore did is never lost again
    /// by a server that dies a moment later.
    pub async fn connect(url: &str) -> Result<Client> {
        let mut options = ClientOptions::parse(url).await.context("MONGODB_URL is wrong")?;
        options.app_name = Some("ticketctl".to_owned());
        options.server_selection_timeout = Some(Duration::from_secs(10));
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
        Ok(Client::with_options(options)?)
    }

    /// The six databases.
    pub fn databases(&self) -> impl Iterator<Item = (&'static str, Database)> {
        SERVICES.into_iter().map(|service| (service, self.client.database(service)))
    }

    /// MongoDB's feature compatibility version, such as (7, 0).
    pub async fn mongodb_version(&self) -> Result<(u32, u32)> {
        let admin = self.client.database("admin");
        let answer = admin.run_command(doc! { "getParameter": 1, "featureCompatibilityVersion": 1 }).await?;
        let text = answer.get_document("featureCompatibilityVersion")?.get_str("version")?;
        version(text).with_context(|| format!("MongoDB says that its version is {text}"))
    }

    /// Refuses to go on while a service is connected to MongoDB: what it writes would be lost, or mixed with
    /// what is restored.
    pub async fn ensure_stopped(&self) -> Result<()> {
        let admin = self.client.database("admin");
        let connections = admin.aggregate([
            doc! { "$currentOp": { "allUsers": true, "idleConnections": true } },
            doc! { "$match": { "appName": { "$in": SERVICES.to_vec() } } },
            doc! { "$group": { "_id": "$appName" } },
        ]);
        // The stage $currentOp refuses every read concern but local.
        let connections = connections.read_concern(ReadConcern::local()).await?;
        let connected: Vec<Document> = connections.try_collect().await?;
        let mut names: Vec<_> = connected.iter().filter_map(|service| service.get_str("_id").ok()).collect();
        names.sort_unstable();
        ensure!(names.is_empty(), "nothing was changed: {} still run; stop every service first", names.join(", "));
        Ok(())
    }
}

/// Reads the first two numbers of a version.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
