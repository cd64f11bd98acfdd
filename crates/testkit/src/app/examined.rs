//! Counts, with MongoDB's profiler, how many documents a service's reads examine. Tests use it to show that a read does
//! not get slower the more often a visitor repeats something.

use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::TestApp;

/// One profiled read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The collection.
    pub collection: String,
    /// How many documents.
    pub documents: i32,
    /// How the database found them.
    pub plan: String,
}

impl TestApp {
    /// Every read and update of the service's database during some work, most examined first. The service's own
    /// background work is among them.
    pub async fn examined(&self, work: impl Future<Output = ()>) -> Vec<Read> {
        let database = &self.context.database;
        let profile = database.collection::<Document>("system.profile");
        database.run_command(doc! { "profile": 0 }).await.expect("the profiler off");
        profile.drop().await.expect("an empty profile");
        database
            .run_command(doc! { "create": "system.profile", "capped": true, "size": 32 << 20 })
            .await
            .expect("room");
        database.run_command(doc! { "profile": 2 }).await.expect("the profiler on");
        work.await;
        database.run_command(doc! { "profile": 0 }).await.expect("the profiler off");
        let of_reads = doc! { "docsExamined": { "$exists": true }, "ns": { "$not": { "$regex": "system" } } };
        let entries: Vec<Document> =
            profile.find(of_reads).await.expect("the profile").try_collect().await.expect("the profile");
        let mut reads: Vec<_> = entries
            .iter()
            .map(|entry| Read {
                collection: entry.get_str("ns").unwrap_or_default().split('.').nth(1).unwrap_or_default().to_owned(),
                documents: entry.get_i32("docsExamined").unwrap_or_default(),
                plan: entry.get_str("planSummary").unwrap_or_default().to_owned(),
            })
            .collect();
        reads.sort_by_key(|read| std::cmp::Reverse(read.documents));
        reads
    }

    /// Fails the test when a read during the work examined more documents than `bound`, or none was seen.
    pub async fn assert_examined_at_most(&self, bound: i32, work: impl Future<Output = ()>) {
        let reads = self.examined(work).await;
        assert!(reads.iter().any(|read| read.documents > 0), "nothing was read: {reads:?}");
        let too_many: Vec<_> = reads.iter().filter(|read| read.documents > bound).collect();
        assert!(too_many.is_empty(), "more than {bound} documents were examined: {too_many:?}");
    }
}
