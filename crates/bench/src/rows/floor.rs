//! What no service can beat: the same driver, server or hash, with nothing of ours around it.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context as _, Result};
use argon2::password_hash::PasswordHasher as _;
use argon2::{Algorithm, Argon2, Params, Version};
use async_nats::jetstream;
use common::id::TicketId;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Database, IndexModel};

use super::scale::Scale;
use crate::figures::{Figures, Row};
use crate::load::closed;
use crate::shop::{CONNECTIONS, Shop};

/// The driver as services use it.
async fn client(shop: &Shop) -> Result<Client> {
    let mut options = ClientOptions::parse(shop.fleet.servers().mongodb.url()).await?;
    options.max_pool_size = Some(64);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    Ok(Client::with_options(options)?)
}

/// A ticket as the service stored it.
async fn ticket(shop: &Shop, tickets: &Database) -> Result<Document> {
    shop.stock_tickets(1).await?;
    tickets.collection("tickets").find_one(doc! {}).await?.context("there is a ticket")
}

pub(super) async fn find(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(scale.listings).await?;
    let tickets = client(shop).await?.database("tickets").collection::<RawDocumentBuf>("tickets");
    let ids: Vec<String> = shop.tickets.borrow().iter().map(ToString::to_string).collect();
    let turn = Cell::new(0);
    let row = scale.rate(shop, "find_one by id", Some("mongod"), async |duration| {
        closed(&mut [(); CONNECTIONS], duration, async |()| {
            let id = ids.get(turn.get() % ids.len()).context("there are tickets")?;
            turn.set(turn.get() + 1);
            tickets.find_one(doc! { "_id": id }).await?.context("it is there")?;
            Ok(true)
        })
        .await
    });
    figures.floors.insert((Row::FloorFind, 0), row.await?);
    Ok(())
}

/// Into a collection without further indexes, and into one with those of the tickets; and with nobody
/// to share the journal's flush with, which is what a handler pays that works alone.
pub(super) async fn insert(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let client = client(shop).await?;
    let tickets = client.database("tickets");
    let template = ticket(shop, &tickets).await?;
    let indexes: Vec<IndexModel> =
        tickets.collection::<Document>("tickets").list_indexes().await?.try_collect().await?;
    let bare = client.database("bench").collection::<Document>("bare");
    let indexed = client.database("bench").collection::<Document>("indexed");
    indexed.create_indexes(indexes).await?;
    let rows = [
        ("insert_one", &bare, CONNECTIONS),
        ("insert_one, indexes of the tickets", &indexed, CONNECTIONS),
        ("insert_one, one at a time", &bare, 1),
    ];
    for (place, (work, collection, at_once)) in rows.into_iter().enumerate() {
        let mut workers = vec![(); at_once];
        let row = scale.rate(shop, work, Some("mongod"), async |duration| {
            closed(&mut workers, duration, async |()| {
                let mut document = template.clone();
                document.insert("_id", TicketId::new().to_string());
                collection.insert_one(document).await?;
                Ok(true)
            })
            .await
        });
        figures.floors.insert((Row::FloorInsert, place), row.await?);
    }
    Ok(client.database("bench").drop().await?)
}

/// To a stream of its own on the fleet's server, with the payload of a real event.
pub(super) async fn publish(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    shop.stock_tickets(1).await?;
    let client = async_nats::connect(shop.fleet.servers().nats.url()).await?;
    let jetstream = jetstream::new(client);
    let payload = jetstream.get_stream("ticketing-tickets").await?.get_raw_message(1).await?.payload;
    let subjects = vec!["bench.floor".to_owned()];
    let config = jetstream::stream::Config { name: "bench".to_owned(), subjects, ..Default::default() };
    jetstream.create_stream(config).await?;
    let row = scale.rate(shop, "acknowledged publish", Some("nats-server"), async |duration| {
        closed(&mut [(); CONNECTIONS], duration, async |()| {
            jetstream.publish("bench.floor", payload.clone()).await?.await?;
            Ok(true)
        })
        .await
    });
    figures.floors.insert((Row::FloorPublish, 0), row.await?);
    jetstream.delete_stream("bench").await?;
    Ok(())
}

/// With auth's parameters, on as many threads as there are CPUs, as auth does.
pub(super) async fn hash(shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    let cpus = std::thread::available_parallelism()?.get();
    let mut workers = vec![(); cpus];
    let row = scale.rate(shop, "argon2id, 19 MiB, t=2, p=1", None, async |duration: Duration| {
        closed(&mut workers, duration, async |()| {
            let hashed = tokio::task::spawn_blocking(|| {
                let params = Params::new(19 * 1024, 2, 1, None)?;
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                argon2.hash_password(b"a long enough secret").map(drop)
            });
            hashed.await?.map_err(|error| anyhow::anyhow!("argon2: {error}"))?;
            Ok(true)
        })
        .await
    });
    figures.floors.insert((Row::FloorHash, 0), row.await?);
    Ok(())
}
