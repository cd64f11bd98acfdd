//! GET /offline: the page that browsers show without a network, with the passes that they keep; GET /sw.js: the service
//! worker that caches it.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{StatusCode, header};

use super::layout::{self, Layout};
use crate::assets;

#[derive(Template)]
#[template(path = "offline.html")]
struct OfflinePage {
    layout: Layout,
}

/// Show the offline page.
#[utoipa::path(get, path = "/offline", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn offline() -> Result<Response, Error> {
    let layout = Layout {
        script: Some("offline.js"),
        ..Layout::anonymous("You are offline", "There is no internet connection.")
    };
    let page = OfflinePage { layout };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// GET /sw.js: served at the root, so that its scope covers all pages.
pub(super) async fn service_worker() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        // A service worker has its own policy, which applies to what it fetches.
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
    ];
    // The paths make the worker differ between versions, so that a new version caches its own files.
    let body = format!("{}// {} {}\n", assets::text("worker.js"), assets::path("style.css"), assets::import_map());
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_says_what_to_do() {
        let html = OfflinePage { layout: Layout::anonymous("You are offline", "About") }.render().unwrap();
        assert!(html.contains("<h1>You are offline</h1>") && html.contains("Try again"), "{html}");
        // The script fills these lists. Without a pass they are not shown.
        for id in ["kept", "kept-past"] {
            assert!(html.contains(&format!("<section id=\"{id}\" hidden")), "{html}");
            assert!(html.contains(&format!("<h2 id=\"{id}-heading\">Passes")), "{html}");
        }
    }
}
