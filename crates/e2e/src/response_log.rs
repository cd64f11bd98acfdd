//! A record of all responses that clients received, which the invariants compare with the final state.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use common::clock::{Clock as _, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::exchange::{Entity, Request, Response};
use crate::invariants::names::MONOTONIC_READS;

/// The responses that all clients of one fleet received.
#[derive(Debug, Default)]
pub struct ResponseLog(Mutex<Records>);

#[derive(Debug, Default)]
struct Records {
    acknowledged: BTreeSet<Acknowledged>,
    keys: KeyResponses,
    stale_reads: Vec<(Instant, String)>,
    failures: Vec<String>,
    clients: u64,
    history: Option<BufWriter<File>>,
}

/// An entity version that a client received in a successful response.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Acknowledged {
    /// `tickets`, `orders` or `payments`.
    pub(crate) area: String,
    pub(crate) id: String,
    pub(crate) version: u64,
    /// `None` if the response had no body, or was a redirect.
    pub(crate) status: Option<String>,
}

/// The status code (`None` without a response) and the entity id of every response, by idempotency key.
pub(crate) type KeyResponses = BTreeMap<String, Vec<(Option<u16>, String)>>;

impl ResponseLog {
    /// Writes each response from now on to this file, as one line of JSON, until [`ResponseLog::end_history`].
    pub fn start_history(&self, file: &Path) -> Result<()> {
        let history = File::create(file).with_context(|| format!("creating {}", file.display()))?;
        self.records().history = Some(BufWriter::new(history));
        Ok(())
    }

    /// Completes the file of [`ResponseLog::start_history`].
    pub fn end_history(&self) -> Result<()> {
        let history = self.records().history.take();
        history.map_or(Ok(()), |mut history| history.flush()).context("writing the history")
    }

    /// The number of a new client, in the history.
    pub(crate) fn add_client(&self) -> u64 {
        let mut records = self.records();
        records.clients += 1;
        records.clients
    }

    /// Records a client's request with its response, or `None` if there was none. `seen` has the newest version of each
    /// entity that this client has received; `known` is the one of this entity when the request was sent.
    pub(crate) fn record(
        &self,
        client: u64,
        request: Request<'_>,
        response: Option<&Response>,
        seen: &mut BTreeMap<String, u64>,
        known: Option<u64>,
    ) {
        let mut records = self.records();
        let status = response.map(|response| response.status.as_u16());
        records.append_to_history(client, request, response);
        if let Some(key) = request.key {
            let id = response.and_then(|response| response.entity.id.clone()).unwrap_or_default();
            records.keys.entry(key.to_owned()).or_default().push((status, id));
        }
        let (Some(response), Some(status)) = (response, status) else {
            records.failures.push(format!("{request}: no response"));
            return;
        };
        if status >= 500 {
            records.failures.push(format!("{request}: {status} {}", response.body));
        }
        let Entity { id, version, status: entity_status } = &response.entity;
        if let (Some(known), &Method::GET) = (known, request.method)
            && (status == 404 || version.is_some_and(|version| version < known))
        {
            let text = format!(
                "{MONOTONIC_READS}: {request} returned {status} {version:?} to a client that had read version {known}"
            );
            records.stale_reads.push((Instant::now(), text));
        }
        let entity = entity(request.target, id.as_deref());
        if let (Some((area, id)), &Some(version), 200..300) = (entity, version, status) {
            let newest = seen.entry(format!("{area}/{id}")).or_default();
            *newest = version.max(*newest);
            records.acknowledged.insert(Acknowledged { area, id, version, status: entity_status.clone() });
        }
    }

    /// Records that the response to a form, with this idempotency key, was a redirect to an order: the order exists.
    pub(crate) fn record_redirect_to_order(&self, id: &str, key: Option<&str>) {
        let mut records = self.records();
        let (area, id) = ("orders".to_owned(), id.to_owned());
        if let Some(key) = key {
            let status = StatusCode::SEE_OTHER.as_u16();
            records.keys.entry(key.to_owned()).or_default().push((Some(status), id.clone()));
        }
        records.acknowledged.insert(Acknowledged { area, id, version: 0, status: None });
    }

    /// Requests without a response, or with a 5xx.
    pub fn failures(&self) -> Vec<String> {
        self.records().failures.clone()
    }

    /// Reads that returned an older version than the client had read before, or 404.
    pub(crate) fn stale_reads(&self) -> Vec<String> {
        self.records().stale_reads.iter().map(|(_, text)| text.clone()).collect()
    }

    /// Drops the stale reads within a window and returns their number: just after an election, reads may be older than
    /// acknowledged writes.
    pub fn ignore_stale_reads(&self, window: &Range<Instant>) -> usize {
        let mut records = self.records();
        let before = records.stale_reads.len();
        records.stale_reads.retain(|(at, _)| !window.contains(at));
        before - records.stale_reads.len()
    }

    pub(crate) fn acknowledged(&self) -> BTreeSet<Acknowledged> {
        self.records().acknowledged.clone()
    }

    pub(crate) fn keys(&self) -> KeyResponses {
        self.records().keys.clone()
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    /// A history that can't be written ends: it explains a violation, and is not needed to find one.
    fn append_to_history(&mut self, client: u64, request: Request<'_>, response: Option<&Response>) {
        let Some(history) = &mut self.history else { return };
        let line = json!({
            "at": SystemClock.now().to_string(),
            "client": client,
            "request": request.to_string(),
            "key": request.key,
            "response": response.map(|response| response.status.as_u16()),
            "id": response.and_then(|response| response.entity.id.as_deref()),
            "version": response.and_then(|response| response.entity.version),
            "status": response.and_then(|response| response.entity.status.as_deref()),
        });
        if writeln!(history, "{line}").is_err() {
            self.history = None;
        }
    }
}

/// Area and id of the entity that a request is about; the id is the response's, or else the target's.
pub(crate) fn entity(target: &str, id: Option<&str>) -> Option<(String, String)> {
    let mut parts = target.strip_prefix("/api/")?.split(['/', '?']);
    let area = parts.next().filter(|area| matches!(*area, "tickets" | "orders" | "payments"))?;
    let id = id.or_else(|| parts.next().filter(|id| !id.is_empty()))?;
    Some((area.to_owned(), id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_to_an_order_acknowledges_it() {
        let responses = ResponseLog::default();
        responses.record_redirect_to_order("o", Some("k"));
        let acknowledged: Vec<_> = responses.acknowledged().into_iter().collect();
        let order = Acknowledged { area: "orders".to_owned(), id: "o".to_owned(), version: 0, status: None };
        assert_eq!(acknowledged, [order]);
        assert_eq!(responses.keys()["k"], [(Some(303), "o".to_owned())]);
    }
}
