//! Why a command on a listing is not allowed.

use common::error::{Error, Rejection};
use common::problem::Params;

/// Why a transition is not allowed in the listing's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TicketError {
    #[error("no seat is free")]
    Reserved,
    #[error("seats are held")]
    PartlyReserved,
    #[error("all seats are sold")]
    Sold,
    #[error("seats are sold")]
    PartlySold,
    #[error("the listing is withdrawn")]
    Withdrawn,
    #[error("the seats are not free")]
    NotFree,
    #[error("no seat is held for the order")]
    NotReserved,
    #[error("the show is cancelled")]
    ShowCancelled,
}

impl From<TicketError> for Error {
    fn from(error: TicketError) -> Self {
        let (code, detail) = match error {
            TicketError::Reserved => (
                "ticket-reserved",
                "Buyers are holding all the remaining tickets. You can change the listing if one is released.",
            ),
            TicketError::PartlyReserved => (
                "ticket-reserved",
                "While a buyer is holding tickets from this listing, you can change only its price, face value, \
                 category and description.",
            ),
            TicketError::Sold => ("ticket-sold", "This listing has sold and can't be changed."),
            TicketError::PartlySold => (
                "ticket-sold",
                "Some tickets from this listing are sold. You can change only its price, face value, category and description.",
            ),
            TicketError::Withdrawn => {
                ("ticket-withdrawn", "This listing was withdrawn. Create a new listing to sell the ticket.")
            }
            TicketError::NotFree => ("ticket-held", "Another order holds a seat that the order needs."),
            TicketError::NotReserved => ("ticket-not-held", "The ticket is not held for this order."),
            TicketError::ShowCancelled => ("show-cancelled", "This show has been cancelled."),
        };
        let rejection = Rejection::new(code, detail);
        Self::Conflict(match error {
            TicketError::PartlyReserved | TicketError::PartlySold => {
                rejection.with_params(Params::default().with("part", "some"))
            }
            _ => rejection,
        })
    }
}
