//! QR codes as SVG paths.
//!
//! # Why
//! The library's own renderer is not used: it writes a whole SVG file, with a prologue that does not belong in a page
//! and one square for each module. One bar for each run of dark modules takes a third of the bytes. Nor is its choice
//! of encodings used: for some texts it takes more room than bytes alone, so that a pass would not fit its size.

use std::fmt::Write as _;

use qrcode::bits::Bits;
use qrcode::{Color, EcLevel, QrCode, Version};

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
        let code = (1..=40).find_map(|version| encode_bytes(text, Version::Normal(version)))?;
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

/// Encodes a text as bytes; `None` if it does not fit a code of this version, which is its size.
fn encode_bytes(text: &str, version: Version) -> Option<QrCode> {
    let mut bits = Bits::new(version);
    bits.push_byte_data(text.as_bytes()).ok()?;
    bits.push_terminator(EcLevel::M).ok()?;
    QrCode::with_bits(bits, EcLevel::M).ok()
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
        // The longest pass, with digits and capital letters, for which the library would choose other encodings.
        let pass: String = "0123aB_-CDEFG45678h".chars().cycle().take(287).collect();
        assert_eq!(Qr::encode(&pass).map(|code| code.side), Some(65 + 8));
    }
}
