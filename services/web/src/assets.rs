//! Style sheet and icon, under names that change with their content, so that browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::header;
use sha2::{Digest, Sha256};

/// A file that is part of the program.
struct Asset {
    stem: &'static str,
    extension: &'static str,
    kind: &'static str,
    body: &'static str,
    /// Of the content; the first twelve digits are enough to tell two releases apart.
    hash: String,
}

impl Asset {
    fn new(stem: &'static str, extension: &'static str, kind: &'static str, body: &'static str) -> Self {
        let hash = hex::encode(Sha256::digest(body)).chars().take(12).collect();
        Self { stem, extension, kind, body, hash }
    }

    /// Where it is found.
    fn path(&self) -> String {
        format!("/assets/{}-{}.{}", self.stem, self.hash, self.extension)
    }

    /// The hash in a file name, if the name is one of this asset in some release.
    fn hash_in<'a>(&self, name: &'a str) -> Option<&'a str> {
        name.strip_prefix(self.stem)?.strip_prefix('-')?.strip_suffix(self.extension)?.strip_suffix('.')
    }
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("style", "css", "text/css; charset=utf-8", include_str!("../assets/style.css")));
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg")));

/// The style sheet's path.
pub fn style() -> String {
    STYLE.path()
}

/// The icon's path.
pub fn icon() -> String {
    ICON.path()
}

/// GET /assets/{name}.
pub(crate) async fn serve(Path(name): Path<String>) -> Result<Response, Error> {
    for asset in [&*STYLE, &*ICON] {
        let Some(hash) = asset.hash_in(&name) else { continue };
        // While a release is rolled out, a page of the other one may ask here: its style sheet is
        // better than none, but not to be kept under that name.
        let keep = if hash == asset.hash { "public, max-age=31536000, immutable" } else { "no-cache" };
        return Ok(([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, keep)], asset.body).into_response());
    }
    Err(Error::NotFound)
}
