//! The read model: the replicas that pages read, and the ones that are being filled to take their place.
//!
//! # Why
//! Replicas come in generations, each in collections of its own, and one small document says which is
//! which. A rebuild adds an empty generation; from then on every event is written to it too, while the
//! owners announce what there was before. It takes the other's place, by one compare-and-swap of that
//! document, once it knows whatever the live one knows, at the same version or a newer one. Nobody
//! leads: all that there is to know is in the database, any instance begins, swaps and clears away,
//! and one that dies half-way has left nothing that another does not go on with.
//!
//! Instances keep the document in memory. A handler reads it again after it has written, and writes
//! again if it has changed: so each event is in every generation that there was when it was
//! acknowledged, whatever its instance had missed. What was replaced is kept up to date and stays for
//! a while, because pages may still be reading it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::api::admin::{EntityProgress, RebuildProgress};
use common::events::Change;
use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use mongodb::bson::{Document, doc, serialize_to_bson};
use mongodb::{Collection, Cursor};
use platform::context::Context;
use platform::store::batcher::Batcher;
use platform::store::error::StoreError;
use platform::store::replica::{Applied, Replica};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use super::findable::{self, Findable};
use super::generations::{entities, generation_of, name};
use super::vocabulary::Vocabulary;

/// For how long pages go by what this instance last read about generations.
const FRESH: Duration = Duration::from_secs(1);
/// How many documents are named that a new generation lacks.
const EXAMPLES: i64 = 3;
/// The collection of the one document about generations, and its `_id`.
const TABLE: &str = "read_model";
const ID: &str = "generations";

/// The replicas of one generation.
pub struct Replicas {
    /// What auth told of its users.
    pub users: Replica<UserState>,
    /// What tickets told of its listings.
    pub tickets: Replica<TicketState>,
    /// What orders told of its orders.
    pub orders: Replica<OrderState>,
    /// What payments told of its payments.
    pub payments: Replica<PaymentState>,
}

/// Which generations there are. Numbers are never used again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Generations {
    /// Counts the changes of this document.
    changes: i64,
    /// The highest number that was ever used.
    last: i64,
    /// The one that pages read.
    live: i64,
    /// The one that is to take its place.
    filling: Option<i64>,
    /// Those that are to be dropped.
    retired: Vec<i64>,
}

/// What this instance knows of the generations.
#[derive(Default)]
struct Known {
    generations: Generations,
    /// When it was read; never, at first.
    at: Option<Instant>,
    /// Since when it is known which ones are retired. Not a time of day: clocks may differ.
    retired: HashMap<i64, Instant>,
}

/// The read model of one instance; cheap to clone.
#[derive(Clone)]
pub struct ReadModel {
    context: Context,
    known: Arc<watch::Sender<Known>>,
    /// The words that listings have had.
    pub vocabulary: Vocabulary,
    /// Every event asks which generations there are.
    asking: Batcher<(), Result<Generations, StoreError>>,
}

impl ReadModel {
    /// The read model in the service's database.
    pub fn new(context: &Context) -> Self {
        let table = context.database.collection::<Generations>(TABLE);
        let asking = Batcher::new(1, move |askers: Vec<()>| {
            let table = table.clone();
            async move {
                let found = table.find_one(doc! { "_id": ID }).await.map(Option::unwrap_or_default);
                let found = found.map_err(StoreError::from);
                askers.into_iter().map(|()| found.clone()).collect()
            }
        });
        let vocabulary = Vocabulary::new(&context.database);
        Self { context: context.clone(), known: Arc::new(watch::Sender::default()), vocabulary, asking }
    }

    /// The replicas that pages read.
    pub async fn live(&self) -> Result<Replicas, StoreError> {
        let generation = self.known().await?.live;
        Ok(Replicas {
            users: self.replica(generation),
            tickets: self.replica(generation),
            orders: self.replica(generation),
            payments: self.replica(generation),
        })
    }

    /// Takes an event into every generation that is in use. Whether it was news to the live one.
    pub async fn put<S: Findable>(&self, event: &Envelope<S>) -> Result<Applied, StoreError> {
        if S::IS_LEARNED {
            self.vocabulary.learn(&event.data.texts()).await;
        }
        let mut applied = Applied::Stale;
        let mut known = self.known().await?;
        loop {
            // What pages show is then in the others already.
            for generation in self.in_use(&known) {
                let news = self.replica::<S>(generation).put_if_newer(event).await?;
                if generation == known.live && news == Applied::Applied {
                    applied = news;
                }
            }
            let now = self.look().await?;
            if now == known {
                return Ok(applied);
            }
            known = now;
        }
    }

    /// Builds the indexes of the generations that queries go to, or will go to.
    pub async fn build_indexes(&self) -> Result<(), StoreError> {
        self.vocabulary.build_indexes().await?;
        let known = self.look().await?;
        for generation in [Some(known.live), known.filling].into_iter().flatten() {
            for (entity, indexes) in entities() {
                if !indexes.is_empty() {
                    self.collection(entity, generation).create_indexes(indexes).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins a rebuild, unless one is under way; the number of the generation that is being filled.
    pub async fn begin(&self) -> Result<i64, StoreError> {
        loop {
            let known = self.look().await?;
            if let Some(filling) = known.filling {
                return Ok(filling);
            }
            let next = known.last + 1;
            if self.change(&known, Generations { last: next, filling: Some(next), ..known.clone() }).await? {
                tracing::info!(generation = next, "a new read model is being filled");
                return Ok(next);
            }
        }
    }

    /// Gives a rebuild up, if one is under way.
    pub async fn abandon(&self) -> Result<(), StoreError> {
        loop {
            let known = self.look().await?;
            let Some(filling) = known.filling else { return Ok(()) };
            let retired = known.retired.iter().copied().chain([filling]).collect();
            if self.change(&known, Generations { filling: None, retired, ..known.clone() }).await? {
                tracing::info!(generation = filling, "the new read model was given up");
                return Ok(());
            }
        }
    }

    /// Puts the new generation in the live one's place: once nothing is missing in it, or in any case.
    pub async fn swap(&self, in_any_case: bool) -> Result<(), StoreError> {
        loop {
            let known = self.look().await?;
            let Some(filling) = known.filling else { return Ok(()) };
            self.build_indexes().await?;
            if !in_any_case {
                for (entity, _) in entities() {
                    if !self.missing(entity, known.live, filling, 1).await?.is_empty() {
                        return Ok(());
                    }
                }
            }
            let retired = known.retired.iter().copied().chain([known.live]).collect();
            if self.change(&known, Generations { live: filling, filling: None, retired, ..known.clone() }).await? {
                tracing::info!(generation = filling, "the new read model is live");
                return Ok(());
            }
        }
    }

    /// How far the rebuild is that is under way.
    pub async fn progress(&self) -> Result<RebuildProgress, StoreError> {
        let known = self.look().await?;
        let mut progress = RebuildProgress { live: known.live, filling: known.filling, entities: Vec::new() };
        if let Some(filling) = known.filling {
            for (entity, _) in entities() {
                progress.entities.push(EntityProgress {
                    entity: entity.to_owned(),
                    live: self.collection(entity, known.live).estimated_document_count().await?,
                    filled: self.collection(entity, filling).estimated_document_count().await?,
                    missing: self.missing(entity, known.live, filling, EXAMPLES).await?,
                });
            }
        }
        Ok(progress)
    }

    /// Drops what has been retired for longer than any request that may read it, or instance that
    /// may write it without having looked.
    pub async fn clear_away(&self) -> Result<(), StoreError> {
        let known = self.look().await?;
        let due: Vec<_> =
            known.retired.iter().copied().filter(|retired| self.since(*retired) >= self.grace() * 2).collect();
        if due.is_empty() {
            return Ok(());
        }
        let kept: Vec<_> = known.retired.iter().copied().filter(|retired| !due.contains(retired)).collect();
        for name in self.context.database.list_collection_names().await? {
            // Also what an instance that stood still wrote to a generation that had been dropped.
            let of_nobody = generation_of(&name).is_some_and(|generation| {
                generation <= known.last
                    && generation != known.live
                    && known.filling != Some(generation)
                    && !kept.contains(&generation)
            });
            if of_nobody {
                self.context.database.collection::<Document>(&name).drop().await?;
            }
        }
        if self.change(&known, Generations { retired: kept, ..known.clone() }).await? {
            tracing::info!(generations = ?due, "old read models were dropped");
        }
        Ok(())
    }

    /// What was read about generations a moment ago.
    async fn known(&self) -> Result<Generations, StoreError> {
        let fresh = {
            let known = self.known.borrow();
            known.at.filter(|at| at.elapsed() < FRESH).map(|_| known.generations.clone())
        };
        match fresh {
            Some(known) => Ok(known),
            None => self.look().await,
        }
    }

    /// Reads about the generations.
    async fn look(&self) -> Result<Generations, StoreError> {
        let began = Instant::now();
        let ended = || StoreError::Database(mongodb::error::Error::custom("the generations could not be read"));
        let found = self.asking.call(()).await.unwrap_or_else(|| Err(ended()))?;
        self.known.send_if_modified(|known| {
            if known.at.is_none_or(|at| at < began) {
                known.at = Some(began);
                known.retired.retain(|generation, _| found.retired.contains(generation));
                for generation in &found.retired {
                    known.retired.entry(*generation).or_insert(began);
                }
                known.generations = found.clone();
            }
            false
        });
        Ok(found)
    }

    /// Writes about the generations, unless somebody else was faster.
    async fn change(&self, from: &Generations, to: Generations) -> Result<bool, StoreError> {
        let to = Generations { changes: from.changes + 1, ..to };
        let to = serialize_to_bson(&to).map_err(StoreError::encoding)?;
        let filter = doc! { "_id": ID, "changes": from.changes };
        let first = from.changes == 0;
        match self
            .context
            .database
            .collection::<Document>(TABLE)
            .update_one(filter, doc! { "$set": to })
            .upsert(first)
            .await
            .map_err(Into::into)
        {
            Ok(result) => Ok(result.matched_count > 0 || result.upserted_id.is_some()),
            Err(StoreError::Duplicate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Generations that events are written to, the live one last.
    fn in_use(&self, known: &Generations) -> Vec<i64> {
        let read = known.retired.iter().copied().filter(|retired| self.since(*retired) < self.grace());
        known.filling.into_iter().chain(read).chain([known.live]).collect()
    }

    /// For how long this instance has known that it is retired.
    fn since(&self, retired: i64) -> Duration {
        self.known.borrow().retired.get(&retired).map(Instant::elapsed).unwrap_or_default()
    }

    /// Longer than any page takes.
    fn grace(&self) -> Duration {
        self.context.config.request_timeout + FRESH
    }

    /// Some that `filling` lacks or knows an older version of, at most `limit`.
    async fn missing(&self, entity: &str, live: i64, filling: i64, limit: i64) -> Result<Vec<String>, StoreError> {
        let at_least_as_new = doc! { "$max": "$filled.version" };
        let pipeline = [
            doc! { "$lookup": {
                "from": name(entity, filling), "localField": "_id", "foreignField": "_id",
                "pipeline": [{ "$project": { "version": 1 } }], "as": "filled",
            } },
            doc! { "$match": { "$expr": { "$lt": [{ "$ifNull": [at_least_as_new, -1] }, "$version"] } } },
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

    fn replica<S: Findable>(&self, generation: i64) -> Replica<S> {
        self.context.replica_in(&name(S::Change::ENTITY, generation)).deriving(findable::derived)
    }

    fn collection(&self, entity: &str, generation: i64) -> Collection<Document> {
        self.context.database.collection(&name(entity, generation))
    }
}
