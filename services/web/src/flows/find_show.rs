//! Finds the show that a page is about.

use std::collections::BTreeSet;

use common::error::Error;
use common::events::show::ShowState;
use common::id::ShowId;

use super::await_version::get_or_await;
use crate::domain::offer::ShowOffer;
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::offers;

/// Finds the show with this id, or the one that it was merged into. One that was just created is awaited.
pub(crate) async fn find_show(state: &AppState, id: ShowId) -> Result<ShowOffer, Error> {
    let model = state.model.live().await?;
    if let Some(found) = present_show(&model, id).await? {
        return Ok(found);
    }
    get_or_await::<ShowState>(state, id.as_uuid()).await?.ok_or(Error::NotFound)?;
    present_show(&model, id).await?.ok_or(Error::NotFound)
}

/// The show with this id, or the one that it was merged into, which may have been merged too.
async fn present_show(model: &Replicas, id: ShowId) -> Result<Option<ShowOffer>, Error> {
    let (mut found, mut passed) = (offers::show_by_id(model, id).await?, BTreeSet::from([id]));
    while let Some(other) = found.as_ref().and_then(|found| found.show.merged_into) {
        // `tickets` makes no circle of merges.
        if !passed.insert(other) {
            break;
        }
        found = offers::show_by_id(model, other).await?;
    }
    Ok(found)
}
