//! The dead letters of the service under test, and their stream, which another service owns.

use std::sync::atomic::Ordering;

use async_nats::jetstream;
use platform::stream::names::Names;
use platform::stream::provision;

use super::{TestApp, server};

/// Size in bytes of the stream of the dead letters, where the service under test does not own it.
pub const MAX_BYTES: i64 = 16 << 20;

/// Creates the stream of the dead letters, as its owner does in a whole fleet. The service under test may be
/// disconnected from NATS, so this has a separate connection.
pub(super) async fn create_stream(names: &Names) {
    let jetstream = jetstream::new(async_nats::connect(server("TEST_NATS_URL")).await.expect("NATS"));
    let stream = provision::dead_letter_stream(names, MAX_BYTES, 1);
    jetstream.get_or_create_stream(stream).await.expect("the stream of the dead letters");
}

impl TestApp {
    /// The payloads of all dead letters.
    pub async fn dead_letters(&self) -> Vec<Vec<u8>> {
        let letters = self.messages(&self.names.dead_letter_stream()).await;
        letters.into_iter().map(|letter| letter.payload.to_vec()).collect()
    }

    /// The value of the header `dead-letter-<name>` in each dead letter. Names are `reason`, `subject` and others.
    pub async fn dead_letter_headers(&self, name: &str) -> Vec<String> {
        let name = format!("dead-letter-{name}");
        let letters = self.messages(&self.names.dead_letter_stream()).await;
        let header = |letter: &jetstream::Message| {
            letter.headers.as_ref().and_then(|headers| headers.get(name.as_str())).map(ToString::to_string)
        };
        letters.iter().map(|letter| header(letter).unwrap_or_default()).collect()
    }

    /// Sets the total number of dead letters that the test expects.
    pub fn expect_dead_letters(&self, count: u64) {
        self.expected_dead_letters.store(count, Ordering::SeqCst);
    }
}
