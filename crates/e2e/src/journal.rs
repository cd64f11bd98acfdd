//! What people were told, to be held against what is there in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;

use crate::person::Answer;

/// What everybody in one shop was told.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    acknowledged: Vec<Acknowledged>,
    keys: BTreeMap<String, Vec<(Option<u16>, String)>>,
    contradictions: Vec<(Instant, String)>,
    failures: Vec<String>,
}

/// Somebody was told that an entity is at this version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acknowledged {
    /// `tickets`, `orders` or `payments`.
    pub(crate) area: String,
    pub(crate) id: String,
    pub(crate) version: u64,
    /// The status; unknown where the answer had no body.
    pub(crate) status: Option<String>,
}

/// A key, and how all requests with it were answered: the status unless no answer came, and the entity.
pub(crate) type KeyAnswers = (String, Vec<(Option<u16>, String)>);

impl Journal {
    /// A request with its answer; `None` when it got none. `seen` are the versions that this client
    /// knew when it asked.
    pub(crate) fn record(
        &self,
        (method, path): (&str, &str),
        key: Option<&str>,
        answer: Option<&Answer>,
        seen: &mut BTreeMap<String, u64>,
        known: Option<u64>,
    ) {
        let mut records = self.records();
        if let Some(key) = key {
            let id = answer.map(Answer::id).unwrap_or_default();
            records.keys.entry(key.to_owned()).or_default().push((answer.map(|answer| answer.status), id));
        }
        let Some(answer) = answer else {
            records.failures.push(format!("{method} {path}: no answer"));
            return;
        };
        if answer.status >= 500 {
            records.failures.push(format!("{method} {path}: {} {}", answer.status, answer.body));
        }
        if let (Some(known), true) = (known, method == "GET")
            && (answer.status == 404 || answer.version().is_some_and(|version| version < known))
        {
            let version = answer.version();
            let text =
                format!("15: GET {path} gave {} {version:?} to somebody who had seen version {known}", answer.status);
            records.contradictions.push((Instant::now(), text));
        }
        let entity = entity(path, &answer.body);
        if let (Some((area, id)), Some(version), 200..300) = (entity, answer.version(), answer.status) {
            let floor = seen.entry(format!("{area}/{id}")).or_default();
            *floor = version.max(*floor);
            let status = answer.body["status"].as_str().map(ToOwned::to_owned);
            records.acknowledged.push(Acknowledged { area, id, version, status });
        }
    }

    /// Requests that got no answer or one of 500 and more.
    pub fn failures(&self) -> Vec<String> {
        self.records().failures.clone()
    }

    /// What no client should have been told, seen as it was told.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        self.records().contradictions.iter().map(|(_, text)| text.clone()).collect()
    }

    /// Forgives what was told within a moment after an election, when reads may be older than what was acknowledged;
    /// how many answers that was.
    pub fn forgive(&self, moment: &Range<Instant>) -> usize {
        let mut records = self.records();
        let before = records.contradictions.len();
        records.contradictions.retain(|(at, _)| !moment.contains(at));
        before - records.contradictions.len()
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<Acknowledged> {
        self.records().acknowledged.iter().cloned().collect()
    }

    pub(crate) fn keys(&self) -> Vec<KeyAnswers> {
        self.records().keys.clone().into_iter().collect()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The area and id that an answer is about: from its body, or its path when it has none.
pub(crate) fn entity(path: &str, body: &Value) -> Option<(String, String)> {
    let mut parts = path.strip_prefix("/api/")?.split(['/', '?']);
    let area = parts.next().filter(|area| matches!(*area, "tickets" | "orders" | "payments"))?;
    let id = body["id"].as_str().or_else(|| parts.next().filter(|id| !id.is_empty()))?;
    Some((area.to_owned(), id.to_owned()))
}
