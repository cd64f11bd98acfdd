//! What search engines are told: GET /robots.txt, GET /sitemap.xml, the index of the sitemaps, and GET
//! /sitemaps/{name}.
//!
//! # Why
//! Each month of shows has a sitemap of its own. So the index costs one look-up for each month, and no request reads
//! more than one month, however many shows there are.

use std::fmt::Write as _;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::timestamp::Timestamp;
use http::header;

use super::information::Page;
use crate::domain::show_view::show_path;
use crate::domain::sitemap::{self, Entry, Month};
use crate::state::AppState;
use crate::store::sitemap::{FRESH, listed_shows};

/// Maximum number of months with a sitemap.
const MAX_MONTHS: usize = 36;
/// Maximum number of shows in a sitemap; the protocol allows 50,000.
const MAX_SHOWS: i64 = 10_000;
/// The name of the sitemap of pages that are not about one show.
const PAGES: &str = "pages";
/// Paths of pages that are about one user or one purchase, and of searches, of which there is no end.
const PRIVATE: [&str; 11] = [
    "/api/",
    "/account",
    "/browse?",
    "/checkout",
    "/live",
    "/notifications",
    "/orders",
    "/sell",
    "/signin",
    "/signout",
    "/signup",
];

/// GET /robots.txt: crawlers may visit public pages only.
pub(super) async fn robots(State(state): State<AppState>) -> String {
    let mut text = "User-agent: *\n".to_owned();
    for path in PRIVATE {
        let _ = writeln!(text, "Disallow: {path}");
    }
    let _ = writeln!(text, "\nSitemap: {}/sitemap.xml", state.public_url);
    text
}

/// GET /sitemap.xml.
pub(super) async fn sitemap_index(State(state): State<AppState>) -> Result<Response, Error> {
    let now = state.clock.now();
    Ok(respond(&state.sitemaps.get_or_build("", now, build_index(&state, now)).await?))
}

/// GET /sitemaps/{name}.
pub(super) async fn sitemap(State(state): State<AppState>, Path(name): Path<String>) -> Result<Response, Error> {
    let name = name.strip_suffix(".xml").ok_or(Error::NotFound)?;
    if name == PAGES {
        let paths = ["/", "/browse"].into_iter().chain(Page::ALL.map(Page::path));
        let pages: Vec<_> = paths.map(|path| entry(&state, path, None)).collect();
        return Ok(respond(&sitemap::sitemap(&pages)));
    }
    let month: Month = name.parse().map_err(|_| Error::NotFound)?;
    let now = state.clock.now();
    Ok(respond(&state.sitemaps.get_or_build(name, now, build_month(&state, month, now)).await?))
}

async fn build_index(state: &AppState, now: Timestamp) -> Result<String, Error> {
    let model = state.model.live().await?;
    let mut entries = vec![entry(state, &format!("/sitemaps/{PAGES}.xml"), None)];
    let mut from = after(now);
    while entries.len() <= MAX_MONTHS {
        let Some(soonest) = listed_shows(&model, from, None, 1).await?.pop() else { break };
        let month = Month::of(soonest.starts_at);
        entries.push(entry(state, &format!("/sitemaps/{month}.xml"), None));
        from = month.end();
    }
    Ok(sitemap::index(&entries))
}

/// The sitemap of a month. One without shows does not exist, so that nobody fills the cache with empty ones.
async fn build_month(state: &AppState, month: Month, now: Timestamp) -> Result<String, Error> {
    let model = state.model.live().await?;
    let from = month.start().max(after(now));
    let shows = listed_shows(&model, from, Some(month.end()), MAX_SHOWS).await?;
    if shows.is_empty() {
        return Err(Error::NotFound);
    }
    let entries: Vec<_> = shows.iter().map(|show| entry(state, &show_path(show), Some(show.updated_at))).collect();
    Ok(sitemap::sitemap(&entries))
}

/// A show that starts now has begun.
fn after(now: Timestamp) -> Timestamp {
    now.plus(Duration::from_millis(1))
}

fn entry(state: &AppState, path: &str, changed_at: Option<Timestamp>) -> Entry {
    Entry { address: format!("{}{path}", state.public_url), changed_at }
}

fn respond(xml: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/xml; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, format!("public, max-age={}", FRESH.as_secs())),
    ];
    (headers, xml.to_owned()).into_response()
}
