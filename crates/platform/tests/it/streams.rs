//! Streams are limited in age and size, including the dead-letter stream, to which only the settings of its owner
//! apply.

use std::time::Duration;

use async_nats::jetstream::{self, stream::DiscardPolicy, stream::RetentionPolicy};
use platform::stream::names::Names;
use platform::stream::provision::DEAD_LETTER_OWNER;
use testkit::app::{TestApp, dead_letters, eventually};

use crate::demo::{NAME, app_with, build};

/// The configuration of a stream, once it exists.
async fn configuration(app: &TestApp, name: &str) -> jetstream::stream::Config {
    let jetstream = jetstream::new(app.context.nats.clone());
    eventually("the stream", async || jetstream.get_stream(name).await.is_ok()).await;
    jetstream.get_stream(name).await.unwrap().cached_info().config.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_other_services_do_not_change_the_dead_letter_stream() {
    let app = app_with(&[("STREAM_MAX_BYTES", "1048576")]).await;
    let names = Names::new(&app.context.config.nats_prefix);
    assert_eq!(configuration(&app, &names.stream(NAME)).await.max_bytes, 1 << 20);
    // The service has configured its streams by now.
    assert_eq!(configuration(&app, &names.dead_letter_stream()).await.max_bytes, dead_letters::MAX_BYTES);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_drop_old_messages_by_age_and_size() {
    let app = TestApp::start(DEAD_LETTER_OWNER, build, &[("STREAM_MAX_BYTES", "1048576")]).await;
    let names = Names::new(&app.context.config.nats_prefix);
    for name in [names.stream(DEAD_LETTER_OWNER), names.dead_letter_stream()] {
        let config = configuration(&app, &name).await;
        assert_eq!(config.max_age, Duration::from_secs(30 * 24 * 3600), "{name}");
        assert_eq!(config.max_bytes, 1 << 20, "{name}");
        assert_eq!(config.retention, RetentionPolicy::Limits, "{name}");
        assert_eq!(config.discard, DiscardPolicy::Old, "{name}: the newest events are needed");
    }
}
