//! What a seller has just done. The redirect after the form names it in its query, and the next page shows a notice.

use common::id::TicketId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::i18n::msg;

/// What a seller has just done with a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    /// The seller has listed it.
    Listed,
    /// The seller has changed it.
    Changed,
    /// The seller has withdrawn it.
    Withdrawn,
}

impl Done {
    /// The path of the page that says so about the listing.
    pub(super) fn path(self, id: TicketId) -> String {
        match self {
            Self::Listed => format!("/tickets/{id}?done=listed"),
            Self::Changed => format!("/tickets/{id}?done=changed"),
            Self::Withdrawn => "/selling?done=withdrawn".to_owned(),
        }
    }

    pub(super) fn notice(self) -> String {
        match self {
            Self::Listed => msg::selling_done_listed(),
            Self::Changed => msg::selling_done_changed(),
            Self::Withdrawn => msg::selling_done_withdrawn(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::testing::in_german;

    #[test]
    fn each_deed_has_a_page_and_a_notice() {
        let id = TicketId::new();
        for (done, name, english, german) in [
            (Done::Listed, "listed", "Your listing is live.", "Dein Angebot ist online."),
            (Done::Changed, "changed", "Your changes are live.", "Deine Änderungen sind online."),
            (
                Done::Withdrawn,
                "withdrawn",
                "Withdrawn. Nobody can buy it any more.",
                "Zurückgezogen. Es ist nicht mehr zu haben.",
            ),
        ] {
            let path = done.path(id);
            let (_, query) = path.split_once('?').unwrap();
            let read: Vec<(String, Done)> = serde_urlencoded::from_str(query).unwrap();
            assert_eq!(read, [("done".to_owned(), done)], "{name}");
            assert_eq!((done.notice().as_str(), in_german(|| done.notice()).as_str()), (english, german));
        }
    }
}
