//! GET /orders: the viewer's orders.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::api::page::{Cursor, PageQuery};
use http::StatusCode;
use platform::store::page::PageRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, Layout};
use crate::domain::order_view::OrderView;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

const TITLE: &str = "My orders";

/// The query of a list page.
#[derive(Debug, Clone, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CursorQuery {
    /// Cursor from the previous page's link.
    #[param(value_type = Option<String>)]
    pub(super) cursor: Option<Cursor>,
}

impl From<CursorQuery> for PageRequest {
    fn from(query: CursorQuery) -> Self {
        Self::from(&PageQuery { limit: None, cursor: query.cursor })
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    layout: Layout,
    /// The orders, with their versions.
    orders: Vec<(OrderView, u64)>,
    /// Whether this is a later page than the first.
    is_continued: bool,
    next: Option<String>,
}

/// Show the viewer's orders.
#[utoipa::path(get, path = "/orders", tag = "pages", params(CursorQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn orders(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<CursorQuery>,
) -> Result<Response, PageError> {
    let user = viewer.require_user("/orders")?;
    let mut layout = Layout::new(TITLE, "The tickets that you have ordered.", &viewer);
    layout.notice = rejected_parameters_message(&query.rejected);
    let is_continued = query.value.cursor.is_some();
    let request = PageRequest::from(query.value);
    let model = state.model.live().await?;
    let page = lists::orders_of(&model.orders, user, &request).await?;
    let next = page.next_cursor.map(|cursor| cursor.to_string());
    let orders = page.items.iter().map(|order| (OrderView::new(order, &[]), order.version)).collect();
    let page = OrdersPage { layout, orders, is_continued, next };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;
    use common::id::UserId;

    use super::*;
    use crate::domain::order_view::tests::sample;

    #[test]
    fn template_shows_its_values() {
        let ana = Viewer::User { id: UserId::new(), name: Some("Ana & <co>".to_owned()), unread: 0 };
        let order = sample(OrderStatus::AwaitingPayment);
        let mut page = OrdersPage {
            layout: Layout::new(TITLE, "About", &ana),
            orders: vec![(OrderView::new(&order, &[]), 4)],
            is_continued: false,
            next: Some("abc".to_owned()),
        };
        let html = page.render().unwrap();
        for part in [
            ">Ana &#38; &#60;co&#62;<",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Held for you until it is paid or the hold ends.",
            "Thursday, 1 January 2026, 05:15 EST (America/New_York)",
            &format!("href=\"/orders/{}\"", order.id),
            &format!("href=\"/checkout/{}\"", order.id),
            "text-bg-warning\">To be paid<",
            &format!("data-live=\"order:{}\" data-version=\"4\" data-mode=\"reload\"", order.id),
            "href=\"/orders?cursor=abc\"",
            "name=\"robots\" content=\"noindex\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.orders.clear();
        page.next = None;
        assert!(page.render().unwrap().contains("You have no orders yet"));
    }
}
