//! Baselines, which no service can beat: the bare driver, server or hash function without our services.

use std::cell::Cell;

use anyhow::{Context as _, Result};
use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use async_nats::jetstream;
use common::id::TicketId;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, IndexModel};

use super::workload::Workload;
use crate::results::{Case, Results};
use crate::testbed::{CONNECTIONS, TestBed};

/// A client configured like that of the services.
async fn client(bed: &TestBed) -> Result<Client> {
    let mut options = ClientOptions::parse(bed.fleet.servers().mongodb.url()).await?;
    options.max_pool_size = Some(64);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    Ok(Client::with_options(options)?)
}

pub(super) async fn find(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(workload.listings).await?;
    let tickets = client(bed).await?.database("tickets").collection::<RawDocumentBuf>("tickets");
    let ids: Vec<String> = bed.tickets.borrow().iter().map(ToString::to_string).collect();
    let next = Cell::new(0);
    let workers = &mut [(); CONNECTIONS];
    let measured = workload.measure(bed, "find_one by id", Some("mongod"), workers, async |()| {
        let id = ids.get(next.replace(next.get() + 1) % ids.len()).context("no tickets")?;
        tickets.find_one(doc! { "_id": id }).await?.context("the ticket does not exist")?;
        Ok(true)
    });
    results.baselines.insert((Case::BaselineFind, 0), measured.await?);
    Ok(())
}

/// Inserts tickets into a collection without secondary indexes, and into one with the indexes of the tickets; also with
/// a single writer, which has no group commit: every insert waits for its own journal flush.
pub(super) async fn insert(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(1).await?;
    let client = client(bed).await?;
    let tickets = client.database("tickets").collection::<Document>("tickets");
    let template = tickets.find_one(doc! {}).await?.context("no tickets")?;
    let indexes: Vec<IndexModel> = tickets.list_indexes().await?.try_collect().await?;
    let bare = client.database("bench").collection::<Document>("bare");
    let indexed = client.database("bench").collection::<Document>("indexed");
    indexed.create_indexes(indexes).await?;
    let variants = [
        ("insert_one", &bare, CONNECTIONS),
        ("insert_one, indexes of the tickets", &indexed, CONNECTIONS),
        ("insert_one, one at a time", &bare, 1),
    ];
    for (index, (work, collection, concurrency)) in variants.into_iter().enumerate() {
        let mut workers = vec![(); concurrency];
        let measured = workload.measure(bed, work, Some("mongod"), &mut workers, async |()| {
            let mut document = template.clone();
            document.insert("_id", TicketId::new().to_string());
            collection.insert_one(document).await?;
            Ok(true)
        });
        results.baselines.insert((Case::BaselineInsert, index), measured.await?);
    }
    Ok(client.database("bench").drop().await?)
}

/// Publishes to a separate stream on the fleet's server, with the payload of a real event.
pub(super) async fn publish(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    bed.stock_tickets(1).await?;
    let client = async_nats::connect(bed.fleet.servers().nats.url()).await?;
    let jetstream = jetstream::new(client);
    let payload = jetstream.get_stream("ticketing-tickets").await?.get_raw_message(1).await?.payload;
    let subjects = vec!["bench.baseline".to_owned()];
    let config = jetstream::stream::Config { name: "bench".to_owned(), subjects, ..Default::default() };
    jetstream.create_stream(config).await?;
    let workers = &mut [(); CONNECTIONS];
    let measured = workload.measure(bed, "acknowledged publish", Some("nats-server"), workers, async |()| {
        jetstream.publish("bench.baseline", payload.clone()).await?.await?;
        Ok(true)
    });
    results.baselines.insert((Case::BaselinePublish, 0), measured.await?);
    jetstream.delete_stream("bench").await?;
    Ok(())
}

/// Hashes with the parameters of `auth`, and with one thread per CPU as `auth` does.
pub(super) async fn hash(bed: &TestBed, workload: &Workload, results: &mut Results) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let mut workers = vec![(); cpus];
    let measured = workload.measure(bed, "argon2id, 19 MiB, t=2, p=1", None, &mut workers, async |()| {
        let hashed = tokio::task::spawn_blocking(|| {
            let params = Params::new(19 * 1024, 2, 1, None)?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password(b"a long enough secret").map(drop)
        });
        hashed.await?.map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
        Ok(true)
    });
    results.baselines.insert((Case::BaselineHash, 0), measured.await?);
    Ok(())
}
