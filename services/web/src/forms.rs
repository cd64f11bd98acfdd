//! Extraction of submitted forms, and their conversion to API requests.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request};
use common::error::Error;
use http::StatusCode;
use platform::http::extract::pair_error;
use serde::de::DeserializeOwned;
use validator::Validate;

use crate::domain::form::FormErrors;
use crate::state::AppState;

/// The fields of a form.
pub(crate) trait FormFields: DeserializeOwned {
    type Request;

    /// Builds the service's request from the form. Fails with the errors of the fields that violate the service's
    /// validation rules.
    fn request(&self) -> Result<Self::Request, FormErrors>;
}

/// A submitted form: its fields as they were typed, and the request built from them.
pub(crate) struct SubmittedForm<F: FormFields> {
    pub form: F,
    pub request: Result<F::Request, FormErrors>,
}

impl<F: FormFields> FromRequest<AppState> for SubmittedForm<F> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let Form(form) = Form::<F>::from_request(request, state).await.map_err(|rejection| form_error(&rejection))?;
        let request = form.request();
        Ok(Self { form, request })
    }
}

/// A form that is stored as it was typed, or that the page has filled. Its errors are none that the user could correct:
/// an error page shows them.
pub(crate) struct ValidForm<F>(pub F);

impl<F: DeserializeOwned + Validate> FromRequest<AppState> for ValidForm<F> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Error> {
        let Form(form) = Form::<F>::from_request(request, state).await.map_err(|rejection| form_error(&rejection))?;
        form.validate()?;
        Ok(Self(form))
    }
}

/// The error for a form that can't be read.
fn form_error(rejection: &FormRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Error::field("Content-Type", "must be application/x-www-form-urlencoded, as a browser sends a form")
        }
        _ => {
            let text = rejection.body_text();
            let text = text.strip_prefix("Failed to deserialize form body: ").unwrap_or(&text);
            Error::Invalid(vec![pair_error(text)])
        }
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
