//! Embeds the assets of the pages: named by a hash of their content, and compressed here once rather than at every
//! request.

#![allow(clippy::disallowed_methods, reason = "cargo passes settings to build scripts in environment variables")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fs};

use sha2::{Digest, Sha256};

/// Files installed by npm: name used by templates, path.
const INSTALLED: [(&str, &str); 2] = [
    ("bootstrap.css", "node_modules/bootstrap/dist/css/bootstrap.min.css"),
    ("htmx.js", "node_modules/htmx.org/dist/htmx.min.js"),
];

fn main() -> Result<(), Box<dyn error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut table = String::from("&[\n");
    for (name, path) in INSTALLED {
        let path = root.join(path);
        println!("cargo::rerun-if-changed={}", path.display());
        let missing =
            |_| format!("{} does not exist: run `npm ci` in services/web, as `cargo xtask` does", path.display());
        let text = fs::read_to_string(&path).map_err(missing)?;
        // Source maps are not served.
        let text = text.split("/*# sourceMappingURL").next().unwrap_or_default();
        embed(&mut table, &out, name, text.as_bytes())?;
    }
    let assets = root.join("assets");
    println!("cargo::rerun-if-changed={}", assets.display());
    let mut files: Vec<_> =
        fs::read_dir(&assets)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.extension().is_some_and(|extension| extension == "js") {
            embed(&mut table, &out, &name, without_comments(&fs::read_to_string(&file)?).as_bytes())?;
        } else {
            embed(&mut table, &out, &name, &fs::read(&file)?)?;
        }
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// A script without the lines that are comments only.
fn without_comments(script: &str) -> String {
    script.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect()
}

/// Writes the file and its compressed forms, and adds a line to the table.
fn embed(table: &mut String, out: &Path, name: &str, body: &[u8]) -> Result<(), Box<dyn error::Error>> {
    let mut brotli = Vec::new();
    let options = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut brotli, &options)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(body)?;
    for (suffix, body) in [("", body), (".br", &brotli), (".gz", &gzip.finish()?)] {
        fs::write(out.join(format!("{name}{suffix}")), body)?;
    }
    // The last 12 digits are enough to distinguish versions.
    let hash = format!("{:x}", Sha256::digest(body)).split_off(52);
    let file = |suffix| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}{suffix}\"))");
    let (plain, brotli, gzip) = (file(""), file(".br"), file(".gz"));
    writeln!(table, "Asset {{ name: \"{name}\", hash: \"{hash}\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},")?;
    Ok(())
}
