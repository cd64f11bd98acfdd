//! A text as a QR code.
//!
//! # Why
//! Drawn here: the library's own drawing is a whole SVG file, with a prologue that has no place in a
//! page and one square for each module. One bar for each run of them is a third of that.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// The empty border without which readers don't find the code, in modules.
const QUIET: usize = 4;

/// A QR code to be drawn black on white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qr {
    /// Width and height with the empty border, in modules.
    pub side: usize,
    /// The black modules: the `d` of an SVG path.
    pub path: String,
}

impl Qr {
    /// The code of this text; none when it is too long for one. With the middle level of redundancy,
    /// which reads a folded paper, or a screen under glass.
    pub fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(code.width()).enumerate() {
            let mut column = QUIET;
            for run in modules.chunk_by(|one, next| one == next) {
                let length = run.len();
                if run.first() == Some(&Color::Dark) {
                    let _ = write!(path, "M{column} {}h{length}v1h-{length}z", row + QUIET);
                }
                column += length;
            }
        }
        Some(Self { side: code.width() + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_border_and_its_corners() {
        let code = Qr::of("ticket").unwrap();
        assert_eq!(code.side, 21 + 8);
        // The upper corners: squares of seven modules, with a white ring within.
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "{}", code.path);
        for part in ["M18 4h7v1h-7z", "M4 5h1v1h-1z", "M10 5h1v1h-1z", "M4 24h7v1h-7z"] {
            assert!(code.path.contains(part), "{part} is not in {}", code.path);
        }
        assert!(!code.path.contains("M3 ") && !code.path.contains(" 3h"), "{}", code.path);
    }

    #[test]
    fn what_orders_signs_fits_and_a_book_does_not() {
        assert!(Qr::of(&"x".repeat(2331)).is_some());
        assert_eq!(Qr::of(&"x".repeat(2332)), None);
    }
}
