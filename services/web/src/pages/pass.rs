//! GET /orders/{id}/pass: the passes alone, one for each seat, to be shown at the door. Browsers keep this page, with
//! all of them, for when there is no network.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::id::OrderId;
use http::StatusCode;

use super::layout::{self, Layout};
use super::order::{EntryPass, fetch_passes, load_completed_order};
use crate::client_context::ClientContext;
use crate::domain::order_view::OrderView;
use crate::domain::show_notice::ShowNotice;
use crate::i18n::msg;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "pass.html")]
struct PassPage {
    layout: Layout,
    order: OrderView,
    /// What differs from the terms of the order.
    notice: Option<ShowNotice>,
    pass: EntryPass,
}

/// Show the passes of an order.
#[utoipa::path(get, path = "/orders/{id}/pass", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 503, body = String, content_type = "text/html")))]
pub(super) async fn pass(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let order = load_completed_order(&state, &viewer, &id).await?;
    let show = lists::present_show(&state.model.live().await?.shows, order.show_id).await?;
    let notice = show.and_then(|show| ShowNotice::of(&order, &show));
    let page = PassPage {
        layout: Layout {
            script: Some("pass.js"),
            ..Layout::new(&order.ticket.title, msg::pass_description(), &viewer)
        },
        order: OrderView::new(&order, &[]),
        // Nobody is let in to a show that does not take place.
        pass: match &notice {
            Some(ShowNotice::Cancelled { .. }) => EntryPass::NotIssued,
            _ => fetch_passes(&state, &client, &order).await,
        },
        notice,
    };
    // A page that lacks the code for now must not be kept in place of one with it.
    let is_incomplete = matches!(page.pass, EntryPass::Unavailable);
    let status = if is_incomplete { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(layout::respond(status, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;

    use super::*;
    use crate::domain::order_number::OrderNumber;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::domain::qr::Qr;
    use crate::i18n::testing::{assert_texts, in_german};
    use crate::pages::order::tests::passes;

    #[test]
    fn template_shows_what_the_door_needs() {
        let order = sample(OrderStatus::Completed);
        let code = Qr::encode("ticket 0").unwrap();
        let page = |order: &_, pass, notice| {
            let layout = Layout::new("Jazz", "About", &Viewer::Guest);
            PassPage { layout, order: OrderView::new(order, &[]), notice, pass }.render().unwrap()
        };
        let html = page(&order, passes(&[Some("14")]), None);
        for part in [
            "<h1>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;</h1>",
            "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT",
            "Town Hall, New York",
            "Section A, row 3, seat 14",
            &code.path,
            &format!("Order {}", OrderNumber::of(order.id)),
            &format!("href=\"/orders/{}\"", order.id),
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("tabindex=\"0\"") && !html.contains("1 of 1"), "{html}");
        let html = page(&pair(OrderStatus::Completed), passes(&[Some("12"), None]), None);
        for part in [
            "Seat 12</strong> <span class=\"quiet\">1 of 2",
            "Ticket</strong> <span class=\"quiet\">2 of 2",
            "tabindex=\"0\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("role=\"img\"").count(), 2);
        assert!(!html.contains("<nav") && !html.contains("<footer"), "it fills the screen: {html}");
        let html = page(&order, EntryPass::Unavailable, None);
        assert!(html.contains("The code can’t be shown right now") && !html.contains("role=\"img\""), "{html}");
        let html =
            page(&order, EntryPass::NotIssued, Some(ShowNotice::Cancelled { reason: "The singer is ill.".to_owned() }));
        assert!(html.contains("The show has been cancelled.</strong> The singer is ill."), "{html}");
        assert!(!html.contains("role=\"img\"") && !html.contains("The ticket is yours"), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let page = |pass| {
            let layout = Layout::new("Jazz", msg::pass_description(), &Viewer::Guest);
            let order = OrderView::new(&sample(OrderStatus::Completed), &[]);
            PassPage { layout, order, notice: None, pass }.render().unwrap()
        };
        let html = in_german(|| page(passes(&[Some("14")])) + &page(EntryPass::Unavailable));
        assert_texts(
            &html,
            &[
                "aria-label=\"QR-Code deines Tickets für Jazz",
                "Das ist dein Einlasscode.",
                "Der Code kann gerade nicht angezeigt werden. Dein Ticket ist sicher",
                "Zurück zur Bestellung",
                "<p>Bestellung TK-",
            ],
            ["Order ", "Your ", "code of", "This code", "The code", "Some venues", "Back to", "Full screen"],
        );
    }
}
