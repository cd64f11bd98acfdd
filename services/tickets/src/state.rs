//! State shared by all handlers; cheap to clone.

use std::sync::Arc;

use axum::extract::FromRef;
use common::api::tickets::{Listing, ListingRules};
use common::clock::SharedClock;
use common::events::order::OrderState;
use common::id::TicketId;
use common::identity::Verifier;
use platform::context::Context;
use platform::store::Store;
use platform::store::claims::Claims;
use platform::store::replica::Replica;

use crate::config::Config;
use crate::domain::price::PriceCap;
use crate::domain::show::Show;
use crate::domain::ticket::Ticket;
use crate::store::HiddenSeller;
use crate::store::same_seats::DuplicateSeats;
use crate::store::show_names::ShowNames;
use crate::store::shows::Offers;

#[derive(Clone, FromRef)]
pub(crate) struct AppState {
    pub(crate) tickets: Store<Ticket>,
    pub(crate) shows: Store<Show>,
    pub(crate) show_names: ShowNames,
    pub(crate) offers: Offers,
    pub(crate) duplicate_seats: DuplicateSeats,
    pub(crate) hidden: HiddenSeller,
    pub(crate) claims: Claims<TicketId, Listing>,
    pub(crate) orders: Replica<OrderState>,
    pub(crate) verifier: Verifier,
    pub(crate) clock: SharedClock,
    pub(crate) rules: ListingRules,
    pub(crate) price_caps: Arc<[PriceCap]>,
}

impl AppState {
    pub(crate) fn new(config: Config, context: &Context) -> anyhow::Result<Self> {
        let hidden = HiddenSeller(config.smoke_test_seller);
        Ok(Self {
            tickets: context.store(),
            shows: context.store(),
            show_names: ShowNames::new(&context.database),
            offers: Offers::new(&context.database, hidden),
            duplicate_seats: DuplicateSeats::new(&context.database, hidden),
            hidden,
            claims: context.claims(),
            orders: context.replica(),
            verifier: context.verifier(&config.keys)?,
            clock: Arc::clone(&context.clock),
            rules: ListingRules { clock: Arc::clone(&context.clock), currencies: config.currencies.into() },
            price_caps: config.price_caps.into(),
        })
    }
}

impl AsRef<ListingRules> for AppState {
    fn as_ref(&self) -> &ListingRules {
        &self.rules
    }
}
