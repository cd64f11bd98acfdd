//! Idempotency keys: the first response is stored for a day and replayed, including processing errors.

use std::collections::HashMap;

use crate::error::ApiError;

/// In seconds.
const RETENTION: i64 = 24 * 60 * 60;

/// The first response to a request.
#[derive(Clone, Debug)]
pub(crate) struct StoredResponse {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The request that was processed.
    pub(crate) request_id: String,
}

#[derive(Debug)]
struct Entry {
    path: String,
    params: String,
    begun_at: i64,
    /// `None` while the request is in progress.
    response: Option<StoredResponse>,
}

#[derive(Debug, Default)]
pub(crate) struct IdempotencyStore(HashMap<String, Entry>);

impl IdempotencyStore {
    /// Begins a request. `None`: process the request. `Some`: replay this response.
    pub(crate) fn begin(
        &mut self,
        key: &str,
        path: &str,
        params: &str,
        now: i64,
    ) -> Result<Option<StoredResponse>, ApiError> {
        if key.chars().count() > 255 {
            let message = "Idempotency keys may only be up to 255 characters.";
            return Err(ApiError::invalid(message).not_cached());
        }
        if self.0.get(key).is_some_and(|entry| entry.begun_at + RETENTION < now) {
            self.0.remove(key);
        }
        let Some(entry) = self.0.get(key) else {
            let entry = Entry { path: path.to_owned(), params: params.to_owned(), begun_at: now, response: None };
            self.0.insert(key.to_owned(), entry);
            return Ok(None);
        };
        let first_use = if entry.path != path {
            format!("for the same endpoint they were first used for ('{}' vs '{path}')", entry.path)
        } else if entry.params != params {
            "with the same parameters they were first used with".to_owned()
        } else if let Some(response) = &entry.response {
            return Ok(Some(response.clone()));
        } else {
            let message = format!(
                "There is currently another in-progress request using this Idempotent Key (that \
                 probably means you submitted twice, and the other request is still going through): \
                 {key}. Please try again later."
            );
            return Err(ApiError::idempotency(409, message).code("idempotency_key_in_use"));
        };
        let message = format!(
            "Keys for idempotent requests can only be used {first_use}. Try using a key other than \
             '{key}' if you meant to execute a different request."
        );
        Err(ApiError::idempotency(400, message))
    }

    /// Stores the response to the request that has the key.
    pub(crate) fn complete(&mut self, key: &str, response: StoredResponse) {
        if let Some(entry) = self.0.get_mut(key) {
            entry.response = Some(response);
        }
    }

    /// Frees the key unless a response is stored.
    pub(crate) fn release(&mut self, key: &str) {
        if self.0.get(key).is_some_and(|entry| entry.response.is_none()) {
            self.0.remove(key);
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}
