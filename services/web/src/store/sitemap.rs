//! The shows that a sitemap lists, and the sitemaps that were built recently.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::events::show::{ShowState, ShowStatus};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Bson, doc};
use platform::store::error::StoreError;
use platform::store::index::any_of;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::model::Replicas;
use super::offers;

/// How long a sitemap is used before it is built again.
pub(crate) const FRESH: Duration = Duration::from_secs(600);

#[derive(Debug, Deserialize)]
struct Listed {
    state: ShowState,
}

/// The shows with a ticket for sale that begin at `from` or later and, if it is given, before `until`; the soonest
/// first, at most `limit`.
pub(crate) async fn listed_shows(
    model: &Replicas,
    from: Timestamp,
    until: Option<Timestamp>,
    limit: i64,
) -> Result<Vec<ShowState>, StoreError> {
    let mut times = doc! { "$gte": from.to_string() };
    times.extend(until.map(|until| ("$lt".to_owned(), Bson::String(until.to_string()))));
    let one =
        vec![doc! { "$match": offers::for_sale(model, None) }, doc! { "$limit": 1 }, doc! { "$project": { "_id": 1 } }];
    let stages = [
        doc! { "$match": {
            "state.startsAt": times,
            "state.mergedInto": null,
            "state.status": any_of(&[ShowStatus::Scheduled, ShowStatus::Moved]),
        } },
        doc! { "$sort": { "state.startsAt": 1, "_id": 1 } },
        doc! { "$lookup": {
            "from": model.ticket_documents.name(),
            "localField": "_id",
            "foreignField": "state.showId",
            "pipeline": one,
            "as": "listed",
        } },
        doc! { "$match": { "listed": { "$ne": [] } } },
        doc! { "$limit": limit },
        doc! { "$project": { "state": 1 } },
    ];
    let found = model.show_documents.aggregate(stages).max_time(offers::MAX_TIME).with_type::<Listed>().await?;
    let found: Vec<Listed> = found.try_collect().await?;
    Ok(found.into_iter().map(|listed| listed.state).collect())
}

struct Built {
    at: Timestamp,
    xml: Arc<str>,
}

/// The sitemaps that this instance has built recently, by name; cheap to clone. One is built at a time, however many
/// crawlers ask for them.
#[derive(Clone, Default)]
pub(crate) struct SitemapCache(Arc<Mutex<HashMap<String, Built>>>);

impl SitemapCache {
    /// The sitemap with this name, built unless it is fresh.
    pub(crate) async fn get_or_build<E>(
        &self,
        name: &str,
        now: Timestamp,
        build: impl Future<Output = Result<String, E>>,
    ) -> Result<Arc<str>, E> {
        let mut built = self.0.lock().await;
        built.retain(|_, sitemap| now.since(sitemap.at) < FRESH);
        if let Some(known) = built.get(name) {
            return Ok(Arc::clone(&known.xml));
        }
        let xml: Arc<str> = build.await?.into();
        built.insert(name.to_owned(), Built { at: now, xml: Arc::clone(&xml) });
        Ok(xml)
    }
}
