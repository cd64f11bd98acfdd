//! What browsers post, with the request that it makes.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use common::api::tickets::ListingRules;
use serde::de::DeserializeOwned;
use validator::Validate;

use crate::domain::form::Faults;
use crate::state::AppState;

/// The fields of a form.
pub trait Fields: DeserializeOwned {
    /// What is asked of a service when the form is sent.
    type Request;

    /// Makes the request; what is wrong with the fields, by the same rules as the service's.
    fn request(&self, rules: &ListingRules) -> Result<Self::Request, Faults>;
}

/// A form that was posted: its fields as they were typed, and the request that they make.
pub struct Posted<F: Fields> {
    /// What was typed.
    pub form: F,
    /// What it asks for, or why it can't be sent.
    pub request: Result<F::Request, Faults>,
}

impl<F: Fields> FromRequest<AppState> for Posted<F> {
    type Rejection = FormRejection;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, FormRejection> {
        let Form(form) = Form::<F>::from_request(request, state).await?;
        let request = form.request(&state.rules);
        Ok(Self { form, request })
    }
}

/// Checks a request by its own rules; `field` names the form's field for one of the API.
pub fn checked<R: Validate>(request: R, field: impl Fn(&str) -> Option<&'static str>) -> Result<R, Faults> {
    match request.validate() {
        Ok(()) => Ok(request),
        Err(errors) => Err(Faults::from_rules(&errors, field)),
    }
}
