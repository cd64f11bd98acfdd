//! POST /tickets/{id}/watch and /unwatch: the commands that begin and end the watch of a listing.
//!
//! # Why
//! A watch needs an account. A guest's command is the path to go to after sign-in, as in
//! [`hold_intention`](super::hold_intention): `after_sign_in` then carries it out.

use axum::extract::{Path, State};
use axum::response::Response;
use common::error::Error;
use common::events::ticket::TicketState;
use common::id::TicketId;

use super::layout::{see_other, with_parameters};
use super::ticket::parse_id;
use crate::flows::await_version::get_or_await;
use crate::page_error::PageError;
use crate::state::AppState;
use crate::viewer::Viewer;

/// What becomes of the viewer's watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Watch,
    Unwatch,
}

/// Watch the ticket.
#[utoipa::path(post, path = "/tickets/{id}/watch", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Watched.")))]
pub(super) async fn watch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    carry_out(&state, &viewer, parse_id(&id)?, Command::Watch).await
}

/// Stop watching the ticket.
#[utoipa::path(post, path = "/tickets/{id}/unwatch", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 303, description = "Not watched.")))]
pub(super) async fn unwatch(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    carry_out(&state, &viewer, parse_id(&id)?, Command::Unwatch).await
}

/// Begins or ends the viewer's watch; a guest signs in first.
pub(super) async fn carry_out(
    state: &AppState,
    viewer: &Viewer,
    id: TicketId,
    command: Command,
) -> Result<Response, PageError> {
    let Some(user) = viewer.id() else {
        return Ok(see_other(&with_parameters("/signin", &[("next", &path(id, command))])));
    };
    match command {
        Command::Watch => {
            get_or_await::<TicketState>(state, id.as_uuid()).await?.ok_or(Error::NotFound)?;
            state.user_data.add_watch(user, id, state.clock.now()).await?;
        }
        Command::Unwatch => state.user_data.remove_watch(user, id).await?,
    }
    Ok(see_other(&format!("/tickets/{id}")))
}

fn path(id: TicketId, command: Command) -> String {
    match command {
        Command::Watch => format!("/tickets/{id}/watch"),
        Command::Unwatch => format!("/tickets/{id}/unwatch"),
    }
}

/// The command that a path stands for.
pub(super) fn parse(next: &str) -> Option<(TicketId, Command)> {
    let (id, command) = next.strip_prefix("/tickets/")?.split_once('/')?;
    let command = match command {
        "watch" => Command::Watch,
        "unwatch" => Command::Unwatch,
        _ => return None,
    };
    Some((id.parse().ok()?, command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_survives_the_way_through_the_forms() {
        let id = TicketId::new();
        for command in [Command::Watch, Command::Unwatch] {
            assert_eq!(parse(&path(id, command)), Some((id, command)));
        }
        for other in ["/", "/tickets/1/watch", &format!("/tickets/{id}"), &format!("/tickets/{id}/hold"), "//e/watch"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
