//! The show aggregate and its transitions.

use common::aggregate::Aggregate;
use common::cities::{self, folded_city};
use common::day::{Day, local_time};
use common::error::{Error, Rejection};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::Category;
use common::id::ShowId;
use common::text::folded;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::search_tokens::search_tokens;

/// What a show is called, and where and when it takes place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShowDetails {
    /// Name of the show.
    pub title: String,
    /// The venue.
    pub venue: String,
    /// City of the venue.
    pub city: Option<String>,
    /// Country of the venue, as an ISO 3166-1 code of two letters.
    pub country: Option<String>,
    /// When the show starts.
    pub starts_at: Timestamp,
    /// When the show ends.
    pub ends_at: Option<Timestamp>,
    /// IANA time zone of the venue.
    pub time_zone: String,
    /// The kind of show.
    pub category: Option<Category>,
}

impl ShowDetails {
    /// Takes country and time zone from the table of cities, if it has the city.
    #[must_use]
    pub(crate) fn located(self) -> Self {
        match self.city.as_deref().and_then(|city| cities::find(city, &self.time_zone)) {
            Some(city) => Self { country: Some(city.country.to_owned()), time_zone: city.time_zone.to_owned(), ..self },
            None => self,
        }
    }

    /// The name by which listings find the show: its folded title, venue and city, and its local start. So all
    /// spellings have the same name. In a known city, the start is in the time zone of the city, whatever time zone the
    /// staff gave the show, because sellers need not give one. The name of a known city includes its country, because
    /// several cities may have the same name. No text of a user contains the separator.
    pub(crate) fn name(&self) -> String {
        let (city, time_zone) = match self.city.as_deref().map(|city| (city, cities::find(city, &self.time_zone))) {
            Some((_, Some(known))) => (format!("{} {}", folded(known.name), known.country), known.time_zone),
            Some((city, None)) => (folded(city), self.time_zone.as_str()),
            None => (String::new(), self.time_zone.as_str()),
        };
        let start = local_time(self.starts_at, time_zone);
        [folded(&self.title), folded(&self.venue), city, start].join("\n")
    }

    /// Whether both shows have the same venue, city, start and time zone, apart from their spelling.
    pub(crate) fn is_same_occasion(&self, other: &Self) -> bool {
        let occasion = |show: &Self| (folded(&show.venue), show.folded_city(), show.starts_at, show.time_zone.clone());
        occasion(self) == occasion(other)
    }

    fn folded_city(&self) -> String {
        self.city.as_deref().map(|city| folded_city(city, &self.time_zone)).unwrap_or_default()
    }
}

/// Status of a show, with the data specific to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Status {
    /// Takes place as first announced.
    Scheduled,
    /// Takes place at another time or place.
    Moved,
    /// Does not take place; never changes again.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// A show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Show {
    /// The id.
    pub id: ShowId,
    pub(crate) details: ShowDetails,
    pub(crate) status: Status,
    /// The show that this one was merged into; never changes once it is set.
    pub(crate) merged_into: Option<ShowId>,
    /// Search tokens of title, venue and city.
    pub(crate) words: Vec<String>,
    /// The city's folded name, for queries.
    pub(crate) folded_city: String,
    /// The venue's day on which the show starts, for queries.
    pub(crate) day: Day,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// Why a transition is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ShowError {
    #[error("the show is cancelled")]
    Cancelled,
    #[error("the show is merged into another one")]
    Merged,
}

impl From<ShowError> for Error {
    fn from(error: ShowError) -> Self {
        let (code, detail) = match error {
            ShowError::Cancelled => ("show-cancelled", "This show has been cancelled."),
            ShowError::Merged => {
                ("show-merged", "This show was merged into another one. Use the show that `mergedInto` names.")
            }
        };
        Self::Conflict(Rejection::new(code, detail))
    }
}

/// The next state and the change, or why the transition is not allowed.
pub(crate) type Transition = Result<(Show, ShowChange), ShowError>;

impl Show {
    /// Makes a show.
    pub(crate) fn create(id: ShowId, details: ShowDetails, now: Timestamp) -> (Self, ShowChange) {
        let show = Self {
            id,
            words: words(&details),
            folded_city: details.folded_city(),
            day: Day::at(details.starts_at, &details.time_zone),
            details,
            status: Status::Scheduled,
            merged_into: None,
            created_at: now,
            updated_at: now,
        };
        (show, ShowChange::Created)
    }

    /// Replaces the details. The show is moved if its venue, city, start or time zone changes, apart from their
    /// spelling.
    pub(crate) fn revise(self, details: ShowDetails, now: Timestamp) -> Transition {
        self.ensure_live()?;
        let is_moved = !self.details.is_same_occasion(&details);
        let (status, change) =
            if is_moved { (Status::Moved, ShowChange::Moved) } else { (self.status.clone(), ShowChange::Updated) };
        let (revised, _) = Self::create(self.id, details, self.created_at);
        Ok((Self { status, updated_at: now, ..revised }, change))
    }

    /// Ends the show because it is the same as another one, to which its tickets belong from now on.
    pub(crate) fn merge(self, into: ShowId, now: Timestamp) -> Transition {
        self.ensure_live()?;
        Ok((Self { merged_into: Some(into), updated_at: now, ..self }, ShowChange::Merged))
    }

    /// Records that another show is about to be merged into this one. If that one was moved, this one counts as moved
    /// too: some tickets of the other show are for its earlier time or place.
    ///
    /// # Why
    /// Two merges in opposite directions would leave no show. Each changes both shows by compare-and-swap, this one
    /// first, so that one of them fails.
    pub(crate) fn absorb(self, other: &Self, now: Timestamp) -> Transition {
        self.ensure_live()?;
        let (status, change) = match (&self.status, &other.status) {
            (Status::Scheduled, Status::Moved) => (Status::Moved, ShowChange::Moved),
            (status, _) => (status.clone(), ShowChange::Updated),
        };
        Ok((Self { status, updated_at: now, ..self }, change))
    }

    /// Cancels the show.
    pub(crate) fn cancel(self, reason: String, now: Timestamp) -> Transition {
        self.ensure_live()?;
        Ok((Self { status: Status::Cancelled { reason }, updated_at: now, ..self }, ShowChange::Cancelled))
    }

    pub(crate) fn ensure_live(&self) -> Result<(), ShowError> {
        if self.merged_into.is_some() {
            Err(ShowError::Merged)
        } else if self.is_cancelled() {
            Err(ShowError::Cancelled)
        } else {
            Ok(())
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self.status, Status::Cancelled { .. })
    }

    /// The status as events and the API name it.
    pub(crate) fn status_name(&self) -> ShowStatus {
        match self.status {
            Status::Scheduled => ShowStatus::Scheduled,
            Status::Moved => ShowStatus::Moved,
            Status::Cancelled { .. } => ShowStatus::Cancelled,
        }
    }

    /// Why the show is cancelled.
    pub(crate) fn cancel_reason(&self) -> Option<&str> {
        match &self.status {
            Status::Cancelled { reason } => Some(reason),
            Status::Scheduled | Status::Moved => None,
        }
    }
}

fn words(details: &ShowDetails) -> Vec<String> {
    search_tokens([details.title.as_str(), details.venue.as_str(), details.city.as_deref().unwrap_or_default()])
}

impl Aggregate for Show {
    type Payload = ShowState;
    const COLLECTION: &'static str = "shows";
    const CHANGEABLE_STATUSES: &'static [&'static str] = &["scheduled", "moved"];

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> ShowState {
        let details = self.details.clone();
        ShowState {
            id: self.id,
            title: details.title,
            venue: details.venue,
            city: details.city,
            country: details.country,
            starts_at: details.starts_at,
            ends_at: details.ends_at,
            time_zone: details.time_zone,
            category: details.category,
            status: self.status_name(),
            cancel_reason: self.cancel_reason().map(ToOwned::to_owned),
            merged_into: self.merged_into,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn present_change(&self) -> ShowChange {
        match self.status {
            _ if self.merged_into.is_some() => ShowChange::Merged,
            Status::Scheduled => ShowChange::Updated,
            Status::Moved => ShowChange::Moved,
            Status::Cancelled { .. } => ShowChange::Cancelled,
        }
    }

    /// `None` if the payload lacks what its status requires.
    fn from_payload(payload: ShowState) -> Option<Self> {
        let status = match payload.status {
            ShowStatus::Scheduled => Status::Scheduled,
            ShowStatus::Moved => Status::Moved,
            ShowStatus::Cancelled => Status::Cancelled { reason: payload.cancel_reason? },
        };
        let details = ShowDetails {
            title: payload.title,
            venue: payload.venue,
            city: payload.city,
            country: payload.country,
            starts_at: payload.starts_at,
            ends_at: payload.ends_at,
            time_zone: payload.time_zone,
            category: payload.category,
        };
        let (show, _) = Self::create(payload.id, details, payload.created_at);
        Some(Self { status, merged_into: payload.merged_into, updated_at: payload.updated_at, ..show })
    }

    fn is_changed_since(&self, replicated: &Self) -> bool {
        self.ensure_live().is_err() || self.updated_at > replicated.updated_at
    }

    /// Always true, so each state is announced once. A change of a show spreads to its listings in response to its
    /// event. The announcement repeats this for a listing that was stored meanwhile, if the request that stored it
    /// crashed before the listing followed the show.
    fn is_settled(&self) -> bool {
        true
    }
}
