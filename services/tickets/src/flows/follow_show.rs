//! Makes one listing follow its show.

use common::aggregate::Versioned;
use common::error::Error;
use common::id::TicketId;
use platform::reconcile::{Current, Progress, Reconcile, advance, until_unchanged};

use super::join_show::surviving_show;
use super::reconcile_ticket::reconcile_ticket;
use crate::domain::follow;
use crate::domain::show::Show;
use crate::domain::ticket::Ticket;
use crate::state::AppState;

/// Makes transitions until the listing agrees with its show, then reconciles it with its orders. `current` and `seen`
/// are the listing and its surviving show, if the caller has just read them in this order.
pub(crate) async fn follow_show(
    state: &AppState,
    id: TicketId,
    current: Current<Ticket>,
    seen: Option<Versioned<Show>>,
) -> Result<(), Error> {
    let version_before = match &current {
        Current::Read(Some(ticket)) => Some(ticket.version),
        Current::Read(None) | Current::Unread => None,
    };
    let Some(ticket) = until_unchanged(&FollowShow { state, id }, current, seen).await? else { return Ok(()) };
    if version_before != Some(ticket.version) {
        reconcile_ticket(state, id, Current::from(ticket), None).await?;
    }
    Ok(())
}

struct FollowShow<'a> {
    state: &'a AppState,
    id: TicketId,
}

impl Reconcile for FollowShow<'_> {
    type Aggregate = Ticket;
    type Seen = Option<Versioned<Show>>;
    type Replicas = Option<Versioned<Show>>;

    async fn load_aggregate(&self) -> Result<Option<Versioned<Ticket>>, Error> {
        Ok(self.state.tickets.get(self.id).await?)
    }

    async fn load_replicas(
        &self,
        ticket: Option<&Versioned<Ticket>>,
        seen: Self::Seen,
    ) -> Result<Self::Replicas, Error> {
        match (ticket, seen) {
            (None, _) => Ok(None),
            (Some(_), Some(seen)) => Ok(Some(seen)),
            (Some(ticket), None) => surviving_show(self.state, ticket.show.id).await,
        }
    }

    async fn step(&self, ticket: Option<&Versioned<Ticket>>, show: &Self::Replicas) -> Result<Progress<Ticket>, Error> {
        let (Some(ticket), Some(show)) = (ticket, show) else { return Ok(Progress::Unchanged) };
        match follow::next_transition(ticket, show, self.state.clock.now()) {
            Some(transition) => advance(&self.state.tickets, ticket, transition).await,
            None => Ok(Progress::Unchanged),
        }
    }
}
