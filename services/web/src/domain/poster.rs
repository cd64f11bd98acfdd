//! The poster of a show: an abstract picture, drawn as SVG from the show's id and category alone.
//!
//! # Why
//! A picture that follows from what is in its address needs no storage and no read, and may be cached for ever. No text
//! of a user is in it, so nothing has to be escaped or moderated.

use std::fmt::Write as _;
use std::sync::LazyLock;

use common::events::ticket::Category;
use common::id::ShowId;
use sha2::{Digest as _, Sha256};
use strum::VariantArray as _;
use uuid::Uuid;

/// Width and height of the picture in pixels. The width is a multiple of a tile's. Templates repeat both numbers, so that
/// the page reserves the room and nothing moves when the picture is loaded.
const WIDTH: i32 = 320;
const HEIGHT: i32 = 180;

/// Side of a tile.
const TILE: i32 = 40;
/// Length of the text form of an id.
const ID_LENGTH: usize = 36;
/// In addresses, the category of a show without one.
const NO_CATEGORY: &str = "any";
/// Maximum length of a category in an address.
const MAX_CATEGORY: usize = 20;
/// Number of pictures of each category that the version is computed from, so that every motif is among them.
const SAMPLES: u128 = 24;

/// A poster as its address names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Poster {
    pub show: ShowId,
    /// `None` also for a category that this release does not know.
    pub category: Option<Category>,
    /// Whether the address has the version that this release draws.
    pub is_current: bool,
}

/// URL path of the poster of a show.
pub(crate) fn poster_path(show: ShowId, category: Option<Category>) -> String {
    let category = category.as_ref().map_or(NO_CATEGORY, AsRef::as_ref);
    format!("/posters/{show}-{category}-{}.svg", *VERSION)
}

/// The poster that the last segment of such a path names; `None` if it is malformed.
pub(crate) fn parse(name: &str) -> Option<Poster> {
    let (id, rest) = name.strip_suffix(".svg")?.split_at_checked(ID_LENGTH)?;
    let (category, version) = rest.strip_prefix('-')?.split_once('-')?;
    let is_word = (1..=MAX_CATEGORY).contains(&category.len()) && category.bytes().all(|it| it.is_ascii_alphabetic());
    let is_version = version.len() == VERSION.len() && version.bytes().all(|it| it.is_ascii_hexdigit());
    let show: ShowId = id.parse().ok().filter(|_| is_word && is_version)?;
    // Each poster has one address.
    let is_canonical = show.to_string() == id;
    is_canonical.then(|| Poster { show, category: category.parse().ok(), is_current: version == *VERSION })
}

/// The picture. Equal arguments give equal bytes.
pub(crate) fn draw(show: ShowId, category: Option<Category>) -> String {
    let palette = Palette::of(category);
    let (high, low) = show.as_uuid().as_u64_pair();
    let mut dice = Dice(high ^ low);
    let [from, to] = palette.ground;
    let (x, y) = (dice.between(0, 100), dice.between(60, 100));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} \
         {HEIGHT}\"><defs><linearGradient id=\"g\" x2=\"{x}%\" y2=\"{y}%\"><stop stop-color=\"{from}\"/><stop \
         offset=\"1\" stop-color=\"{to}\"/></linearGradient></defs><path fill=\"url(#g)\" d=\"M0 0h{WIDTH}v{HEIGHT}H0z\
         \"/>"
    );
    match dice.between(0, 5) {
        0 => rings(&mut svg, &mut dice, palette),
        1 => bars(&mut svg, &mut dice, palette),
        2 => waves(&mut svg, &mut dice, palette),
        3 => tiles(&mut svg, &mut dice, palette),
        4 => rays(&mut svg, &mut dice, palette),
        _ => dots(&mut svg, &mut dice, palette),
    }
    svg.push_str("</svg>");
    svg
}

/// Changes with what is drawn, so that an address never stands for two pictures.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    let categories = Category::VARIANTS.iter().copied().map(Some).chain([None]);
    for category in categories {
        for sample in 0..SAMPLES {
            hash.update(draw(ShowId::from_uuid(Uuid::from_u128(sample)), category));
        }
    }
    let mut version = format!("{:x}", hash.finalize());
    version.truncate(8);
    version
});

#[derive(Debug, Clone, Copy)]
struct Palette {
    /// The colours between which the background fades.
    ground: [&'static str; 2],
    inks: [&'static str; 3],
}

impl Palette {
    const fn of(category: Option<Category>) -> Self {
        let (ground, inks) = match category {
            Some(Category::Concert) => (["#2b1055", "#7a2f8f"], ["#ff5fa2", "#ffb347", "#5ad1ff"]),
            Some(Category::Sport) => (["#0b3d2e", "#1f7a4d"], ["#f5f749", "#ff8c42", "#c6f7e2"]),
            Some(Category::Theatre) => (["#3d0c11", "#8c1c2c"], ["#f2c14e", "#f78154", "#f7e1d7"]),
            Some(Category::Comedy) => (["#f2a007", "#e8590c"], ["#fff3bf", "#3b1a5c", "#1864ab"]),
            Some(Category::Festival) => (["#0b4f6c", "#0a86a0"], ["#ffd166", "#ef476f", "#f8f9fa"]),
            Some(Category::Other) | None => (["#343a5e", "#5b2a86"], ["#d3b4f5", "#74d69d", "#f3c26b"]),
        };
        Self { ground, inks }
    }

    fn ink(self, dice: &mut Dice) -> &'static str {
        let [first, second, third] = self.inks;
        match dice.between(0, 2) {
            0 => first,
            1 => second,
            _ => third,
        }
    }
}

/// A pseudo-random sequence (`SplitMix64`), the same in every release.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: i32, high: i32) -> i32 {
        let count = u64::from(high.abs_diff(low)) + 1;
        low + i32::try_from(self.next() % count).unwrap_or_default()
    }
}

/// Circles around one point.
fn rings(svg: &mut String, dice: &mut Dice, palette: Palette) {
    let (x, y) = (dice.between(40, 280), dice.between(20, 160));
    let step = dice.between(26, 40);
    for ring in 1..=7 {
        let (width, ink) = (dice.between(4, 16), palette.ink(dice));
        let radius = ring * step;
        let _ = write!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"{width}\" \
             opacity=\".{}\"/>",
            dice.between(4, 9)
        );
    }
}

/// Upright bars of different heights, as on an equaliser.
fn bars(svg: &mut String, dice: &mut Dice, palette: Palette) {
    let width = dice.between(8, 14);
    for bar in 0..16 {
        let (height, ink) = (dice.between(20, 150), palette.ink(dice));
        let (x, y) = (bar * 20 + 3, HEIGHT - height);
        let _ = write!(svg, "<path fill=\"{ink}\" d=\"M{x} {y}h{width}v{height}h-{width}z\"/>");
    }
}

/// Waves from side to side, one in front of the other.
fn waves(svg: &mut String, dice: &mut Dice, palette: Palette) {
    for wave in 0..6 {
        let (height, half) = (dice.between(12, 34), dice.between(30, 60));
        let (x, y) = (-dice.between(0, 2 * half), 40 + wave * 26);
        let _ = write!(
            svg,
            "<path fill=\"{}\" opacity=\".{}\" d=\"M{x} {y}q{} -{height} {half} 0",
            palette.ink(dice),
            dice.between(4, 8),
            half / 2
        );
        // One half wave more than the width, since the first one begins outside.
        for _ in 0..(WIDTH / half + 3) {
            let _ = write!(svg, "t{half} 0");
        }
        let _ = write!(svg, "V{HEIGHT}H{x}z\"/>");
    }
}

/// Quarters of circles on a grid.
fn tiles(svg: &mut String, dice: &mut Dice, palette: Palette) {
    let mut paths = palette.inks.map(|ink| (ink, String::new()));
    for tile in 0..40 {
        let (x, y) = (tile % 8 * TILE, tile / 8 * TILE);
        let (right, bottom) = (x + TILE, y + TILE);
        let shape = match dice.between(0, 4) {
            0 => format!("M{x} {y}h40a40 40 0 0 1-40 40z"),
            1 => format!("M{right} {y}v40a40 40 0 0 1-40-40z"),
            2 => format!("M{right} {bottom}h-40a40 40 0 0 1 40-40z"),
            3 => format!("M{x} {bottom}v-40a40 40 0 0 1 40 40z"),
            _ => continue,
        };
        let chosen = usize::try_from(dice.between(0, 2)).unwrap_or_default();
        if let Some((_, path)) = paths.get_mut(chosen) {
            path.push_str(&shape);
        }
    }
    for (ink, path) in paths {
        let _ = write!(svg, "<path fill=\"{ink}\" d=\"{path}\"/>");
    }
}

/// Beams from one point at the upper edge.
fn rays(svg: &mut String, dice: &mut Dice, palette: Palette) {
    let (x, y) = (dice.between(60, 260), -dice.between(0, 30));
    let mut left = -200;
    while left < 500 {
        let width = dice.between(20, 60);
        let (ink, opacity) = (palette.ink(dice), dice.between(3, 8));
        let (right, floor) = (left + width, HEIGHT + 40);
        let _ = write!(svg, "<path fill=\"{ink}\" opacity=\".{opacity}\" d=\"M{x} {y}L{left} {floor}H{right}z\"/>");
        left = right + dice.between(20, 50);
    }
}

/// Scattered discs.
fn dots(svg: &mut String, dice: &mut Dice, palette: Palette) {
    for _ in 0..26 {
        let (x, y, radius) = (dice.between(0, WIDTH), dice.between(0, HEIGHT), dice.between(4, 24));
        let (ink, opacity) = (palette.ink(dice), dice.between(4, 9));
        let _ = write!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" fill=\"{ink}\" opacity=\".{opacity}\"/>");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn id(number: u128) -> ShowId {
        ShowId::from_uuid(Uuid::from_u128(number))
    }

    /// Asserts that the SVG is well-formed: elements are closed in the reverse order of their start, attributes are
    /// quoted, and there is no text between elements.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').unwrap();
            assert_eq!(text, "", "text in {svg}");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{svg}");
                continue;
            }
            let name = tag.split([' ', '/']).next().unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            let values: Vec<_> = tag.split('"').skip(1).step_by(2).collect();
            assert_eq!(tag.matches("=\"").count(), values.len(), "{tag}");
            assert!(values.iter().all(|value| !value.is_empty() && !value.contains('&')), "{tag}");
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert!(open.is_empty() && svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
    }

    #[test]
    fn posters_are_small_well_formed_and_differ_by_show_and_category() {
        let mut seen = BTreeSet::new();
        for category in Category::VARIANTS.iter().copied().map(Some) {
            for number in 0..200 {
                let svg = draw(id(number), category);
                assert_well_formed(&svg);
                assert!((600..=2_048).contains(&svg.len()), "{} bytes: {svg}", svg.len());
                for active in ["<script", "<style", "<text", "href", " on", "style="] {
                    assert!(!svg.contains(active), "{active} in {svg}");
                }
                assert_eq!(draw(id(number), category), svg);
                assert!(seen.insert(svg), "{number} in {category:?}");
            }
        }
        assert_eq!(draw(id(1), None), draw(id(1), Some(Category::Other)), "the default palette");
    }

    #[test]
    fn every_motif_is_among_the_samples_of_the_version() {
        let mut seen = BTreeSet::new();
        for number in 0..SAMPLES {
            let mut dice = Dice(u64::try_from(number).unwrap());
            // The direction of the background comes first.
            dice.next();
            dice.next();
            seen.insert(dice.between(0, 5));
        }
        assert_eq!(seen, (0..=5).collect());
    }

    #[test]
    fn address_names_show_category_and_version() {
        let show = ShowId::new();
        for category in Category::VARIANTS.iter().copied().map(Some).chain([None]) {
            let path = poster_path(show, category);
            let name = path.strip_prefix("/posters/").unwrap();
            assert_eq!(parse(name), Some(Poster { show, category, is_current: true }), "{name}");
        }
        let version = VERSION.as_str();
        let other = if version.starts_with('0') { "1" } else { "0" }.to_owned() + &version[1..];
        let unknown = Some(Poster { show, category: None, is_current: true });
        assert_eq!(parse(&format!("{show}-opera-{version}.svg")), unknown, "a later release may know it");
        assert_eq!(parse(&format!("{show}-sport-{other}.svg")).map(|it| it.is_current), Some(false));
        let upper = show.to_string().to_uppercase();
        for malformed in [
            String::new(),
            ".svg".to_owned(),
            format!("{show}.svg"),
            format!("{show}-sport-{version}"),
            format!("{show}-sport-{version}.png"),
            format!("{show}--{version}.svg"),
            format!("{show}-sp<ort-{version}.svg"),
            format!("{show}-{}-{version}.svg", "a".repeat(21)),
            format!("{show}-sport-{version}0.svg"),
            format!("{show}-sport-zzzzzzzz.svg"),
            format!("{upper}-sport-{version}.svg"),
            format!("x{show}-sport-{version}.svg"),
            format!("é{show}.svg"),
        ] {
            assert_eq!(parse(&malformed), None, "{malformed}");
        }
    }
}
