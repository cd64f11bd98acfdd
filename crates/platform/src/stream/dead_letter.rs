//! Dead letters: messages that a handler can never take, kept with the reason, and counted.

use std::collections::BTreeMap;

use async_nats::jetstream::{self, Message, message::PublishMessage};
use futures::TryStreamExt;

use super::names::Names;

/// Keeps the message in the dead-letter stream; it is given up only once it is safe there.
#[expect(
    clippy::disallowed_methods,
    reason = "a dead letter is no event and has no outbox; it is acked only after this"
)]
pub(crate) async fn keep(
    jetstream: &jetstream::Context,
    names: &Names,
    service: &str,
    entity: &str,
    message: &Message,
    reason: &str,
) -> Result<(), async_nats::Error> {
    let (stream, sequence, delivered) = {
        let info = message.info()?;
        (info.stream.to_owned(), info.stream_sequence, info.delivered)
    };
    // A header holds one line.
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
    let mut letter = PublishMessage::build()
        .payload(message.payload.clone())
        .message_id(format!("{stream}:{sequence}:{service}"))
        .header("dead-letter-reason", reason.as_str())
        .header("dead-letter-consumer", format!("{service}-{entity}").as_str())
        .header("dead-letter-attempts", delivered.to_string().as_str())
        .header("dead-letter-subject", message.subject.as_str())
        .header("dead-letter-stream", stream.as_str())
        .header("dead-letter-sequence", sequence.to_string().as_str());
    if let Some(traceparent) = message.headers.as_ref().and_then(|headers| headers.get("traceparent")) {
        letter = letter.header("traceparent", traceparent.as_str());
    }
    jetstream.send_publish(names.dead_letter(service, entity), letter).await?.await?;
    Ok(())
}

/// Sets the gauge of what waits for somebody to look at it. A counter would forget it with the process,
/// and never learn that it was dealt with. Instances tell the same number.
pub(crate) async fn measure(
    jetstream: &jetstream::Context,
    names: &Names,
    service: &'static str,
    entities: Vec<&'static str>,
) {
    // While the stream can't be read the last count stands.
    let Ok(kept) = kept(jetstream, names, service).await else { return };
    for entity in entities {
        let count = kept.get(&names.dead_letter(service, entity)).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a gauge; nobody keeps 2^52 letters")]
        metrics::gauge!("dead_letters", "entity" => entity).set(count as f64);
    }
}

/// How many letters of this service are in the stream, by subject.
async fn kept(
    jetstream: &jetstream::Context,
    names: &Names,
    service: &str,
) -> Result<BTreeMap<String, usize>, async_nats::Error> {
    let stream = jetstream.get_stream_no_info(names.dead_letter_stream()).await?;
    Ok(stream.info_with_subjects(names.dead_letter(service, "*")).await?.try_collect().await?)
}
