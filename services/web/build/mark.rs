//! Draws the shop's mark, a ticket on a tile, as PNG images: for what can't use `assets/icon.svg`, which has the same
//! measures.
//!
//! # Why
//! Home screens and link previews need bitmaps. Drawing them takes less code than reading an SVG, and no file of the
//! repository is binary.

use std::io::{self, Write as _};

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// The colours of the tile and of the ticket, as in `assets/icon.svg`.
const TILE: [u8; 3] = [0x93, 0x19, 0x5a];
const TICKET: [u8; 3] = [0xff, 0xfd, 0xf9];
/// Side of the tile in the mark's own units.
const SIDE: f64 = 32.0;
/// Half of the width and of the height of the ticket.
const HALF: (f64, f64) = (11.0, 6.5);
/// Radius of the notches in the ticket's left and right side.
const NOTCH: f64 = 3.0;
/// Distance of the perforation from the centre, and half of the side of its holes, which are as far apart as they are
/// wide.
const PERFORATION: (f64, f64) = (3.5, 0.75);
/// In the palette, the colour of a pixel that the tile covers and the ticket does not.
const OPAQUE: u8 = 127;

/// The shape of the tile.
pub(crate) enum Tile {
    /// With transparent corners of this radius.
    Rounded(f64),
    /// All of the image, for systems that cut it into a shape of their own.
    Full,
}

/// A PNG image of this many pixels, with the mark in its centre. `height` pixels are as many units as `units` says.
pub(crate) fn draw((width, height): (u32, u32), units: f64, tile: &Tile) -> io::Result<Vec<u8>> {
    let scale = units / f64::from(height);
    let mut rows: Vec<u8> = Vec::new();
    for row in 0..height {
        // No filter.
        rows.push(0);
        let y = (f64::from(row) + 0.5 - f64::from(height) / 2.0) * scale;
        for column in 0..width {
            let x = (f64::from(column) + 0.5 - f64::from(width) / 2.0) * scale;
            rows.push(color((x, y), scale, tile));
        }
    }
    png((width, height), &rows)
}

/// The colour of the pixel around a point, as an index of the palette.
fn color((x, y): (f64, f64), scale: f64, tile: &Tile) -> u8 {
    // Distances are negative inside of a shape.
    let outside_tile = match tile {
        Tile::Rounded(radius) => box_distance((x, y), (SIDE / 2.0 - radius, SIDE / 2.0 - radius)) - radius,
        Tile::Full => -SIDE,
    };
    let notch = NOTCH - (x.abs() - HALF.0).hypot(y);
    let (line, hole) = PERFORATION;
    // The nearest hole: their centres are at 0, and at every second width above and below.
    let along = y - (y / (4.0 * hole)).round() * 4.0 * hole;
    let hole = -box_distance((x - line, along), (hole, hole));
    let outside_ticket = box_distance((x, y), HALF).max(notch).max(hole);
    match share(outside_ticket, scale, 128) {
        0 => share(outside_tile, scale, OPAQUE),
        ticket => OPAQUE + ticket,
    }
}

/// The distance of a point from a box around the centre with these halves of its sides.
fn box_distance((x, y): (f64, f64), half: (f64, f64)) -> f64 {
    let (right, below) = (x.abs() - half.0, y.abs() - half.1);
    right.max(0.0).hypot(below.max(0.0)) + right.max(below).min(0.0)
}

/// How much of a pixel lies within a shape, in parts of `whole`: all of it if it is half a pixel or more from the edge.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and `whole`")]
fn share(distance: f64, scale: f64, whole: u8) -> u8 {
    ((0.5 - distance / scale).clamp(0.0, 1.0) * f64::from(whole)).round() as u8
}

/// A PNG image with a palette: first the tile from transparent to opaque, then from the tile's colour to the ticket's.
fn png((width, height): (u32, u32), rows: &[u8]) -> io::Result<Vec<u8>> {
    let mut header: Vec<u8> = Vec::new();
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    // Eight bits for a pixel, an index of the palette; the only compression and filter methods; not interlaced.
    header.extend([8, 3, 0, 0, 0]);
    let palette: Vec<_> = (0..=u8::MAX).flat_map(|index| mix(index.saturating_sub(OPAQUE))).collect();
    let opacity: Vec<_> = (0..=OPAQUE).map(|index| index * 2 + u8::from(index == OPAQUE)).collect();
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::best());
    pixels.write_all(rows)?;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, body) in
        [(b"IHDR", header), (b"PLTE", palette), (b"tRNS", opacity), (b"IDAT", pixels.finish()?), (b"IEND", Vec::new())]
    {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        file.extend(length.to_be_bytes());
        let mut checksum = Crc::new();
        for part in [kind.as_slice(), body.as_slice()] {
            checksum.update(part);
            file.extend(part);
        }
        file.extend(checksum.sum().to_be_bytes());
    }
    Ok(file)
}

/// The colour of a pixel of which the ticket covers this many of 128 parts.
fn mix(ticket: u8) -> [u8; 3] {
    let part = |from: u8, to: u8| {
        let sum = u32::from(from) * (128 - u32::from(ticket)) + u32::from(to) * u32::from(ticket);
        u8::try_from(sum / 128).unwrap_or(u8::MAX)
    };
    let ([red, green, blue], [to_red, to_green, to_blue]) = (TILE, TICKET);
    [part(red, to_red), part(green, to_green), part(blue, to_blue)]
}
