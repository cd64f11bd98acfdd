//! Puts the files that browsers load into the program: named by their content, and compressed once
//! here rather than at every request.

#![allow(clippy::disallowed_methods, reason = "cargo tells a build script by environment variables")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, error, fmt, fs};

use sha2::{Digest, Sha256};

/// What npm installs for us, by the name that templates use.
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
        let text = fs::read_to_string(&path).map_err(|_| Missing(path))?;
        // A source map is not served, so nobody is to ask for it.
        let text = text.split("/*# sourceMappingURL").next().unwrap_or_default();
        embed(&mut table, &out, name, text.as_bytes())?;
    }
    let own = root.join("assets");
    println!("cargo::rerun-if-changed={}", own.display());
    let mut files: Vec<_> =
        fs::read_dir(&own)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        embed(&mut table, &out, &name, &fs::read(&file)?)?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Writes the file and its compressed forms beside each other, and a line of the table.
fn embed(table: &mut String, out: &Path, name: &str, body: &[u8]) -> Result<(), Box<dyn error::Error>> {
    let mut brotli = Vec::new();
    let options = brotli::enc::BrotliEncoderParams { quality: 11, ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut brotli, &options)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(body)?;
    for (suffix, body) in [("", body), (".br", &brotli), (".gz", &gzip.finish()?)] {
        fs::write(out.join(format!("{name}{suffix}")), body)?;
    }
    // Enough to tell two releases apart.
    let hash = format!("{:x}", Sha256::digest(body)).split_off(52);
    let file = |suffix| format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}{suffix}\"))");
    let (plain, brotli, gzip) = (file(""), file(".br"), file(".gz"));
    writeln!(table, "Asset {{ name: \"{name}\", hash: \"{hash}\", plain: {plain}, brotli: {brotli}, gzip: {gzip} }},")?;
    Ok(())
}

struct Missing(PathBuf);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not there: run `npm ci` in services/web, as `cargo xtask` does", self.0.display())
    }
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Missing {}
