//! QR codes as SVG paths.
//!
//! # Why
//! The library's own renderer is not used: it writes a whole SVG file, with a prologue that does not belong in a page
//! and one square for each module. One bar for each run of dark modules takes a third of the bytes.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Width in modules of the empty border that readers need to find the code.
const QUIET_ZONE: usize = 4;

/// A QR code, to be drawn black on white.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Qr {
    /// Width and height in modules, including the empty border.
    pub side: usize,
    /// The dark modules: the `d` attribute of an SVG path.
    pub path: String,
}

impl Qr {
    /// Encodes a text; `None` if it is too long. Error-correction level M tolerates folded paper and glare.
    pub(crate) fn encode(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(code.width()).enumerate() {
            let mut column = QUIET_ZONE;
            for run in modules.chunk_by(|one, next| one == next) {
                let length = run.len();
                if run.first() == Some(&Color::Dark) {
                    let _ = write!(path, "M{column} {}h{length}v1h-{length}z", row + QUIET_ZONE);
                }
                column += length;
            }
        }
        Some(Self { side: code.width() + 2 * QUIET_ZONE, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_has_a_quiet_zone_and_corner_patterns() {
        let code = Qr::encode("ticket").unwrap();
        assert_eq!(code.side, 21 + 8);
        // The upper corners: squares of seven modules, with a white ring within.
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "{}", code.path);
        for part in ["M18 4h7v1h-7z", "M4 5h1v1h-1z", "M10 5h1v1h-1z", "M4 24h7v1h-7z"] {
            assert!(code.path.contains(part), "{part} is not in {}", code.path);
        }
        assert!(!code.path.contains("M3 ") && !code.path.contains(" 3h"), "{}", code.path);
    }

    #[test]
    fn longest_text_of_level_m_fits_and_a_longer_one_does_not() {
        assert!(Qr::encode(&"x".repeat(2331)).is_some());
        assert_eq!(Qr::encode(&"x".repeat(2332)), None);
    }
}
