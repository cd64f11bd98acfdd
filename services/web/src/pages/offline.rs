//! GET /offline: the page that browsers show without a network, with the passes that they keep; GET /sw.js: the service
//! worker that caches it.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{StatusCode, header};

use super::layout::{self, Layout};
use crate::assets;
use crate::i18n::{msg, reader};

#[derive(Template)]
#[template(path = "offline.html")]
struct OfflinePage {
    layout: Layout,
}

/// Show the offline page.
#[utoipa::path(get, path = "/offline", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn offline() -> Result<Response, Error> {
    let layout =
        Layout { script: Some("offline.js"), ..Layout::anonymous(msg::offline_title(), msg::offline_description()) };
    let page = OfflinePage { layout };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// GET /sw.js: served at the root, so that its scope covers all pages.
pub(super) async fn service_worker() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-language"),
        // A service worker has its own policy, which applies to what it fetches.
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
    ];
    // The paths make the worker differ between versions, so that a new version caches its own files. The language does
    // so for the offline page, which would stay in the language in which it was cached.
    let (language, style, scripts) = (reader::language().tag(), assets::path("style.css"), assets::import_map());
    let body = format!("{}// {language} {style} {scripts}\n", assets::text("worker.js"));
    (headers, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::reader::{Locale, Reader};
    use crate::i18n::testing::{assert_texts, in_german};

    #[tokio::test]
    async fn worker_of_another_language_caches_the_offline_page_anew() {
        let worker = async |locale: Locale| {
            let response = Reader { locale, ..Reader::default() }.scope_future(service_worker()).await;
            axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap()
        };
        assert_ne!(worker(Locale::De).await, worker(Locale::EnUs).await);
        assert_eq!(worker(Locale::EnGb).await, worker(Locale::EnUs).await);
    }

    #[test]
    fn template_says_what_to_do() {
        let render = || OfflinePage { layout: Layout::anonymous(msg::offline_title(), "") }.render().unwrap();
        let html = render();
        assert!(html.contains("<h1>You are offline</h1>") && html.contains("Try again"), "{html}");
        // Who is at the door looks for the passes first.
        assert!(html.find("id=\"kept\"") < html.find("<h1>"), "{html}");
        // The script fills these lists. Without a pass they are not shown.
        for id in ["kept", "kept-past"] {
            assert!(html.contains(&format!("<section id=\"{id}\" hidden")), "{html}");
            assert!(html.contains(&format!("<h2 id=\"{id}-heading\">Passes")), "{html}");
        }
        let html = in_german(render);
        let german = ["<h1>Du bist offline</h1>", "Noch einmal versuchen</a>", ">Einlasscodes vergangener"];
        assert_texts(&html, &german, ["You ", "Passes", "Try again"]);
    }
}
