//! GET /orders: what the viewer has ordered; a guest is asked to sign in.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::api::page::{Cursor, PageQuery};
use http::StatusCode;
use platform::store::page::PageRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::failure::Failure;
use super::layout::{self, Layout};
use crate::domain::history::Purchase;
use crate::parameters::{Parameters, notice};
use crate::state::AppState;
use crate::store;
use crate::viewer::Viewer;

const TITLE: &str = "My orders";

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Continued {
    /// From the link of the page before.
    #[param(value_type = Option<String>)]
    pub(super) cursor: Option<Cursor>,
}

impl From<Continued> for PageRequest {
    fn from(continued: Continued) -> Self {
        Self::from(&PageQuery { limit: None, cursor: continued.cursor })
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    layout: Layout,
    /// With their versions.
    purchases: Vec<(Purchase, u64)>,
    is_continued: bool,
    /// Cursor of the next page.
    next: Option<String>,
}

layout::page!(OrdersPage);

/// What the viewer has ordered.
#[utoipa::path(get, path = "/orders", tag = "pages", params(Continued),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn orders(
    State(state): State<AppState>,
    viewer: Viewer,
    query: Parameters<Continued>,
) -> Result<Response, Failure> {
    let id = viewer.id().ok_or_else(|| Failure::SignIn("/orders".to_owned()))?;
    let layout = Layout::new(TITLE, "The tickets that you have ordered.", &viewer).saying(notice(&query.faults));
    let is_continued = query.known.cursor.is_some();
    let request = PageRequest::from(query.known);
    let model = state.model.live().await?;
    let page = store::orders_of(&model.orders, id, &request).await?;
    let next = page.next_cursor.map(|cursor| cursor.to_string());
    let purchases = page.items.iter().map(|order| (Purchase::new(order, &[]), order.version)).collect();
    Ok(layout::respond(StatusCode::OK, &OrdersPage { layout, purchases, is_continued, next })?)
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;
    use common::id::UserId;

    use super::*;
    use crate::domain::history::tests::sample;

    #[test]
    fn the_templates_show_what_they_are_given() {
        let ana = Viewer::User { id: UserId::new(), name: Some("Ana & <co>".to_owned()), unread: 0 };
        let order = sample(OrderStatus::AwaitingPayment);
        let mut page = OrdersPage {
            layout: Layout::new(TITLE, "About", &ana),
            purchases: vec![(Purchase::new(&order, &[]), 4)],
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
        page.purchases.clear();
        page.next = None;
        assert!(page.render().unwrap().contains("You have no orders yet"));
    }
}
