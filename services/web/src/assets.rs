//! The style sheet, fonts, scripts and icons, embedded and compressed by the build script. Their paths contain a hash of
//! the content, so browsers may cache them forever.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{HeaderMap, header};

struct Asset {
    /// Name used by templates, such as `style.css`.
    name: &'static str,
    hash: &'static str,
    plain: &'static [u8],
    /// `None` for a format that is compressed already.
    compressed: Option<Compressed>,
}

struct Compressed {
    brotli: &'static [u8],
    gzip: &'static [u8],
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

impl Asset {
    fn path(&self) -> String {
        let (stem, extension) = self.split();
        format!("/assets/{stem}-{}.{extension}", self.hash)
    }

    /// The hash in a file name that belongs to any version of this asset.
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
            "png" => "image/png",
            "woff2" => "font/woff2",
            "webmanifest" => "application/manifest+json",
            _ => "application/octet-stream",
        }
    }
}

/// The path of the asset with this name; a path that is not served if there is none.
pub(crate) fn path(name: &str) -> String {
    ASSETS.iter().find(|asset| asset.name == name).map_or_else(|| format!("/assets/{name}"), Asset::path)
}

/// The text of the asset with this name; empty if there is none.
pub(crate) fn text(name: &str) -> &'static str {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    asset.and_then(|asset| std::str::from_utf8(asset.plain).ok()).unwrap_or_default()
}

/// The import map of our scripts: `shop/live` is `live.js`.
pub(crate) fn import_map() -> &'static str {
    static MAP: LazyLock<String> = LazyLock::new(|| {
        let mut map = String::from(r#"{"imports":{"#);
        // The import map omits htmx, a classic script, which no module imports.
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
    // During a rollout a page of another version may request its own hash. This version's file is better than none, but
    // must not be cached under that path.
    let cache_control = if hash == asset.hash { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::CONTENT_TYPE, asset.kind()),
        (header::CACHE_CONTROL, cache_control),
        (header::VARY, "accept-encoding"),
    ];
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    Ok(match (Coding::best(accepted), &asset.compressed) {
        (Coding::Brotli, Some(Compressed { brotli, .. })) => {
            (common, [(header::CONTENT_ENCODING, "br")], *brotli).into_response()
        }
        (Coding::Gzip, Some(Compressed { gzip, .. })) => {
            (common, [(header::CONTENT_ENCODING, "gzip")], *gzip).into_response()
        }
        (Coding::Identity, _) | (_, None) => (common, asset.plain).into_response(),
    })
}

/// The content codings of assets, the smallest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// The coding that the client prefers, the smallest of equal ones; RFC 9110, section 12.5.3.
    fn best<'a>(accepted: impl Iterator<Item = &'a str>) -> Self {
        let (mut listed, mut others) = (Vec::new(), None);
        for (name, quality) in accepted.flat_map(|value| value.split(',')).filter_map(parse_coding) {
            match name.to_ascii_lowercase().as_str() {
                "br" => listed.push((Self::Brotli, quality)),
                "gzip" | "x-gzip" => listed.push((Self::Gzip, quality)),
                "identity" => listed.push((Self::Identity, quality)),
                "*" => others = Some(quality),
                _ => {}
            }
        }
        let quality = |coding| {
            let quality = listed.iter().find(|(name, _)| *name == coding).map(|(_, quality)| *quality);
            // An unlisted coding is unacceptable, except identity as a fallback.
            quality.or(others).unwrap_or(0)
        };
        let candidates = [Self::Brotli, Self::Gzip, Self::Identity].map(|coding| (quality(coding), coding));
        let best = candidates.into_iter().max().filter(|(quality, _)| *quality > 0);
        best.map_or(Self::Identity, |(_, coding)| coding)
    }
}

/// The name and the quality in thousandths of an element such as `br;q=0.8`; `None` if it is malformed.
fn parse_coding(element: &str) -> Option<(&str, u16)> {
    let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
    let quality = match parameters.trim() {
        "" => 1000,
        parameter => {
            let (key, value) = parameter.split_once('=')?;
            let (whole, part) = value.split_once('.').unwrap_or((value, ""));
            let is_quality = key.eq_ignore_ascii_case("q") && part.len() <= 3 && matches!(whole, "0" | "1");
            let digits = is_quality.then(|| format!("{whole}{part:0<3}"))?;
            digits.parse().ok().filter(|quality| *quality <= 1000)?
        }
    };
    Some((name.trim(), quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_asset_path_resolves_to_one_asset() {
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
    fn style_sheet_refers_to_assets_that_exist() {
        let style = text("style.css");
        let referred: Vec<_> = style.split("/assets/").skip(1).map(|rest| rest.split(')').next().unwrap()).collect();
        assert_eq!(referred.len(), 2, "{style}");
        for name in referred {
            let current = ASSETS.iter().any(|asset| asset.path() == format!("/assets/{name}"));
            assert!(current, "{name} is not the path of an asset");
        }
        assert!(!style.contains("/*") && style.contains("--accent:"), "{style}");
    }

    #[test]
    fn the_font_is_small_and_images_have_the_size_that_their_names_say() {
        let body = |name: &str| ASSETS.iter().find(|asset| asset.name == name).unwrap().plain;
        assert!(body("figtree-latin.woff2").len() + body("figtree-extended.woff2").len() < 35_000);
        let images = [
            ("icon-180.png", (180_u32, 180_u32)),
            ("icon-192.png", (192, 192)),
            ("icon-512.png", (512, 512)),
            ("icon-maskable.png", (512, 512)),
            ("preview.png", (1200, 630)),
        ];
        for (name, (width, height)) in images {
            let png = body(name);
            assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xae\x42\x60\x82"), "{name}");
            assert_eq!(png[16..24], [width.to_be_bytes(), height.to_be_bytes()].concat(), "{name}");
            assert!(png.len() < 20_000, "{name} has {} bytes", png.len());
        }
    }

    #[test]
    fn best_coding_is_the_most_preferred_then_the_smallest() {
        use Coding::{Brotli, Gzip, Identity};
        for (accepted, expected) in [
            (&[][..], Identity),
            (&[""][..], Identity),
            (&["gzip, deflate, br, zstd"][..], Brotli),
            (&["gzip, deflate"][..], Gzip),
            (&["gzip", "br"][..], Brotli),
            (&["br;q=0.9, gzip;q=0.8"][..], Brotli),
            (&["br;q=0.8, gzip;q=0.9"][..], Gzip),
            (&["br;q=0.001"][..], Brotli),
            (&["br;q=0, gzip"][..], Gzip),
            (&["br;q=0.0, gzip;q=0.000"][..], Identity),
            (&["BR ; Q=1.000"][..], Brotli),
            (&["x-gzip"][..], Gzip),
            (&["*"][..], Brotli),
            (&["*;q=0.5, br;q=0"][..], Gzip),
            (&["gzip, *;q=0"][..], Gzip),
            (&["identity, br;q=0.5"][..], Identity),
            (&["identity;q=0.5, gzip;q=0.5"][..], Gzip),
            (&["identity;q=0"][..], Identity),
            (&["br;q=2, gzip"][..], Gzip),
            (&["br;q=0.1234, gzip"][..], Gzip),
            (&["br;q=, gzip;q=x, deflate"][..], Identity),
            (&["brotli, gzipped"][..], Identity),
        ] {
            assert_eq!(Coding::best(accepted.iter().copied()), expected, "{accepted:?}");
        }
    }

    #[test]
    fn own_scripts_are_small_and_their_imports_are_mapped() {
        let scripts: Vec<_> = ASSETS.iter().filter(|a| a.split().1 == "js" && a.name != "htmx.js").collect();
        assert!(scripts.iter().map(|script| script.plain.len()).sum::<usize>() < 20_000);
        for script in scripts {
            let text = std::str::from_utf8(script.plain).unwrap();
            for import in text.split("from 'shop/").skip(1) {
                let name = import.split('\'').next().unwrap();
                assert!(import_map().contains(&format!("\"shop/{name}\"")), "{name} in {}", script.name);
            }
        }
    }
}
