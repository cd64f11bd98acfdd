//! What a show has for sale. It is computed when it is read, and stored nowhere.

use common::aggregate::Versioned;
use common::events::show::ShowState;
use common::money::Money;

/// What a show has for sale.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Number of seats that are for sale.
    pub free: u64,
    /// The lowest price in each currency, that of the most seats first.
    pub from: Vec<Money>,
    /// Increases with each change of the show or of one of its listings: the time of the latest one, in milliseconds.
    pub revision: u64,
}

/// A show with what it has for sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShowOffer {
    pub show: Versioned<ShowState>,
    pub offer: Offer,
}
