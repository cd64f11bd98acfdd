//! The layout that all pages share, and the HTTP headers of a page.

use askama::Template;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::error::Error;
use common::id::OrderId;
use http::{HeaderValue, StatusCode, header};

use crate::assets;
use crate::domain::filter::with_query;
use crate::domain::open_hold::OpenHold;
use crate::i18n::msg;
use crate::viewer::Viewer;

/// Origins of the frames of Stripe's form, in addition to the script's origin.
const STRIPE_FRAMES: &str = "https://*.js.stripe.com";

/// The values of the base template.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub title: String,
    pub description: String,
    /// Canonical URL. A page without one is excluded from search engines.
    pub canonical: Option<String>,
    pub viewer: Option<Viewer>,
    /// Where the links to sign-in and sign-up lead afterwards; `None` for the page that they are on.
    pub next: Option<String>,
    /// The path of the page that the response to a form shows, so that neither Back nor a reload sends the form again;
    /// `None` if the page was requested by its own address.
    pub at: Option<String>,
    /// A message above the page's content.
    pub notice: Option<String>,
    /// Nonce of our inline scripts in this response.
    pub nonce: String,
    /// An additional script, such as `checkout.js`.
    pub script: Option<&'static str>,
    /// Origin of the card form's script, on the page with a card form.
    pub stripe_origin: Option<String>,
}

impl Layout {
    /// The layout for this viewer.
    pub(crate) fn new(title: impl Into<String>, description: impl Into<String>, viewer: &Viewer) -> Self {
        Self { viewer: Some(viewer.clone()), ..Self::anonymous(title, description) }
    }

    /// The layout for an unknown viewer.
    pub(crate) fn anonymous(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: description.into(),
            canonical: None,
            viewer: None,
            next: None,
            at: None,
            notice: None,
            nonce: BASE64_STANDARD.encode(rand::random::<[u8; 16]>()),
            script: None,
            stripe_origin: None,
        }
    }

    /// Has the links to sign-in and sign-up lead to this path afterwards.
    #[must_use]
    pub(crate) fn leading_to(self, next: &str) -> Self {
        Self { next: Some(next.to_owned()).filter(|next| next != "/"), ..self }
    }

    /// Names the path of the page, in the response to a form that was sent to another one, or that was rejected.
    #[must_use]
    pub(crate) fn at(self, path: impl Into<String>) -> Self {
        Self { at: Some(path.into()), ..self }
    }

    /// Whether the viewer is known to be a guest.
    pub(crate) fn is_guest(&self) -> bool {
        self.viewer == Some(Viewer::Guest)
    }

    /// The signed-in user's name and number of unread notifications.
    pub(crate) fn user(&self) -> Option<(String, usize)> {
        match self.viewer.as_ref()? {
            Viewer::Guest => None,
            Viewer::User { name, unread, .. } => Some((name.clone().unwrap_or_else(msg::layout_account), *unread)),
        }
    }

    /// The signed-in user's hold, for the bar below the navigation.
    pub(crate) fn hold(&self) -> Option<&OpenHold> {
        match self.viewer.as_ref()? {
            Viewer::Guest => None,
            Viewer::User { hold, .. } => hold.as_ref(),
        }
    }

    /// Omits the bar if it is about this order, whose own page shows the same.
    #[must_use]
    pub(crate) fn without_hold(mut self, order: OrderId) -> Self {
        if let Some(Viewer::User { hold, .. }) = &mut self.viewer
            && hold.as_ref().is_some_and(|hold| hold.order == order)
        {
            *hold = None;
        }
        self
    }

    /// The `Content-Security-Policy`: only our files and this response's inline scripts, no framing; and the origins
    /// that the card form needs, if there is one.
    fn policy(&self) -> String {
        let nonce = &self.nonce;
        let (scripts, frames, connections) = match self.stripe_origin.as_deref() {
            None => (String::new(), "'none'".to_owned(), String::new()),
            // The directives from Stripe's documentation.
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

/// URL of the picture beside a link to the page with this canonical URL. It is the shop's mark for every page: the
/// posters of shows are SVG, which previews don't show.
pub(crate) fn preview_image(canonical: &str) -> String {
    // A path begins at the third slash.
    let origin =
        canonical.match_indices('/').nth(2).map_or(canonical, |(end, _)| canonical.get(..end).unwrap_or(canonical));
    format!("{origin}{}", assets::path("preview.png"))
}

/// Renders a page. It must not be cached, because it depends on the viewer.
pub(crate) fn respond(status: StatusCode, layout: &Layout, page: &impl Template) -> Result<Response, Error> {
    let body = page.render().map_err(Error::internal)?;
    let policy = HeaderValue::from_str(&layout.policy()).map_err(Error::internal)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((status, headers, body).into_response())
}

/// A path with those of these parameters that are not blank.
pub(crate) fn with_parameters(path: &str, parameters: &[(&str, &str)]) -> String {
    let given: Vec<_> = parameters.iter().filter(|(_, value)| !value.is_empty()).collect();
    with_query(path, given)
}

/// Redirects to a page after a form was submitted.
pub(crate) fn see_other(path: &str) -> Response {
    let Ok(path) = HeaderValue::from_str(path) else { return Error::NotFound.into_response() };
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

pub(super) fn with_retry_after(mut response: Response, retry_after: Option<HeaderValue>) -> Response {
    if let Some(value) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use common::id::UserId;

    use super::*;

    #[test]
    fn bar_is_omitted_on_the_page_of_its_own_order() {
        let hold = OpenHold { order: OrderId::new(), title: "Jazz".to_owned(), left: 60, others: 0 };
        let order = hold.order;
        let viewer = Viewer::User { id: UserId::new(), name: None, unread: 0, hold: Some(hold) };
        let page = Layout::new("a", "b", &viewer);
        assert!(page.clone().without_hold(OrderId::new()).hold().is_some());
        assert_eq!(page.without_hold(order).hold(), None);
        assert_eq!(Layout::anonymous("a", "b").without_hold(order).hold(), None);
    }

    #[test]
    fn preview_image_is_on_the_origin_of_the_page() {
        let path = assets::path("preview.png");
        for page in
            ["https://tickets.example.com/", "https://tickets.example.com/shows/jazz-1", "https://tickets.example.com"]
        {
            assert_eq!(preview_image(page), format!("https://tickets.example.com{path}"));
        }
    }

    #[test]
    fn policy_allows_stripe_only_with_a_card_form() {
        let page = Layout::anonymous("a", "b");
        let policy = page.policy();
        assert!(policy.contains(&format!("script-src 'self' 'nonce-{}';", page.nonce)), "{policy}");
        assert!(!policy.contains("stripe") && !policy.contains("unsafe"), "{policy}");
        let policy = Layout { stripe_origin: Some(crate::config::STRIPE_JS.to_owned()), ..page.clone() }.policy();
        for part in [
            "https://js.stripe.com https://*.js.stripe.com;",
            "frame-src https://js.stripe.com https://*.js.stripe.com https://hooks.stripe.com;",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        let policy = Layout { stripe_origin: Some("http://127.0.0.1:9".to_owned()), ..page }.policy();
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:9;") && !policy.contains("stripe"), "{policy}");
        assert_ne!(Layout::anonymous("a", "b").nonce, Layout::anonymous("a", "b").nonce);
    }
}
