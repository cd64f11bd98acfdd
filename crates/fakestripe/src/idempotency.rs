//! Idempotency keys: the first answer is kept for a day and replayed, errors of the work included.

use std::collections::HashMap;

use crate::error::ApiError;

const KEPT_FOR: i64 = 24 * 60 * 60;

/// An answer as it was first sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The request that did the work.
    pub(crate) request_id: String,
}

#[derive(Debug)]
struct Entry {
    path: String,
    params: String,
    since: i64,
    /// None while the work goes on.
    answer: Option<Answer>,
}

/// All keys seen.
#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, Entry>);

impl Keys {
    /// Takes up a key: None to do the work, an answer to replay it.
    pub(crate) fn begin(&mut self, key: &str, path: &str, params: &str, now: i64) -> Result<Option<Answer>, ApiError> {
        if key.chars().count() > 255 {
            let message = "Idempotency keys may only be up to 255 characters.";
            return Err(ApiError::invalid(message).fleeting());
        }
        if self.0.get(key).is_some_and(|entry| entry.since + KEPT_FOR < now) {
            self.0.remove(key);
        }
        let Some(entry) = self.0.get(key) else {
            let entry = Entry { path: path.to_owned(), params: params.to_owned(), since: now, answer: None };
            self.0.insert(key.to_owned(), entry);
            return Ok(None);
        };
        let advice = format!("Try using a key other than '{key}' if you meant to execute a different request.");
        if entry.path != path {
            let message = format!(
                "Keys for idempotent requests can only be used for the same endpoint they were \
                 first used for ('{}' vs '{path}'). {advice}",
                entry.path
            );
            return Err(ApiError::idempotency(400, message));
        }
        if entry.params != params {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. {advice}"
            );
            return Err(ApiError::idempotency(400, message));
        }
        if let Some(answer) = &entry.answer {
            return Ok(Some(answer.clone()));
        }
        let message = format!(
            "There is currently another in-progress request using this Idempotent Key (that \
             probably means you submitted twice, and the other request is still going through): \
             {key}. Please try again later."
        );
        Err(ApiError::idempotency(409, message).code("idempotency_key_in_use"))
    }

    /// Ends the work under a key; without an answer the key is free again.
    pub(crate) fn end(&mut self, key: &str, answer: Option<Answer>) {
        match answer {
            Some(answer) => {
                if let Some(entry) = self.0.get_mut(key) {
                    entry.answer = Some(answer);
                }
            }
            None => {
                if self.0.get(key).is_some_and(|entry| entry.answer.is_none()) {
                    self.0.remove(key);
                }
            }
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }
}
