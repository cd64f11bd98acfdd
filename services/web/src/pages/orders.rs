//! GET /orders: the viewer's orders.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::aggregate::Versioned;
use common::api::page::{Cursor, PageQuery};
use common::error::Error;
use common::events::order::OrderState;
use common::timestamp::Timestamp;
use common::validate::invalid;
use http::StatusCode;
use platform::store::page::PageRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::{Validate, ValidationError};

use super::layout::{self, Layout};
use crate::domain::order_number::OrderNumber;
use crate::domain::order_view::OrderView;
use crate::domain::show_notice::ShowNotice;
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;
use crate::viewer::Viewer;

/// How long after its start an event is still listed as upcoming: its end is unknown, and its buyer may be at the door.
const AFTER_START: Duration = Duration::from_secs(12 * 3600);
/// Maximum number of upcoming orders.
const MAX_UPCOMING: i64 = 200;

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

/// The query of the orders page.
#[derive(Debug, Clone, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrdersQuery {
    /// Cursor from the previous page's link.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
    /// The number of the orders to show, such as TK-7F3K-29.
    #[serde(default)]
    #[validate(length(max = 40), custom(function = "validate_number"))]
    number: String,
}

fn validate_number(text: &str) -> Result<(), ValidationError> {
    if text.trim().is_empty() || text.parse::<OrderNumber>().is_ok() {
        Ok(())
    } else {
        Err(invalid("number", "must be an order number such as TK-7F3K-29"))
    }
}

#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    layout: Layout,
    /// The number that was searched for; empty if none was.
    number: String,
    /// The parts of the list that have orders.
    sections: Vec<Section>,
    /// Whether only the soonest of the upcoming orders are shown.
    is_cut: bool,
    /// Whether this is a later page than the first.
    is_continued: bool,
    next: Option<String>,
}

/// A part of the list, with a heading.
struct Section {
    id: &'static str,
    heading: String,
    orders: Vec<Item>,
}

/// An order in the list.
struct Item {
    order: OrderView,
    version: u64,
    /// What differs from the terms of the order.
    notice: Option<ShowNotice>,
    /// When its show begins now.
    begins: Timestamp,
}

impl Section {
    /// The part with these orders; `None` if there are none.
    fn of(id: &'static str, heading: String, orders: Vec<Item>) -> Option<Self> {
        (!orders.is_empty()).then_some(Self { id, heading, orders })
    }
}

impl Item {
    /// Whether its show was moved to a time that is not over.
    fn is_postponed(&self, since: Timestamp) -> bool {
        matches!(self.notice, Some(ShowNotice::Moved { .. })) && self.begins >= since
    }
}

/// These orders, with what has become of their shows.
async fn items(model: &Replicas, orders: &[Versioned<OrderState>]) -> Result<Vec<Item>, Error> {
    let shows: Vec<_> = orders.iter().map(|order| order.show_id).collect();
    let shows = lists::shows_by_ids(&model.shows, shows).await?;
    let mut items = Vec::new();
    let mut given_back = Vec::new();
    for order in orders {
        let show = shows.get(&order.show_id);
        let notice = show.and_then(|show| ShowNotice::of(order, show));
        let moved = show.filter(|_| matches!(notice, Some(ShowNotice::Moved { .. })));
        if notice.as_ref().is_some_and(ShowNotice::is_cancelled) {
            given_back.extend(order.payment_id);
        }
        items.push(Item {
            order: OrderView::new(order, &[]),
            version: order.version,
            notice,
            begins: moved.map_or(order.ticket.starts_at, |show| show.starts_at),
        });
    }
    let payments = lists::payments_by_ids(&model.payments, given_back).await?;
    let amended = orders.iter().zip(items).map(|(order, item)| match &item.notice {
        Some(notice) => Item { order: notice.amend(item.order.clone(), order, &payments), ..item },
        None => item,
    });
    Ok(amended.collect())
}

/// Show the viewer's orders.
#[utoipa::path(get, path = "/orders", tag = "pages", params(OrdersQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn orders(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<OrdersQuery>,
) -> Result<Response, PageError> {
    let user = viewer.require_user("/orders")?;
    let mut layout = Layout::new(msg::order_list_title(), msg::order_list_description(), &viewer);
    layout.notice = rejected_parameters_message(&query.rejected);
    let OrdersQuery { cursor, number } = query.value;
    let model = state.model.live().await?;
    let since = state.clock.now().minus(AFTER_START);
    let mut page = OrdersPage {
        layout,
        number: String::new(),
        sections: Vec::new(),
        is_cut: false,
        is_continued: cursor.is_some(),
        next: None,
    };
    if let Ok(number) = number.parse::<OrderNumber>() {
        let found = lists::orders_with_number(&model.orders, user, number).await?;
        page.sections =
            Section::of("found", msg::order_list_found(), items(&model, &found).await?).into_iter().collect();
        page.number = number.to_string();
        return Ok(layout::respond(StatusCode::OK, &page.layout, &page)?);
    }
    let upcoming = match cursor {
        None => lists::upcoming_orders(&model.orders, user, since, MAX_UPCOMING + 1).await?,
        Some(_) => Vec::new(),
    };
    let request = PageRequest::from(&PageQuery { limit: None, cursor });
    let past = lists::past_orders(&model.orders, user, since, &request).await?;
    let max = usize::try_from(MAX_UPCOMING).unwrap_or(usize::MAX);
    page.is_cut = upcoming.len() > max;
    let soonest = upcoming.get(..max).unwrap_or(&upcoming);
    let mut upcoming = items(&model, soonest).await?;
    // The database compares the time in the order, which a moved show leaves as it is.
    let others = items(&model, &past.items).await?;
    let (postponed, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|item| item.is_postponed(since));
    upcoming.extend(postponed);
    upcoming.sort_by_key(|item| item.begins);
    let sections = [
        Section::of("upcoming", msg::order_list_upcoming(), upcoming),
        Section::of("past", msg::order_list_past(), others),
    ];
    page.sections = sections.into_iter().flatten().collect();
    page.next = past.next_cursor.map(|cursor| cursor.to_string());
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;
    use common::id::UserId;

    use super::*;
    use crate::domain::order_view::tests::sample;
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn template_shows_its_values() {
        let ana = Viewer::User { id: UserId::new(), name: Some("Ana & <co>".to_owned()), unread: 0, hold: None };
        let order = sample(OrderStatus::AwaitingPayment);
        let item =
            Item { order: OrderView::new(&order, &[]), version: 4, notice: None, begins: order.ticket.starts_at };
        let mut page = OrdersPage {
            layout: Layout::new("Orders", "About", &ana),
            number: String::new(),
            sections: vec![Section { id: "upcoming", heading: msg::order_list_upcoming(), orders: vec![item] }],
            is_cut: false,
            is_continued: false,
            next: Some("abc".to_owned()),
        };
        let html = page.render().unwrap();
        for part in [
            ">Ana &#38; &#60;co&#62;<",
            "<h2 id=\"upcoming\">Upcoming</h2>",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Held for you. Pay before the hold ends.",
            "Thu, Jan 1, 2026, 5:15\u{a0}AM\u{a0}EST",
            &format!("Order {}", OrderNumber::of(order.id)),
            &format!("href=\"/orders/{}\"", order.id),
            &format!("href=\"/checkout/{}\"", order.id),
            "badge due\">Payment due<",
            &format!("data-live=\"order:{}\" data-version=\"4\" data-mode=\"reload\"", order.id),
            "href=\"/orders?cursor=abc\"",
            "name=\"robots\" content=\"noindex\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("your next shows") && !html.contains("The show"), "{html}");
        page.sections[0].orders[0].notice = Some(ShowNotice::Cancelled { reason: "The <singer> is ill.".to_owned() });
        assert!(page.render().unwrap().contains("The show has been cancelled.</strong> The &#60;singer&#62; is ill."));
        page.is_cut = true;
        assert!(page.render().unwrap().contains("Only your next shows are listed here"));
        page.sections.clear();
        page.next = None;
        assert!(page.render().unwrap().contains("You have no orders yet"));
        page.number = "TK-7F3K-29".to_owned();
        let html = page.render().unwrap();
        assert!(html.contains("We couldn’t find an order with the number TK-7F3K-29"), "{html}");
        assert!(html.contains("name=\"number\" value=\"TK-7F3K-29\""), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let order = sample(OrderStatus::AwaitingPayment);
        let page = |sections: Option<Section>| {
            let page = OrdersPage {
                layout: Layout::new(msg::order_list_title(), msg::order_list_description(), &Viewer::Guest),
                number: "TK-7F3K-29".to_owned(),
                sections: sections.into_iter().collect(),
                is_cut: true,
                is_continued: true,
                next: Some("abc".to_owned()),
            };
            page.render().unwrap()
        };
        let html = in_german(|| {
            let view = OrderView::new(&order, &[]);
            let item = Item { order: view, version: 4, notice: None, begins: order.ticket.starts_at };
            page(Section::of("upcoming", msg::order_list_upcoming(), vec![item])) + &page(None)
        });
        assert_texts(
            &html,
            &[
                "<h1>Meine Bestellungen</h1>",
                ">Demnächst</h2>",
                ">Zahlung offen<",
                "<p class=\"price\">125,50\u{a0}$</p>",
                "Wir haben keine Bestellung mit der Nummer TK-7F3K-29 gefunden.",
                "rel=\"next\">Ältere<",
            ],
            [
                "Order",
                "orders<",
                "Find<",
                "For example",
                "Your ",
                "Only ",
                "Upcoming",
                "Go to",
                "We ",
                "Newest",
                "Pages",
            ],
        );
    }
}
