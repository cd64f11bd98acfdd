//! A provider whose every call is timed, counted by its outcome, and a span of its trace.

use std::time::Instant;

use tracing::Instrument as _;

use super::{Answer, Authorization, Intent, Provider, ProviderError, Standing};

/// The provider inside, watched.
pub struct Measured<P>(pub P);

impl<P: Provider> Provider for Measured<P> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn authorize<'a>(&'a self, request: &'a Authorization) -> Answer<'a> {
        measured(self.name(), "authorize", self.0.authorize(request))
    }

    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "capture", self.0.capture(reference))
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "cancel", self.0.cancel(reference))
    }

    fn look_up<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        measured(self.name(), "lookUp", self.0.look_up(reference))
    }
}

fn measured<'a>(provider: &'static str, operation: &'static str, call: Answer<'a>) -> Answer<'a> {
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
        Ok(intent) => match intent.standing {
            Standing::Pending => "pending",
            Standing::RequiresAction => "requiresAction",
            Standing::Authorized => "authorized",
            Standing::Captured => "captured",
            Standing::Declined { .. } => "declined",
            Standing::Cancelled { .. } => "cancelled",
        },
        Err(ProviderError::UnknownMethod) => "unknownMethod",
        Err(ProviderError::Refused(_)) => "refused",
        Err(ProviderError::Unknown(_)) => "unknown",
    }
}
