//! PUT /api/users/me: a user changes how they are called.

use axum::Json;
use axum::extract::State as Shared;
use axum::response::IntoResponse;
use common::error::Error;
use common::identity::CurrentUser;
use common::validate::Check;
use platform::http::extract::Body;
use platform::http::versions::{IfMatch, etag};
use platform::store::error::StoreError;
use serde::Deserialize;
use utoipa::ToSchema;

use super::view::UserView;
use crate::domain::user::LONGEST_NAME;
use crate::state::State;

/// What a user may change.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Me {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    display_name: String,
}

/// Change how I am called.
#[utoipa::path(put, path = "/api/users/me", tag = "users", request_body = Me,
    params(("If-Match" = Option<String>, Header, description = "ETag that must still hold.")),
    responses((status = 200, body = UserView, description = "The user as they now are.")))]
pub(super) async fn update_me(
    Shared(state): Shared<State>,
    user: CurrentUser,
    when: IfMatch,
    Body(body): Body<Me>,
) -> Result<impl IntoResponse, Error> {
    let mut check = Check::default();
    let name = check.text("displayName", &body.display_name, 1..=LONGEST_NAME);
    check.finish()?;
    loop {
        // A token may outlive the account.
        let current = state.users.get_certain(user.id).await?.ok_or_else(Error::signed_out)?;
        when.check(current.version)?;
        let (next, change) = current.state.clone().rename(name.clone(), state.clock.now());
        match state.users.save(&current, next, change).await {
            Ok(user) => return Ok((etag(user.version), Json(UserView::from(&user.state)))),
            Err(StoreError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
