//! Shows as the public sees them.

use std::collections::HashMap;

use common::aggregate::Versioned;
use common::api::shows::{self, slug};
use common::error::Error;

use crate::domain::show::Show;
use crate::state::AppState;
use crate::store::shows::Offer;

/// The shows with what is for sale of them.
pub(super) async fn to_views(state: &AppState, shows: Vec<Versioned<Show>>) -> Result<Vec<shows::Show>, Error> {
    let now = state.clock.now();
    let is_on_sale = |show: &&Versioned<Show>| !show.is_cancelled() && show.details.starts_at > now;
    let on_sale: Vec<_> = shows.iter().filter(is_on_sale).map(|show| show.id).collect();
    let mut offers = if on_sale.is_empty() { HashMap::new() } else { state.offers.of(on_sale).await? };
    Ok(shows.into_iter().map(|show| view(offers.remove(&show.id).unwrap_or_default(), show)).collect())
}

/// The show with what is for sale of it.
pub(super) async fn to_view(state: &AppState, show: Versioned<Show>) -> Result<shows::Show, Error> {
    let views = to_views(state, vec![show]).await?;
    views.into_iter().next().ok_or(Error::NotFound)
}

fn view(offer: Offer, Versioned { version, state: show }: Versioned<Show>) -> shows::Show {
    let (status, cancel_reason) = (show.status_name(), show.cancel_reason().map(ToOwned::to_owned));
    let details = show.details;
    shows::Show {
        id: show.id,
        version,
        slug: slug(&details.title, details.city.as_deref()),
        title: details.title,
        venue: details.venue,
        city: details.city,
        country: details.country,
        starts_at: details.starts_at,
        ends_at: details.ends_at,
        time_zone: details.time_zone,
        category: details.category,
        status,
        cancel_reason,
        merged_into: show.merged_into,
        free: offer.free,
        from: offer.from,
    }
}
