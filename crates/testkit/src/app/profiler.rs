//! Counts the documents that a service's reads examine, with MongoDB's profiler. Tests use it to show that the cost of
//! a read does not grow with the number of earlier actions.

use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::TestApp;

/// One profiled read.
#[derive(Debug, Clone)]
pub struct Read {
    /// Name of the collection.
    pub collection: String,
    /// Number of examined documents.
    pub documents: i32,
    /// MongoDB's `planSummary`, such as `IXSCAN { _id: 1 }`, or `COLLSCAN` for a scan of the whole collection.
    pub plan: String,
}

impl TestApp {
    /// Returns every read and update of the service's database while `work` runs, the most expensive first. This
    /// includes the service's background tasks.
    pub async fn profile_reads(&self, work: impl Future<Output = ()>) -> Vec<Read> {
        let database = &self.context.database;
        let profile = database.collection::<Document>("system.profile");
        database.run_command(doc! { "profile": 0 }).await.expect("the profiler off");
        profile.drop().await.expect("an empty profile");
        // 32 MiB rather than the default of 1 MB, since a full capped collection overwrites its oldest entries.
        database
            .run_command(doc! { "create": "system.profile", "capped": true, "size": 32 << 20 })
            .await
            .expect("a new profile");
        database.run_command(doc! { "profile": 2 }).await.expect("the profiler on");
        work.await;
        database.run_command(doc! { "profile": 0 }).await.expect("the profiler off");
        let is_read = doc! { "docsExamined": { "$exists": true }, "ns": { "$not": { "$regex": "system" } } };
        let entries: Vec<Document> =
            profile.find(is_read).await.expect("the profile").try_collect().await.expect("the profile");
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

    /// Fails the test if a read during `work` examined more than `bound` documents, or no read was profiled.
    pub async fn assert_examined_at_most(&self, bound: i32, work: impl Future<Output = ()>) {
        let reads = self.profile_reads(work).await;
        assert!(reads.iter().any(|read| read.documents > 0), "nothing was read: {reads:?}");
        let too_many: Vec<_> = reads.iter().filter(|read| read.documents > bound).collect();
        assert!(too_many.is_empty(), "more than {bound} documents were examined: {too_many:?}");
    }
}
