//! A show changed: the show is stored, since responses about its orders include it. If it was cancelled, its completed
//! orders are recorded as due for a refund. Unpaid orders are cancelled by the events of their listings, which follow
//! the show.

use common::events::show::ShowState;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::flows::record_refund_due::record_refunds_due_of_show;
use crate::state::AppState;

pub(super) async fn handle(state: AppState, delivery: Delivery<ShowState>) -> Result<Applied, Failure> {
    let applied = state.shows.put_if_newer(&delivery.event).await?;
    record_refunds_due_of_show(&state, delivery.event.data.id).await?;
    Ok(applied)
}
