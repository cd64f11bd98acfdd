//! Events of the service's own shows: names and listings follow a show that was changed.

use common::events::show::ShowState;
use platform::stream::subscription::{Applied, Delivery, Failure, Subscription};

use crate::flows::spread_show::spread_show;
use crate::state::AppState;

pub(super) fn subscription(state: AppState) -> Subscription {
    Subscription::with(state, handle)
}

async fn handle(state: AppState, delivery: Delivery<ShowState>) -> Result<Applied, Failure> {
    // At version 0 there is nothing to follow: the show was made by its first listing, under its own name.
    if delivery.event.entityversion == 0 {
        return Ok(Applied::Stale);
    }
    spread_show(&state, delivery.event.data.id).await?;
    Ok(Applied::Applied)
}
