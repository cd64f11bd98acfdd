//! The admin routes that only `auth` has: they give, take and list the roles of the staff.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use common::api::admin::{GIVE_ROLE, ROLES, RoleChange, Staff, StaffMember, TAKE_ROLE};
use common::error::Error;
use common::events::user::UserChange;
use common::identity::Role;
use common::timestamp::Timestamp;
use platform::http::extract::Body;
use platform::store::error::StoreError;

use crate::domain::email::EmailKey;
use crate::domain::user::User;
use crate::state::AppState;
use crate::store;

/// The admin routes: GET /roles, POST /roles/give and POST /roles/take.
pub(crate) fn routes(state: AppState) -> Router {
    Router::new().route(ROLES, get(list)).route(GIVE_ROLE, post(give)).route(TAKE_ROLE, post(take)).with_state(state)
}

async fn list(State(state): State<AppState>) -> Result<Json<Staff>, Error> {
    let found = store::find_staff(&state.users).await?;
    Ok(Json(Staff { members: found.iter().map(|user| member(user)).collect() }))
}

async fn give(State(state): State<AppState>, Body(request): Body<RoleChange>) -> Result<Json<StaffMember>, Error> {
    Ok(Json(change(&state, &request, User::give_role).await?))
}

/// Takes the role, then ends the user's sessions: a session that is opened or refreshed after that lacks the role. A
/// repeat ends the sessions again, because the first request may have failed in between.
async fn take(State(state): State<AppState>, Body(request): Body<RoleChange>) -> Result<Json<StaffMember>, Error> {
    let member = change(&state, &request, User::take_role).await?;
    state.sessions.end_all(member.id).await?;
    Ok(Json(member))
}

/// Changes the roles of the user with this address, unless `decide` finds nothing to change.
///
/// # Errors
/// Not found if no user has this address.
async fn change(
    state: &AppState,
    request: &RoleChange,
    decide: impl Fn(User, Role, Timestamp) -> Option<(User, UserChange)>,
) -> Result<StaffMember, Error> {
    let found = store::find_user(&state.users, &EmailKey::of(&request.email)).await?.ok_or(Error::NotFound)?;
    loop {
        // Linearizable: no compare-and-swap confirms that there is nothing to change.
        let user = state.users.get_linearizable(found.id).await?.ok_or(Error::NotFound)?;
        let Some((next, change)) = decide(user.state.clone(), request.role, state.clock.now()) else {
            return Ok(member(&user));
        };
        match state.users.save(&user, next, change).await {
            Ok(changed) => {
                tracing::info!(user.id = %changed.id, roles = ?changed.roles, "the roles of a user have changed");
                return Ok(member(&changed));
            }
            Err(StoreError::VersionConflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn member(user: &User) -> StaffMember {
    StaffMember {
        id: user.id,
        email: user.email.address.clone(),
        display_name: user.display_name.clone(),
        roles: user.roles.clone(),
    }
}
