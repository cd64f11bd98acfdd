//! Strays: intents that the card network has and no payment knows of, since the databases were brought back to an
//! earlier moment. What was charged by them is given back, what was set aside is cancelled.

use common::error::Error;
use common::timestamp::Timestamp;
use serde::Serialize;

use super::record_answer::away;
use crate::providers::{Made, Standing};
use crate::state::State;

/// An intent that no payment knows of.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stray {
    /// The provider's id.
    pub reference: String,
    /// The payment that it was made for, of which there is nothing any more.
    pub payment: String,
    /// How much it is of, in minor units.
    pub amount: i64,
    /// The currency, in lower case.
    pub currency: String,
    /// `charged` or `open`; once it is settled `refunded` or `cancelled`, or `failed`.
    pub outcome: &'static str,
}

/// Those that were made since this time; settled, if that is wanted. One that can't be settled keeps no other
/// waiting: it is told as `failed`, and tried again by whoever asks again.
///
/// # Errors
/// Unavailable when the card network does not list them.
pub async fn settle_strays(state: &State, since: Timestamp, settle: bool) -> Result<Vec<Stray>, Error> {
    let mut strays = Vec::new();
    for made in state.provider.made_since(since).await.map_err(away)? {
        let outcome = match outcome(state, &made, settle).await {
            Ok(None) => continue,
            Ok(Some(outcome)) => outcome,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(reference = made.reference, error = %error, cause, "an intent could not be given back");
                "failed"
            }
        };
        let Made { reference, payment, amount, currency, .. } = made;
        tracing::warn!(reference, payment.id = %payment, outcome, "an intent that no payment knows of");
        strays.push(Stray { reference, payment: payment.to_string(), amount, currency, outcome });
    }
    Ok(strays)
}

/// What is to be told of an intent; `None` when there is nothing wrong with it.
async fn outcome(state: &State, made: &Made, settle: bool) -> Result<Option<&'static str>, Error> {
    if matches!(made.standing, Standing::Cancelled { .. }) {
        return Ok(None);
    }
    // After a day the provider forgets which key it knows, so one payment may have been authorised twice.
    let known = state.payments.get(made.payment).await?;
    if known.is_some_and(|payment| payment.provider_ref.as_ref().is_none_or(|known| *known == made.reference)) {
        return Ok(None);
    }
    if matches!(made.standing, Standing::Captured) {
        if state.provider.given_back(&made.reference).await.map_err(away)? >= made.amount {
            return Ok(None);
        }
        if settle {
            state.provider.give_back(&made.reference).await.map_err(away)?;
        }
        return Ok(Some(if settle { "refunded" } else { "charged" }));
    }
    if !settle {
        return Ok(Some("open"));
    }
    let cancelled = state.provider.cancel(&made.reference).await.map_err(away)?;
    match cancelled.standing {
        Standing::Cancelled { .. } => Ok(Some("cancelled")),
        // It was charged a moment ago, or is being: the next call finds that.
        _ => Err(Error::Unavailable(None)),
    }
}
