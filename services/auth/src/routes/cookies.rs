//! The access and refresh cookies, always set and cleared together.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::response::AppendHeaders;
use common::identity::{self, CookieNames};
use cookie::{Cookie, SameSite};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use crate::flows::open_session::Tokens;
use crate::state::AppState;

/// Extractor: names and lifetimes of the cookies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cookies {
    names: CookieNames,
    access: Duration,
    refresh: Duration,
}

type SetCookies = AppendHeaders<[(HeaderName, String); 2]>;

impl Cookies {
    pub(super) fn set(self, tokens: &Tokens) -> SetCookies {
        self.both((&tokens.access, self.access), (&tokens.refresh, self.refresh))
    }

    pub(super) fn clear(self) -> SetCookies {
        self.both(("", Duration::ZERO), ("", Duration::ZERO))
    }

    pub(super) fn refresh_token(self, headers: &HeaderMap) -> Option<&str> {
        identity::cookie(headers, self.names.refresh).filter(|token| !token.is_empty())
    }

    fn both(self, access: (&str, Duration), refresh: (&str, Duration)) -> SetCookies {
        let cookie = |name: &'static str, (value, age): (&str, Duration)| {
            let cookie = Cookie::build((name, value)).path("/").http_only(true).same_site(SameSite::Lax);
            let age = cookie::time::Duration::seconds(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
            cookie.secure(self.names.secure).max_age(age).to_string()
        };
        AppendHeaders([
            (header::SET_COOKIE, cookie(self.names.access, access)),
            (header::SET_COOKIE, cookie(self.names.refresh, refresh)),
        ])
    }
}

impl FromRequestParts<AppState> for Cookies {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, state: &AppState) -> Result<Self, Self::Rejection> {
        let (access, refresh) = (state.signer.lifetime, state.session_policy.idle_timeout);
        Ok(Self { names: state.verifier.cookie_names(), access, refresh })
    }
}
