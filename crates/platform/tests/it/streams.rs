//! Streams are limited in age and size, the dead-letter stream too.

use std::time::Duration;

use async_nats::jetstream::{self, stream::DiscardPolicy, stream::RetentionPolicy};
use platform::stream::names::Names;
use testkit::app::eventually;

use crate::demo::{NAME, app_with};

#[tokio::test(flavor = "multi_thread")]
async fn streams_drop_old_messages_by_age_and_size() {
    let app = app_with(&[("STREAM_MAX_BYTES", "1048576")]).await;
    let jetstream = jetstream::new(app.context.nats.clone());
    let names = Names::new(&app.context.config.nats_prefix);
    for name in [names.stream(NAME), names.dead_letter_stream()] {
        eventually("the stream", async || jetstream.get_stream(&name).await.is_ok()).await;
        let config = jetstream.get_stream(&name).await.unwrap().cached_info().config.clone();
        assert_eq!(config.max_age, Duration::from_secs(30 * 24 * 3600), "{name}");
        assert_eq!(config.max_bytes, 1 << 20, "{name}");
        assert_eq!(config.retention, RetentionPolicy::Limits, "{name}");
        assert_eq!(config.discard, DiscardPolicy::Old, "{name}: the newest events are needed");
    }
}
