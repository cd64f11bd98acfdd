//! What every page has around it: head, header, footer, and the HTTP headers of a page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::error::Error;
use http::{HeaderValue, StatusCode, header};

use crate::assets;
use crate::viewer::Viewer;

/// Where the frames of Stripe's form come from, beside the script's own origin.
const STRIPE_FRAMES: &str = "https://*.js.stripe.com";

/// What the templates' base shows.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The title, without the shop's name.
    pub title: String,
    /// What a search engine shows below the title.
    pub description: String,
    /// The one address of this page; a page without one is not for search engines.
    pub canonical: Option<String>,
    /// Who looks; unknown on the pages of errors.
    pub viewer: Option<Viewer>,
    /// What goes before the page's own content: that something was done, or is yet to appear.
    pub notice: Option<String>,
    /// Names the inline scripts of this response that are ours.
    pub nonce: String,
    /// Which of our scripts the page needs beside the ones of every page: `shop/checkout`.
    pub script: Option<&'static str>,
    /// Where the card form comes from, on the page that has one.
    pub stripe: Option<String>,
}

impl Layout {
    /// A page with this title, seen by this viewer.
    pub fn new(title: impl Into<String>, description: impl Into<String>, viewer: &Viewer) -> Self {
        Self { viewer: Some(viewer.clone()), ..Self::nobodys(title, description) }
    }

    /// A page of which it is not known who sees it.
    pub fn nobodys(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: description.into(),
            canonical: None,
            viewer: None,
            notice: None,
            nonce: BASE64_STANDARD.encode(rand::random::<[u8; 16]>()),
            script: None,
            stripe: None,
        }
    }

    /// The page as a search engine may know it, at this address.
    #[must_use]
    pub fn at(mut self, canonical: String) -> Self {
        self.canonical = Some(canonical);
        self
    }

    /// The page with a notice above it.
    #[must_use]
    pub fn saying(mut self, notice: Option<String>) -> Self {
        self.notice = notice;
        self
    }

    /// The page with one more of our scripts.
    #[must_use]
    pub fn running(mut self, script: &'static str) -> Self {
        self.script = Some(script);
        self
    }

    /// The page with a card form, whose script comes from this origin.
    #[must_use]
    pub fn with_cards(mut self, origin: &str) -> Self {
        self.stripe = Some(origin.to_owned());
        self
    }

    /// Whether it is known that nobody is signed in.
    pub fn is_guest(&self) -> bool {
        self.viewer == Some(Viewer::Guest)
    }

    /// The signed-in user: how they are called, and how many notifications they have not seen.
    pub fn user(&self) -> Option<(&str, usize)> {
        match self.viewer.as_ref()? {
            Viewer::Guest => None,
            Viewer::User { name, unread, .. } => Some((name.as_deref().unwrap_or("Account"), *unread)),
        }
    }

    /// Where a file of ours is.
    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }

    /// Which file an import of our scripts means.
    pub fn import_map(&self) -> &'static str {
        assets::import_map()
    }

    /// Nothing but our own files and inline scripts of this response, and no frame around us; on a
    /// page with a card form also what that needs.
    fn policy(&self) -> String {
        let nonce = &self.nonce;
        let (scripts, frames, connections) = match self.stripe.as_deref() {
            None => (String::new(), "'none'".to_owned(), String::new()),
            // As Stripe's documentation asks for.
            Some(crate::config::STRIPE_JS) => (
                format!(" {} {STRIPE_FRAMES}", crate::config::STRIPE_JS),
                format!("{} {STRIPE_FRAMES} https://hooks.stripe.com", crate::config::STRIPE_JS),
                " https://api.stripe.com".to_owned(),
            ),
            Some(origin) => (format!(" {origin}"), origin.to_owned(), format!(" {origin}")),
        };
        format!(
            "default-src 'self'; script-src 'self' 'nonce-{nonce}'{scripts}; frame-src {frames}; \
             connect-src 'self'{connections}; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'"
        )
    }
}

/// A template with a layout.
pub trait Page: Template {
    /// The layout.
    fn layout(&self) -> &Layout;
}

/// A rendered page. None is stored by anyone on the way: who is signed in is on all of them.
pub fn respond(status: StatusCode, page: &impl Page) -> Result<Response, Error> {
    let body = page.render().map_err(Error::internal)?;
    let policy = HeaderValue::from_str(&page.layout().policy()).map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((status, headers, body).into_response())
}

/// Says where a page's layout is.
macro_rules! page {
    ($($page:ty),+) => {
        $(impl $crate::pages::layout::Page for $page {
            fn layout(&self) -> &$crate::pages::layout::Layout {
                &self.layout
            }
        })+
    };
}
pub(super) use page;

/// On to another page, after a form was taken.
pub fn see_other(path: &str) -> Response {
    let Ok(path) = HeaderValue::from_str(path) else { return Error::NotFound.into_response() };
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_with_a_card_form_lets_the_card_network_in() {
        let page = Layout::nobodys("a", "b");
        let policy = page.policy();
        assert!(policy.contains(&format!("script-src 'self' 'nonce-{}';", page.nonce)), "{policy}");
        assert!(!policy.contains("stripe") && !policy.contains("unsafe"), "{policy}");
        let policy = page.clone().with_cards(crate::config::STRIPE_JS).policy();
        for part in [
            "https://js.stripe.com https://*.js.stripe.com;",
            "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com;",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        let policy = page.with_cards("http://127.0.0.1:9").policy();
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:9;") && !policy.contains("stripe"), "{policy}");
        assert_ne!(Layout::nobodys("a", "b").nonce, Layout::nobodys("a", "b").nonce);
    }
}
