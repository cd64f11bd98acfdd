//! The names of streams, subjects and consumers in NATS JetStream.

/// Builds names with the configured prefix, which is `ticketing` in the examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// Names that start with `prefix`.
    pub fn new(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// The stream of a publishing service: `ticketing-orders`.
    pub fn stream(&self, service: &str) -> String {
        format!("{}-{service}", self.0)
    }

    /// The subject of an event type: `ticketing.order.created.v1`. `kind` may have wildcards.
    pub fn subject(&self, kind: &str) -> String {
        format!("{}.{kind}", self.0)
    }

    /// A service's durable consumer of an entity's events: `tickets-order`. It needs no prefix: its stream has one.
    pub(crate) fn consumer(service: &str, entity: &str) -> String {
        format!("{service}-{entity}")
    }

    /// The stream of dead letters.
    pub fn dead_letter_stream(&self) -> String {
        format!("{}-dead-letters", self.0)
    }

    /// The subject of a consumer's dead letters: `ticketing.dead-letter.tickets.order`.
    pub fn dead_letter(&self, service: &str, entity: &str) -> String {
        format!("{}.dead-letter.{service}.{entity}", self.0)
    }
}
