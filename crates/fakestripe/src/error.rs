//! Stripe's error object, and whether it is stored under the idempotency key.

use serde_json::{Map, Value, json};

/// An error response. Small enough to be returned unboxed, since most of it is in the JSON body.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// Whether this error is stored under the idempotency key. False when the request was rejected before processing,
    /// so that a retry is evaluated again.
    pub(crate) is_cached: bool,
    body: Map<String, Value>,
}

impl ApiError {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(kind));
        body.insert("message".to_owned(), json!(message.into()));
        Self { status, is_cached: true, body }
    }

    /// A request that cannot be carried out; 400 by default.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// An invalid parameter: detected before processing, so not cached.
    pub(crate) fn parameter(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).param(param).not_cached()
    }

    /// A missing required parameter.
    pub(crate) fn missing(param: &str) -> Self {
        Self::parameter(param, format!("Missing required param: {param}.")).code("parameter_missing")
    }

    /// An object that does not exist: 404 when the path names it, 400 when a parameter does.
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        let error = Self::invalid(format!("No such {noun}: '{id}'")).code("resource_missing").param(param);
        if param == "intent" || param == "id" { error.status(404) } else { error }
    }

    /// A transition that the intent's status does not allow; embeds the intent.
    pub(crate) fn unexpected_state(message: impl Into<String>, intent: Value) -> Self {
        Self::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent)
    }

    /// A declined card.
    pub(crate) fn card(code: &str, message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message).code(code)
    }

    /// An idempotency key that belongs to another request, or to one in progress.
    pub(crate) fn idempotency(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, "idempotency_error", message).not_cached()
    }

    /// An internal server error.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(500, "api_error", message)
    }

    /// 401: a missing or invalid API key.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::invalid(message).status(401).not_cached()
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn not_cached(mut self) -> Self {
        self.is_cached = false;
        self
    }

    pub(crate) fn code(self, code: &str) -> Self {
        let page = code.replace('_', "-");
        self.with("code", json!(code)).with("doc_url", json!(format!("https://stripe.com/docs/error-codes/{page}")))
    }

    pub(crate) fn param(self, param: &str) -> Self {
        self.with("param", json!(param))
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        self.body.insert(key.to_owned(), value);
        self
    }

    /// The value of `last_payment_error`.
    pub(crate) fn detail(&self) -> Value {
        Value::Object(self.body.clone())
    }

    /// The response body for the request with this id.
    pub(crate) fn into_body(self, request_id: &str) -> Value {
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        json!({ "error": self.with("request_log_url", json!(log)).body })
    }
}
