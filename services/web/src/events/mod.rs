//! The subscription table. The handlers only store the state, since pages join entities when they are read; that of
//! tickets also notes in the watches of a ticket that it is free again, which the state does not tell.

use common::events::envelope::Envelope;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::{TicketChange, TicketState};
use common::events::user::UserState;
use platform::store::error::StoreError;
use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};

use crate::domain::seats::free_slots;
use crate::state::AppState;
use crate::store::model::ReadModel;
use crate::store::searchable::Searchable;
use crate::store::user_data::UserDataStore;

pub(crate) fn table(state: &AppState) -> Vec<Subscription> {
    let model = &state.model;
    vec![
        replicate::<UserState>(model),
        Subscription::with((model.clone(), state.user_data.clone()), on_ticket).noting(TicketChange::Released),
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

async fn on_ticket(
    (model, user_data): (ReadModel, UserDataStore),
    delivery: Delivery<TicketState>,
) -> Result<Applied, Failure> {
    let event = &delivery.event;
    // The release is noted before the state is stored: once a page shows free seats, their watchers are notified, too.
    if delivery.has_noted() && is_free_again(&model, event).await? {
        user_data.mark_freed(event.data.terms.id, event.data.updated_at).await?;
    }
    Ok(model.put(event).await?)
}

/// Whether a seat is free after a release, and, as far as is known, none was free before. A seat is no news if others
/// were left beside it.
async fn is_free_again(model: &ReadModel, event: &Envelope<TicketState>) -> Result<bool, StoreError> {
    let ticket = &event.data;
    if free_slots(ticket).is_empty() || ticket.seats.len() == 1 {
        return Ok(!free_slots(ticket).is_empty());
    }
    let known = model.live().await?.tickets.get(ticket.terms.id).await?;
    Ok(known.is_none_or(|known| known.version < event.entityversion && free_slots(&known).is_empty()))
}
