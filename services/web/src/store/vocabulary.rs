//! The dictionary built from the texts of shows, which corrects misspelled searches.
//!
//! # Why
//! The vocabulary is a small collection of documents such as `{_id: "jazz", near: ["jazz", "jaz", "azz", …]}`. `near`
//! contains the word itself and variants of it with letters removed. A misspelled word is found because it, or a
//! variant of it with letters removed, equals one of these. Most shows contain no new word, so the collection costs
//! next to nothing to maintain, and a look-up costs the same for any number of words.
//!
//! The collection belongs to no generation of the read model: a rebuild does not empty it, but adds missing words. It
//! is best-effort and never blocks event handling. Words that no show contains any more are removed, so that changed
//! titles do not make it grow. If another instance has cached such a word as stored, a later event of a show with the
//! word adds it again. Names of users are not included: a search must not suggest a person, and a former name must be
//! forgotten.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::{Collection, Database};
use platform::store::error::StoreError;
use platform::telemetry;

use super::index;
use crate::domain::search::{longest_prefix, tokenize};
use crate::domain::typo::{deletion_variants, max_typos, rank_corrections};

pub(super) const COLLECTION: &str = "vocabulary";
/// Maximum number of stored words that an instance remembers. Beyond it the cache is emptied, and words are written
/// again.
const CACHE_SIZE: usize = 50_000;
/// Maximum number of words compared with a misspelled one.
const MAX_CANDIDATES: i64 = 200;
/// Maximum number of words that one call of [`Vocabulary::prune`] examines.
const PRUNE_BATCH: i64 = 500;
/// Maximum number of concurrent queries of a pruning.
const PRUNE_CONCURRENCY: usize = 8;
const MAX_CORRECTED_WORDS: usize = 4;
/// Maximum number of corrections suggested for one search.
const MAX_SUGGESTIONS: usize = 4;

/// The dictionary; cheap to clone.
#[derive(Clone)]
pub(crate) struct Vocabulary {
    collection: Collection<Document>,
    /// Words that are known to be stored.
    cache: Arc<Mutex<HashSet<String>>>,
}

impl Vocabulary {
    pub(crate) fn new(database: &Database) -> Self {
        Self { collection: database.collection(COLLECTION), cache: Arc::default() }
    }

    pub(crate) async fn build_indexes(&self) -> Result<(), StoreError> {
        self.collection.create_index(index("near_v1", doc! { "near": 1 })).await?;
        Ok(())
    }

    /// Adds the words of these texts, except those for which no typo is allowed. A failure is only logged: the next
    /// event of a show with the same word adds it.
    pub(crate) async fn add_words(&self, texts: &[&str]) {
        let words = texts.iter().flat_map(|text| tokenize(text));
        let mut new: Vec<String> = words.filter(|word| max_typos(word) > 0).collect();
        new.sort();
        new.dedup();
        new.retain(|word| !self.cache().contains(word));
        if new.is_empty() {
            return;
        }
        let documents = new
            .iter()
            .map(|word| doc! { "_id": word, "near": deletion_variants(word).into_iter().collect::<Vec<_>>() });
        if let Err(error) = self.collection.insert_many(documents).ordered(false).await
            && !is_duplicates_only(&error)
        {
            tracing::warn!(error = telemetry::causes(&error), "could not add words of a show to the vocabulary");
            return;
        }
        let mut cache = self.cache();
        if cache.len() > CACHE_SIZE {
            cache.clear();
        }
        cache.extend(new);
    }

    /// Corrections of a search that found nothing, the likeliest first. In a search of several words, known words
    /// and those accepted by `is_name` are kept.
    pub(crate) async fn corrections(
        &self,
        searched: &[String],
        is_name: impl Fn(&str) -> bool,
    ) -> Result<Vec<Vec<String>>, StoreError> {
        let candidates = searched.iter().enumerate().map(|(at, word)| {
            let keep = at >= MAX_CORRECTED_WORDS || (searched.len() > 1 && is_name(word));
            self.candidates(word, keep, searched.len() > 1)
        });
        let candidates = try_join_all(candidates).await?;
        let likeliest: Vec<String> = candidates.iter().filter_map(|words| words.first().cloned()).collect();
        let mut all = vec![likeliest.clone()];
        for (at, words) in candidates.iter().enumerate() {
            for word in words.iter().skip(1) {
                let mut other = likeliest.clone();
                if let Some(corrected) = other.get_mut(at) {
                    corrected.clone_from(word);
                }
                all.push(other);
            }
        }
        all.retain(|words| words != searched);
        all.truncate(MAX_SUGGESTIONS);
        Ok(all)
    }

    /// Corrections of one word, the likeliest first; the word itself when there is none, when it is to be kept, or
    /// when it is known and `keep_known` is set.
    async fn candidates(&self, word: &str, keep: bool, keep_known: bool) -> Result<Vec<String>, StoreError> {
        if keep || max_typos(word) == 0 || (keep_known && self.has_prefix(word).await?) {
            return Ok(vec![word.to_owned()]);
        }
        let variants: Vec<_> = deletion_variants(word).into_iter().collect();
        let found = self.collection.find(doc! { "near": { "$in": variants } }).projection(doc! { "_id": 1 });
        let found: Vec<Document> = found.limit(MAX_CANDIDATES).await?.try_collect().await?;
        let known = found.iter().filter_map(|found| Some(found.get_str("_id").ok()?.to_owned()));
        let corrections = rank_corrections(word, known);
        Ok(if corrections.is_empty() { vec![word.to_owned()] } else { corrections })
    }

    async fn has_prefix(&self, prefix: &str) -> Result<bool, StoreError> {
        let end = format!("{prefix}{}", char::MAX);
        Ok(self.collection.find_one(doc! { "_id": { "$gte": prefix, "$lt": end } }).await?.is_some())
    }

    /// Examines the words that follow `after`, at most one batch, and removes those that none of these shows has.
    /// Returns the last word examined; `None` at the end of the vocabulary.
    pub(crate) async fn prune(&self, shows: &Collection<Document>, after: &str) -> Result<Option<String>, StoreError> {
        // Another instance may have removed words that are remembered here.
        self.cache().clear();
        let found = self.collection.find(doc! { "_id": { "$gt": after } }).sort(doc! { "_id": 1 });
        let found = found.limit(PRUNE_BATCH).projection(doc! { "_id": 1 }).await?;
        let found: Vec<Document> = found.try_collect().await?;
        let words: Vec<String> = found.iter().filter_map(|found| Some(found.get_str("_id").ok()?.to_owned())).collect();
        let unused = find_unused(shows, &words).await?;
        if !unused.is_empty() {
            self.collection.delete_many(doc! { "_id": { "$in": &unused } }).await?;
            // A show with one of them may have arrived in the meantime.
            let still_unused = find_unused(shows, &unused).await?;
            let used = unused.iter().filter(|word| !still_unused.contains(word)).map(String::as_str);
            self.add_words(&used.collect::<Vec<_>>()).await;
        }
        Ok(words.last().filter(|_| i64::try_from(words.len()) == Ok(PRUNE_BATCH)).cloned())
    }

    fn cache(&self) -> MutexGuard<'_, HashSet<String>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The words that none of these shows contains, not even as the beginning of a longer word.
async fn find_unused(shows: &Collection<Document>, words: &[String]) -> Result<Vec<String>, StoreError> {
    let unused = stream::iter(words.iter().cloned()).map(async |word: String| {
        let found = shows.find_one(doc! { "words": longest_prefix(&word) }).projection(doc! { "_id": 1 }).await?;
        Ok::<_, StoreError>(found.is_none().then_some(word))
    });
    let unused: Vec<Option<String>> = unused.buffered(PRUNE_CONCURRENCY).try_collect().await?;
    Ok(unused.into_iter().flatten().collect())
}

/// Whether the only errors are that words exist already.
fn is_duplicates_only(error: &Error) -> bool {
    let ErrorKind::InsertMany(failed) = error.kind.as_ref() else { return false };
    let mut writes = failed.write_errors.iter().flatten();
    failed.write_concern_error.is_none() && writes.all(|write| write.code == 11000)
}
