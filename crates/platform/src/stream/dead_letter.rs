//! Dead letters: rejected messages, stored with the reason and counted.

use std::collections::BTreeMap;

use async_nats::jetstream::{Message, message::PublishMessage};
use futures::TryStreamExt;

use super::names::Names;
use crate::context::Context;

/// Copies the message to the dead-letter stream. The caller terminates the original only once the copy is stored.
#[expect(clippy::disallowed_methods, reason = "a dead letter is no event and has no outbox")]
pub(crate) async fn publish(
    context: &Context,
    entity: &str,
    message: &Message,
    reason: &str,
) -> Result<(), async_nats::Error> {
    let (stream, sequence, delivered) = {
        let info = message.info()?;
        (info.stream.to_owned(), info.stream_sequence, info.delivered)
    };
    let service = context.service;
    // A header must be one line.
    let reason: String = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
    let mut letter = PublishMessage::build()
        .payload(message.payload.clone())
        .message_id(format!("{stream}:{sequence}:{service}"))
        .header("dead-letter-reason", reason.as_str())
        .header("dead-letter-consumer", Names::consumer(service, entity).as_str())
        .header("dead-letter-attempts", delivered.to_string().as_str())
        .header("dead-letter-subject", message.subject.as_str())
        .header("dead-letter-stream", stream.as_str())
        .header("dead-letter-sequence", sequence.to_string().as_str());
    if let Some(traceparent) = message.headers.as_ref().and_then(|headers| headers.get("traceparent")) {
        letter = letter.header("traceparent", traceparent.as_str());
    }
    context.jetstream.send_publish(context.names.dead_letter(service, entity), letter).await?.await?;
    Ok(())
}

/// Sets the gauge of stored dead letters, which operators remove. A counter would restart with the process, and never
/// decrease. All instances report the same value.
pub(crate) async fn measure(context: &Context, entities: Vec<&'static str>) {
    // While the stream can't be read, the gauge keeps its value.
    let Ok(counts) = count_by_subject(context).await else { return };
    for entity in entities {
        let count = counts.get(&context.names.dead_letter(context.service, entity)).copied().unwrap_or(0);
        #[expect(clippy::cast_precision_loss, reason = "a gauge does not need precision beyond 2^52 letters")]
        metrics::gauge!("dead_letters", "entity" => entity).set(count as f64);
    }
}

async fn count_by_subject(context: &Context) -> Result<BTreeMap<String, usize>, async_nats::Error> {
    let stream = context.jetstream.get_stream_no_info(context.names.dead_letter_stream()).await?;
    let subjects = context.names.dead_letter(context.service, "*");
    Ok(stream.info_with_subjects(subjects).await?.try_collect().await?)
}
