//! Style sheets, scripts and icons, under names that change with their content, so that browsers keep
//! them. The build script puts them into the program, compressed.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{HeaderMap, header};

/// A file that is part of the program.
struct Asset {
    /// As templates call it, such as `style.css`.
    name: &'static str,
    /// Of the content.
    hash: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

impl Asset {
    fn path(&self) -> String {
        let (stem, extension) = self.split();
        format!("/assets/{stem}-{}.{extension}", self.hash)
    }

    /// The hash in a file name, if the name is one of this asset in some release.
    fn hash_in<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (stem, extension) = self.split();
        name.strip_prefix(stem)?.strip_prefix('-')?.strip_suffix(extension)?.strip_suffix('.')
    }

    fn split(&self) -> (&'static str, &'static str) {
        self.name.rsplit_once('.').unwrap_or((self.name, ""))
    }

    fn kind(&self) -> &'static str {
        match self.split().1 {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            "webmanifest" => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

/// The path of the file with this name; the name itself leads to nothing.
pub fn path(name: &str) -> String {
    ASSETS.iter().find(|asset| asset.name == name).map_or_else(|| format!("/assets/{name}"), Asset::path)
}

/// The text of the file with this name; empty when there is none.
pub fn text(name: &str) -> &'static str {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    asset.and_then(|asset| std::str::from_utf8(asset.plain).ok()).unwrap_or_default()
}

/// Which file is meant when one of our scripts imports another: `shop/live` is `live.js`.
pub fn import_map() -> &'static str {
    static MAP: LazyLock<String> = LazyLock::new(|| {
        let mut map = String::from(r#"{"imports":{"#);
        let scripts = ASSETS.iter().filter(|asset| asset.split().1 == "js" && asset.name != "htmx.js");
        for (index, script) in scripts.enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _ = write!(map, r#"{comma}"shop/{}":"{}""#, script.split().0, script.path());
        }
        map.push_str("}}");
        map
    });
    &MAP
}

/// GET /assets/{name}.
pub(crate) async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let found = ASSETS.iter().find_map(|asset| Some((asset, asset.hash_in(&name)?)));
    let (asset, hash) = found.ok_or(Error::NotFound)?;
    // While a release is rolled out, a page of the other one may ask here: its style sheet is
    // better than none, but not to be kept under that name.
    let keep = if hash == asset.hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common =
        [(header::CONTENT_TYPE, asset.kind()), (header::CACHE_CONTROL, keep), (header::VARY, "accept-encoding")];
    let encodings: Vec<_> = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|it| it.to_str().ok()).collect();
    let takes = |encoding: &str| {
        let mut each = encodings.iter().flat_map(|value| value.split(','));
        each.any(|one| one.split(';').next().is_some_and(|name| name.trim() == encoding) && !one.contains("q=0"))
    };
    let (encoding, body) = match () {
        () if takes("br") => ("br", asset.brotli),
        () if takes("gzip") => ("gzip", asset.gzip),
        () => return Ok((common, asset.plain).into_response()),
    };
    Ok((common, [(header::CONTENT_ENCODING, encoding)], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_to_its_file_alone() {
        for asset in ASSETS {
            let path = path(asset.name);
            let file = path.strip_prefix("/assets/").unwrap();
            let found: Vec<_> = ASSETS.iter().filter(|other| other.hash_in(file).is_some()).collect();
            assert_eq!(found.len(), 1, "{file}");
            assert_eq!(found[0].name, asset.name);
            assert_ne!(asset.kind(), "application/octet-stream", "{file}");
        }
    }

    #[test]
    fn our_own_scripts_are_small_and_every_import_is_mapped() {
        let own: Vec<_> = ASSETS.iter().filter(|a| a.split().1 == "js" && a.name != "htmx.js").collect();
        assert!(own.iter().map(|script| script.plain.len()).sum::<usize>() < 15_000);
        for script in own {
            let text = std::str::from_utf8(script.plain).unwrap();
            for import in text.split("from 'shop/").skip(1) {
                let name = import.split('\'').next().unwrap();
                assert!(import_map().contains(&format!("\"shop/{name}\"")), "{name} in {}", script.name);
            }
        }
    }
}
