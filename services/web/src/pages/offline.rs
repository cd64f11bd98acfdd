//! GET /offline, the page that a browser keeps for when there is no network, and GET /sw.js, which has
//! it do so.

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

layout::page!(OfflinePage);

/// What is shown when there is no network.
#[utoipa::path(get, path = "/offline", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn offline() -> Result<Response, Error> {
    let layout = Layout::nobodys("You are offline", "There is no connection.");
    layout::respond(StatusCode::OK, &OfflinePage { layout })
}

/// GET /sw.js: at the root, since it is to see every page.
pub(super) async fn worker() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        // A worker has a policy of its own, which what it fetches has to pass.
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
    ];
    // Another release has other files, and so another worker, which fetches them.
    let body = format!("{}// {} {}\n", assets::text("worker.js"), assets::path("style.css"), assets::import_map());
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_says_what_to_do() {
        let html = OfflinePage { layout: Layout::nobodys("You are offline", "About") }.render().unwrap();
        assert!(html.contains("<h1>You are offline</h1>") && html.contains("Try again"), "{html}");
    }
}
