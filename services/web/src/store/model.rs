//! The read model: the replicas that pages read, and the generation that a rebuild fills to replace them.
//!
//! # Why
//! A generation is a complete set of replicas, each in its own collection. One small document lists the generations.
//!
//! 1. A rebuild adds an empty generation. From then on every event is written to it too, while the owning services
//!    publish snapshots of what existed before.
//! 2. Once the new generation has every entity of the live one, at the same version or a newer one, it becomes the live
//!    one by a compare-and-swap of the document.
//! 3. The replaced generation is kept up to date for a while, because pages may still be reading it. Then it is
//!    dropped.
//!
//! There is no leader: all state is in the database, so any instance can start, swap and clean up, and can continue
//! where another instance died.
//!
//! Instances cache the document for at most a second. Two rules make that safe:
//!
//! - A handler whose writes of an event took longer reads the document again, and repeats them if the generations
//!   changed. So an event is in every generation that was listed when the document was last read.
//! - Before a rebuild asks for snapshots, and before it swaps, it waits until no instance can have cached the document
//!   without the new generation. An event that was written to older generations only was written before that. It is in
//!   the snapshots; or the new generation lacks its version, and there is no swap.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::aggregate::ShardKey;
use common::api::admin::{EntityStatus, RebuildStatus};
use common::events::Change;
use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::show::{ShowChange, ShowState};
use common::events::ticket::{TicketChange, TicketState};
use common::events::user::UserState;
use common::id::UserId;
use mongodb::bson::{Document, doc, serialize_to_bson};
use mongodb::{Collection, Cursor};
use platform::app::App;
use platform::context::Context;
use platform::store::batcher::Batcher;
use platform::store::error::StoreError;
use platform::store::replica::{Applied, Replica};
use tokio::sync::watch;
use tokio::time::Instant;

use super::generations::{Generations, collection_name, collections, generation_of};
use super::searchable::{self, Searchable};
use super::vocabulary::{self, Vocabulary};

/// How long the cached document is used before it is read again.
const CACHE_TTL: Duration = Duration::from_secs(1);
/// How long after an instance first saw a new generation no instance uses a cached document without it any more. Longer
/// than [`CACHE_TTL`], because clocks differ slightly in speed.
const KNOWN_AFTER: Duration = Duration::from_millis(1_250);
/// Maximum number of reported examples of entities that a new generation lacks.
const MAX_MISSING_SAMPLES: i64 = 3;
/// The collection of the document about generations, and its `_id`.
const GENERATIONS_COLLECTION: &str = "read_model";
const ID: &str = "generations";

/// Declares the collections of the read model. Those of a later generation have the same shard keys; all build their
/// indexes in [`ReadModel::build_indexes`].
pub(crate) fn with_collections(app: App) -> App {
    let app = app.collection(GENERATIONS_COLLECTION, ShardKey::ID).collection(vocabulary::COLLECTION, ShardKey::ID);
    collections().into_iter().fold(app, |app, (entity, _)| app.collection(collection_name(entity, 0), ShardKey::ID))
}

pub(crate) struct Replicas {
    pub users: Replica<UserState>,
    pub tickets: Replica<TicketState>,
    pub orders: Replica<OrderState>,
    pub payments: Replica<PaymentState>,
    pub shows: Replica<ShowState>,
    /// The seller whose listings are in no list and no figure.
    pub hidden_seller: Option<UserId>,
    /// The documents of `shows` and of `tickets`, for aggregations.
    pub(super) show_documents: Collection<Document>,
    pub(super) ticket_documents: Collection<Document>,
}

#[derive(Default)]
struct CachedGenerations {
    generations: Generations,
    /// When the read of the document began; `None` before the first read.
    read_at: Option<Instant>,
    /// The generation that is being filled, and when this instance first saw it: the end of that read.
    filling: Option<(i64, Instant)>,
    /// When this instance first saw each generation retired. Monotonic, since the clocks of instances may differ.
    retired: HashMap<i64, Instant>,
}

/// The generations, and when the read of them began.
struct Known {
    generations: Generations,
    read_at: Instant,
}

/// The read model of one instance; cheap to clone.
#[derive(Clone)]
pub(crate) struct ReadModel {
    context: Context,
    hidden_seller: Option<UserId>,
    /// Used as a lock; it has no receivers.
    cache: Arc<watch::Sender<CachedGenerations>>,
    /// The dictionary that corrects searches.
    pub vocabulary: Vocabulary,
    /// Batches concurrent reads of the document.
    coalesced_read: Batcher<(), Result<Generations, StoreError>>,
}

impl ReadModel {
    pub(crate) fn new(context: &Context, hidden_seller: Option<UserId>) -> Self {
        let collection = context.database.collection::<Generations>(GENERATIONS_COLLECTION);
        let coalesced_read = Batcher::new(1, move |calls: Vec<()>| {
            let collection = collection.clone();
            async move {
                let found = collection.find_one(doc! { "_id": ID }).await.map(Option::unwrap_or_default);
                vec![found.map_err(StoreError::from); calls.len()]
            }
        });
        let vocabulary = Vocabulary::new(&context.database);
        let (context, cache) = (context.clone(), Arc::new(watch::Sender::default()));
        Self { context, hidden_seller, cache, vocabulary, coalesced_read }
    }

    /// The replicas that pages read.
    pub(crate) async fn live(&self) -> Result<Replicas, StoreError> {
        let generation = self.cached().await?.generations.live;
        Ok(Replicas {
            users: self.replica(generation),
            tickets: self.replica(generation),
            orders: self.replica(generation),
            payments: self.replica(generation),
            shows: self.replica(generation),
            hidden_seller: self.hidden_seller,
            show_documents: self.collection(ShowChange::ENTITY, generation),
            ticket_documents: self.collection(TicketChange::ENTITY, generation),
        })
    }

    /// The replica of one entity that pages read.
    pub(crate) async fn live_replica<S: Searchable>(&self) -> Result<Replica<S>, StoreError> {
        Ok(self.replica(self.cached().await?.generations.live))
    }

    /// Applies an event to every generation in use. Returns whether the live one changed.
    pub(crate) async fn put<S: Searchable>(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        if S::FEEDS_VOCABULARY {
            self.vocabulary.add_words(&event.data.searchable_texts()).await;
        }
        let mut applied = Applied::Stale;
        let Known { mut generations, read_at } = self.cached().await?;
        loop {
            // The live generation is written last, so that everything that pages show is in the other generations too.
            for generation in self.write_targets(&generations) {
                let outcome = self.replica::<S>(generation).put_if_newer(event).await?;
                if generation == generations.live && outcome == Applied::Applied {
                    applied = outcome;
                }
            }
            if read_at.elapsed() < CACHE_TTL {
                return Ok(applied);
            }
            let current = self.reload().await?.generations;
            if current == generations {
                return Ok(applied);
            }
            generations = current;
        }
    }

    /// Builds the indexes of the live generation and of the one being built.
    pub(crate) async fn build_indexes(&self) -> Result<(), StoreError> {
        self.vocabulary.build_indexes().await?;
        let current = self.reload().await?.generations;
        for generation in [Some(current.live), current.filling].into_iter().flatten() {
            for (entity, indexes) in collections() {
                if !indexes.is_empty() {
                    self.collection(entity, generation).create_indexes(indexes).await?;
                }
            }
        }
        Ok(())
    }

    /// Starts a rebuild unless one is in progress. Returns the number of the generation being built, once all instances
    /// write to it.
    pub(crate) async fn begin(&self) -> Result<i64, StoreError> {
        loop {
            let current = self.reload().await?.generations;
            if let Some(filling) = current.filling {
                self.wait_until_known(filling).await;
                return Ok(filling);
            }
            let next = current.highest + 1;
            let started = Generations { highest: next, filling: Some(next), ..current.clone() };
            if self.compare_and_swap(&current, started).await? {
                tracing::info!(generation = next, "rebuild of the read model started");
            }
        }
    }

    pub(crate) async fn abandon(&self) -> Result<(), StoreError> {
        loop {
            let current = self.reload().await?.generations;
            let Some(filling) = current.filling else { return Ok(()) };
            let retired = current.retired_and(filling);
            if self.compare_and_swap(&current, Generations { filling: None, retired, ..current.clone() }).await? {
                tracing::info!(generation = filling, "rebuild of the read model abandoned");
                return Ok(());
            }
        }
    }

    /// Makes the new generation live if it lacks nothing, or if `force` is set.
    pub(crate) async fn swap(&self, force: bool) -> Result<(), StoreError> {
        loop {
            let current = self.reload().await?.generations;
            let Some(filling) = current.filling else { return Ok(()) };
            self.wait_until_known(filling).await;
            self.build_indexes().await?;
            if !force {
                for (entity, _) in collections() {
                    if !self.missing(entity, current.live, filling, 1).await?.is_empty() {
                        return Ok(());
                    }
                }
            }
            let retired = current.retired_and(current.live);
            let swapped = Generations { live: filling, filling: None, retired, ..current.clone() };
            if self.compare_and_swap(&current, swapped).await? {
                tracing::info!(generation = filling, "the rebuilt read model is live");
                return Ok(());
            }
        }
    }

    pub(crate) async fn progress(&self) -> Result<RebuildStatus, StoreError> {
        let Generations { live, filling, .. } = self.reload().await?.generations;
        let mut progress = RebuildStatus { live, filling, entities: Vec::new() };
        if let Some(filling) = filling {
            for (entity, _) in collections() {
                progress.entities.push(EntityStatus {
                    entity: entity.to_owned(),
                    live: self.collection(entity, live).estimated_document_count().await?,
                    filled: self.collection(entity, filling).estimated_document_count().await?,
                    missing: self.missing(entity, live, filling, MAX_MISSING_SAMPLES).await?,
                });
            }
        }
        Ok(progress)
    }

    /// Removes words that no show has from the vocabulary, one batch that follows `after`. Returns the last word
    /// examined; `None` at the end, and during a rebuild, when the live generation may lack shows.
    pub(crate) async fn prune_vocabulary(&self, after: &str) -> Result<Option<String>, StoreError> {
        let Generations { live, filling, .. } = self.reload().await?.generations;
        if filling.is_some() {
            return Ok(None);
        }
        self.vocabulary.prune(&self.collection(ShowChange::ENTITY, live), after).await
    }

    /// Drops retired generations after twice the grace period. By then no request reads them any more, and no instance
    /// with a stale cache writes to them.
    pub(crate) async fn drop_retired(&self) -> Result<(), StoreError> {
        let current = self.reload().await?.generations;
        let is_due = |retired: &i64| self.retired_for(*retired) >= self.grace_period() * 2;
        let (due, retired): (Vec<_>, Vec<_>) = current.retired.iter().copied().partition(is_due);
        if due.is_empty() {
            return Ok(());
        }
        let Generations { highest, live, filling, .. } = current;
        let is_used = |generation| generation == live || filling == Some(generation) || retired.contains(&generation);
        for name in self.context.database.list_collection_names().await? {
            // Also drops collections that a stalled instance has created again.
            if generation_of(&name).is_some_and(|generation| generation <= highest && !is_used(generation)) {
                self.context.database.collection::<Document>(&name).drop().await?;
            }
        }
        if self.compare_and_swap(&current, Generations { retired, ..current.clone() }).await? {
            tracing::info!(generations = ?due, "dropped old generations of the read model");
        }
        Ok(())
    }

    /// The cached generations, read again when the cache is older than [`CACHE_TTL`].
    async fn cached(&self) -> Result<Known, StoreError> {
        let cached = {
            let cache = self.cache.borrow();
            let read_at = cache.read_at.filter(|at| at.elapsed() < CACHE_TTL);
            read_at.map(|read_at| Known { generations: cache.generations.clone(), read_at })
        };
        match cached {
            Some(known) => Ok(known),
            None => self.reload().await,
        }
    }

    async fn reload(&self) -> Result<Known, StoreError> {
        let began = Instant::now();
        let ended = || StoreError::Database(mongodb::error::Error::custom("could not read the generations"));
        let found = self.coalesced_read.call(()).await.unwrap_or_else(|| Err(ended()))?;
        self.cache.send_if_modified(|cache| {
            if cache.read_at.is_none_or(|at| at < began) {
                cache.read_at = Some(began);
                cache.retired.retain(|generation, _| found.retired.contains(generation));
                for generation in &found.retired {
                    cache.retired.entry(*generation).or_insert(began);
                }
                let seen = cache.filling.filter(|(seen, _)| found.filling == Some(*seen));
                cache.filling = seen.or_else(|| found.filling.map(|filling| (filling, Instant::now())));
                cache.generations = found.clone();
            }
            false
        });
        Ok(Known { generations: found, read_at: began })
    }

    /// Waits until no instance uses a cached document without this generation, which is being filled.
    async fn wait_until_known(&self, filling: i64) {
        let seen = self.cache.borrow().filling.filter(|(seen, _)| *seen == filling);
        // The cache lacks the generation only if another read has just found another document. Then wait as for a new
        // one.
        let since = seen.map(|(_, since)| since.elapsed()).unwrap_or_default();
        tokio::time::sleep(KNOWN_AFTER.saturating_sub(since)).await;
    }

    /// Replaces `from` by `to`; returns whether no concurrent change came first.
    async fn compare_and_swap(&self, from: &Generations, to: Generations) -> Result<bool, StoreError> {
        let to = Generations { revision: from.revision + 1, ..to };
        let to = serialize_to_bson(&to).map_err(StoreError::encoding)?;
        let filter = doc! { "_id": ID, "changes": from.revision };
        let collection = self.context.database.collection::<Document>(GENERATIONS_COLLECTION);
        let written = collection.update_one(filter, doc! { "$set": to }).upsert(from.revision == 0).await;
        match written.map_err(Into::into) {
            Ok(result) => Ok(result.matched_count > 0 || result.upserted_id.is_some()),
            Err(StoreError::Duplicate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The generations that events are written to, the live one last.
    fn write_targets(&self, generations: &Generations) -> Vec<i64> {
        let retired = generations.retired.iter().copied();
        let still_read = retired.filter(|generation| self.retired_for(*generation) < self.grace_period());
        generations.filling.into_iter().chain(still_read).chain([generations.live]).collect()
    }

    /// How long this instance has known that a generation is retired.
    fn retired_for(&self, generation: i64) -> Duration {
        self.cache.borrow().retired.get(&generation).map(Instant::elapsed).unwrap_or_default()
    }

    /// A period longer than any page may read a generation after it was retired.
    fn grace_period(&self) -> Duration {
        self.context.config.request_timeout + CACHE_TTL
    }

    /// Ids of at most `limit` entities that `filling` lacks or has at an older version.
    async fn missing(&self, entity: &str, live: i64, filling: i64, limit: i64) -> Result<Vec<String>, StoreError> {
        let built_version = doc! { "$max": "$built.version" };
        let pipeline = [
            doc! { "$lookup": {
                "from": collection_name(entity, filling), "localField": "_id", "foreignField": "_id",
                "pipeline": [{ "$project": { "version": 1 } }], "as": "built",
            } },
            doc! { "$match": { "$expr": { "$lt": [{ "$ifNull": [built_version, -1] }, "$version"] } } },
            doc! { "$limit": limit },
            doc! { "$project": { "_id": 1 } },
        ];
        let mut found: Cursor<Document> = self.collection(entity, live).aggregate(pipeline).await?;
        let mut ids = Vec::new();
        while found.advance().await? {
            ids.push(found.current().get_str("_id").unwrap_or_default().to_owned());
        }
        Ok(ids)
    }

    fn replica<S: Searchable>(&self, generation: i64) -> Replica<S> {
        self.context
            .replica_in(&collection_name(S::Change::ENTITY, generation))
            .with_derived_fields(searchable::search_fields)
    }

    fn collection(&self, entity: &str, generation: i64) -> Collection<Document> {
        self.context.database.collection(&collection_name(entity, generation))
    }
}
