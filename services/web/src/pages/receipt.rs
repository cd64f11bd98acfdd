//! GET /orders/{id}/receipt: a printable receipt.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::events::order::OrderState;
use common::events::payment::{PaymentState, PaymentStatus};
use common::id::{OrderId, UserId};
use common::money::Money;
use http::StatusCode;

use super::layout::{self, Layout};
use super::order::load_completed_order;
use crate::domain::listing_view::unknown_user_name;
use crate::domain::moment::Moment;
use crate::domain::order_view::OrderView;
use crate::domain::show_notice::ShowNotice;
use crate::i18n::msg;
use crate::i18n::price::format_price;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    layout: Layout,
    order: OrderView,
    /// What differs from the terms of the order.
    notice: Option<ShowNotice>,
    buyer: String,
    seller: String,
    /// Always zero, and shown explicitly.
    fees: String,
    completed_at: Moment,
    charged_at: Moment,
}

impl ReceiptPage {
    fn new(viewer: &Viewer, order: &OrderState, payments: &[PaymentState], buyer: String, seller: String) -> Self {
        let captured = payments
            .iter()
            .find(|payment| Some(payment.id) == order.payment_id && payment.status == PaymentStatus::Captured);
        // The capture completes the order, so the order's time is used until the payment event arrives. A later refund
        // or dispute changes the payment's time, but must not change that of the charge.
        let charged = captured.map_or(order.updated_at, |payment| payment.updated_at.min(order.updated_at));
        let moment = |at| Moment::for_reader_or_in(at, &order.ticket.time_zone);
        Self {
            layout: Layout::new(msg::receipt_title(), msg::receipt_description(), viewer),
            order: OrderView::new(order, &[]),
            notice: None,
            buyer,
            seller,
            fees: format_price(&Money { amount: 0, ..order.price.clone() }),
            completed_at: moment(order.updated_at),
            charged_at: moment(charged),
        }
    }
}

/// Show the receipt.
#[utoipa::path(get, path = "/orders/{id}/receipt", tag = "pages", params(("id" = OrderId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn receipt(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let order = load_completed_order(&state, &viewer, &id).await?.state;
    let model = state.model.live().await?;
    let payments = lists::payments_of(&model.payments, order.id).await?;
    let seller = model.tickets.get(order.ticket.id).await?.map(|ticket| ticket.seller_id);
    let names = lists::display_names(&model.users, seller.into_iter().chain([order.buyer_id])).await?;
    let name = |id: UserId| names.get(&id).cloned();
    let (buyer, seller) = (name(order.buyer_id), seller.and_then(name));
    let [buyer, seller] = [buyer, seller].map(|name| name.unwrap_or_else(unknown_user_name));
    let show = lists::present_show(&model.shows, order.show_id).await?;
    let notice = show.and_then(|show| ShowNotice::of(&order, &show));
    let page = ReceiptPage { notice, ..ReceiptPage::new(&viewer, &order, &payments, buyer, seller) };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use common::events::order::OrderStatus;

    use super::*;
    use crate::domain::order_number::OrderNumber;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn several_seats_are_one_sum() {
        let (order, name) = (pair(OrderStatus::Completed), String::new);
        let html = ReceiptPage::new(&Viewer::Guest, &order, &[], name(), name()).render().unwrap();
        for part in [">2 tickets</th>", "2 × $125.50 = $251.00", "seats 12, 13", "was charged $251.00"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn template_shows_the_payment() {
        let order = sample(OrderStatus::Completed);
        let page = ReceiptPage::new(&Viewer::Guest, &order, &[], "Ana <i>".to_owned(), "Ben & Co".to_owned());
        let html = page.render().unwrap();
        for part in [
            "<h1>Receipt</h1>",
            OrderNumber::of(order.id).to_string().as_str(),
            "Ana &#60;i&#62;",
            "Ben &#38; Co",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Section A, row 3, seat 14",
            "$125.50",
            "$0.00",
            "Thu, Jan 1, 2026, 5:09\u{a0}AM\u{a0}EST",
            "no-print",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(
            html.matches(&order.id.to_string()).count(),
            1,
            "only the link back to the order has its id: {html}"
        );
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let order = pair(OrderStatus::Completed);
        let html = in_german(|| {
            let page = ReceiptPage::new(&Viewer::Guest, &order, &[], "Ana".to_owned(), "Ben".to_owned());
            page.render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Quittung</h1>",
                "<dt>Verkauft von</dt>",
                ">2 Tickets</th>",
                "2 × 125,50\u{a0}$ =\u{a0}251,00\u{a0}$",
                "<td class=\"text-end\">0,00\u{a0}$</td>",
                " mit 251,00\u{a0}$ belastet (",
            ],
            [
                "Receipt", "To print", "Order", "Date<", "Buyer", "Seller", "Where<", "When<", "you paid", "Fees<",
                "Total", "Your ", "Back to",
            ],
        );
    }
}
