//! How each row is measured.

mod creating;
mod floor;
pub(crate) mod footprint;
mod pages;
mod paying;
mod reaching;
mod reading;
pub(crate) mod scale;
mod searching;
mod signing_in;
mod watching;

use anyhow::Result;

use self::scale::Scale;
use crate::figures::{Figures, Row};
use crate::shop::Shop;

/// Measures a row.
pub(crate) async fn measure(row: Row, shop: &Shop, scale: &Scale, figures: &mut Figures) -> Result<()> {
    match row {
        Row::Footprint => footprint::before_load(shop, scale, figures).await,
        Row::OneTicket => reading::one_ticket(shop, scale, figures).await,
        Row::FirstPage => reading::first_page(shop, scale, figures).await,
        Row::Pages => pages::pages(shop, scale, figures).await,
        Row::Search => searching::among_few(shop, scale, figures).await,
        Row::SearchGrown => searching::among_many(shop, scale, figures).await,
        Row::OpenPages => watching::open_pages(shop, scale, figures).await,
        Row::CreateTicket => creating::tickets(shop, scale, figures).await,
        Row::CreateOrder => creating::orders(shop, scale, figures).await,
        Row::CreateOrderGrown => creating::orders_grown(shop, scale, figures).await,
        Row::Pay => paying::pay(shop, scale, figures).await,
        Row::Reserved => reaching::reserved(shop, scale, figures).await,
        Row::Sold => reaching::sold(shop, scale, figures).await,
        Row::SignUp => signing_in::sign_up(shop, scale, figures).await,
        Row::SignIn => signing_in::sign_in(shop, scale, figures).await,
        Row::FloorFind => floor::find(shop, scale, figures).await,
        Row::FloorInsert => floor::insert(shop, scale, figures).await,
        Row::FloorPublish => floor::publish(shop, scale, figures).await,
        Row::FloorHash => floor::hash(shop, scale, figures).await,
    }
}
