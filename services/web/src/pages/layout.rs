//! What every page has around it: head, header, footer, and the HTTP headers of a page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{StatusCode, header};

use crate::assets;
use crate::viewer::Viewer;

/// Nothing but our own files, nothing inline, no frame around us.
const CSP: &str = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What the templates' base shows.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The title, without the shop's name.
    pub title: String,
    /// What a search engine shows below the title.
    pub description: String,
    /// The one address of this page; a page without one is not for search engines.
    pub canonical: Option<String>,
    /// Who looks, in words; empty when it is not known.
    pub account: String,
    /// The style sheet's path.
    pub style: String,
    /// The icon's path.
    pub icon: String,
}

impl Layout {
    /// A page with this title, seen by this viewer.
    pub fn new(title: impl Into<String>, description: impl Into<String>, viewer: &Viewer) -> Self {
        let account = match viewer {
            Viewer::Guest => "Not signed in".to_owned(),
            Viewer::User { name: Some(name), .. } => format!("Signed in as {name}"),
            Viewer::User { name: None, .. } => "Signed in".to_owned(),
        };
        Self { account, ..Self::nobodys(title, description) }
    }

    /// A page of which it is not known who sees it.
    pub fn nobodys(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: description.into(),
            canonical: None,
            account: String::new(),
            style: assets::style(),
            icon: assets::icon(),
        }
    }

    /// The page as a search engine may know it, at this address.
    #[must_use]
    pub fn at(mut self, canonical: String) -> Self {
        self.canonical = Some(canonical);
        self
    }
}

/// A rendered page. None is stored by anyone on the way: who is signed in is on all of them.
pub fn respond(status: StatusCode, page: &impl Template) -> Result<Response, Error> {
    let body = page.render().map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CSP),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((status, headers, body).into_response())
}
