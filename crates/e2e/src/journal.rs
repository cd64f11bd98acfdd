//! What people were told, to be held against what is there in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use reqwest::Method;

use crate::exchange::{Entity, Request, Response};

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
    /// A request with its response; `None` when it got none. `seen` are the versions that this client has been shown,
    /// `known` the one of this entity that it had been shown when it asked.
    pub(crate) fn record(
        &self,
        request: Request<'_>,
        response: Option<&Response>,
        seen: &mut BTreeMap<String, u64>,
        known: Option<u64>,
    ) {
        let mut records = self.records();
        let status = response.map(|response| response.status.as_u16());
        if let Some(key) = request.key {
            let id = response.and_then(|response| response.entity.id.clone()).unwrap_or_default();
            records.keys.entry(key.to_owned()).or_default().push((status, id));
        }
        let (Some(response), Some(status)) = (response, status) else {
            records.failures.push(format!("{request}: no answer"));
            return;
        };
        if status >= 500 {
            records.failures.push(format!("{request}: {status} {}", response.body));
        }
        let Entity { id, version, status: said } = &response.entity;
        if let (Some(known), &Method::GET) = (known, request.method)
            && (status == 404 || version.is_some_and(|version| version < known))
        {
            let text = format!("15: {request} gave {status} {version:?} to somebody who had seen version {known}");
            records.contradictions.push((Instant::now(), text));
        }
        let entity = entity(request.target, id.as_deref());
        if let (Some((area, id)), &Some(version), 200..300) = (entity, version, status) {
            let floor = seen.entry(format!("{area}/{id}")).or_default();
            *floor = version.max(*floor);
            records.acknowledged.push(Acknowledged { area, id, version, status: said.clone() });
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

/// The area and id that an exchange is about: the id from the response, or from the target when it shows none.
pub(crate) fn entity(target: &str, id: Option<&str>) -> Option<(String, String)> {
    let mut parts = target.strip_prefix("/api/")?.split(['/', '?']);
    let area = parts.next().filter(|area| matches!(*area, "tickets" | "orders" | "payments"))?;
    let id = id.or_else(|| parts.next().filter(|id| !id.is_empty()))?;
    Some((area.to_owned(), id.to_owned()))
}
