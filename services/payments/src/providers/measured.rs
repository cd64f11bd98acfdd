//! A provider whose every call is timed, counted by its outcome, and a span of its trace.

use std::time::Instant;

use common::id::PaymentId;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;
use tracing::Instrument as _;

use super::{Answer, Authorization, Made, Provider, ProviderError, Submission, Window};
use crate::domain::intent::Intent;

/// The provider inside, watched.
pub struct Measured<P>(pub P);

impl<P: Provider> Provider for Measured<P> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn prepare(&self, authorization: &Authorization) -> Result<String, ProviderError> {
        self.0.prepare(authorization)
    }

    fn authorize<'a>(&'a self, submission: Submission<'a>) -> Answer<'a> {
        measured(self.name(), "authorize", self.0.authorize(submission), outcome)
    }

    fn find(&self, payment: PaymentId, made: Window) -> BoxFuture<'_, Result<Option<Intent>, ProviderError>> {
        measured(self.name(), "find", self.0.find(payment, made), whether_done)
    }

    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "capture", self.0.capture(reference), outcome)
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "cancel", self.0.cancel(reference), outcome)
    }

    fn look_up<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "lookUp", self.0.look_up(reference), outcome)
    }

    fn made_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Made>, ProviderError>> {
        measured(self.name(), "list", self.0.made_since(since), whether_done)
    }

    fn give_back<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        measured(self.name(), "refund", self.0.give_back(reference, key), whether_done)
    }
}

fn measured<'a, T: 'a>(
    provider: &'static str,
    operation: &'static str,
    call: BoxFuture<'a, Result<T, ProviderError>>,
    outcome: fn(&Result<T, ProviderError>) -> &'static str,
) -> BoxFuture<'a, Result<T, ProviderError>> {
    Box::pin(async move {
        let span = tracing::info_span!("provider call", otel.kind = "client", provider, operation, outcome = "none");
        let began = Instant::now();
        let answer = call.instrument(span.clone()).await;
        let outcome = outcome(&answer);
        span.record("outcome", outcome);
        let labels = [("provider", provider), ("operation", operation), ("outcome", outcome)];
        metrics::histogram!("provider_call_duration_seconds", &labels).record(began.elapsed().as_secs_f64());
        answer
    })
}

/// Where the intent stands after the call; `unknown` when nobody can tell, which is the provider's fault.
fn outcome(answer: &Result<Intent, ProviderError>) -> &'static str {
    match answer {
        Ok(intent) => (&intent.standing).into(),
        Err(error) => error.into(),
    }
}

/// The same for a call whose answer is no intent.
fn whether_done<T>(answer: &Result<T, ProviderError>) -> &'static str {
    match answer {
        Ok(_) => "done",
        Err(error) => error.into(),
    }
}
