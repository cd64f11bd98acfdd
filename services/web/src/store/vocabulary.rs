//! The words that listings have had, by which a mistyped search is corrected.
//!
//! # Why
//! A small collection of its own: `{_id: "jazz", near: ["jazz", "jaz", "azz", …]}`. Most listings bring no
//! new word, so it costs next to nothing to keep, and a look-up costs the same however many words there
//! are. It belongs to no generation of the read model: a rebuild leaves it, and teaches it again what it
//! may have missed. It is a help and no part of what is known, so it never holds an event up. Names of
//! people are not learned: nobody is to be suggested, and what a user renames is to be forgotten.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::TryStreamExt;
use futures::future::try_join_all;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::{Collection, Database};
use platform::store::error::StoreError;
use platform::telemetry;

use super::index;
use crate::domain::search::words;
use crate::domain::typo::{meant, near, typos};

const COLLECTION: &str = "vocabulary";
/// How many words an instance remembers to have stored. Beyond that it forgets them, and finds out anew.
const REMEMBERED: usize = 50_000;
/// How many words are compared with a mistyped one.
const COMPARED: i64 = 200;
/// How many words of one search are corrected.
const CORRECTED: usize = 4;
/// How many corrections of one search are tried.
const TRIED: usize = 4;

/// The words; cheap to clone.
#[derive(Clone)]
pub struct Vocabulary {
    collection: Collection<Document>,
    stored: Arc<Mutex<HashSet<String>>>,
}

impl Vocabulary {
    /// In the service's database.
    pub fn new(database: &Database) -> Self {
        Self { collection: database.collection(COLLECTION), stored: Arc::default() }
    }

    /// Builds the index.
    pub async fn build_indexes(&self) -> Result<(), StoreError> {
        self.collection.create_index(index("near_v1", doc! { "near": 1 })).await?;
        Ok(())
    }

    /// Takes in the words of these texts that can be corrected to. A failure is logged: the next listing
    /// with the word brings it again.
    pub async fn learn(&self, texts: &[&str]) {
        let mut new: Vec<String> = texts.iter().flat_map(|text| words(text)).filter(|word| typos(word) > 0).collect();
        new.sort();
        new.dedup();
        {
            let stored = self.stored();
            new.retain(|word| !stored.contains(word));
        }
        if new.is_empty() {
            return;
        }
        let documents = new.iter().map(|word| doc! { "_id": word, "near": near(word).into_iter().collect::<Vec<_>>() });
        match self.collection.insert_many(documents).ordered(false).await {
            Ok(_) => {}
            Err(error) if is_there(&error) => {}
            Err(error) => {
                tracing::warn!(error = telemetry::causes(&error), "words of a listing were not learned");
                return;
            }
        }
        let mut stored = self.stored();
        if stored.len() > REMEMBERED {
            stored.clear();
        }
        stored.extend(new);
    }

    /// What may have been meant by words that nothing has, the likeliest first. Of several words those
    /// stay that are well known, or that `is_name` knows.
    pub async fn corrections(
        &self,
        searched: &[String],
        is_name: impl Fn(&str) -> bool,
    ) -> Result<Vec<Vec<String>>, StoreError> {
        let choices = searched.iter().enumerate().map(|(at, word)| {
            let stays = at >= CORRECTED || (searched.len() > 1 && is_name(word));
            self.choices(word, stays, searched.len() > 1)
        });
        let choices = try_join_all(choices).await?;
        let likeliest: Vec<String> = choices.iter().filter_map(|words| words.first().cloned()).collect();
        let mut all = vec![likeliest.clone()];
        for (at, words) in choices.iter().enumerate() {
            for word in words.iter().skip(1) {
                let mut other = likeliest.clone();
                if let Some(place) = other.get_mut(at) {
                    place.clone_from(word);
                }
                all.push(other);
            }
        }
        all.retain(|words| words != searched);
        all.truncate(TRIED);
        Ok(all)
    }

    /// What may have been meant by one word; the word itself when that is unknown.
    async fn choices(&self, word: &str, stays: bool, may_stay: bool) -> Result<Vec<String>, StoreError> {
        if stays || typos(word) == 0 || (may_stay && self.has_beginning(word).await?) {
            return Ok(vec![word.to_owned()]);
        }
        let variants: Vec<_> = near(word).into_iter().collect();
        let found = self.collection.find(doc! { "near": { "$in": variants } }).projection(doc! { "_id": 1 });
        let found: Vec<Document> = found.limit(COMPARED).await?.try_collect().await?;
        let known = found.iter().filter_map(|found| Some(found.get_str("_id").ok()?.to_owned()));
        let meant = meant(word, known);
        Ok(if meant.is_empty() { vec![word.to_owned()] } else { meant })
    }

    /// Whether a known word begins like this.
    async fn has_beginning(&self, word: &str) -> Result<bool, StoreError> {
        let behind = format!("{word}{}", char::MAX);
        Ok(self.collection.find_one(doc! { "_id": { "$gte": word, "$lt": behind } }).await?.is_some())
    }

    fn stored(&self) -> MutexGuard<'_, HashSet<String>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether all that went wrong is that words were there already.
fn is_there(error: &Error) -> bool {
    let ErrorKind::InsertMany(refused) = error.kind.as_ref() else { return false };
    let mut writes = refused.write_errors.iter().flatten();
    refused.write_concern_error.is_none() && writes.all(|write| write.code == 11000)
}
