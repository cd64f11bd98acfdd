//! Finds a user's watches of a show.

use common::error::Error;
use common::id::{ShowId, UserId};

use crate::domain::show_watch::ShowWatch;
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;

/// Finds the user's watches of this show and of those that were merged into it, the latest first.
pub(crate) async fn find_show_watches(
    state: &AppState,
    model: &Replicas,
    user: UserId,
    show: ShowId,
) -> Result<Vec<ShowWatch>, Error> {
    let mut watches = state.show_watches.of(user).await?;
    let shows = lists::shows_by_ids(&model.shows, watches.iter().map(|watch| watch.show)).await?;
    watches.retain(|watch| watch.show == show || shows.get(&watch.show).is_some_and(|present| present.id == show));
    Ok(watches)
}
