//! The subscription table. One function handles all events: it only stores the state, since pages join entities when
//! they are read.

use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::TicketState;
use common::events::user::UserState;
use platform::stream::subscription::{Delivery, Subscription};

use crate::state::AppState;
use crate::store::model::ReadModel;
use crate::store::searchable::Searchable;

pub(crate) fn table(state: &AppState) -> Vec<Subscription> {
    let model = &state.model;
    vec![
        replicate::<UserState>(model),
        replicate::<TicketState>(model),
        replicate::<OrderState>(model),
        replicate::<PaymentState>(model),
        replicate::<ShowState>(model),
    ]
}

fn replicate<S: Searchable>(model: &ReadModel) -> Subscription {
    Subscription::with(model.clone(), async |model: ReadModel, delivery: Delivery<S>| {
        Ok(model.put(&delivery.event).await?)
    })
}
