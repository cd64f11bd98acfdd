//! Stripe's error object, and whether an idempotency key remembers it.

use serde_json::{Map, Value, json};

/// The boxless size is kept small: everything but the status is in the JSON body.
#[derive(Debug)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    /// False for what was refused before the work began: a retry is judged anew.
    pub(crate) kept: bool,
    body: Map<String, Value>,
}

impl ApiError {
    fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        let mut body = Map::new();
        body.insert("type".to_owned(), json!(kind));
        body.insert("message".to_owned(), json!(message.into()));
        Self { status, kept: true, body }
    }

    /// A request that cannot be carried out; 400 unless told otherwise.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    /// A parameter that is wrong in itself: found before the work, so not remembered.
    pub(crate) fn parameter(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).param(param).fleeting()
    }

    /// A parameter that is required and absent.
    pub(crate) fn missing(param: &str) -> Self {
        Self::parameter(param, format!("Missing required param: {param}.")).code("parameter_missing")
    }

    /// An object that does not exist, named by the address (404) or by a parameter (400).
    pub(crate) fn no_such(noun: &str, id: &str, param: &str) -> Self {
        let error = Self::invalid(format!("No such {noun}: '{id}'")).code("resource_missing").param(param);
        if param == "intent" || param == "id" { error.status(404) } else { error }
    }

    /// A transition that the intent's status does not allow; the intent is embedded.
    pub(crate) fn unexpected_state(message: impl Into<String>, intent: Value) -> Self {
        Self::invalid(message).code("payment_intent_unexpected_state").with("payment_intent", intent)
    }

    /// A card that was refused.
    pub(crate) fn card(code: &str, message: impl Into<String>) -> Self {
        Self::new(402, "card_error", message).code(code)
    }

    /// A key that is used for something else, or at the same time.
    pub(crate) fn idempotency(status: u16, message: impl Into<String>) -> Self {
        Self::new(status, "idempotency_error", message).fleeting()
    }

    /// A fault on the server's side.
    pub(crate) fn server(message: impl Into<String>) -> Self {
        Self::new(500, "api_error", message)
    }

    /// 401 for a missing or wrong key.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::invalid(message).status(401).fleeting()
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn fleeting(mut self) -> Self {
        self.kept = false;
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

    /// What `last_payment_error` keeps of it.
    pub(crate) fn detail(&self) -> Value {
        Value::Object(self.body.clone())
    }

    /// The whole answer to the request of that id.
    pub(crate) fn answer(self, request_id: &str) -> Value {
        let log = format!("https://dashboard.stripe.com/test/logs/{request_id}");
        json!({ "error": self.with("request_log_url", json!(log)).body })
    }
}
