//! The `PaymentIntent`: its stored state, transitions and JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::objects::extended::extended;

/// The lifecycle status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Without a payment method, or declined.
    #[default]
    RequiresPaymentMethod,
    /// With a payment method that has not been charged.
    RequiresConfirmation,
    /// Waits for the cardholder's 3-D Secure step.
    RequiresAction,
    /// Authorized.
    RequiresCapture,
    /// Captured.
    Succeeded,
    /// Canceled.
    Canceled,
}

impl Status {
    /// Name in the API: `requires_capture`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Before any money is authorized.
    pub(crate) fn is_confirmable(self) -> bool {
        matches!(self, Self::RequiresPaymentMethod | Self::RequiresConfirmation | Self::RequiresAction)
    }
}

/// Amounts are in the smallest unit of the currency, times in Unix seconds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) client_secret: String,
    pub(crate) created: i64,
    #[serde(skip)]
    pub(crate) status: Status,
    pub(crate) amount: i64,
    pub(crate) amount_received: i64,
    pub(crate) currency: &'static str,
    pub(crate) capture_method: String,
    pub(crate) confirmation_method: String,
    pub(crate) payment_method: Option<String>,
    pub(crate) payment_method_types: Vec<String>,
    pub(crate) automatic_payment_methods: Value,
    pub(crate) latest_charge: Option<String>,
    pub(crate) last_payment_error: Value,
    pub(crate) next_action: Value,
    #[serde(skip)]
    pub(crate) return_url: Option<String>,
    /// Whether 3-D Secure was passed with the current payment method.
    #[serde(skip)]
    pub(crate) authenticated: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) cancellation_reason: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) description: Option<String>,
    pub(crate) receipt_email: Option<String>,
    pub(crate) setup_future_usage: Option<String>,
    pub(crate) shipping: Value,
    pub(crate) statement_descriptor: Option<String>,
    pub(crate) statement_descriptor_suffix: Option<String>,
    pub(crate) transfer_group: Option<String>,
}

impl Intent {
    pub(crate) fn is_manual_capture(&self) -> bool {
        self.capture_method == "manual"
    }

    /// The amount authorized and not yet captured.
    pub(crate) fn capturable(&self) -> i64 {
        if self.status == Status::RequiresCapture { self.amount } else { 0 }
    }

    /// Replaces the payment method and clears the result of the previous attempt.
    pub(crate) fn set_payment_method(&mut self, id: String) {
        self.payment_method = Some(id);
        self.authenticated = false;
        self.next_action = Value::Null;
        self.last_payment_error = Value::Null;
        self.status = Status::RequiresConfirmation;
    }

    /// Sets the payment method, capture method and shipping details that a request contains.
    pub(crate) fn set_details(&mut self, method: Option<String>, capture_method: Option<String>, shipping: Value) {
        if let Some(method) = method {
            self.set_payment_method(method);
        }
        if let Some(method) = capture_method {
            self.capture_method = method;
        }
        if !shipping.is_null() {
            self.shipping = shipping;
        }
    }

    /// Returns to `requires_payment_method` after a failed attempt.
    pub(crate) fn require_payment_method(&mut self, error: Value) {
        self.status = Status::RequiresPaymentMethod;
        self.payment_method = None;
        self.authenticated = false;
        self.next_action = Value::Null;
        self.last_payment_error = error;
    }
}

/// Keys of Stripe's object that are always null here, separated by spaces.
const NULL_KEYS: &str = "\
    application application_fee_amount customer customer_account excluded_payment_method_types on_behalf_of \
    payment_method_configuration_details processing review source transfer_data";

pub(crate) fn render(intent: &Intent) -> Value {
    let keys = json!({
        "object": "payment_intent",
        "amount_capturable": intent.capturable(),
        "amount_details": { "tip": {} },
        "livemode": false,
        "managed_payments": { "enabled": false },
        "payment_method_options": {
            "card": {
                "installments": null,
                "mandate_options": null,
                "network": null,
                "request_three_d_secure": "automatic",
            },
        },
        "status": intent.status.name(),
    });
    extended(intent, keys, NULL_KEYS)
}
