//! The report of `follow`.

use std::collections::BTreeMap;
use std::io::{self, Write};

use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::dead_letters::DeadLetter;
use crate::output::Report;

/// `follow`: one order's way through the services.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderHistory {
    /// The id of the order.
    pub order: String,
    /// The order, its listing, its payments and its timer as they are stored now.
    pub entities: Vec<FollowedEntity>,
    /// The change events of these entities, oldest first. Of the listing's events, only those that concern the order.
    pub events: Vec<FollowedEvent>,
    /// The dead letters that name one of these entities.
    pub dead_letters: Vec<DeadLetter>,
    /// What was not read, and why.
    pub unchecked: Vec<String>,
}

/// An entity as its owner stores it, and the versions that the other services have.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedEntity {
    /// The name of the entity: `order`, `ticket`, `payment` or `timer`.
    pub entity: String,
    /// The id of the entity.
    pub id: String,
    /// The service that owns it.
    pub service: String,
    /// The version; null if the owner does not have the entity.
    pub version: Option<u64>,
    /// The status with its details.
    pub status: String,
    /// Number of events that are not published yet.
    pub unpublished: usize,
    /// The version that each service with a replica has; null if it does not have the entity.
    pub replicas: BTreeMap<String, Option<u64>>,
}

/// A change event.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedEvent {
    /// When the change was made, by the clock of the service that made it.
    pub time: String,
    /// The event type, such as `order.created.v1`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the event.
    pub id: String,
    /// The id of the entity.
    pub subject: String,
    /// The version of the entity.
    pub version: u64,
    /// The status after the change, with its details.
    pub status: String,
}

impl Report for OrderHistory {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        for entity in &self.entities {
            entity.text(to)?;
        }
        let first = self.events.first().and_then(|event| event.time.parse::<Timestamp>().ok());
        for FollowedEvent { time, kind, subject, version, status, .. } in &self.events {
            let since = first.zip(time.parse::<Timestamp>().ok()).map(|(first, time)| time.since(first).as_secs_f64());
            let since = since.unwrap_or_default();
            writeln!(to, "{time}  +{since:.3} s  {kind} of {subject}, version {version}: {status}")?;
        }
        for DeadLetter { number, consumer, subject, reason, .. } in &self.dead_letters {
            writeln!(to, "dead letter {number}: {consumer} rejected {subject}: {reason}")?;
        }
        self.unchecked.iter().try_for_each(|unchecked| writeln!(to, "not read: {unchecked}"))
    }
}

impl FollowedEntity {
    fn text(&self, to: &mut dyn Write) -> io::Result<()> {
        let Self { entity, id, service, version, status, unpublished, replicas } = self;
        match version {
            Some(version) => write!(to, "{entity} {id}: {status}; {service} has version {version}")?,
            None => write!(to, "{entity} {id}: {service} does not have it")?,
        }
        if *unpublished > 0 {
            write!(to, ", {unpublished} events NOT PUBLISHED")?;
        }
        for (service, copy) in replicas {
            match copy {
                Some(copy) if Some(*copy) == *version => write!(to, ", {service} too")?,
                Some(copy) => write!(to, ", {service} HAS {copy}")?,
                None => write!(to, ", {service} LACKS IT")?,
            }
        }
        writeln!(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::text_of;

    #[test]
    fn text_shows_who_lags_behind() {
        let replicas = [("payments", Some(2)), ("tickets", Some(3)), ("web", None)];
        let entity = FollowedEntity {
            entity: "order".to_owned(),
            id: "o".to_owned(),
            service: "orders".to_owned(),
            version: Some(3),
            status: "completed".to_owned(),
            unpublished: 1,
            replicas: replicas.map(|(service, version)| (service.to_owned(), version)).into(),
        };
        let lost = FollowedEntity { version: None, unpublished: 0, replicas: BTreeMap::new(), ..entity.clone() };
        let event = |time: &str, kind: &str| FollowedEvent {
            time: time.to_owned(),
            kind: kind.to_owned(),
            id: "e".to_owned(),
            subject: "o".to_owned(),
            version: 0,
            status: "created".to_owned(),
        };
        let dead_letter = DeadLetter {
            number: 7,
            consumer: "web-order".to_owned(),
            attempts: "1".to_owned(),
            subject: "ticketing.order.created.v1".to_owned(),
            reason: "not a known event".to_owned(),
        };
        let history = OrderHistory {
            order: "o".to_owned(),
            entities: vec![entity, lost],
            events: vec![
                event("2026-11-27T20:00:00.500Z", "order.created.v1"),
                event("2026-11-27T20:00:01.750Z", "ticket.reserved.v1"),
            ],
            dead_letters: vec![dead_letter],
            unchecked: Vec::new(),
        };
        let expected = "\
order o: completed; orders has version 3, 1 events NOT PUBLISHED, payments HAS 2, tickets too, web LACKS IT
order o: orders does not have it
2026-11-27T20:00:00.500Z  +0.000 s  order.created.v1 of o, version 0: created
2026-11-27T20:00:01.750Z  +1.250 s  ticket.reserved.v1 of o, version 0: created
dead letter 7: web-order rejected ticketing.order.created.v1: not a known event";
        assert_eq!(text_of(&history).unwrap(), expected);
    }
}
