//! GET /api/tickets: what there is, newest first.

use axum::Json;
use axum::extract::State as Shared;
use common::error::Error;
use common::events::ticket::TicketStatus;
use platform::http::extract::Query;
use platform::store::page::{Page, PageQuery, PageRequest};
use serde::Deserialize;
use utoipa::IntoParams;

use super::view::TicketView;
use crate::state::State;
use crate::store::{self, Filter};

/// How a list is narrowed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// available, reserved, sold or withdrawn; all but withdrawn unless told.
    status: Option<String>,
    /// A user's id.
    seller: Option<String>,
    /// Words that title, venue or city must all hold.
    q: Option<String>,
    /// 1 to 100; 20 unless told.
    limit: Option<String>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// List tickets.
#[utoipa::path(get, path = "/api/tickets", tag = "tickets", params(ListQuery),
    responses((status = 200, body = Page<TicketView>)))]
pub(super) async fn list(
    Shared(state): Shared<State>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<TicketView>>, Error> {
    let status = match query.status.as_deref() {
        None => None,
        Some("available") => Some(TicketStatus::Available),
        Some("reserved") => Some(TicketStatus::Reserved),
        Some("sold") => Some(TicketStatus::Sold),
        Some("withdrawn") => Some(TicketStatus::Withdrawn),
        Some(_) => return Err(Error::field("status", "must be available, reserved, sold or withdrawn")),
    };
    let seller = query.seller.as_deref().map(str::parse).transpose();
    let filter = Filter {
        status,
        seller: seller.map_err(|_| Error::field("seller", "must be a user's id"))?,
        text: query.q.filter(|q| !q.trim().is_empty()),
    };
    if filter.text.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err(Error::field("q", "must have at most 200 characters"));
    }
    let page = PageRequest::try_from(&PageQuery { limit: query.limit, cursor: query.cursor })?;
    let found = store::page(&state.tickets, &filter, state.clock.now(), &page).await?;
    Ok(Json(found.map(TicketView::from)))
}
