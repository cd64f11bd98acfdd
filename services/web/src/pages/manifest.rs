//! GET /manifest.webmanifest: name, icons and colours of the shop on a home screen.

use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;

use crate::assets;
use crate::i18n::{msg, reader};

#[derive(Serialize)]
struct Manifest {
    id: &'static str,
    name: &'static str,
    short_name: &'static str,
    description: String,
    lang: &'static str,
    start_url: &'static str,
    scope: &'static str,
    display: &'static str,
    theme_color: &'static str,
    background_color: &'static str,
    icons: [Icon; 4],
}

#[derive(Serialize)]
struct Icon {
    src: String,
    sizes: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    purpose: &'static str,
}

/// GET /manifest.webmanifest.
pub(super) async fn manifest() -> Response {
    let manifest = Manifest {
        id: "/",
        name: "Ticketing",
        short_name: "Ticketing",
        description: msg::layout_description(),
        lang: reader::language().tag(),
        start_url: "/",
        scope: "/",
        // With the browser's own Back, which some pages rely on.
        display: "minimal-ui",
        // The same as in base.html and in style.css.
        theme_color: "#fffdf9",
        background_color: "#faf6ef",
        icons: [
            icon("icon.svg", "any", "image/svg+xml", "any"),
            icon("icon-192.png", "192x192", "image/png", "any"),
            icon("icon-512.png", "512x512", "image/png", "any"),
            icon("icon-maskable.png", "512x512", "image/png", "maskable"),
        ],
    };
    let headers = [
        (header::CONTENT_TYPE, "application/manifest+json"),
        // It names the icons of this version.
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::VARY, "accept-language"),
    ];
    (headers, serde_json::to_string(&manifest).unwrap_or_default()).into_response()
}

fn icon(name: &str, sizes: &'static str, kind: &'static str, purpose: &'static str) -> Icon {
    Icon { src: assets::path(name), sizes, kind, purpose }
}
