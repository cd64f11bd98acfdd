//! The subscription table. Each handler only keeps what it is told, since pages join what they show:
//! one function serves them all.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use platform::stream::subscription::Subscription;

use crate::state::AppState;
use crate::store::findable::Findable;
use crate::store::model::ReadModel;

/// Whose events the service takes.
pub fn table(state: &AppState) -> Vec<Subscription> {
    let model = &state.model;
    vec![keep::<UserState>(model), keep::<TicketState>(model), keep::<OrderState>(model), keep::<PaymentState>(model)]
}

fn keep<S: Findable>(model: &ReadModel) -> Subscription {
    let model = model.clone();
    Subscription::to(move |event: Envelope<S>| {
        let model = model.clone();
        async move { Ok(model.put(&event).await?) }
    })
}
