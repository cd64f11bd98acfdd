//! Extraction of submitted forms, and their conversion to API requests.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use common::api::tickets::ListingRules;
use serde::de::DeserializeOwned;
use validator::Validate;

use crate::domain::form::FormErrors;
use crate::state::AppState;

/// The fields of a form.
pub(crate) trait FormFields: DeserializeOwned {
    type Request;

    /// Builds the service's request from the form. Fails with the errors of the fields that violate the service's
    /// validation rules.
    fn request(&self, rules: &ListingRules) -> Result<Self::Request, FormErrors>;
}

/// A submitted form: its fields as they were typed, and the request built from them.
pub(crate) struct SubmittedForm<F: FormFields> {
    pub form: F,
    pub request: Result<F::Request, FormErrors>,
}

impl<F: FormFields> FromRequest<AppState> for SubmittedForm<F> {
    type Rejection = FormRejection;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, FormRejection> {
        let Form(form) = Form::<F>::from_request(request, state).await?;
        let request = form.request(&state.listing_rules);
        Ok(Self { form, request })
    }
}

/// Validates a request by its own rules; `field` maps an API field to the form field.
pub(crate) fn validate_request<R: Validate>(
    request: R,
    field: impl Fn(&str) -> Option<&'static str>,
) -> Result<R, FormErrors> {
    let validated = request.validate();
    validated.map(|()| request).map_err(|errors| FormErrors::from_validation(&errors, field))
}
