//! Checks of the sources other than the databases: the NATS streams, and the intents at the payment provider. Each
//! check runs in full once; rechecks then examine only the keys of its findings.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use common::clock::{Clock, SystemClock};
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};

use super::entity::{Entity, EntityKind, PAYMENTS, text};
use super::finding::Finding;
use super::join::Join;
use super::provider::{self, Intent, PAGE_SIZE, Provider};
use super::sources::{AuditSources, Read};
use super::streams::Found;

/// Prefixes of the keys in a check of the intents: the rest of a key is the id of an intent or of a payment.
const INTENT: &str = "intent ";
const PAYMENT: &str = "payment ";

/// Maximum number of suspect entities that one check of the streams keeps in memory for its rechecks.
const MAX_SUSPECTS: usize = 1_000;

/// The result of a check.
#[derive(Debug, Default)]
pub(super) struct Outside {
    /// The findings, each with the key for its recheck.
    pub(super) found: Found,
    /// Number of suspects beyond the maximum, which were not examined.
    pub(super) unlisted: u64,
}

impl Outside {
    /// Adds a finding, or counts it if there are `max` already.
    fn add(&mut self, max: usize, key: String, finding: Finding) {
        if self.found.len() < max {
            self.found.push((key, finding));
        } else {
            self.unlisted += 1;
        }
    }
}

/// Checks the change events of all entities of one kind: first by digests of all entities, then event by event for at
/// most `max` suspects. With `only`, rechecks the entities with these ids.
pub(super) async fn check_events(
    kind: EntityKind,
    sources: &mut AuditSources<'_>,
    only: Option<&[String]>,
    max: usize,
) -> Result<Outside> {
    let Some(mut streams) = sources.streams.take() else { return Ok(Outside::default()) };
    let projection = doc! { "version": 1, "state.createdAt": 1, "state.updatedAt": 1 };
    let read = || Read::by_id(kind.service, kind.collection, projection.clone());
    let (ids, unlisted) = if let Some(ids) = only {
        (ids.to_vec(), 0)
    } else {
        streams.read(kind).await?;
        let all = Join(vec![sources.open(read(), None).await?]);
        streams.suspicious(kind, max.min(MAX_SUSPECTS), all, &mut sources.rate_limit).await?
    };
    let aggregates = sources.get(read(), &ids).await?;
    let found = streams.check(kind, &ids, &aggregates).await?;
    sources.streams = Some(streams);
    Ok(Outside { found, unlisted })
}

/// Checks that the ticket of each confirmed order was reserved for it. Examines at most `max` suspects. With `only`,
/// returns the earlier findings about these orders, which no later event can change.
pub(super) async fn check_reservations(
    sources: &mut AuditSources<'_>,
    only: Option<&[String]>,
    max: usize,
) -> Result<Outside> {
    let Some(streams) = &mut sources.streams else { return Ok(Outside::default()) };
    let unlisted = if only.is_none() { streams.find_unreserved(max.min(MAX_SUSPECTS)).await? } else { 0 };
    Ok(Outside { found: streams.unreserved(only), unlisted })
}

/// Reports consumers that do not progress, and the oldest dead letters, at most `max`. With `only`, rechecks those with
/// these keys.
pub(super) async fn check_backlogs(sources: &AuditSources<'_>, only: Option<&[String]>, max: usize) -> Result<Outside> {
    let Some(streams) = &sources.streams else { return Ok(Outside::default()) };
    let (found, unlisted) = streams.backlogs(only, max).await?;
    Ok(Outside { found, unlisted })
}

/// Compares the provider's intents with the payments: all of the checked period, or those with the keys in `only`.
/// Returns at most `max` findings.
pub(super) async fn check_intents(
    sources: &mut AuditSources<'_>,
    only: Option<&[String]>,
    max: usize,
) -> Result<Outside> {
    let Some(mut provider) = sources.provider.take() else { return Ok(Outside::default()) };
    let mut outside = Outside::default();
    match only {
        None => {
            check_listed(sources, &mut provider, &mut outside, max).await?;
            check_payments(sources, &provider, &mut outside, max).await?;
        }
        Some(keys) => {
            for key in keys {
                check_again(sources, &mut provider, key, &mut outside, max).await?;
            }
        }
    }
    sources.provider = Some(provider);
    Ok(outside)
}

/// Reads payments by id, with the fields that are compared with their intents.
fn payments() -> Read<'static> {
    let projection = doc! {
        "version": 1, "state.status": 1, "state.amount": 1, "state.received": 1, "state.refunded": 1,
        "state.providerRef": 1,
    };
    Read::by_id(PAYMENTS.service, PAYMENTS.collection, projection)
}

/// Checks each intent of the period against its payment, page by page.
async fn check_listed(
    sources: &mut AuditSources<'_>,
    provider: &mut Provider,
    outside: &mut Outside,
    max: usize,
) -> Result<()> {
    let (client, since) = provider.period();
    let mut intents = provider::list(&client, since);
    loop {
        let mut page = Vec::with_capacity(PAGE_SIZE);
        while page.len() < PAGE_SIZE
            && let Some(intent) = intents.try_next().await?
        {
            page.push(intent);
        }
        if page.is_empty() {
            return Ok(());
        }
        provider.see(&page).await;
        let ids: Vec<String> = page.iter().filter_map(|intent| intent.payment.clone()).collect();
        let payments = sources.get(payments(), &ids).await?;
        for intent in &page {
            check_intent(intent, &payments, outside, max);
        }
    }
}

fn check_intent(intent: &Intent, payments: &BTreeMap<String, Entity>, outside: &mut Outside, max: usize) {
    let payment = intent.payment.as_ref().and_then(|payment| payments.get(payment));
    if let Some(finding) = provider::check_intent(intent, payment) {
        outside.add(max, format!("{INTENT}{}", intent.reference), finding);
    }
}

/// Checks that the provider listed the intent of each payment that was created in the period.
async fn check_payments(
    sources: &mut AuditSources<'_>,
    provider: &Provider,
    outside: &mut Outside,
    max: usize,
) -> Result<()> {
    let (from, to) = provider.payment_ids();
    let filter: Document = doc! { "_id": { "$gte": from, "$lt": to }, "state.providerRef": { "$type": "string" } };
    let read = Read { filter, ..payments() };
    let mut join = Join(vec![sources.open(read, None).await?]);
    while let Some(joined) = join.next(&mut sources.rate_limit).await? {
        let Some(payment) = joined.one(0) else { continue };
        let reference = text(&payment.state["providerRef"]);
        if !provider.has_seen(reference) {
            outside.add(max, format!("{PAYMENT}{}", payment.id), provider::missing(&payment.id, reference));
        }
    }
    Ok(())
}

/// Rechecks the intent or the payment with this key.
async fn check_again(
    sources: &mut AuditSources<'_>,
    provider: &mut Provider,
    key: &str,
    outside: &mut Outside,
    max: usize,
) -> Result<()> {
    if let Some(reference) = key.strip_prefix(INTENT) {
        if let Some(intent) = provider.get(reference).await? {
            let ids: Vec<String> = intent.payment.iter().cloned().collect();
            let payments = sources.get(payments(), &ids).await?;
            check_intent(&intent, &payments, outside, max);
        }
        return Ok(());
    }
    let id = key.strip_prefix(PAYMENT).context("the key is neither of an intent nor of a payment")?.to_owned();
    let payments = sources.get(payments(), std::slice::from_ref(&id)).await?;
    let reference = payments.get(&id).map(|payment| text(&payment.state["providerRef"])).unwrap_or_default();
    if !reference.is_empty() && provider.get(reference).await?.is_none() {
        outside.add(max, key.to_owned(), provider::missing(&id, reference));
    }
    Ok(())
}

/// Creates the client of the payment provider; `None` if the options contain no key.
pub(super) fn open_provider(options: &provider::ProviderArgs) -> Result<Option<Provider>> {
    options.stripe_key.as_deref().map(|key| Provider::new(key, options, SystemClock.now())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_beyond_the_maximum_are_counted() {
        let mut outside = Outside::default();
        for number in 0..5 {
            outside.add(3, format!("{INTENT}{number}"), provider::missing("p", "pi_1"));
        }
        assert_eq!((outside.found.len(), outside.unlisted), (3, 2));
    }
}
