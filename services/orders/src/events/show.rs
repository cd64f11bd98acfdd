//! A show changed: stored for those who read an order, and for the list of what is to be refunded. Orders end by the
//! events of their listings, which follow the show.

use common::events::show::ShowState;
use platform::stream::subscription::{Applied, Delivery, Failure};

use crate::state::AppState;

pub(super) async fn handle(state: AppState, delivery: Delivery<ShowState>) -> Result<Applied, Failure> {
    Ok(state.shows.put_if_newer(&delivery.event).await?)
}
